"""Config -> opened parts: what serving and checking both need, each part made once from its settings."""

import os
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from structlog.typing import FilteringBoundLogger

from hsmgate import __version__
from hsmgate.adapters import store_files
from hsmgate.adapters.audit_file import FileAudit, open_audit
from hsmgate.adapters.breaker import AskUrl, Breaker
from hsmgate.adapters.certificates import SealedCertificates
from hsmgate.adapters.keystores import TokenSettings, open_software, open_token
from hsmgate.adapters.ocsp_http import Responders
from hsmgate.adapters.own_certificate import ensure
from hsmgate.adapters.own_secret import OwnKeystore
from hsmgate.adapters.private_files import make_folder
from hsmgate.adapters.requests import SealedRequests
from hsmgate.adapters.sealed_keys import TENANT
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.adapters.sql.authorities import AuthorityRows
from hsmgate.adapters.sql.certificates import CertificateRows
from hsmgate.adapters.sql.connect import connect
from hsmgate.adapters.sql.database import Database
from hsmgate.adapters.sql.requests import RequestRows
from hsmgate.adapters.sql.revocations import RevocationRows
from hsmgate.adapters.stores import Store, Stores, TokenKeyFiles
from hsmgate.config import ApiAuthentication, Config, Jwt, Transport, keys_by_role, remarks, transport
from hsmgate.gate.access import Access
from hsmgate.gate.api_keys import ApiKeys
from hsmgate.gate.keeper import TrustKeeper
from hsmgate.gate.limits import Limits
from hsmgate.gate.own_pki import OwnPki
from hsmgate.gate.revocation import OcspSettings, RevocationGate
from hsmgate.gate.roles import Role
from hsmgate.gate.tls import TlsSettings
from hsmgate.gate.token_keeper import TokenKeeper
from hsmgate.gate.tokens import TokenJudge, TokenRules
from hsmgate.pki import ocsp, truststore
from hsmgate.pki.ocsp import responder_urls
from hsmgate.pki.path import parse
from hsmgate.pki.trust import TrustSet
from hsmgate.usecases.ports import CipherRules, Ports
from hsmgate.usecases.revocation import Revocation, Settings
from hsmgate.usecases.service import CONTRACT_VERSION, LICENCE

if TYPE_CHECKING:
    from hsmgate.adapters.pkcs11.keystore import TokenKeystore

OWN_CERTIFICATE = Path("tls/self-signed.pem")  # below data-dir


@dataclass(frozen=True)
class Parts:
    """Everything that serving needs, opened. `closing` undoes it in reverse order."""

    plan: Transport
    log: FilteringBoundLogger
    limits: Limits
    database: Database
    keystore: OwnKeystore
    audit: FileAudit
    requests: SealedRequests
    certificates: SealedCertificates
    request_signers: frozenset[bytes]
    keeper: TrustKeeper | None
    responders: Responders
    breaker: Breaker
    remembered: RevocationRows
    own_pki: OwnPki
    revocation: RevocationGate | None
    access: Access
    token_keys: TokenKeeper | None
    closing: ExitStack

    def close(self) -> None:
        """Write back what is pending and let go."""
        self.closing.close()


def open_parts(config: Config, log: FilteringBoundLogger, *, rehearsal: bool = False) -> Parts:
    """Open stores, database, keystore and audit trail; all or none. In a rehearsal nothing is made in a token.

    Failure: what is wrong with them, in one line.
    """
    with ExitStack() as opened:
        return _open(config, log, opened, rehearsal=rehearsal)


