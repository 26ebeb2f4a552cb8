"""The authorities of the database, as the responder serves them: live statuses, a signer of their own each."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from hsmgate.adapters.delegate_keys import DelegateKeys, InFile, InKeystore
from hsmgate.adapters.delegates import DelegateKeeper
from hsmgate.adapters.own_secret import OwnKeystore
from hsmgate.adapters.signer_files import OpenKey
from hsmgate.adapters.sql.authorities import AuthorityRow, AuthorityRows
from hsmgate.adapters.sql.responder_rows import ResponderRows
from hsmgate.errors import Failure, Reason
from hsmgate.pki.path import parse
from hsmgate.pki.responder import Signer, signer
from hsmgate.responder.registry import Served, SignerSource

_FOLDER = "responder"  # below data-dir: the delegates


class OwnKey:
    """The authority signs answers itself."""

    def __init__(self, issuer: x509.Certificate, open_key: Callable[[], Any]) -> None:
        self._issuer, self._open_key = issuer, open_key
        self._signer: Signer | None = None

    def current(self) -> Signer:
        if self._signer is None:
            self._signer = signer(self._open_key(), self._issuer, include=False)
        return self._signer

    def ends(self) -> float | None:
        return self._signer.not_after if self._signer else None

    def check(self) -> None:
        self.current()


class KnownAuthorities:
    """`supplied`: signers by the SHA-256 of the authority that they sign for. `in_keystore`: keys of delegates are made
    in `keystore`, else in files below `data_dir`.
    """

    def __init__(
        self,
        rows: AuthorityRows,
        more: ResponderRows,
        open_key: OpenKey,
        supplied: dict[str, SignerSource],
        data_dir: Path,
        lifetime: float,
        sign_with: str,
        now: Callable[[], float],
        random: Callable[[int], bytes],
        log: Any,  # noqa: ANN401 - structlog's
        keystore: Callable[[], OwnKeystore] | None = None,
        *,
        in_keystore: bool = False,
    ) -> None:
        self._rows, self._more = rows, more
        self._open_key = open_key
        self._supplied = supplied
        self._folder = data_dir / _FOLDER
        self._lifetime = timedelta(seconds=lifetime)
        self._keystore, self._in_keystore = keystore, in_keystore
        self._own = sign_with == "authority"
        self._now, self._random, self.log = now, random, log

    def names(self) -> dict[str, str]:
        return self._more.names()

    def served(self, name: str) -> Served | None:
        row = next((row for row in self._rows.all() if row.name == name), None)
        if row is None:
            return None
        try:
            issuer = parse(row.certificate)
        except Failure as failure:
            raise Failure(Reason.INTEGRITY, f"the database holds a broken certificate of {name}: {failure}") from None
        return Served(name, issuer, self._rows.statuses(name), self._signers(row, issuer))

    def _signers(self, row: AuthorityRow, issuer: x509.Certificate) -> SignerSource:
        if row.sha256 in self._supplied:
            return self._supplied[row.sha256]

        def open_key() -> Any:  # noqa: ANN401 - mypy takes the union of pyca's classes apart
            return self._open_key(row.signing_key)

        if self._own:
            return OwnKey(issuer, open_key)
        statuses = self._rows.statuses(row.name)

        def is_revoked(serial: int) -> bool:
            found = statuses.find(serial)
            return found is not None and found.revoked is not None

        file = self._folder / f"{row.sha256}.pem"
        return DelegateKeeper(
            issuer,
            open_key,
            lambda certificate: self._more.record(row.name, certificate, self._now()),
            is_revoked,
            self._keys(file),
            self._lifetime,
            self._now,
            self._random,
            self.log,
        )

    def _keys(self, file: Path) -> DelegateKeys:
        if self._keystore is not None and self._in_keystore:
            return InKeystore(self._keystore, file)
        return InFile(file, self._keystore)
