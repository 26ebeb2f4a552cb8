"""Objects of a token: what they say of themselves, which public key belongs to which private one."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pkcs11
from asn1crypto.keys import ECDomainParameters
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ObjectIdentifier
from pkcs11 import Attribute, KeyType, ObjectClass, PKCS11Error
from pkcs11._pkcs11 import OperationContext, SearchIter  # type: ignore[attr-defined]  # not in its stubs

from hsmgate.adapters.pkcs11.losses import loss_of

OWN_ID = b"hsmgate:"  # begins CKA_ID of every key made here; the octets of its uuid follow
_NAMES = {
    "kind": Attribute.CLASS,
    "label": Attribute.LABEL,
    "id": Attribute.ID,
    "private": Attribute.PRIVATE,
    "key_type": Attribute.KEY_TYPE,
}
_OCTET_STRING, _BIT_STRING = 0x04, 0x03


def attribute(item: pkcs11.Object, name: Attribute) -> Any:  # noqa: ANN401 - as many types as attributes
    """The attribute, or None where the object has none or does not tell. May raise PKCS11Error of a lost token."""
    try:
        return item[name]
    except PKCS11Error as error:
        if loss_of(error) is not None and not isinstance(error, pkcs11.FunctionFailed):
            raise
        return None
    except (ValueError, UnicodeDecodeError):  # of no type that it should have
        return None


def find(session: pkcs11.Session, **wanted: object) -> list[Any]:
    """All token objects with these attributes: kind, label, id, private, key_type. May raise PKCS11Error."""
    attributes: dict[Attribute, Any] = {_NAMES[name]: value for name, value in wanted.items()}
    search = SearchIter(session, {Attribute.TOKEN: True, **attributes}, 1)
    try:
        search.__enter__()
    except PKCS11Error:
        OperationContext._finalize(search)  # noqa: SLF001 - else it ends what did not begin, and says so on stderr
        raise
    found = []
    try:
        for one in search:
            with suppress(pkcs11.ObjectHandleInvalid):  # destroyed since it was found
                found += list(one)
    finally:
        search.__exit__(None, None, None)
    return found


def public_der(session: pkcs11.Session, private: pkcs11.Object) -> bytes | None:
    """SubjectPublicKeyInfo of a private key, or None where the token does not tell it."""
    own = public_of(private)
    if own is not None:
        return own
    identifier = attribute(private, Attribute.ID)
    if not identifier:
        return None
    kind = attribute(private, Attribute.KEY_TYPE)
    told = {public_of(item) for item in find(session, kind=ObjectClass.PUBLIC_KEY, id=identifier, key_type=kind)}
    return told.pop() if len(told) == 1 else None


def public_of(item: pkcs11.Object) -> bytes | None:
    """The public key that an object, private or public, tells by its own attributes."""
    try:
        public = next(_read(item), None)
    except (ValueError, LookupError, UnsupportedAlgorithm):  # LookupError: a curve that pyca lacks
        return None
    return None if public is None else public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _read(item: pkcs11.Object) -> Iterator[rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey]:
    kind = attribute(item, Attribute.KEY_TYPE)
    if kind == KeyType.RSA:
        modulus, exponent = attribute(item, Attribute.MODULUS), attribute(item, Attribute.PUBLIC_EXPONENT)
        if modulus and exponent:
            numbers = rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big"))
            yield numbers.public_key()
    elif kind in {KeyType.EC, KeyType.EC_EDWARDS}:
        point, parameters = attribute(item, Attribute.EC_POINT), attribute(item, Attribute.EC_PARAMS)
        if point and parameters and kind == KeyType.EC:
            named = ECDomainParameters.load(parameters, strict=True)
            if named.name != "named":
                return
            used = ec.get_curve_for_oid(ObjectIdentifier(named.chosen.dotted))()
            yield ec.EllipticCurvePublicKey.from_encoded_point(used, _unwrapped(point))
        elif point and parameters:
            yield ed25519.Ed25519PublicKey.from_public_bytes(_unwrapped(point)[-32:])


def _unwrapped(point: bytes) -> bytes:
    """CKA_EC_POINT is an OCTET STRING by PKCS#11 2.40; some give a BIT STRING or the point alone."""
    header = 3 if point[1] & 0x80 else 2
    size = point[2] if header == 3 else point[1]
    content = point[header:]
    if size != len(content):
        return point
    if point[0] == _OCTET_STRING:
        return content
    return content[1:] if point[0] == _BIT_STRING and content[:1] == b"\0" else point
