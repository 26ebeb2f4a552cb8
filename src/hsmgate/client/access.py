"""Who the client is to the service beside its certificate: API keys by role, and a bearer token."""

from hsmgate.client.endpoints import Role
from hsmgate.client.errors import OPTION, RequestFailed
from hsmgate.record import Guarded

Keys = str | tuple[str, ...]


class ApiKeys(Guarded):
    """One API key for each role, or several: when the service refuses one, the next is tried."""

    hidden = frozenset({"key_management", "key_operation", "service"})

    key_management: Keys = ()
    key_operation: Keys = ()
    service: Keys = ()


class Access:
    """What requests carry, and which API key of each role was accepted last."""

    def __init__(self, api_keys: ApiKeys, bearer: str | None) -> None:
        self._keys = {role: _listed(getattr(api_keys, role.value)) for role in Role if role.value}
        self._first = dict.fromkeys(self._keys, 0)
        given = [key for keys in self._keys.values() for key in keys]
        for text in given if bearer is None else [*given, bearer]:
            if not text or not (text.isascii() and text.isprintable()) or text != text.strip():
                raise RequestFailed(
                    OPTION, "an API key or bearer token must be printable ASCII without spaces around it"
                )
        self._bearer = bearer

    def tries(self, role: Role) -> int:
        """How many API keys there are to try with this role; one try where there is none."""
        return max(len(self._keys.get(role, ())), 1)

    def headers(self, role: Role, attempt: int) -> dict[str, str]:
        """For the n-th try with this role, counted from 0."""
        headers = {"Authorization": f"Bearer {self._bearer}"} if self._bearer else {}
        if keys := self._keys.get(role, ()):
            headers["X-API-KEY"] = keys[(self._first[role] + attempt) % len(keys)]
        return headers

    def accepted(self, role: Role, attempt: int) -> None:
        """The n-th try was not refused for its API key: later requests begin with it."""
        if attempt:
            self._first[role] = (self._first[role] + attempt) % len(self._keys[role])


def _listed(keys: Keys) -> tuple[str, ...]:
    return (keys,) if isinstance(keys, str) else tuple(keys)
