"""Which truststore a `hsmgate trust` command is about, and what the configuration says of roles in it."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from hsmgate.adapters import store_files
from hsmgate.cli import revocation_notes
from hsmgate.config import Ocsp, load
from hsmgate.errors import Failure, Reason
from hsmgate.gate.tls import judge_again
from hsmgate.pki import trust, truststore


class Place:
    """A store named on the command line, else that of the configuration. Failure: CONFIG_*."""

    def __init__(self, store: Path | None, password: str | None, config: Path | None, profile: str | None) -> None:
        self.issuers: frozenset[str] = frozenset()
        self.pins: frozenset[str] = frozenset()
        self.hint: str | None = None
        self.ocsp = Ocsp()
        if store is not None and config is None:
            self.path, self.password = store, password
            return
        loaded = load(config, profile, os.environ, Path.cwd())
        ssl = loaded.server.ssl
        if store is None and ssl.trust_store is None:
            raise Failure(
                Reason.CONFIG_INVALID, "the configuration has no server.ssl.trust-store; name one with --store"
            )
        self.path = store or ssl.trust_store or Path()
        self.password = password if password is not None else ssl.trust_store_password
        self.hint = ssl.trust_store_type
        self.ocsp = loaded.hsmgate.ocsp
        self.issuers, self.pins = loaded.hsmgate.trust.issuers, loaded.hsmgate.trust.pins

    def role_of(self, entry: truststore.Entry) -> str:
        """What the entry may do."""
        return trust.build([(entry.alias, entry.der)], self.issuers, self.pins).entries[0].role.value

    def revocation_of(self, entry: truststore.Entry) -> str:
        """Whether its clients can be checked, and by whom."""
        return revocation_notes.note(entry.der, is_pin=self.role_of(entry) == trust.Role.PIN.value, settings=self.ocsp)

    def verdict(self, certificates: Sequence[Path]) -> str:
        """By what the client whose certificates these are would be let in. Failure: why not."""
        found = store_files.read_store(self.path, self.password, self.hint)
        trusted = trust.build([(entry.alias, entry.der) for entry in found.entries], self.issuers, self.pins)
        presented = [
            entry.der
            for path in certificates
            for entry in truststore.read(store_files.read_file(path), None, str(path)).entries
        ]
        verdict = judge_again(trusted, presented[0], presented[1:], time.time())
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(verdict.not_after))
        return f"let in by {verdict.trusted_by}, until {until}"
