"""Pure nouns: algorithms, keys, policies, attestations."""
