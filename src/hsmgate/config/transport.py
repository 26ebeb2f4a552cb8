"""What the settings amount to on the wire: TLS or not, who must show a certificate; and what is refused."""

import ipaddress

from hsmgate.config.credentials import refuse_weak_keys
from hsmgate.config.settings import Config
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record


class Transport(Record):
    """`client_auth`: need | want | none. `own_certificate`: no key store is configured, so one is made.
    `open_to_anonymous`: where neither API keys nor JWTs are asked for, nobody has to prove anything.
    """

    tls: bool
    client_auth: str
    own_certificate: bool
    open_to_anonymous: bool


def _refuse(detail: str) -> Failure:
    return Failure(Reason.CONFIG_INVALID, detail)


def is_loopback(address: str) -> bool:
    """Whether nobody but this machine can connect to the address."""
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def transport(config: Config) -> Transport:
    """Decide. Failure: CONFIG_INVALID where the gate would stand open, or for what this version lacks."""
    refuse_weak_keys(config.api_authentication)
    ssl, insecure = config.server.ssl, config.hsmgate.insecure
    if insecure and not is_loopback(config.server.address):
        raise _refuse(
            "hsmgate.insecure is for this machine alone: set server.address to 127.0.0.1"
            f" (it is {config.server.address})"
        )
    wanted = bool(ssl.key_store or ssl.certificate or ssl.trust_store or ssl.client_auth or ssl.enabled)
    client_auth = ssl.client_auth or ("need" if ssl.trust_store else "none")
    if ssl.enabled is False and (ssl.trust_store or client_auth != "none"):
        raise _refuse(
            "TLS is switched off (server.ssl.enabled or tls.enabled) while client certificates are asked for:"
            " switch it on, or remove trust-store and client-auth"
        )
    tls = wanted and ssl.enabled is not False
    credentials = config.api_authentication.enabled or bool(config.hsmgate.jwt.keys)
    if not insecure and (not tls or (client_auth == "none" and not credentials)):
        what = "client-auth is none" if tls else "there is no TLS"
        raise _refuse(
            f"{what}, so anybody could use the keys: set server.ssl.trust-store and client-auth: need"
            " (or, with TLS, apiAuthentication.enabled or hsmgate.jwt.keys;"
            " or, on a loopback address only, hsmgate.insecure: true)"
        )
    return Transport(
        tls=tls,
        client_auth=client_auth,
        own_certificate=tls and not (ssl.key_store or ssl.certificate),
        open_to_anonymous=insecure,
    )