def _open(config: Config, log: FilteringBoundLogger, opened: ExitStack, *, rehearsal: bool) -> Parts:
    plan = transport(config)
    for line in (*config.warnings, *_loud(config), *remarks(config.api_authentication)):
        log.warning("config.warning", detail=line)
    data_dir, given = config.hsmgate.data_dir, config.hsmgate
    make_folder(data_dir)
    if data_dir.stat().st_mode & 0o022:  # a Kubernetes emptyDir is like this, so it is not refused
        log.warning(
            "config.warning", detail=f"others may write into {data_dir}, and so replace what it holds: chmod 700"
        )
    keeper = _keeper(config, plan, log) if plan.tls else None
    if keeper is not None and (unchecked := not_checked(config, keeper.current.trust)):
        log.info("revocation.not-checked", detail=f"these pins name no responder: {', '.join(unchecked)}")
    token_keys = _token_keys(given.jwt, log)
    source = config.datasource
    database = connect(source.url, source.username, source.password, data_dir)
    opened.callback(database.close)
    keystore = open_keystore(config, database, log, opened, rehearsal=rehearsal)
    audit_file = given.audit.file or data_dir / "audit.log"
    make_folder(audit_file.parent)
    audit = open_audit(audit_file, now=time.time, trail=str(uuid.uuid4()), version=__version__, fsync=given.audit.fsync)
    opened.callback(audit.close)
    responders = Responders(given.ocsp.allowed_responders)
    breaker = Breaker(responders.ask, given.ocsp.timeout, log)
    remembered = RevocationRows(database)
    own_pki = OwnPki(AuthorityRows(database), given.ocsp.timeout, waits_for_nobody=database.is_local)
    return Parts(
        plan=plan,
        log=log,
        limits=msgspec.convert(msgspec.to_builtins(given.limits), Limits),
        database=database,
        keystore=keystore,
        audit=audit,
        request_signers=request_signers(config),
        requests=SealedRequests(RequestRows(database, TENANT, str(uuid.uuid4())), keystore.own_secret),
        certificates=SealedCertificates(CertificateRows(database, TENANT), keystore.own_secret),
        keeper=keeper,
        responders=responders,
        breaker=breaker,
        remembered=remembered,
        own_pki=own_pki,
        revocation=_revocation(config, responders, breaker, remembered, own_pki) if keeper else None,
        access=Access(_api_keys(config.api_authentication), _tokens(token_keys, given.jwt)),
        token_keys=token_keys,
        closing=opened.pop_all(),
    )


def cipher_rules(config: Config) -> CipherRules:
    """What operators have forbidden."""
    given = config.hsmgate.ciphers
    return CipherRules(
        shortest_tag=given.shortest_tag,
        rsa_legacy=given.rsa_legacy == "allow",
        raw_rsa_of_signers=given.raw_rsa_of_signing_keys == "allow",
    )


def ports_of(config: Config, parts: Parts) -> Ports:
    """What use cases may touch."""
    return Ports(
        parts.keystore,
        parts.audit,
        time.time,
        LICENCE,
        CONTRACT_VERSION,
        cipher_rules(config),
        parts.requests,
        parts.request_signers,
        parts.certificates,
        results_once=config.delete_request_after_fetch,
        waits_for_nobody=_waits_for_nobody(config, parts.database),
    )


def _waits_for_nobody(config: Config, database: Database) -> bool:
    return config.hsm.backend == "software" and database.is_local and not config.hsmgate.audit.fsync


def open_keystore(
    config: Config, database: Database, log: FilteringBoundLogger, opened: ExitStack, *, rehearsal: bool = False
) -> "SoftwareKeystore | TokenKeystore":
    """The backend that hsm.backend names. Failure: CONFIG_INVALID, STORE_UNREADABLE, CONNECTIVITY, INTEGRITY."""
    software, pkcs11, name = config.hsm.software, config.hsm.pkcs11, config.hsm.attestation_key_name
    if config.hsm.backend == "pkcs11":
        assert pkcs11.module is not None, "config/checks.py asks for it"
        assert pkcs11.token is not None, "config/checks.py asks for it"
        settings = TokenSettings(pkcs11.module, pkcs11.token, pkcs11.pin, pkcs11.sessions)
        in_token = open_token(database, settings, name, time.time, log, rehearsal=rehearsal)
        opened.callback(in_token.close)
        return in_token
    data_dir = config.hsmgate.data_dir
    in_database = open_software(database, software.key_file, software.key, data_dir, name, time.time, log)
    opened.callback(in_database.close)
    return in_database


def not_checked(config: Config, trust: TrustSet) -> list[str]:
    """Aliases of the pins whose revocation nobody can be asked about: they name no responder, and none is set."""
    given = config.hsmgate.ocsp
    if given.check == "off" or given.responder:
        return []
    return [entry.alias for entry in trust.pins.values() if responder_urls(parse(entry.der)) is None]


def _loud(config: Config) -> list[str]:
    """What was opened up on purpose, said at every start."""
    ocsp_settings = config.hsmgate.ocsp
    said = [
        (config.hsmgate.insecure, "hsmgate.insecure is on: everybody on this machine may use the keys"),
        (ocsp_settings.check == "off", "hsmgate.ocsp.check is off: a revoked client is let in"),
        (
            ocsp_settings.on_failure == "allow",
            "hsmgate.ocsp.on-failure is allow: without an answer, clients are let in",
        ),
        (
            config.hsmgate.ciphers.shortest_tag < CipherRules().shortest_tag,
            "hsmgate.ciphers.shortest-tag is low: tags of so few bits can be forged by trying",
        ),
    ]
    return [line for given, line in said if given]


