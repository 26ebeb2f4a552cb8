"""A configuration folder to write into and to load."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from hsmgate.config import Config, load
from hsmgate.errors import Failure, Reason


class Folder:
    """A folder with configuration files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str | bytes, name: str = "application-local.yml") -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    def load(self, text: str | bytes = b"", environ: Mapping[str, str] | None = None) -> Config:
        self.write(text)
        return load(self.path, None, environ or {}, self.path)

    def refused(self, text: str | bytes, environ: Mapping[str, str] | None = None) -> str:
        """The one line with which a configuration is refused; paths cut down to the file names."""
        with pytest.raises(Failure) as caught:
            self.load(text, environ)
        assert caught.value.reason is Reason.CONFIG_INVALID
        line = str(caught.value)
        assert line.isprintable()
        return line.replace(f"{self.path}/", "")
