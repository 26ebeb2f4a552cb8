"""Password-based decryption and integrity of PKCS#12 (RFC 7292 appendix B, RFC 8018, RFC 9579), bounded in rounds."""

import hashlib
import hmac

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherAlgorithm
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from hsmgate.errors import Failure, Reason
from hsmgate.pki import der
from hsmgate.pki.store_limits import KDF_ROUNDS, SALT_BYTES

_ENCRYPTION, _IV, _MAC = 1, 2, 3  # the ID octets of RFC 7292 B.3
_PBES2, _PBKDF2, _PBMAC1 = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12", "1.2.840.113549.1.5.14"
_SCRYPT = "1.3.6.1.4.1.11591.4.11"
_DIGESTS = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_HMACS = {
    "1.2.840.113549.2.7": "sha1",
    "1.2.840.113549.2.8": "sha224",
    "1.2.840.113549.2.9": "sha256",
    "1.2.840.113549.2.10": "sha384",
    "1.2.840.113549.2.11": "sha512",
}
_PBES2_CIPHERS: dict[str, tuple[str, int]] = {  # cipher, key octets
    "2.16.840.1.101.3.4.1.2": ("AES", 16),
    "2.16.840.1.101.3.4.1.22": ("AES", 24),
    "2.16.840.1.101.3.4.1.42": ("AES", 32),
    "1.2.840.113549.3.7": ("3DES", 24),
}
_PKCS12_CIPHERS: dict[str, tuple[str, int]] = {  # with SHA-1; RFC 7292 appendix C
    "1.2.840.113549.1.12.1.3": ("3DES", 24),
    "1.2.840.113549.1.12.1.4": ("3DES", 16),
    "1.2.840.113549.1.12.1.5": ("RC2", 16),
    "1.2.840.113549.1.12.1.6": ("RC2", 5),
}
_BLOCK = {"AES": 16, "3DES": 8, "RC2": 8}


