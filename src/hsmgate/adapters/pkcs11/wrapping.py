"""Wraps and unwraps keys in the token: their octets never are outside."""

from typing import Any

import msgspec
import pkcs11
from pkcs11 import MGF, Attribute, Mechanism, MechanismFlag, ObjectClass, UnwrapMixin, WrapMixin
from pkcs11.constants import DEFAULT

from hsmgate.adapters.pkcs11.direct import Direct
from hsmgate.adapters.pkcs11.importing import rsa_public_object
from hsmgate.adapters.pkcs11.making import KEY_TYPES, Made, private_template, secret_template
from hsmgate.adapters.pkcs11.objects import OWN_ID, attribute, public_of
from hsmgate.adapters.pkcs11.vendors import Vendor
from hsmgate.domain.key import Key, KeySpec
from hsmgate.domain.public_key import rsa_key
from hsmgate.domain.wrapping import WrapMethod
from hsmgate.errors import Failure, Reason

_OAEP = (Mechanism.SHA_1, MGF.SHA1, None)  # with SHA-256 not every token unwraps it
_LEAST_WRAPPED = 16  # octets, by RFC 5649
_NOT_FOR_PRIVATE = (Attribute.ENCRYPT, Attribute.WRAP, Attribute.VERIFY)


def mechanism_of(maker: Vendor, row: WrapMethod) -> Mechanism | None:
    """What a token must have for this method; None: no token does it.

    RFC 3394 takes whole blocks, and tokens do not fill up what PKCS#8 leaves open.
    """
    if row.scheme == "KW":
        return None if row.wraps else Mechanism.AES_KEY_WRAP
    return {"KWP": Mechanism(maker.kwp), "PKCS1": Mechanism.RSA_PKCS, "OAEP": Mechanism.RSA_PKCS_OAEP}.get(row.scheme)


def wrap(maker: Vendor, row: WrapMethod, wrapping: Any, item: Any, direct: Direct | None) -> bytes:  # noqa: ANN401
    """One object under another. Failure: KEY_FORBIDS. May raise PKCS11Error."""
    if not isinstance(wrapping, WrapMixin):
        raise Failure(Reason.KEY_FORBIDS, "the token does not let the wrapping key wrap")
    given = _given(maker, row)
    try:
        if direct is not None:
            return direct.wrap(wrapping, item, given["mechanism"], given["mechanism_param"])
        return bytes(wrapping.wrap_key(item, **given))
    except (pkcs11.KeyUnextractable, pkcs11.KeyNotWrappable):
        raise Failure(Reason.KEY_FORBIDS, "the token does not let the key be wrapped") from None


def wrap_by_public(
    session: pkcs11.Session,
    maker: Vendor,
    row: WrapMethod,
    wrapping: Key,
    item: Any,  # noqa: ANN401
    direct: Direct | None,
) -> bytes:
    """Under the public key that the record tells, whatever else the token holds. As wrap()."""
    public = rsa_public_object(session, rsa_key(wrapping))
    try:
        return wrap(maker, row, public, item, direct)
    finally:
        public.destroy()


def unwrap(
    maker: Vendor,
    row: WrapMethod,
    wrapping: Any,  # noqa: ANN401
    wrapped: bytes,
    spec: KeySpec,
    identifier: bytes,
    *,
    stored: bool = True,
) -> Made:
    """Unwrap into an object under CKA_ID OWN_ID + `identifier`. Failure: KEY_FORBIDS. May raise PKCS11Error."""
    if not isinstance(wrapping, UnwrapMixin):
        raise Failure(Reason.KEY_FORBIDS, "the token does not let the wrapping key unwrap")
    private = bool(row.wraps)
    template = private_template(spec.algorithm, spec.attributes) if private else secret_template(spec)
    item = wrapping.unwrap_key(
        ObjectClass.PRIVATE_KEY if private else ObjectClass.SECRET_KEY,
        KEY_TYPES[spec.algorithm],
        wrapped,
        id=OWN_ID + identifier,
        label=spec.label,
        store=stored,
        capabilities=MechanismFlag(0),
        template={**(dict.fromkeys(_NOT_FOR_PRIVATE, DEFAULT) if private else {}), **template},
        **_given(maker, row),
    )
    return Made(item, public_of(item) if private else None)


def check_wrapped(row: WrapMethod, wrapped: bytes, modulus: int) -> None:
    """Whether something of this length can be a wrapped key; tokens differ on others. Failure: UNWRAP_FAILED."""
    whole = len(wrapped) >= _LEAST_WRAPPED and len(wrapped) % 8 == 0
    if not (len(wrapped) * 8 == modulus if row.key == "RSA" else whole):
        raise Failure(Reason.UNWRAP_FAILED)


def octets_of(
    made: Made,
    direct: Direct | None,
    maker: Vendor,
    row: WrapMethod,
    wrapping: Any,  # noqa: ANN401
    wrapped: bytes,
    spec: KeySpec,
) -> int:
    """How long the secret key is that unwrap() made; 0 where it cannot be known. May raise PKCS11Error.

    SoftHSM2 does not tell it of keys that were unwrapped. Of one that is not sensitive it tells how long its value is,
    so the key is unwrapped once more, into such an object of this session; the value itself is not read.
    """
    told = int(attribute(made.item, Attribute.VALUE_LEN) or 0)
    if told or direct is None:
        return told
    open_flags = msgspec.structs.replace(spec.attributes, sensitive=False, extractable=True)
    probe = unwrap(
        maker, row, wrapping, wrapped, KeySpec(spec.label, spec.algorithm, open_flags), b"measured", stored=False
    ).item
    try:
        return direct.length(probe, Attribute.VALUE)
    finally:
        probe.destroy()


def _given(maker: Vendor, row: WrapMethod) -> dict[str, Any]:
    return {"mechanism": mechanism_of(maker, row), "mechanism_param": _OAEP if row.scheme == "OAEP" else None}
