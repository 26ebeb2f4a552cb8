"""Ciphers by implementations that share nothing with ours: pycryptodome where ours is the cryptographic library, and
openssl where ours is pycryptodome, or where pycryptodome has no such cipher.
"""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from Crypto.Cipher import AES, DES3, PKCS1_OAEP, ChaCha20, ChaCha20_Poly1305
from Crypto.Hash import SHA1, SHA224, SHA256, SHA384, SHA512
from Crypto.PublicKey import RSA
from Crypto.Util.Padding import pad, unpad

Given = tuple[bytes, bytes, bytes]  # key (a secret, or PKCS#8 DER), IV, additional data


class Judge(NamedTuple):
    """`seal` and `open`: what is given, octets -> octets; a tag of 16 octets stands behind the ciphertext."""

    seal: Callable[[Given, bytes], bytes]
    open: Callable[[Given, bytes], bytes]


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _blocks(module: Any, mode: str, *, padded: bool) -> Judge:
    def machine(given: Given) -> Any:
        key, iv, _ = given
        return module.new(key, module.MODE_ECB) if mode == "ecb" else module.new(key, module.MODE_CBC, iv)

    def seal(given: Given, payload: bytes) -> bytes:
        return bytes(machine(given).encrypt(pad(payload, module.block_size) if padded else payload))

    def opened(given: Given, payload: bytes) -> bytes:
        plain = bytes(machine(given).decrypt(payload))
        return unpad(plain, module.block_size) if padded else plain

    return Judge(seal, opened)


def _authenticated(new: Callable[[Given], Any]) -> Judge:
    def seal(given: Given, payload: bytes) -> bytes:
        machine = new(given)
        machine.update(given[2])
        ciphertext, tag = machine.encrypt_and_digest(payload)
        return bytes(ciphertext + tag)

    def opened(given: Given, payload: bytes) -> bytes:
        machine = new(given)
        machine.update(given[2])
        return bytes(machine.decrypt_and_verify(payload[:-16], payload[-16:]))

    return Judge(seal, opened)


def _stream(new: Callable[[Given], Any]) -> Judge:
    return Judge(lambda given, p: bytes(new(given).encrypt(p)), lambda given, p: bytes(new(given).decrypt(p)))


def _camellia(mode: str, *, padded: bool) -> Judge:
    def run(given: Given, payload: bytes, *more: str) -> bytes:
        key, iv, _ = given
        at = ["-K", key.hex(), *(["-iv", iv.hex()] if iv else [])]
        return openssl(
            "enc", f"-camellia-{len(key) * 8}-{mode}", *at, *more, *([] if padded else ["-nopad"]), data=payload
        )

    return Judge(lambda given, p: run(given, p, "-e"), lambda given, p: run(given, p, "-d"))


def _oaep(digest: Any) -> Judge:
    def machine(given: Given) -> Any:
        return PKCS1_OAEP.new(RSA.import_key(given[0]), digest)

    return Judge(lambda given, p: bytes(machine(given).encrypt(p)), lambda given, p: bytes(machine(given).decrypt(p)))


def _pkeyutl(*options: str, whole: bool = False) -> Judge:
    def run(given: Given, payload: bytes, *direction: str) -> bytes:
        more = [part for option in options for part in ("-pkeyopt", option)]
        with tempfile.TemporaryDirectory() as folder:
            (key := Path(folder) / "key.der").write_bytes(given[0])
            return openssl("pkeyutl", *direction, "-keyform", "DER", "-inkey", str(key), *more, data=payload)

    def seal(given: Given, payload: bytes) -> bytes:
        size = RSA.import_key(given[0]).size_in_bytes()
        return run(given, payload.rjust(size, b"\0") if whole else payload, "-encrypt")

    return Judge(seal, lambda given, p: run(given, p, "-decrypt"))


_HASHES = {"1": SHA1, "224": SHA224, "256": SHA256, "384": SHA384, "512": SHA512}
_PKCS1 = _pkeyutl("rsa_padding_mode:pkcs1")

JUDGES: dict[str, Judge] = {
    "RSA": _PKCS1,
    "RSA_PADDING_PKCS": _PKCS1,
    "RSA_NO_PADDING": _pkeyutl("rsa_padding_mode:none", whole=True),
    "RSA_PADDING_OAEP": _oaep(SHA1),
    **{f"RSA_PADDING_OAEP_WITH_SHA{name}": _oaep(digest) for name, digest in _HASHES.items()},
    "AES_GCM": _authenticated(lambda given: AES.new(given[0], AES.MODE_GCM, nonce=given[1])),
    "AES_CTR": _stream(lambda given: AES.new(given[0], AES.MODE_CTR, nonce=b"", initial_value=given[1])),
    "AES_ECB": _blocks(AES, "ecb", padded=False),
    "AES_CBC_NO_PADDING": _blocks(AES, "cbc", padded=False),
    "AES": _blocks(AES, "cbc", padded=True),
    "CHACHA20": _stream(lambda given: ChaCha20.new(key=given[0], nonce=given[1])),
    "CHACHA20_AEAD": _authenticated(lambda given: ChaCha20_Poly1305.new(key=given[0], nonce=given[1])),
    "CAMELLIA": _camellia("cbc", padded=True),
    "CAMELLIA_CBC_NO_PADDING": _camellia("cbc", padded=False),
    "CAMELLIA_ECB": _camellia("ecb", padded=False),
    "TDEA_CBC": _blocks(DES3, "cbc", padded=True),
    "TDEA_ECB": _blocks(DES3, "ecb", padded=False),
    "TDEA_CBC_NO_PADDING": _blocks(DES3, "cbc", padded=False),
}
