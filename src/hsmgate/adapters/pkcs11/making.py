"""Makes keys in the token: never to leave it, unless somebody asks for that."""

from contextlib import suppress
from typing import Any, NamedTuple

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag
from pkcs11.util.ec import encode_named_curve_parameters

from hsmgate.adapters.pkcs11.objects import OWN_ID, find, public_of
from hsmgate.adapters.pkcs11.vendors import Vendor
from hsmgate.domain.algorithm import HMAC_HASHES, check_key_size, key_algorithm
from hsmgate.domain.curve import curve
from hsmgate.domain.key import KeyAttributes, KeySpec
from hsmgate.errors import Failure, Reason

Template = dict[Attribute, Any]
KEY_TYPES = {
    "RSA": KeyType.RSA,
    "EC": KeyType.EC,
    "ED": KeyType.EC_EDWARDS,
    "AES": KeyType.AES,
    "TDEA": KeyType.DES3,
    **dict.fromkeys(HMAC_HASHES, KeyType.GENERIC_SECRET),
}
GENERATORS = {
    "RSA": Mechanism.RSA_PKCS_KEY_PAIR_GEN,
    "EC": Mechanism.EC_KEY_PAIR_GEN,
    "ED": Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
    "AES": Mechanism.AES_KEY_GEN,
    "TDEA": Mechanism.DES3_KEY_GEN,
    **dict.fromkeys(HMAC_HASHES, Mechanism.GENERIC_SECRET_KEY_GEN),
}


_MOST_OBJECTS = 16  # under one identifier: two, or what tries that were cut off left behind


class Made(NamedTuple):
    """A new object, private or secret, and its SubjectPublicKeyInfo DER."""

    item: Any
    public_key: bytes | None


def generate(session: pkcs11.Session, maker: Vendor, spec: KeySpec, identifier: bytes, *, stored: bool = True) -> Made:
    """Make the key under CKA_ID OWN_ID + `identifier`.

    Failure: INVALID_INPUT, INVALID_KEY_SIZE, NOT_IMPLEMENTED, KEYSTORE. May raise PKCS11Error.
    """
    algorithm = key_algorithm(spec.algorithm)
    size = check_key_size(algorithm, spec.key_size)
    if algorithm.name not in KEY_TYPES:
        raise Failure(Reason.NOT_IMPLEMENTED, f"the PKCS#11 keystore has no keys of type {algorithm.name}")
    common: dict[str, Any] = {
        "key_length": size,
        "id": OWN_ID + identifier,
        "label": spec.label,
        "store": stored,
        "capabilities": MechanismFlag(0),
        "mechanism": GENERATORS[algorithm.name],
    }
    if algorithm.symmetric:
        return Made(session.generate_key(KEY_TYPES[algorithm.name], template=secret_template(spec), **common), None)
    public, private = session.generate_keypair(
        KEY_TYPES[algorithm.name],
        public_template=public_template(spec, maker),
        private_template=private_template(algorithm.name, spec.attributes),
        **common,
    )
    told = public_of(public)
    if told is None:
        private.destroy()
        public.destroy()
        raise Failure(Reason.KEYSTORE, "the token does not tell the public key of a key that it made")
    return Made(private, told)


def destroy(session: pkcs11.Session, identifier: bytes) -> int:
    """Destroy all that was made under this identifier; how many objects that were. May raise PKCS11Error."""
    count = 0
    while mine := find(session, id=OWN_ID + identifier):  # anew each time: a token may show one object twice
        if count == _MOST_OBJECTS:
            raise Failure(Reason.KEYSTORE, "the token does not let go of objects that it destroyed")
        with suppress(pkcs11.ObjectHandleInvalid):
            mine[0].destroy()
        count += 1
    return count


def public_template(spec: KeySpec, maker: Vendor) -> Template:
    """What a public key object is for."""
    template: Template = {Attribute.PRIVATE: False, Attribute.VERIFY: True}
    if spec.algorithm == "EC":
        template[Attribute.EC_PARAMS] = encode_named_curve_parameters(curve(spec.curve_oid or "").oid)
    elif spec.algorithm == "ED":
        template[Attribute.EC_PARAMS] = maker.edwards
    else:
        template |= {Attribute.ENCRYPT: spec.attributes.decrypt, Attribute.WRAP: spec.attributes.unwrap}
    return template


def private_template(algorithm: str, flags: KeyAttributes) -> Template:
    """What the type is for and the wish allows: tokens refuse flags that make no sense for a type."""
    template: Template = {**_guarded(flags), Attribute.SIGN: flags.sign}
    if algorithm == "RSA":
        template |= {Attribute.DECRYPT: flags.decrypt, Attribute.UNWRAP: flags.unwrap}
    elif algorithm == "EC":
        template[Attribute.DERIVE] = flags.derive
    return template


def secret_template(spec: KeySpec) -> Template:
    """What a secret key is for. Checking a MAC is making it again, so who may check it makes it here."""
    flags = spec.attributes
    if spec.algorithm in HMAC_HASHES:
        signs = flags.sign or bool(flags.verify)
        return {**_guarded(flags), Attribute.SIGN: signs, Attribute.VERIFY: signs}
    encrypt = flags.decrypt if flags.encrypt is None else flags.encrypt
    wrap = flags.unwrap if flags.wrap is None else flags.wrap
    return {
        **_guarded(flags),
        Attribute.ENCRYPT: encrypt,
        Attribute.DECRYPT: flags.decrypt,
        Attribute.WRAP: wrap,
        Attribute.UNWRAP: flags.unwrap,
    }


def _guarded(flags: KeyAttributes) -> Template:
    return {
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: flags.sensitive,
        Attribute.EXTRACTABLE: flags.extractable,
        Attribute.MODIFIABLE: flags.modifiable,
    }
