"""Who is at the other end of a connection, as far as TLS has proven it."""

from hsmgate.record import Record


class Peer(Record):
    """The proven client of one connection. `fingerprint`: SHA-256 of the leaf, lower-case hex without colons."""

    fingerprint: str = ""  # empty: anonymous
    subject: str = ""  # RFC 4514
    serial: str = ""  # hex
    leaf_der: bytes = b""
    chain_der: tuple[bytes, ...] = ()  # leaf first, as built at the handshake, anchor included
    trusted_by: str = ""  # "pin:<alias>" | "issuer:<alias>"
    address: str = ""  # host:port of the peer

    @property
    def anonymous(self) -> bool:
        return not self.fingerprint
