"""The seal over the records of a token's keys: its key is made by a secret that lives in the token and never leaves it.

HMAC-SHA-256 in the token over a fixed text is the sealing key; it is held in memory while the service runs, as the
software keystore holds its own. It guards what the database says of keys (policy, attributes, label), not the keys.
"""

import hmac
import os
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass

from hsmgate.adapters.pkcs11.objects import OWN_ID, attribute, find
from hsmgate.adapters.pkcs11.seats import Seat
from hsmgate.adapters.pkcs11.token import Token
from hsmgate.adapters.sealing import KEY_BYTES, Seal
from hsmgate.adapters.sealing_key import SealingKey
from hsmgate.adapters.sql import Database
from hsmgate.adapters.sql.keys import read_keystore
from hsmgate.adapters.unsealing import unseal
from hsmgate.errors import Failure, Reason

LABEL = "hsmgate-sealing-key"
_PURPOSE = b"hsmgate sealing key of a PKCS#11 keystore 1"
_ID_BYTES = 16


def open_seal(token: Token, database: Database, now: float, *, rehearsal: bool) -> Seal:
    """The seal of this database, made with this token; from now on the token is watched by its sealing key.

    In a rehearsal nothing is stored in the token. Failure: CONFIG_INVALID (token and database do not belong together,
    no HMAC), CONNECTIVITY, INTEGRITY.
    """
    found = token.run(_derived)
    if not found and read_keystore(database) is None:
        token.run(lambda seat: _make(seat, stored=not rehearsal))
        found = token.run(_derived) if not rehearsal else {b"": os.urandom(KEY_BYTES)}
    for identifier, octets in sorted(found.items()):
        try:
            seal = unseal(database, SealingKey(octets=octets), now)
        except Failure as failure:
            if failure.reason is not Reason.CONFIG_INVALID:
                raise
            continue
        if not rehearsal:
            token.watch(lambda seat: _check(seat, identifier, octets), LABEL)  # noqa: B023 - it returns
        return seal
    raise Failure(
        Reason.CONFIG_INVALID,
        f"hsm.pkcs11.token: the token does not hold the secret {LABEL} that this database was sealed with: give that"
        " token, or another database",
    )


def _secrets(seat: Seat) -> list[Any]:
    return find(seat.session, kind=ObjectClass.SECRET_KEY, label=LABEL)


def _derived(seat: Seat) -> dict[bytes, bytes]:
    """Sealing keys by CKA_ID; more than one where two nodes started for the first time together."""
    return {attribute(item, Attribute.ID) or b"": _derive(item) for item in _secrets(seat)}


def _derive(item: Any) -> bytes:  # noqa: ANN401 - made by python-pkcs11
    if not isinstance(item, pkcs11.SignMixin):
        raise Failure(Reason.CONFIG_INVALID, f"the token's secret {LABEL} may not sign, so it was not made by hsmgate")
    return item.sign(_PURPOSE, mechanism=Mechanism.SHA256_HMAC)


def _make(seat: Seat, *, stored: bool) -> None:
    mechanisms = seat.session.token.slot.get_mechanisms()
    if not {Mechanism.GENERIC_SECRET_KEY_GEN, Mechanism.SHA256_HMAC} <= mechanisms:
        raise Failure(Reason.CONFIG_INVALID, "hsm.pkcs11.token: the token lacks HMAC-SHA-256, which seals the records")
    seat.session.generate_key(
        KeyType.GENERIC_SECRET,
        KEY_BYTES * 8,
        id=OWN_ID + os.urandom(_ID_BYTES),
        label=LABEL,
        store=stored,
        capabilities=MechanismFlag.SIGN,
        template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True},
    )


def _check(seat: Seat, identifier: bytes, octets: bytes) -> None:
    """Whether this is the token that it was, it computes, and we are logged in."""
    for item in _secrets(seat):
        if (attribute(item, Attribute.ID) or b"") == identifier and hmac.compare_digest(_derive(item), octets):
            return
    raise Failure(Reason.CONNECTIVITY, f"the token is another one, or not logged in to: it does not show {LABEL}")
