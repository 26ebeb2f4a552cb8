"""Bounds on what a truststore or key store may cost; an attacker may have written the file."""

FILE_BYTES = 4 * 1024 * 1024  # the largest public CA bundles are below 1 MB
ENTRIES = 10_000  # a hundred times a public CA bundle; keeps the table of aliases and the TLS context small
CHAIN = 100  # certificates behind one key entry; real chains have at most 10
CERTIFICATE_BYTES = 64 * 1024  # what a TLS peer may send in all; a larger one could never be presented
KEY_BYTES = 64 * 1024  # a protected private key; RSA-16384 needs below 10 KB
ALIAS_CHARACTERS = 255  # a file name's length; aliases are printed in every refusal and log line
KDF_ROUNDS = 5_000_000  # hash rounds of one file, all MACs and bags together: 1 to 4 s of CPU; keytool writes 20,000
SALT_BYTES = 1024  # RFC 8018 asks for 8 or more; hashed once per block
DER_ITEMS = 4 * ENTRIES  # values side by side on one level: entries with their keys and attributes
FOLDER_FILES = 10_000  # as ENTRIES, since each file holds at least one
FOLDER_BYTES = 4 * FILE_BYTES  # read once a second by the watcher
