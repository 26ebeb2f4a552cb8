"""Our own authorities in memory, as the gate reads them from the database."""

from hsmgate.pki.issued import Issued
from support.certs import Made


class OwnAuthorities:
    """Change `issued` and `authorities` at will; `failure` is raised at each look-up."""

    def __init__(self, authorities: dict[str, Made] | None = None) -> None:
        self.authorities = authorities or {}
        self.issued: dict[tuple[str, int], Issued] = {}
        self.failure: Exception | None = None
        self.asked = 0

    def certificates(self) -> list[tuple[str, bytes]]:
        return [(name, made.der) for name, made in self.authorities.items()]

    def find(self, name: str, serial: int) -> Issued | None:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return self.issued.get((name, serial))
