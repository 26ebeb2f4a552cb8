"""The ciphers, by the cryptographic library; those of RSA stand in adapters/rsa_ciphers.py."""

import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import Camellia, TripleDES
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.ciphers import Cipher as Machine
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.padding import PKCS7

from hsmgate.adapters import rsa_ciphers
from hsmgate.domain.cipher import Cipher, Encrypted
from hsmgate.domain.material import PrivateKey
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import CipherExtra

_BLOCK_CIPHERS: dict[str, Callable[[bytes], BlockCipherAlgorithm]] = {
    "AES": algorithms.AES,
    "Camellia": Camellia,
    "TDEA": TripleDES,
}
_COUNTER = bytes(4)  # RFC 8439 section 2.3: in front of the nonce; the first block has number 0
_SHORTEST_TAG = 8  # octets: a bound of the library, not of ours


def encrypt(material: PrivateKey | bytes, row: Cipher, payload: bytes, extra: CipherExtra) -> Encrypted:
    """Encrypt a payload of a length that check_plaintext() let pass, with a secret key.

    Failure: INTEGRITY (not the key of the record).
    """
    secret, iv = _octets(material), os.urandom(row.iv)
    if row.mode == "CHACHA20-POLY1305":
        sealed = ChaCha20Poly1305(secret).encrypt(iv, payload, extra.aad)
        return Encrypted(sealed[:-16], iv, sealed[-16:])
    if row.mode == "GCM":
        machine = Machine(algorithms.AES(secret), modes.GCM(iv)).encryptor()
        machine.authenticate_additional_data(extra.aad)
        ciphertext = machine.update(payload) + machine.finalize()
        return Encrypted(ciphertext, iv, machine.tag[: extra.tag_bits // 8])
    return Encrypted(_seal(_machine(secret, row, iv).encryptor(), row, payload), iv or None)


def decrypt(material: PrivateKey | bytes, row: Cipher, payload: bytes, extra: CipherExtra) -> bytes:
    """Decrypt what check_ciphertext() let pass. Failure: DECRYPT_FAILED, INTEGRITY (not the key of the record)."""
    if row.is_rsa and isinstance(material, rsa.RSAPrivateKey):
        return rsa_ciphers.decrypt(material, row, payload)
    secret, iv = _octets(material), extra.iv or b""
    try:
        if row.mode == "CHACHA20-POLY1305":
            return ChaCha20Poly1305(secret).decrypt(iv, payload, extra.aad)
        if row.mode == "GCM":
            return _open_gcm(secret, payload, extra)
        return _open(_machine(secret, row, iv).decryptor(), row, payload)
    except (InvalidTag, ValueError):  # ValueError: the padding
        raise Failure(Reason.DECRYPT_FAILED) from None


def _open_gcm(secret: bytes, payload: bytes, extra: CipherExtra) -> bytes:
    end = len(payload) - extra.tag_bits // 8
    mode = modes.GCM(extra.iv or b"", payload[end:], min_tag_length=_SHORTEST_TAG)
    machine = Machine(algorithms.AES(secret), mode).decryptor()
    machine.authenticate_additional_data(extra.aad)
    opened = machine.update(payload[:end])
    return opened + machine.finalize()  # which raises before anything is returned


def _seal(step: CipherContext, row: Cipher, payload: bytes) -> bytes:
    if row.padded:
        padder = PKCS7(row.block * 8).padder()
        payload = padder.update(payload) + padder.finalize()
    return step.update(payload) + step.finalize()


def _open(step: CipherContext, row: Cipher, payload: bytes) -> bytes:
    opened = step.update(payload) + step.finalize()
    if not row.padded:
        return opened
    unpadder = PKCS7(row.block * 8).unpadder()
    return unpadder.update(opened) + unpadder.finalize()


def _machine(
    secret: bytes, row: Cipher, iv: bytes
) -> Machine[modes.CTR] | Machine[modes.CBC] | Machine[modes.ECB] | Machine[None]:
    if row.mode == "CHACHA20":
        return Machine(algorithms.ChaCha20(secret, _COUNTER + iv), None)
    block_cipher = _BLOCK_CIPHERS[row.key](secret)
    if row.mode == "CTR":
        return Machine(block_cipher, modes.CTR(iv))
    if row.mode == "CBC":
        return Machine(block_cipher, modes.CBC(iv))
    return Machine(block_cipher, modes.ECB())  # noqa: S305 - the contract has it, for clients with modes of their own


def _octets(material: PrivateKey | bytes) -> bytes:
    if isinstance(material, bytes):
        return material
    raise Failure(Reason.INTEGRITY, "a stored key is of another type than its record")
