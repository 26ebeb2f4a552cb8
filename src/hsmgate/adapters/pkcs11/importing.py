"""Key material into a token and out of it, for keys that may leave."""

from collections.abc import Callable
from typing import Any

import pkcs11
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from cryptography.x509 import ObjectIdentifier
from pkcs11 import Attribute, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from hsmgate.adapters.pkcs11.making import KEY_TYPES, Made, Template, private_template, public_template, secret_template
from hsmgate.adapters.pkcs11.objects import OWN_ID, attribute
from hsmgate.adapters.pkcs11.vendors import Vendor
from hsmgate.domain.curve import curve
from hsmgate.domain.key import Key, KeySpec
from hsmgate.domain.material import Material, PrivateKey, private_material, secret_material
from hsmgate.errors import Failure, Reason

_EDWARDS = 32  # octets of a private key on Ed25519


def put(
    session: pkcs11.Session, maker: Vendor, spec: KeySpec, material: Material, identifier: bytes, *, stored: bool = True
) -> Made:
    """Make objects of a key that was made elsewhere, under CKA_ID OWN_ID + `identifier`.

    Failure: NOT_IMPLEMENTED. May raise PKCS11Error.
    """
    common: Template = {
        Attribute.KEY_TYPE: _type_of(spec.algorithm),
        Attribute.ID: OWN_ID + identifier,
        Attribute.LABEL: spec.label,
        Attribute.TOKEN: stored,
    }
    if material.secret is not None:
        secret = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.VALUE: material.secret}
        return Made(session.create_object({**common, **secret_template(spec), **secret}), None)
    private: Any = load_der_private_key(material.private or b"", None, unsafe_skip_rsa_key_validation=True)
    public = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, **public_template(spec, maker), **_public_numbers(private)}
    session.create_object({**common, **public})  # first: without it nobody could tell whose the private one is
    kept = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, **private_template(spec.algorithm, spec.attributes)}
    secrets = _private_numbers(private, spec, maker)
    return Made(session.create_object({**common, **kept, **secrets}), material.public)


def take(item: Any, key: Key) -> Material:  # noqa: ANN401 - made by python-pkcs11
    """The material of an object that may leave. Failure: KEYSTORE (not told, or another key)."""
    read = _READERS.get(key.algorithm)
    try:
        if read is None:
            found = secret_material(key.algorithm, _value(item))
        else:
            private = read(item, key)
            der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            found = private_material(key.algorithm, der)
    except (ValueError, TypeError, UnsupportedAlgorithm, Failure):
        raise Failure(Reason.KEYSTORE, f"the token does not tell the key '{key.label}' as it should") from None
    if (found.public, found.curve_oid, found.key_size) != (key.public_key, key.curve_oid, key.key_size):
        raise Failure(Reason.KEYSTORE, f"the token tells another key than '{key.label}'")
    return found


def rsa_public_object(session: pkcs11.Session, public: rsa.RSAPublicKey) -> Any:  # noqa: ANN401
    """A public key that wraps, for this session only. May raise PKCS11Error."""
    numbers = public.public_numbers()
    return session.create_object(
        {
            Attribute.CLASS: ObjectClass.PUBLIC_KEY,
            Attribute.KEY_TYPE: _type_of("RSA"),
            Attribute.TOKEN: False,
            Attribute.PRIVATE: False,
            Attribute.WRAP: True,
            Attribute.MODULUS: _octets(numbers.n),
            Attribute.PUBLIC_EXPONENT: _octets(numbers.e),
        }
    )


def _type_of(algorithm: str) -> pkcs11.KeyType:
    if algorithm not in KEY_TYPES:
        raise Failure(Reason.NOT_IMPLEMENTED, f"the PKCS#11 keystore has no keys of type {algorithm}")
    return KEY_TYPES[algorithm]


def _public_numbers(private: PrivateKey) -> Template:
    if isinstance(private, rsa.RSAPrivateKey):
        numbers = private.public_key().public_numbers()
        return {Attribute.MODULUS: _octets(numbers.n), Attribute.PUBLIC_EXPONENT: _octets(numbers.e)}
    form = PublicFormat.Raw if isinstance(private, ed25519.Ed25519PrivateKey) else PublicFormat.UncompressedPoint
    encoding = Encoding.Raw if form is PublicFormat.Raw else Encoding.X962
    point = private.public_key().public_bytes(encoding, form)
    length = bytes([len(point)]) if len(point) < 0x80 else bytes([0x81, len(point)])
    return {Attribute.EC_POINT: b"\x04" + length + point}


def _private_numbers(private: PrivateKey, spec: KeySpec, maker: Vendor) -> Template:
    if isinstance(private, rsa.RSAPrivateKey):
        numbers = private.private_numbers()
        return {
            **_public_numbers(private),
            Attribute.PRIVATE_EXPONENT: _octets(numbers.d),
            Attribute.PRIME_1: _octets(numbers.p),
            Attribute.PRIME_2: _octets(numbers.q),
            Attribute.EXPONENT_1: _octets(numbers.dmp1),
            Attribute.EXPONENT_2: _octets(numbers.dmq1),
            Attribute.COEFFICIENT: _octets(numbers.iqmp),
        }
    if isinstance(private, ec.EllipticCurvePrivateKey):
        scalar = private.private_numbers().private_value.to_bytes(curve(spec.curve_oid or "").size, "big")
        parameters = encode_named_curve_parameters(curve(spec.curve_oid or "").oid)
        return {Attribute.EC_PARAMS: parameters, Attribute.VALUE: scalar}
    if isinstance(private, ed25519.Ed25519PrivateKey):
        raw = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return {Attribute.EC_PARAMS: maker.edwards, Attribute.VALUE: raw}
    raise Failure(Reason.NOT_IMPLEMENTED, f"the PKCS#11 keystore imports no keys of type {spec.algorithm}")


def _rsa(item: Any, _key: Key) -> PrivateKey:  # noqa: ANN401
    names = (
        Attribute.PRIME_1,
        Attribute.PRIME_2,
        Attribute.PRIVATE_EXPONENT,
        Attribute.EXPONENT_1,
        Attribute.EXPONENT_2,
        Attribute.COEFFICIENT,
        Attribute.MODULUS,
        Attribute.PUBLIC_EXPONENT,
    )
    p, q, d, dmp1, dmq1, iqmp, n, e = (int.from_bytes(attribute(item, name) or b"", "big") for name in names)
    return rsa.RSAPrivateNumbers(p, q, d, dmp1, dmq1, iqmp, rsa.RSAPublicNumbers(e, n)).private_key()


def _ec(item: Any, key: Key) -> PrivateKey:  # noqa: ANN401
    used = ec.get_curve_for_oid(ObjectIdentifier(curve(key.curve_oid or "").oid))()
    return ec.derive_private_key(int.from_bytes(_value(item), "big"), used)


def _ed(item: Any, _key: Key) -> PrivateKey:  # noqa: ANN401
    return ed25519.Ed25519PrivateKey.from_private_bytes(_value(item).rjust(_EDWARDS, b"\0"))


_READERS: dict[str, Callable[[Any, Key], PrivateKey]] = {"RSA": _rsa, "EC": _ec, "ED": _ed}


def _value(item: Any) -> bytes:  # noqa: ANN401
    return bytes(attribute(item, Attribute.VALUE) or b"")


def _octets(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
