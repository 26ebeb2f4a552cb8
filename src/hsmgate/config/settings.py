"""The frozen configuration: what `load` gives to the composition root. Names are those of the settings."""

from pathlib import Path
from typing import ClassVar, Literal

from hsmgate.config.names import uniform
from hsmgate.record import Guarded, Record


class Ssl(Guarded):
    """TLS of the server, in Spring's words. `enabled` None: nobody said."""

    hidden: ClassVar[frozenset[str]] = frozenset({"key_store_password", "key_password", "trust_store_password"})

    enabled: bool | None = None
    key_store: Path | None = None
    key_store_password: str | None = None
    key_store_type: str | None = None
    key_alias: str | None = None
    key_password: str | None = None
    certificate: Path | None = None
    certificate_private_key: Path | None = None
    trust_store: Path | None = None
    trust_store_password: str | None = None
    trust_store_type: str | None = None
    client_auth: Literal["need", "want", "none"] | None = None
    enabled_protocols: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
    ciphers: str = ""  # an OpenSSL list; empty: those of the house


class Server(Record):
    port: int = 8080
    address: str = "0.0.0.0"  # noqa: S104 - the default of the contract
    workers: int = 1
    ssl: Ssl = Ssl()


class Software(Guarded):
    """The sealing key: a text (`key`), a file (`key_file`), or both where `${file:...}` gave the text."""

    hidden: ClassVar[frozenset[str]] = frozenset({"key"})

    key: str | None = None
    key_file: Path | None = None


class Pkcs11(Guarded):
    hidden: ClassVar[frozenset[str]] = frozenset({"pin"})

    module: Path | None = None
    token: str | None = None
    pin: str | None = None
    sessions: int = 4


class Hsm(Record):
    backend: Literal["software", "pkcs11"] = "software"
    software: Software = Software()
    pkcs11: Pkcs11 = Pkcs11()
    attestation_key_name: str = "attestation-key"


class Datasource(Guarded):
    """`url` as written (JDBC or SQLAlchemy), the file of a SQLite one made absolute; None: SQLite below data_dir."""

    hidden: ClassVar[frozenset[str]] = frozenset({"url", "password"})

    url: str | None = None
    username: str | None = None
    password: str | None = None


class ApiAuthentication(Guarded):
    """The API keys of each role; any of a list is valid. `strict_roles`: no role is lent what clients also send."""

    hidden: ClassVar[frozenset[str]] = frozenset(
        {
            "key_management_token",
            "key_operation_token",
            "approver_token",
            "service_token",
            "approver_key_management_token",
        }
    )

    enabled: bool = False
    strict_roles: bool = False
    key_management_token: tuple[str, ...] = ()
    key_operation_token: tuple[str, ...] = ()
    approver_token: tuple[str, ...] = ()
    service_token: tuple[str, ...] = ()
    approver_key_management_token: tuple[str, ...] = ()


class Trust(Record):
    """SHA-256 fingerprints in lower-case hex; `reload` in seconds."""

    issuers: frozenset[str] = frozenset()
    pins: frozenset[str] = frozenset()
    reload: float = 1.0


class Jwt(Record):
    """How tokens are verified; they are asked for where there are keys. `leeway` in seconds."""

    keys: tuple[Path, ...] = ()
    audience: tuple[str, ...] = ()
    issuer: str | None = None
    algorithms: tuple[str, ...] = ()
    leeway: float = 30.0


class Ocsp(Record):
    """How the revocation of a client is judged; times in seconds. `freshness` None: every request."""

    check: Literal["off", "if-present", "require"] = "if-present"
    scope: Literal["leaf", "chain"] = "chain"
    cert_id: Literal["sha1", "sha256"] = "sha1"
    freshness: float | None = None
    max_age: float = 604800.0
    skew: float = 300.0
    nonce: Literal["off", "send", "require"] = "send"
    on_failure: Literal["deny", "allow"] = "deny"
    timeout: float = 2.0
    responder: str | None = None
    allowed_responders: tuple[str, ...] = ()
    trusted_responders: tuple[Path, ...] = ()
    issuers: tuple[Path, ...] = ()


class Source(Guarded):
    """An authority that the responder speaks for, beside those of the database. `unlisted`: in its CRL."""

    hidden: ClassVar[frozenset[str]] = frozenset({"signer_password"})

    issuer: Path | None = None
    index: Path | None = None
    crl: Path | None = None
    crl_url: str | None = None
    unlisted: Literal["refuse", "good"] = "refuse"
    signer: Path | None = None
    signer_password: str | None = None


class Responder(Record):
    """The built-in OCSP responder; times in seconds."""

    listen: str = ""  # host:port; empty: not started
    unissued: Literal["unauthorized", "unknown", "revoked"] = "unknown"
    validity: float = 3600.0
    max_age: float = 0.0
    sign_with: Literal["delegate", "authority"] = "delegate"
    delegate_lifetime: float = 604_800.0
    delegate_key: Literal["file", "keystore"] = "file"
    archive_cutoff: float = 31_536_000.0
    pre_sign: bool = False
    sources: dict[str, Source] = {}


class Limits(Record):
    """Bounds on what clients may take; times in seconds."""

    header_bytes: int = 32 * 1024
    header_timeout: float = 10.0
    idle_timeout: float = 60.0
    body_timeout: float = 30.0
    handshake_timeout: float = 10.0
    connections: int = 10_000
    connections_per_peer: int = 1_000
    handshakes: int = 256


class Ciphers(Record):
    """What clients of the contract need and others should not have; `shortest_tag` in bits."""

    rsa_legacy: Literal["allow", "refuse"] = "allow"
    raw_rsa_of_signing_keys: Literal["allow", "refuse"] = "allow"
    shortest_tag: int = 96


class Requests(Record):
    keep: float = 2_592_000.0  # seconds that a settled request can be asked for: 30 days


class Audit(Record):
    file: Path | None = None  # `load` fills in data_dir/audit.log
    fsync: bool = False


class Log(Record):
    format: Literal["text", "json"] = "text"


class Metrics(Record):
    listen: str = ""  # host:port; empty: not served


class Health(Record):
    socket: Path | None = None  # `load` fills in data_dir/health.sock


class Hsmgate(Record):
    data_dir: Path
    insecure: bool = False
    hosts: tuple[str, ...] = ()
    trust: Trust = Trust()
    jwt: Jwt = Jwt()
    ocsp: Ocsp = Ocsp()
    responder: Responder = Responder()
    limits: Limits = Limits()
    ciphers: Ciphers = Ciphers()
    requests: Requests = Requests()
    audit: Audit = Audit()
    log: Log = Log()
    metrics: Metrics = Metrics()
    health: Health = Health()


class Config(Record):
    """Everything that was configured. `warnings`: one line each; `set_names`: the settings somebody gave."""

    folder: Path
    files: tuple[Path, ...]
    hsmgate: Hsmgate
    warnings: tuple[str, ...] = ()
    set_names: frozenset[str] = frozenset()
    server: Server = Server()
    hsm: Hsm = Hsm()
    datasource: Datasource = Datasource()
    swagger_enabled: bool = True
    allowed_request_certificates: tuple[Path, ...] = ()
    delete_request_after_fetch: bool = False
    api_authentication: ApiAuthentication = ApiAuthentication()

    def is_set(self, name: str) -> bool:
        """Whether the setting was given, under any of its spellings; `name` is relaxed, as in a file."""
        return uniform(name) in map(uniform, self.set_names)
