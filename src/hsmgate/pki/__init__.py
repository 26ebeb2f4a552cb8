"""PKI as pure functions: bytes in, values out; no I/O, no clock."""