class Password:
    """The password of one file in the forms that its parts hash, and the rounds that the file may still cost."""

    def __init__(self, text: str, rounds: int = KDF_ROUNDS) -> None:
        self.utf8 = text.encode("utf-8", "surrogatepass")
        self.bmp = (text + "\0").encode("utf-16-be", "surrogatepass")
        self._rounds = rounds

    def pbkdf2(self, digest: str, salt: bytes, iterations: int, size: int) -> bytes:
        """RFC 8018 5.2."""
        self._charge(digest, salt, iterations, size)
        return hashlib.pbkdf2_hmac(digest, self.utf8, salt, iterations, size)

    def pkcs12(self, digest: str, salt: bytes, iterations: int, size: int, purpose: int) -> bytes:
        """RFC 7292 B.2."""
        self._charge(digest, salt, iterations, size)
        width = hashlib.new(digest).block_size
        mixed = bytearray(_stretch(salt, width) + _stretch(self.bmp, width))
        derived = b""
        while len(derived) < size:
            block = hashlib.new(digest, bytes([purpose]) * width + mixed).digest()
            for _ in range(iterations - 1):
                block = hashlib.new(digest, block).digest()
            derived += block
            addend = int.from_bytes(_stretch(block, width)[:width], "big") + 1
            for start in range(0, len(mixed), width):
                total = int.from_bytes(mixed[start : start + width], "big") + addend
                mixed[start : start + width] = (total % (1 << 8 * width)).to_bytes(width, "big")
        return derived[:size]

    def _charge(self, digest: str, salt: bytes, iterations: int, size: int) -> None:
        if not 1 <= iterations <= KDF_ROUNDS or len(salt) > SALT_BYTES:
            raise Failure(
                Reason.STORE_UNREADABLE,
                f"asks for {iterations} rounds of key derivation; 1 to {KDF_ROUNDS} are accepted"
                if len(salt) <= SALT_BYTES
                else f"has a salt of {len(salt)} bytes; at most {SALT_BYTES} are accepted",
            )
        self._rounds -= iterations * -(-size // hashlib.new(digest).digest_size)
        if self._rounds < 0:
            raise Failure(Reason.STORE_UNREADABLE, f"asks for more than {KDF_ROUNDS} rounds of key derivation in all")


def _stretch(data: bytes, width: int) -> bytes:
    """`data` repeated to the next multiple of `width`; nothing stays nothing."""
    size = -(-len(data) // width) * width
    return (data * (size // len(data) + 1))[:size] if data else b""


def decrypt(algorithm: bytes, data: bytes, password: Password) -> bytes:
    """Decrypt with an AlgorithmIdentifier (DER). Failure: STORE_UNREADABLE, STORE_UNSUPPORTED (scheme)."""
    scheme, parameters = _identifier(algorithm, "an encryption scheme")
    if scheme == _PBES2:
        name, key, iv = _pbes2(parameters, password)
    elif scheme in _PKCS12_CIPHERS:
        name, size = _PKCS12_CIPHERS[scheme]
        salt, iterations = _salt_and_iterations(parameters)
        key = password.pkcs12("sha1", salt, iterations, size, _ENCRYPTION)
        iv = password.pkcs12("sha1", salt, iterations, 8, _IV)
    else:
        raise Failure(Reason.STORE_UNSUPPORTED, f"is encrypted with {scheme}, which is not supported")
    return _unpadded(name, key, iv, data)


def _pbes2(parameters: bytes, password: Password) -> tuple[str, bytes, bytes]:
    """RFC 8018 A.4: cipher, key and IV."""
    derivation, encryption = der.fields(parameters, 2, 2, "PBES2")
    cipher, iv = _identifier(encryption.raw, "PBES2")
    if cipher not in _PBES2_CIPHERS:
        raise Failure(Reason.STORE_UNSUPPORTED, f"is encrypted with {cipher}, which is not supported")
    name, size = _PBES2_CIPHERS[cipher]
    vector = der.only(iv, der.OCTET_STRING, "PBES2")
    if len(vector) != _BLOCK[name]:
        raise Failure(Reason.STORE_UNREADABLE, "has an encrypted part whose initialisation vector is wrong")
    return name, _pbkdf2_key(derivation.raw, password, size), vector


def _pbkdf2_key(algorithm: bytes, password: Password, size: int | None) -> bytes:
    """RFC 8018 A.2. `size` None: the parameters must name it (RFC 9579 section 4)."""
    scheme, parameters = _identifier(algorithm, "PBKDF2")
    if scheme != _PBKDF2:
        what = "scrypt" if scheme == _SCRYPT else scheme
        raise Failure(Reason.STORE_UNSUPPORTED, f"derives its keys with {what}, which is not supported")
    salt, iterations, *rest = der.fields(parameters, 2, 4, "PBKDF2")
    named = der.integer(rest.pop(0), "PBKDF2") if rest and rest[0].tag == der.INTEGER else None
    prf = _identifier(rest.pop(0).raw, "PBKDF2")[0] if rest else "1.2.840.113549.2.7"
    length = named if size is None else size
    if rest or length is None or named not in (None, length) or not 1 <= length <= 64:
        raise Failure(Reason.STORE_UNREADABLE, "has PBKDF2 parameters that do not fit")
    if prf not in _HMACS:
        raise Failure(Reason.STORE_UNSUPPORTED, f"derives its keys with {prf}, which is not supported")
    octets = der.content(salt, der.OCTET_STRING, "PBKDF2")
    return password.pbkdf2(_HMACS[prf], octets, der.integer(iterations, "PBKDF2"), length)


def _identifier(raw: bytes, what: str) -> tuple[str, bytes]:
    """An AlgorithmIdentifier: its OID and the DER of its parameters."""
    name, *parameters = der.fields(raw, 1, 2, what)
    return der.oid(name, what), parameters[0].raw if parameters else b""


def _salt_and_iterations(parameters: bytes) -> tuple[bytes, int]:
    salt, iterations = der.fields(parameters, 2, 2, "an encryption scheme")
    what = "an encryption scheme"
    return der.content(salt, der.OCTET_STRING, what), der.integer(iterations, what)


def _unpadded(name: str, key: bytes, iv: bytes, data: bytes) -> bytes:
    """CBC decryption; PKCS#7 padding. The MAC was checked before, so a padding oracle learns nothing new."""
    block = _BLOCK[name]
    if not data or len(data) % block:
        raise Failure(Reason.STORE_UNREADABLE, "has an encrypted part of a wrong length")
    if name == "RC2":
        from Crypto.Cipher import ARC2

        legacy = ARC2.new(key, ARC2.MODE_CBC, iv=iv, effective_keylen=8 * len(key))  # noqa: S304 - old files have it
        plain = legacy.decrypt(data)
    else:
        algorithm: CipherAlgorithm = AES(key) if name == "AES" else TripleDES((key + key[:8])[:24])
        decryptor = Cipher(algorithm, CBC(iv)).decryptor()
        plain = decryptor.update(data) + decryptor.finalize()
    padding = plain[-1]
    if not 1 <= padding <= block or plain[-padding:] != bytes([padding]) * padding:
        raise Failure(Reason.STORE_UNREADABLE, "cannot be decrypted: the password is wrong or the file was changed")
    return plain[:-padding]


def mac_holds(mac_data: bytes, content: bytes, password: Password) -> tuple[bool, str]:
    """Whether the MacData (DER) fits the content, and its digest; `password` keeps the form that fitted."""
    digest_info, *rest = der.fields(mac_data, 2, 3, "its MAC")
    algorithm, value = der.fields(digest_info.raw, 2, 2, "its MAC")
    wanted = der.content(value, der.OCTET_STRING, "its MAC")
    scheme, parameters = _identifier(algorithm.raw, "its MAC")
    if scheme == _PBMAC1:
        derivation, authentication = der.fields(parameters, 2, 2, "PBMAC1")
        digest = _HMACS.get(_identifier(authentication.raw, "PBMAC1")[0])
        if digest is None:
            raise Failure(Reason.STORE_UNSUPPORTED, "has a MAC whose digest is not supported")
        key = _pbkdf2_key(derivation.raw, password, None)
        return hmac.compare_digest(hmac.digest(key, content, digest), wanted), digest
    if scheme not in _DIGESTS:
        raise Failure(Reason.STORE_UNSUPPORTED, f"has a MAC with {scheme}, which is not supported")
    digest = _DIGESTS[scheme]
    salt = der.content(rest[0], der.OCTET_STRING, "its MAC")
    iterations = der.integer(rest[1], "its MAC") if len(rest) > 1 else 1
    # An empty password is written as two zero octets by some and as nothing by others (RFC 7292 B.1 leaves it open).
    for form in (password.bmp, b"") if not password.utf8 else (password.bmp,):
        password.bmp = form
        key = password.pkcs12(digest, salt, iterations, hashlib.new(digest).digest_size, _MAC)
        if hmac.compare_digest(hmac.digest(key, content, digest), wanted):
            return True, digest
    return False, digest