def _keeper(config: Config, plan: Transport, log: FilteringBoundLogger) -> TrustKeeper:
    stores = _stores(config, plan, log)
    ssl = config.server.ssl
    settings = TlsSettings(client_auth=plan.client_auth, protocols=ssl.enabled_protocols, ciphers=ssl.ciphers)
    return TrustKeeper(stores.load, stores.look, settings, time.time, log)


def _stores(config: Config, plan: Transport, log: FilteringBoundLogger) -> Stores:
    """The files of trust; makes the server a certificate where none is configured."""
    ssl, trust = config.server.ssl, config.hsmgate.trust
    server = ssl.key_store or ssl.certificate or config.hsmgate.data_dir / OWN_CERTIFICATE
    if plan.own_certificate and ensure(server):
        log.warning("tls.self-signed", detail=f"no key store is configured: made {server}, which no client knows yet")
    return Stores(
        server=Store(server, ssl.key_store_password, ssl.key_store_type),
        key_file=None if ssl.key_store else ssl.certificate_private_key,
        key_alias=ssl.key_alias,
        key_password=ssl.key_password,
        trust=Store(ssl.trust_store, ssl.trust_store_password, ssl.trust_store_type) if ssl.trust_store else None,
        issuers=trust.issuers,
        pins=trust.pins,
    )


def _api_keys(given: ApiAuthentication) -> ApiKeys | None:
    keys = {Role(role): keys for role, keys in keys_by_role(given).items()}
    return ApiKeys(keys, time.monotonic) if given.enabled else None


def _token_keys(given: Jwt, log: FilteringBoundLogger) -> TokenKeeper | None:
    files = TokenKeyFiles(given.keys, given.algorithms)
    return TokenKeeper(files.load, files.look, log) if given.keys else None


def _tokens(keeper: TokenKeeper | None, given: Jwt) -> TokenJudge | None:
    if keeper is None:
        return None
    return TokenJudge(lambda: keeper.current, TokenRules(given.audience, given.issuer, given.leeway))


def _revocation(
    config: Config, responders: Responders, breaker: Breaker, remembered: RevocationRows, own_pki: OwnPki
) -> RevocationGate:
    given = config.hsmgate.ocsp
    settings = OcspSettings(
        check=given.check,
        scope=given.scope,
        cert_id=given.cert_id,
        responder=given.responder or None,
        timeout=given.timeout,
        rules=ocsp.Rules(
            max_age=given.max_age,
            skew=given.skew,
            nonce=given.nonce,
            trusted_responders=_certificates(given.trusted_responders),
        ),
        issuers=_certificates(given.issuers),
    )
    contract = Settings(
        freshness=given.freshness,
        max_age=given.max_age,
        skew=given.skew,
        timeout=given.timeout,
        allow_no_answer=given.on_failure == "allow",
    )

    asking = _Asking(breaker.ask, responders.fetch)
    revocation = Revocation(remembered, contract, time.time)
    return RevocationGate(settings, revocation, asking, os.urandom, time.time, own_pki)


class _Asking:
    """Questions go through the breaker, certificates do not."""

    def __init__(self, ask: AskUrl, fetch: Callable[[str, float], Awaitable[bytes]]) -> None:
        self._ask, self._fetch = ask, fetch

    async def ask(self, url: str, request: bytes, timeout: float) -> bytes:  # noqa: ASYNC109
        return await self._ask(url, request, timeout)

    async def fetch(self, url: str, timeout: float) -> bytes:  # noqa: ASYNC109
        return await self._fetch(url, timeout)


def request_signers(config: Config) -> frozenset[bytes]:
    """Whose signatures requests need, as SubjectPublicKeyInfo. Failure: STORE_UNREADABLE."""
    found = (parse(der) for der in _certificates(config.allowed_request_certificates))
    keys = (certificate.public_key() for certificate in found)
    return frozenset(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for key in keys)


def _certificates(files: tuple[Path, ...]) -> tuple[bytes, ...]:
    """Every certificate of the files, DER. Failure: STORE_UNREADABLE."""
    return tuple(
        entry.der for path in files for entry in truststore.read(store_files.read_file(path), None, str(path)).entries
    )
