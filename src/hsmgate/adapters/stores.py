"""Reads the server's key store and the truststore from their files, and tells when they change."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from hsmgate.adapters import store_files
from hsmgate.pki import token_keys, truststore
from hsmgate.pki.material import Identity, Material


@dataclass(frozen=True, repr=False)
class Store:
    """A file (or folder) with what opens it."""

    path: Path
    password: str | None = None
    hint: str | None = None


@dataclass(frozen=True, repr=False)
class Stores:
    """The files that trust is made of. `key_file`: the private key where `server` holds only certificates (PEM)."""

    server: Store
    key_file: Path | None = None
    key_alias: str | None = None
    key_password: str | None = None
    trust: Store | None = None
    issuers: frozenset[str] = frozenset()
    pins: frozenset[str] = frozenset()

    def load(self) -> Material:
        """Everything, read anew. Failure: STORE_UNREADABLE, STORE_UNSUPPORTED, one line that names the file."""
        entries: tuple[tuple[str, bytes], ...] = ()
        warnings: tuple[str, ...] = ()
        if self.trust is not None:
            store = store_files.read_store(self.trust.path, self.trust.password, self.trust.hint)
            entries = tuple((entry.alias, entry.der) for entry in store.entries)
            warnings = store.warnings
        return Material(
            identity=self._identity(), entries=entries, issuers=self.issuers, pins=self.pins, warnings=warnings
        )

    def _identity(self) -> Identity:
        content = store_files.read_file(self.server.path)
        if self.key_file is not None:
            content += b"\n" + store_files.read_file(self.key_file)
        store = truststore.read_key_store(
            content, self.server.password, str(self.server.path), self.key_alias, self.key_password
        )
        return Identity(key_der=store.key_der, chain=store.chain)

    def look(self) -> bytes:
        """A digest of all content, for a watcher; a missing file is a state like others."""
        digest = hashlib.sha256()
        for path in (self.server.path, self.key_file, self.trust.path if self.trust else None):
            if path is not None:
                digest.update(store_files.fingerprint(path))
        return digest.digest()


@dataclass(frozen=True)
class TokenKeyFiles:
    """The files that JWTs are verified with; `algorithms`: none but these, where some are named."""

    paths: tuple[Path, ...]
    algorithms: tuple[str, ...] = ()

    def load(self) -> tuple[token_keys.TokenKey, ...]:
        """All keys. Failure: STORE_UNREADABLE, STORE_UNSUPPORTED, CONFIG_INVALID."""
        found = [key for path in self.paths for key in token_keys.read(store_files.read_file(path), path.name)]
        return token_keys.allowed(tuple(found), self.algorithms)

    def look(self) -> bytes:
        """A digest of all content, for a watcher."""
        return hashlib.sha256(b"".join(map(store_files.fingerprint, self.paths))).digest()
