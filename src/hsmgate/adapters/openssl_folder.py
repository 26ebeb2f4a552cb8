"""The folder of `openssl ca`, read line by line and file by file, within bounds."""

from collections.abc import Callable, Iterator
from pathlib import Path

from hsmgate.adapters.store_files import read_file
from hsmgate.errors import Failure, Reason
from hsmgate.pki import openssl_ca, truststore
from hsmgate.pki.openssl_ca import MOST_CHARACTERS, MOST_LINES, Listed


class OpensslFolder:
    """What is in it. Failure of every method: STORE_UNREADABLE, naming the file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.index = folder / "index.txt"
        if not self.index.is_file():
            raise Failure(Reason.STORE_UNREADABLE, f"{folder} is no folder of openssl ca: it has no index.txt")

    def entries(self, seen: Callable[[int], None] = lambda _number: None) -> Iterator[Listed]:
        """The lines of index.txt; `seen` is told the number of each."""
        try:
            with self.index.open("rb") as file:
                for number, line in enumerate(iter(lambda: file.readline(MOST_CHARACTERS + 2), b""), 1):
                    if number > MOST_LINES:
                        raise Failure(Reason.STORE_UNREADABLE, f"it has more than {MOST_LINES} lines")
                    if line.strip() and not line.startswith(b"#"):
                        yield self._entry(number, line)
                    seen(number)
        except OSError as error:
            raise Failure(
                Reason.STORE_UNREADABLE, f"cannot read {self.index}: {(error.strerror or 'failed').lower()}"
            ) from None

    def check(self) -> int:
        """Read the whole index before anything is stored; how many lines it has."""
        last = 0

        def seen(number: int) -> None:
            nonlocal last
            last = number

        for _ in self.entries(seen):
            pass
        return last

    def certificate_of(self, listed: Listed) -> bytes | None:
        """The copy in newcerts, DER, or None. Its name is made of the serial number, not taken from the index."""
        path = self._folder / "newcerts" / listed.file_name
        if not path.is_file():
            return None
        found = truststore.read(read_file(path), None, str(path)).entries
        return found[0].der if found else None

    def crl_number(self) -> int:
        """Of the newest CRL; 0 where none was made, or it was not numbered."""
        path = self._folder / "crlnumber"
        if not path.is_file():
            return 0
        try:
            return max(openssl_ca.number(read_file(path).decode("ascii", "replace")) - 1, 0)
        except Failure as failure:
            raise Failure(failure.reason, f"{path}: {failure}") from None

    def _entry(self, number: int, line: bytes) -> Listed:
        try:
            if not line.endswith(b"\n"):
                raise Failure(Reason.STORE_UNREADABLE, "it has no end: it is too long, being written, or was cut off")
            return openssl_ca.listed(line.decode("utf-8", "replace").rstrip("\r\n"))
        except Failure as failure:
            raise Failure(failure.reason, f"{self.index}, line {number}: {failure}") from None
