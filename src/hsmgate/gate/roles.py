"""What a row demands of its caller: the API-key roles of the contract, and whether strangers may have it."""

from enum import Enum

from hsmgate.record import Record


class Role(Enum):
    """The API-key role that a row belongs to (README of the contract); values are the names of the settings."""

    KM = "keyManagementToken"
    KO = "keyOperationToken"
    AP = "approverToken"
    SV = "serviceToken"
    AM = "approverKeyManagementToken"
    NONE = "none"


EVERY_ROLE = frozenset(Role) - {Role.NONE}


class Demand(Record):
    """Of one row. `roles`: whose API key opens it; none: no key is needed. `token`: a JWT is, where they are on."""

    roles: frozenset[Role] = frozenset()
    token: bool = True
    anonymous: bool = False  # open to everybody, whatever is switched on


# of a path that does not exist: who may call anything at all may learn that
ANYTHING = Demand(roles=EVERY_ROLE)
