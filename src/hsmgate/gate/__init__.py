"""The heart: TLS, who the peer is, and the judgement of every request."""
