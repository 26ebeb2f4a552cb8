"""Encrypts and decrypts in the token, with block padding made outside; RSA encrypts outside, with the public key.

What is wrong with a ciphertext a token tells in its own way: see opened().
"""

import os
import struct
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import pkcs11
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.padding import PKCS7
from pkcs11 import MGF, DecryptMixin, EncryptMixin, GCMParams, Mechanism, PKCS11Error

from hsmgate.adapters.pkcs11.direct import Direct
from hsmgate.adapters.pkcs11.losses import failure_of, loss_of
from hsmgate.domain.cipher import Cipher, Encrypted, Mode
from hsmgate.domain.key import Key
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import CipherExtra

T = TypeVar("T")
_ROOM = 64  # octets that a ciphertext may be longer than its payload
_COUNTER_BITS = 128  # CK_AES_CTR_PARAMS: the whole block counts, as in NIST SP 800-38A
_LACKING = (pkcs11.MechanismInvalid, pkcs11.MechanismParamInvalid, pkcs11.FunctionNotSupported)
_OAEP = {
    "SHA1": (Mechanism.SHA_1, MGF.SHA1, None),
    "SHA224": (Mechanism.SHA224, MGF.SHA224, None),
    "SHA256": (Mechanism.SHA256, MGF.SHA256, None),
    "SHA384": (Mechanism.SHA384, MGF.SHA384, None),
    "SHA512": (Mechanism.SHA512, MGF.SHA512, None),
}


class Way(NamedTuple):
    """How a mode is done: its mechanism by type of key, and the parameter from row, IV and extra."""

    mechanisms: dict[str, Mechanism]
    parameter: Callable[[Cipher, bytes, CipherExtra], Any]


WAYS: dict[Mode, Way] = {
    "OAEP": Way({"RSA": Mechanism.RSA_PKCS_OAEP}, lambda row, _iv, _extra: _OAEP[row.digest]),
    "PKCS1": Way({"RSA": Mechanism.RSA_PKCS}, lambda _row, _iv, _extra: None),
    "RAW": Way({"RSA": Mechanism.RSA_X_509}, lambda _row, _iv, _extra: None),
    "GCM": Way({"AES": Mechanism.AES_GCM}, lambda _row, iv, extra: GCMParams(iv, extra.aad, extra.tag_bits)),
    "CTR": Way({"AES": Mechanism.AES_CTR}, lambda _row, iv, _extra: struct.pack("@L16s", _COUNTER_BITS, iv)),
    "CBC": Way({"AES": Mechanism.AES_CBC, "TDEA": Mechanism.DES3_CBC}, lambda _row, iv, _extra: iv),
    "ECB": Way({"AES": Mechanism.AES_ECB, "TDEA": Mechanism.DES3_ECB}, lambda _row, _iv, _extra: None),
}


def mechanism_of(row: Cipher) -> Mechanism | None:
    """What a token must have for this cipher; None: none does it here."""
    way = WAYS.get(row.mode)
    return None if way is None else way.mechanisms.get(row.key)


def encrypt(
    item: Any,  # noqa: ANN401
    key: Key,
    row: Cipher,
    payload: bytes,
    extra: CipherExtra,
    direct: Direct | None,
) -> Encrypted:
    """Encrypt with a secret key. Failure: KEY_FORBIDS. May raise PKCS11Error."""
    if not isinstance(item, EncryptMixin):
        raise Failure(Reason.KEY_FORBIDS, f"the token does not let the key '{key.label}' encrypt")
    iv = os.urandom(row.iv)
    if row.padded:
        padder = PKCS7(row.block * 8).padder()
        payload = padder.update(payload) + padder.finalize()
    given = _given(row, iv, payload, extra)
    if direct is not None:
        sealed = direct.encrypt(item, given["mechanism"], given["mechanism_param"], payload, given["buffer_size"])
    else:
        sealed = cast("bytes", item.encrypt(payload, **given))
    end = len(sealed) - (extra.tag_bits // 8 if row.has_tag else 0)
    return Encrypted(sealed[:end], iv or None, sealed[end:] if row.has_tag else None)


def decrypt(item: Any, key: Key, row: Cipher, payload: bytes, extra: CipherExtra) -> bytes:  # noqa: ANN401
    """Decrypt. Failure: KEY_FORBIDS, DECRYPT_FAILED (the block padding). May raise PKCS11Error."""
    if not isinstance(item, DecryptMixin):
        raise Failure(Reason.KEY_FORBIDS, f"the token does not let the key '{key.label}' decrypt")
    opened = cast("bytes", item.decrypt(payload, **_given(row, extra.iv or b"", payload, extra)))
    if not row.padded:
        return opened
    unpadder = PKCS7(row.block * 8).unpadder()
    try:
        return unpadder.update(opened) + unpadder.finalize()
    except ValueError:
        raise Failure(Reason.DECRYPT_FAILED) from None


def check_number(public: RSAPublicKey, ciphertext: bytes) -> None:
    """Whether it is a number below the modulus, as long as that. Failure: DECRYPT_FAILED."""
    modulus = public.public_numbers().n
    if len(ciphertext) * 8 != public.key_size or int.from_bytes(ciphertext, "big") >= modulus:
        raise Failure(Reason.DECRYPT_FAILED)


def whole_number(public: RSAPublicKey, opened: bytes, ciphertext: bytes) -> bytes:
    """The result of a private operation as long as the modulus. A wrong one would give the key away: KEYSTORE."""
    numbers = public.public_numbers()
    if pow(int.from_bytes(opened, "big"), numbers.e, numbers.n) != int.from_bytes(ciphertext, "big"):
        raise Failure(Reason.KEYSTORE, "a private operation of the token went wrong")
    return opened.rjust(public.key_size // 8, b"\0")


def opened(work: Callable[[], T], check: Callable[[], None], reason: Reason) -> T:
    """What `work` gives; a Failure of this reason where the token does not like what it was given to open.

    Some tokens say CKR_GENERAL_ERROR of a wrong padding or tag, as of their own end: `check` tells which it is.
    """
    try:
        return work()
    except PKCS11Error as error:
        if isinstance(error, pkcs11.GeneralError | pkcs11.FunctionFailed):
            try:
                check()
            except (PKCS11Error, Failure):
                raise error from None
        elif loss_of(error) is not None:
            raise
        elif isinstance(error, _LACKING):
            raise failure_of(error) from None
        raise Failure(reason) from None


def _given(row: Cipher, iv: bytes, payload: bytes, extra: CipherExtra) -> dict[str, Any]:
    way = WAYS[row.mode]
    return {
        "mechanism": way.mechanisms[row.key],
        "mechanism_param": way.parameter(row, iv, extra),
        "buffer_size": len(payload) + _ROOM,
    }
