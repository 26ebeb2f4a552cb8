"""The tables of all keys: those with a meaning, those that only the vendor's service knows, those that are refused."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from hsmgate.config import kinds
from hsmgate.config.kinds import Kind, count, duration, one_of, size
from hsmgate.config.names import uniform
from hsmgate.record import Record


class Setting(Record):
    """A key with a meaning. `aliases`: older spellings, the stronger first; `field`: its place in Config."""

    name: str
    kind: Kind
    aliases: tuple[str, ...] = ()
    at: str = ""

    @property
    def field(self) -> str:
        return self.at or self.name.replace("-", "_")


class Tree(Record):
    """Keys that are known and have no meaning here; without `leaves` all below `name`."""

    name: str
    leaves: tuple[str, ...] = ()


SETTINGS = (
    Setting("server.port", count(0, 65535), ("api.port",)),
    Setting("server.address", kinds.HOST),
    Setting("server.workers", count(1, 256)),
    Setting("server.ssl.enabled", kinds.FLAG, ("tls.enabled", "spring.tls.enabled")),
    Setting("server.ssl.key-store", kinds.PATH, ("tls.key-store", "spring.tls.key-store")),
    Setting("server.ssl.key-store-password", kinds.SECRET, ("tls.key-store-password", "spring.tls.key-store-password")),
    Setting("server.ssl.key-store-type", kinds.TEXT),
    Setting("server.ssl.key-alias", kinds.TEXT),
    Setting("server.ssl.key-password", kinds.SECRET),
    Setting("server.ssl.certificate", kinds.PATH),
    Setting("server.ssl.certificate-private-key", kinds.PATH),
    Setting("server.ssl.trust-store", kinds.PATH, ("tls.trust-store", "spring.tls.trust-store")),
    Setting(
        "server.ssl.trust-store-password",
        kinds.SECRET,
        ("tls.trust-store-password", "spring.tls.trust-store-password"),
    ),
    Setting("server.ssl.trust-store-type", kinds.TEXT),
    Setting(
        "server.ssl.client-auth",
        one_of("need", "want", "none"),
        ("tls.client-authentication", "spring.tls.client-authentication"),
    ),
    Setting("server.ssl.enabled-protocols", kinds.PROTOCOLS),
    Setting("server.ssl.ciphers", kinds.CIPHERS),
    Setting("hsm.backend", one_of("software", "pkcs11")),
    Setting("hsm.software.key", kinds.SEALING_KEY),
    Setting("hsm.pkcs11.module", kinds.PATH),
    Setting("hsm.pkcs11.token", kinds.TEXT),
    Setting("hsm.pkcs11.pin", kinds.SECRET),
    Setting("hsm.pkcs11.sessions", count(1, 1024)),
    Setting("hsm.attestation-key-name", kinds.TEXT),
    Setting("spring.datasource.url", kinds.SECRET_URL, at="datasource.url"),
    Setting("spring.datasource.username", kinds.TEXT, at="datasource.username"),
    Setting("spring.datasource.password", kinds.SECRET, at="datasource.password"),
    Setting("swagger-ui.enabled", kinds.FLAG, at="swagger_enabled"),
    Setting("api-authentication.enabled", kinds.FLAG),
    Setting("api-authentication.strict-roles", kinds.FLAG),
    Setting("api-authentication.key-management-token", kinds.SECRETS),
    Setting("api-authentication.key-operation-token", kinds.SECRETS),
    Setting("api-authentication.approver-token", kinds.SECRETS),
    Setting("api-authentication.service-token", kinds.SECRETS),
    Setting("api-authentication.approver-key-management-token", kinds.SECRETS),
    Setting("hsmgate.data-dir", kinds.OUTPUT),
    Setting("hsmgate.insecure", kinds.FLAG),
    Setting("hsmgate.hosts", kinds.HOSTS),
    Setting("hsmgate.jwt.keys", kinds.PATHS),
    Setting("hsmgate.jwt.audience", kinds.TEXTS),
    Setting("hsmgate.jwt.issuer", kinds.TEXT),
    Setting("hsmgate.jwt.algorithms", kinds.JWT_ALGORITHMS),
    Setting("hsmgate.jwt.leeway", duration("0", "5m")),
    Setting("hsmgate.trust.issuers", kinds.FINGERPRINTS),
    Setting("hsmgate.trust.pins", kinds.FINGERPRINTS),
    Setting("hsmgate.trust.reload", duration("100ms", "1h")),
    Setting("hsmgate.log.format", one_of("text", "json")),
    Setting("hsmgate.metrics.listen", kinds.LISTEN),
    Setting("hsmgate.health.socket", kinds.OUTPUT),
    Setting("hsmgate.ocsp.cert-id", one_of("sha1", "sha256")),
    Setting("hsmgate.ocsp.check", one_of("off", "if-present", "require")),
    Setting("hsmgate.ocsp.scope", one_of("leaf", "chain")),
    Setting("hsmgate.ocsp.freshness", kinds.FRESHNESS),
    Setting("hsmgate.ocsp.max-age", duration("1s", "3650d")),
    Setting("hsmgate.ocsp.skew", duration("0", "1d")),
    Setting("hsmgate.ocsp.nonce", one_of("off", "send", "require")),
    Setting("hsmgate.ocsp.on-failure", one_of("deny", "allow")),
    Setting("hsmgate.ocsp.timeout", duration("10ms", "1m")),
    Setting("hsmgate.ocsp.responder", kinds.HTTP_URL),
    Setting("hsmgate.ocsp.allowed-responders", kinds.HOSTS),
    Setting("hsmgate.ocsp.trusted-responders", kinds.PATHS),
    Setting("hsmgate.ocsp.issuers", kinds.PATHS),
    Setting("hsmgate.responder.listen", kinds.LISTEN),
    Setting("hsmgate.responder.unissued", one_of("unauthorized", "unknown", "revoked")),
    Setting("hsmgate.responder.validity", duration("1m", "30d")),
    Setting("hsmgate.responder.max-age", duration("0", "30d")),
    Setting("hsmgate.responder.sign-with", one_of("delegate", "authority")),
    Setting("hsmgate.responder.delegate-lifetime", duration("1h", "90d")),
    Setting("hsmgate.responder.delegate-key", one_of("file", "keystore")),
    Setting("hsmgate.responder.archive-cutoff", duration("0", "3650d")),
    Setting("hsmgate.responder.pre-sign", kinds.FLAG),
    Setting("hsmgate.limits.header-bytes", size("1KB", "1MB")),
    Setting("hsmgate.limits.header-timeout", duration("100ms", "1d")),
    Setting("hsmgate.limits.idle-timeout", duration("100ms", "1d")),
    Setting("hsmgate.limits.body-timeout", duration("100ms", "1d")),
    Setting("hsmgate.limits.handshake-timeout", duration("100ms", "1d")),
    Setting("hsmgate.limits.connections", count(1, 1_000_000)),
    Setting("hsmgate.limits.connections-per-peer", count(1, 1_000_000)),
    Setting("hsmgate.limits.handshakes", count(1, 1_000_000)),
    Setting("hsmgate.ciphers.rsa-legacy", one_of("allow", "refuse")),
    Setting("hsmgate.ciphers.raw-rsa-of-signing-keys", one_of("allow", "refuse")),
    Setting("hsmgate.ciphers.shortest-tag", count(64, 128)),
    Setting("general.allowed-request-certificates", kinds.PATHS, at="allowed_request_certificates"),
    Setting("general.delete-request-after-fetch", kinds.FLAG, at="delete_request_after_fetch"),
    Setting("hsmgate.requests.keep", duration("1m", "3650d")),
    Setting("hsmgate.audit.file", kinds.OUTPUT),
    Setting("hsmgate.audit.fsync", kinds.FLAG),
)

# Settings of groups that an operator names: NAME stands for the name of one.
NAMED = (
    Setting("hsmgate.responder.sources.NAME.issuer", kinds.PATH),
    Setting("hsmgate.responder.sources.NAME.index", kinds.PATH),
    Setting("hsmgate.responder.sources.NAME.crl", kinds.PATH),
    Setting("hsmgate.responder.sources.NAME.crl-url", kinds.HTTP_URL),
    Setting("hsmgate.responder.sources.NAME.unlisted", one_of("refuse", "good")),
    Setting("hsmgate.responder.sources.NAME.signer", kinds.PATH),
    Setting("hsmgate.responder.sources.NAME.signer-password", kinds.SECRET),
)

TREES = (
    Tree(
        "hsm",
        (
            "host",
            "port",
            "user",
            "setup-password",
            "encryption-password",
            "proxy-user",
            "proxy-password",
            "timeout",
            "max-time-difference-to-hsm",
            "timestamp-key-name",
            "rfc-timestamp-key-name",
            "backup-key-name",
            "use-external-key-store",
            "use-key-replication-service",
            "cluster-failover-grace-time-milli-seconds",
        ),
    ),
    Tree(
        "general",
        (
            "max-timestamp-diff-approval-client",
            "max-future-timestamp-diff-approval-client",
            "future-timestamp-diff-approval-client",
            "hsm-requests-timer-service-interval",
            "hsm-requests-timer-service-min-lock",
            "hsm-requests-timer-service-max-lock",
            "approval-task-cleanup-interval",
            "approval-task-cleanup-min-lock",
            "approval-task-cleanup-max-lock",
            "allowed-timestamp-signing-certificates",
        ),
    ),
    Tree("spring.datasource", ("driver-class-name", "hikari")),
    Tree("spring.slave-datasource"),
    Tree("spring.flyway"),
    Tree("spring.jpa"),
    Tree("spring.main"),
    Tree("spring.servlet.multipart"),
    Tree("server.tomcat"),
    Tree("tee"),
    Tree("logging"),
    Tree("management"),
)

# They would change which values count; to pass over them could leave a protection out.
REFUSED = {
    "spring.config": "is not supported; give each profile its own file application-PROFILE.yml",
    "spring.profiles": "does not belong into a file; use --profile or the variable SPRING_PROFILES_ACTIVE",
}

_NAMED = [(*uniform(setting.name).partition(".name.")[::2], setting) for setting in NAMED]
_NAME = re.compile(r"[a-z0-9]{1,64}")  # as `uniform` leaves it

BY_NAME = {uniform(setting.name): setting for setting in SETTINGS}
BY_SPELLING = BY_NAME | {uniform(alias): setting for setting in SETTINGS for alias in setting.aliases}
CANONICAL = {  # every known name by its uniform form, as messages write it
    uniform(name): name
    for name in (
        *(name for setting in SETTINGS for name in (setting.name, *setting.aliases)),
        *(setting.name for setting in NAMED),
        *(f"{tree.name}.{leaf}" for tree in TREES for leaf in tree.leaves),
    )
}


def find(name: str) -> Setting | None:
    """The setting that a uniform name spells; in a named group: the one of this group."""
    if name in BY_SPELLING:
        return BY_SPELLING[name]
    for group, leaf, setting in _NAMED:
        inside = name.removeprefix(group + ".").removesuffix("." + leaf)
        if name == f"{group}.{inside}.{leaf}" and _NAME.fullmatch(inside):
            return Setting(name=setting.name.replace("NAME", inside), kind=setting.kind)
    return None


def _above(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


_GROUPS = frozenset(
    group for name in (*CANONICAL, *(f"{uniform(tree.name)}.x" for tree in TREES)) for group in _above(name)
)


def is_group(name: str) -> bool:
    """Whether known keys stand below this uniform name."""
    group, _, inside = name.rpartition(".")
    return name in _GROUPS or (any(group == named for named, *_ in _NAMED) and bool(_NAME.fullmatch(inside)))


def refusal(name: str) -> str:
    """Why a uniform name is refused although Spring knows it, or nothing."""
    return next((why for tree, why in REFUSED.items() if name == tree or name.startswith(tree + ".")), "")


def tree_of(name: str) -> str:
    """The tree without meaning here to which a uniform name belongs, or nothing."""
    for tree in TREES:
        start = uniform(tree.name) + "."
        leaf = name.removeprefix(start).split(".")[0]
        if name.startswith(start) and (not tree.leaves or leaf in map(uniform, tree.leaves)):
            return tree.name
    return ""


def nearest(name: str) -> str:
    """The known key that is written most like a uniform name."""
    return CANONICAL[nearest_of(name, CANONICAL)]


def nearest_of(name: str, known: Iterable[str]) -> str:
    """The one of some names that is written most like another."""
    return get_close_matches(name[:100], list(known), n=1, cutoff=0.0)[0]
