"""hsmgate: one REST API, guarded by mutual TLS, in front of the keys of an HSM."""

__version__ = "0.1.0"
