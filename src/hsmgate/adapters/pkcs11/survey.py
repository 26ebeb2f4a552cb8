"""Keys that other tools made in the token: which of them can be used, and why others cannot. Nothing is guessed."""

import uuid
from collections import Counter
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import Attribute, KeyType, ObjectClass

from hsmgate.adapters.pkcs11.objects import OWN_ID, attribute, find, public_der
from hsmgate.adapters.pkcs11.sealing import LABEL as SEALING_KEY
from hsmgate.domain.algorithm import key_algorithm
from hsmgate.domain.curve import CURVES
from hsmgate.domain.key import Key, KeyAttributes
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.find import check_text

_CURVES = {row.name: row.oid for row in CURVES if not row.absent}
_WEAKEST_RSA = 2048


class Unusable(Exception):  # noqa: N818 - a verdict
    """Why an object is no key for us, in words for an operator."""


class Survey:
    """The private and secret keys of a token that hsmgate did not make: all of them, or those of one label."""

    def __init__(self, session: pkcs11.Session, label: str | None = None) -> None:
        self._session = session
        self.own: set[bytes] = set()  # what follows OWN_ID in the ids of keys made here
        self.remarks: list[str] = []
        self._ids: set[bytes] = set()
        self._own_labels: set[str] = set()
        self._labelled: list[tuple[str, Any]] = []
        wanted = {} if label is None else {"label": label}
        for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.SECRET_KEY):
            for item in find(session, kind=kind, **wanted):
                with suppress(pkcs11.ObjectHandleInvalid):  # destroyed meanwhile
                    self._take(item)
        self._counts = Counter(label for label, _ in self._labelled)

    def labels(self, known: AbstractSet[str] = frozenset()) -> list[str]:
        """Labels of the usable ones, which those that are known already need not be; others become remarks."""
        usable = list[str]()
        for label, item in dict(self._labelled).items():
            try:
                if label not in known or self._counts[label] > 1:
                    self._describe(label, item, 0)
            except pkcs11.ObjectHandleInvalid:  # destroyed meanwhile
                continue
            except Unusable as why:
                self.remarks.append(str(why))
            else:
                usable.append(label)
        return usable

    def one(self, label: str, now: int) -> Key | None:
        """The one key of this label, or None. May raise Unusable."""
        item = dict(self._labelled).get(label)
        return None if item is None else self._describe(label, item, now)

    def _describe(self, label: str, item: Any, now: int) -> Key:  # noqa: ANN401 - made by python-pkcs11
        if self._counts[label] > 1:
            raise Unusable(f"{self._counts[label]} keys are called {label!r}: none of them is used")
        if label in self._own_labels:
            raise Unusable(f"another tool's key is called {label!r}, as one that hsmgate made: it is not used")
        try:
            check_text(label, "its label", Reason.INVALID_KEY_NAME)
        except Failure as failure:
            raise Unusable(f"a key called {label[:64]!r} is not used: {failure}") from None
        return key_of(self._session, label, item, now)

    def public_only(self) -> list[str]:
        """A remark for each public key that belongs to no private one."""
        remarks = []
        for item in find(self._session, kind=ObjectClass.PUBLIC_KEY):
            try:
                identifier, label = attribute(item, Attribute.ID) or b"", attribute(item, Attribute.LABEL)
            except pkcs11.ObjectHandleInvalid:  # destroyed meanwhile
                continue
            own = identifier.startswith(OWN_ID) and identifier.removeprefix(OWN_ID) in self.own
            if not own and identifier not in self._ids:
                remarks.append(f"the public key {label or identifier.hex()!r} has no private key: it is not used")
        return remarks

    def _take(self, item: Any) -> None:  # noqa: ANN401
        identifier, label = attribute(item, Attribute.ID) or b"", attribute(item, Attribute.LABEL)
        if label == SEALING_KEY:
            return
        self._ids.add(identifier)
        if identifier.startswith(OWN_ID):
            self.own.add(identifier.removeprefix(OWN_ID))
            self._own_labels.add(label or "")
        elif not label:
            self.remarks.append(f"a key without a label (CKA_ID {identifier.hex() or 'empty'}) is not used")
        else:
            self._labelled.append((label, item))


def key_of(session: pkcs11.Session, label: str, item: Any, now: int) -> Key:  # noqa: ANN401
    """A private or secret object as a new record. May raise Unusable."""
    identifier = attribute(item, Attribute.ID) or b""
    algorithm, curve_oid, size, public = _type_of(session, label, item)
    return Key(
        uuid=str(uuid.uuid4()),
        label=label,
        algorithm=algorithm,
        attributes=_attributes(item, symmetric=public is None),
        created=now,
        curve_oid=curve_oid,
        key_size=size,
        id=identifier.hex() or None,
        public_key=public,
        origin="imported",
    )


def _type_of(session: pkcs11.Session, label: str, item: Any) -> tuple[str, str | None, int | None, bytes | None]:  # noqa: ANN401
    """Algorithm, curve, size in bits, SubjectPublicKeyInfo. May raise Unusable."""
    kind = attribute(item, Attribute.KEY_TYPE)
    if isinstance(item, pkcs11.SecretKey):
        size = 8 * (attribute(item, Attribute.VALUE_LEN) or 0)
        if kind != KeyType.AES or size not in key_algorithm("AES").sizes:
            raise Unusable(f"the secret key {label!r} is not used: only AES keys are")
        return "AES", None, size, None
    der = public_der(session, item)
    if der is None:
        raise Unusable(f"the key {label!r} is not used: the token does not tell its public key, or none of its type")
    public = load_der_public_key(der)
    if isinstance(public, rsa.RSAPublicKey) and public.key_size >= _WEAKEST_RSA:
        return "RSA", None, public.key_size, der
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _CURVES:
        return "EC", _CURVES[public.curve.name], None, der
    if isinstance(public, ed25519.Ed25519PublicKey):
        return "ED", None, None, der
    raise Unusable(f"the key {label!r} is not used: it is of no type, size or curve that the service has")


def _attributes(item: Any, *, symmetric: bool) -> KeyAttributes:  # noqa: ANN401
    """As the token tells them; what it does not tell is not allowed."""

    def told(name: Attribute) -> bool:
        return bool(attribute(item, name))

    return KeyAttributes(
        decrypt=told(Attribute.DECRYPT),
        sign=told(Attribute.SIGN) and not symmetric,
        unwrap=told(Attribute.UNWRAP),
        encrypt=told(Attribute.ENCRYPT) if symmetric else None,
        wrap=told(Attribute.WRAP) if symmetric else None,
        derive=told(Attribute.DERIVE),
        extractable=told(Attribute.EXTRACTABLE),
        sensitive=told(Attribute.SENSITIVE),
        modifiable=told(Attribute.MODIFIABLE),
        destroyable=told(Attribute.DESTROYABLE),
        copyable=told(Attribute.COPYABLE),
        always_sensitive=told(Attribute.ALWAYS_SENSITIVE),
        never_extractable=told(Attribute.NEVER_EXTRACTABLE),
    )
