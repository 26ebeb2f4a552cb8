"""The configured API keys: which are refused before anything is opened, and what is said about the others."""

from collections.abc import Iterator

from hsmgate.config.settings import ApiAuthentication
from hsmgate.errors import Failure, Reason

SHORTEST = 8  # characters; below, and with few different ones, a key can be guessed
LONGEST = 1024
STRONG = 22  # characters of Base64 that hold 128 random bits
_FEWEST_DIFFERENT = 5
_ROLES = {
    "key_management_token": "keyManagementToken",
    "key_operation_token": "keyOperationToken",
    "approver_token": "approverToken",
    "service_token": "serviceToken",
    "approver_key_management_token": "approverKeyManagementToken",
}


def keys_by_role(given: ApiAuthentication) -> dict[str, tuple[str, ...]]:
    """The keys of each role, by the name of the role in the contract."""
    return {role: getattr(given, field) for field, role in _ROLES.items()}


def refuse_weak_keys(given: ApiAuthentication) -> None:
    """Return, or raise Failure(CONFIG_INVALID); no message shows a key. Keys that are not in use may be anything."""
    if not given.enabled:
        return
    if not any(keys_by_role(given).values()):
        raise Failure(
            Reason.CONFIG_INVALID,
            "apiAuthentication.enabled: no role has a key, so nobody could call anything:"
            " set apiAuthentication.keyManagementToken, keyOperationToken, serviceToken ...",
        )
    for role, index, key in _all(given):
        if why := _weakness(key):
            raise Failure(Reason.CONFIG_INVALID, f"apiAuthentication.{role}[{index}] {why}")


def remarks(given: ApiAuthentication) -> Iterator[str]:
    """One line each about keys that are taken and yet should be others."""
    if not given.enabled:
        if any(keys_by_role(given).values()):
            yield "API keys are configured and not asked for: apiAuthentication.enabled is false"
        return
    short = [f"{role}[{index}]" for role, index, key in _all(given) if len(key) < STRONG]
    if short:
        yield f"short API keys: {', '.join(short)}; {STRONG} random characters or more cannot be guessed"


def _all(given: ApiAuthentication) -> Iterator[tuple[str, int, str]]:
    for role, keys in keys_by_role(given).items():
        for index, key in enumerate(keys):
            yield role, index, key


def _weakness(key: str) -> str:
    if not all("!" <= character <= "~" for character in key):
        return "has a character that no header can carry: use printable ASCII without spaces"
    if len(key) < SHORTEST or len(set(key)) < _FEWEST_DIFFERENT:
        return (
            f"is weak: an API key has {SHORTEST} characters or more, at least {_FEWEST_DIFFERENT} of them different;"
            " make one with: openssl rand -hex 32"
        )
    if len(key) > LONGEST:
        return f"is longer than {LONGEST} characters"
    return ""
