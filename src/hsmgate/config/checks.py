"""Contradictions between settings that show without looking into any file."""

from collections.abc import Mapping

from hsmgate.config.entries import invalid
from hsmgate.config.values import Value

_SSL = "server.ssl."
_SOURCES = "hsmgate.responder.sources."


def refuse_contradictions(values: Mapping[str, Value]) -> None:
    """Return, or raise Failure(CONFIG_INVALID) for the first contradiction."""
    _client_auth(values)
    _server_key(values)
    _pkcs11(values)
    _pin_and_issuer(values)
    _limits(values)
    _jwt(values)
    _sources(values)


def _client_auth(values: Mapping[str, Value]) -> None:
    wanted = values.get(_SSL + "client-auth")
    if wanted and wanted.value != "none" and _SSL + "trust-store" not in values:
        raise invalid(wanted.origin, f"{wanted.written}: {wanted.value} needs a truststore; set server.ssl.trust-store")


def _server_key(values: Mapping[str, Value]) -> None:
    pem, key = values.get(_SSL + "certificate"), values.get(_SSL + "certificate-private-key")
    if pem and _SSL + "key-store" in values:
        raise invalid(pem.origin, f"{pem.written}: there is a key store too; keep one of them")
    if key and not pem:
        raise invalid(key.origin, f"{key.written} needs server.ssl.certificate beside it")


def _pkcs11(values: Mapping[str, Value]) -> None:
    backend = values.get("hsm.backend")
    if backend and backend.value == "pkcs11":
        missing = [name for name in ("hsm.pkcs11.module", "hsm.pkcs11.token") if name not in values]
        if missing:
            raise invalid(backend.origin, f"{backend.written}: pkcs11 needs {' and '.join(missing)}")


def _pin_and_issuer(values: Mapping[str, Value]) -> None:
    issuers, pins = values.get("hsmgate.trust.issuers"), values.get("hsmgate.trust.pins")
    if not (issuers and pins and isinstance(issuers.value, frozenset) and isinstance(pins.value, frozenset)):
        return
    if both := sorted(issuers.value & pins.value):
        raise invalid(
            pins.origin, f"{pins.written}: {both[0]} is an issuer too ({issuers.origin}); an entry is one or the other"
        )


def _limits(values: Mapping[str, Value]) -> None:
    total, peer = values.get("hsmgate.limits.connections"), values.get("hsmgate.limits.connections-per-peer")
    if total and peer and isinstance(total.value, int) and isinstance(peer.value, int) and peer.value > total.value:
        raise invalid(peer.origin, f"{peer.written} is more than hsmgate.limits.connections")


def _jwt(values: Mapping[str, Value]) -> None:
    """Tokens for others must not do here; and what is set for tokens that nobody asks for was meant otherwise."""
    keys, audience = values.get("hsmgate.jwt.keys"), values.get("hsmgate.jwt.audience")
    if keys and not audience:
        raise invalid(
            keys.origin, f"{keys.written} needs hsmgate.jwt.audience: which tokens are meant for this service"
        )
    others = [value for name, value in values.items() if name.startswith("hsmgate.jwt.") and value is not keys]
    if others and not keys:
        raise invalid(others[0].origin, f"{others[0].written} needs hsmgate.jwt.keys beside it")


def _sources(values: Mapping[str, Value]) -> None:
    """Each source of the responder says whose, by whom signed, and from one place."""
    groups: dict[str, dict[str, Value]] = {}
    for name, value in values.items():
        if name.startswith(_SOURCES):
            group, _, leaf = name.removeprefix(_SOURCES).partition(".")
            groups.setdefault(group, {})[leaf] = value
    for group, given in groups.items():
        first = next(iter(given.values()))
        for leaf in ("issuer", "signer"):
            if leaf not in given:
                raise invalid(first.origin, f"{_SOURCES}{group} needs {leaf} beside {first.written}")
        places = [leaf for leaf in ("index", "crl", "crl-url") if leaf in given]
        if len(places) > 1:
            raise invalid(first.origin, f"{_SOURCES}{group} has {' and '.join(places)}; keep one of them")
        if "unlisted" in given and not {"crl", "crl-url"} & given.keys():
            raise invalid(given["unlisted"].origin, f"{given['unlisted'].written} belongs to a CRL, and there is none")
