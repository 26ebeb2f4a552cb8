"""What `check` and `trust list` say of revocation: whether an entry's clients can be checked, and by whom."""

from hsmgate.config import Ocsp
from hsmgate.pki import path as paths
from hsmgate.pki.ocsp import responder_urls

NOT_CHECKED = "not-checked"


def note(der: bytes, *, is_pin: bool, settings: Ocsp) -> str:
    """For one truststore entry: a responder's URL, `not-checked` with the reason, or what will be refused."""
    if settings.check == "off":
        return f"{NOT_CHECKED}: hsmgate.ocsp.check is off"
    if settings.responder or not is_pin:
        return settings.responder or "as each client certificate says"
    urls = responder_urls(paths.parse(der))
    if urls:
        return urls[0]
    if urls is not None:
        return "refused: names a responder, but by no URL"
    required = settings.check == "require"
    return "refused: names no responder, and one is required" if required else f"{NOT_CHECKED}: names no responder"


def urls_to_try(pins: list[bytes], settings: Ocsp) -> list[str]:
    """The responders that are known without any client: the configured one, and those that pins name."""
    if settings.check == "off":
        return []
    if settings.responder:
        return [settings.responder]
    return sorted({url for der in pins for url in responder_urls(paths.parse(der)) or []})
