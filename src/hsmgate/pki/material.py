"""What the stores hold, as values: the server's identity and the entries of the truststore."""

from hsmgate.record import Record


class Identity(Record):
    """The server's own key (PKCS#8 DER) and certificate chain (leaf first)."""

    key_der: bytes
    chain: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Identity(chain of {len(self.chain)})"  # never the key


class Material(Record):
    """Everything that a snapshot of trust is built from; `entries` are (alias, DER)."""

    identity: Identity
    entries: tuple[tuple[str, bytes], ...] = ()
    issuers: frozenset[str] = frozenset()  # hsmgate.trust.issuers
    pins: frozenset[str] = frozenset()  # hsmgate.trust.pins
    warnings: tuple[str, ...] = ()
