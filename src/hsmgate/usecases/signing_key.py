"""Private keys for the cryptographic library whose signatures a keystore makes: by an HSM, it may be.

The library's builders take any object of its own abstract classes, and ask it for its public key and to sign.
"""

from typing import NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed

from hsmgate.domain.key import Key
from hsmgate.domain.public_key import dsa_key, ec_key, ed_key, rsa_key
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import Keystore, SignExtra

_Hash = hashes.HashAlgorithm
Buffer = bytes | bytearray | memoryview
_NAMES = {"sha1": "SHA1", "sha224": "SHA224", "sha256": "SHA256", "sha384": "SHA384", "sha512": "SHA512"}
SigningKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey


def signing_key(keystore: Keystore, key: Key, password: str | None = None) -> SigningKey:
    """The key of a keystore as the library's builders want it; it signs there, and gives nothing else.

    Whether attributes and policy allow its use is the caller's to check. Its methods raise Failure as Keystore.sign
    does. Failure: INVALID_KEY_TYPE, KEYSTORE (the record holds no public key of its type).
    """
    signer = _Signer(keystore, key, password)
    if key.algorithm == "RSA":
        return _RsaKey(signer, rsa_key(key))
    if key.algorithm == "EC":
        return _EcKey(signer, ec_key(key))
    if key.algorithm == "ED":
        return _EdKey(signer, ed_key(key))
    if key.algorithm == "DSA":
        return _DsaKey(signer, dsa_key(key))
    raise Failure(Reason.INVALID_KEY_TYPE, f"a key of type {key.algorithm} does not sign certificates")


class _Signer:
    """A key, and where it is used."""

    def __init__(self, keystore: Keystore, key: Key, password: str | None) -> None:
        self._keystore, self._key, self._password = keystore, key, password

    def sign(self, algorithm: str, data: Buffer) -> bytes:
        return self._keystore.sign(self._key, self._password, algorithm, bytes(data), SignExtra())


class _RsaKey(rsa.RSAPrivateKey):
    def __init__(self, signer: _Signer, public: rsa.RSAPublicKey) -> None:
        self._signer, self._public = signer, public

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public

    def sign(
        self, data: Buffer, padding: padding.AsymmetricPadding, algorithm: Prehashed | _Hash | NoDigestInfo
    ) -> bytes:
        """PKCS#1 v1.5, or PSS with MGF1 of the same hash and a salt as long as it. Failure: NOT_IMPLEMENTED."""
        if isinstance(algorithm, NoDigestInfo):
            raise _other("RSA without DigestInfo")
        return self._signer.sign(f"{_hash(algorithm)}_WITH_RSA{_padding(padding, algorithm)}", data)

    def decrypt(self, *_: object, **__: object) -> NoReturn:
        raise _other("decryption")

    def private_numbers(self) -> NoReturn:
        raise _never()

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        raise _never()

    def __copy__(self) -> "_RsaKey":
        return self

    def __deepcopy__(self, _: object) -> "_RsaKey":
        return self


class _EcKey(ec.EllipticCurvePrivateKey):
    def __init__(self, signer: _Signer, public: ec.EllipticCurvePublicKey) -> None:
        self._signer, self._public = signer, public

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """ECDSA with SHA-1 or SHA-2, as DER. Failure: NOT_IMPLEMENTED."""
        if not isinstance(signature_algorithm, ec.ECDSA) or signature_algorithm.deterministic_signing:
            raise _other("another algorithm than ECDSA with a random nonce")
        if isinstance(signature_algorithm.algorithm, Prehashed):
            return self._signer.sign("NONE_WITH_ECDSA", data)
        return self._signer.sign(f"{_hash(signature_algorithm.algorithm)}_WITH_ECDSA", data)

    def exchange(self, *_: object, **__: object) -> NoReturn:
        raise _other("key agreement")

    def private_numbers(self) -> NoReturn:
        raise _never()

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        raise _never()

    def __copy__(self) -> "_EcKey":
        return self

    def __deepcopy__(self, _: object) -> "_EcKey":
        return self


class _EdKey(ed25519.Ed25519PrivateKey):
    def __init__(self, signer: _Signer, public: ed25519.Ed25519PublicKey) -> None:
        self._signer, self._public = signer, public

    def public_key(self) -> ed25519.Ed25519PublicKey:
        return self._public

    def sign(self, data: Buffer) -> bytes:
        return self._signer.sign("EDDSA", data)

    def private_bytes_raw(self) -> NoReturn:
        raise _never()

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        raise _never()

    def __copy__(self) -> "_EdKey":
        return self

    def __deepcopy__(self, _: object) -> "_EdKey":
        return self


class _DsaKey(dsa.DSAPrivateKey):
    def __init__(self, signer: _Signer, public: dsa.DSAPublicKey) -> None:
        self._signer, self._public = signer, public

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def public_key(self) -> dsa.DSAPublicKey:
        return self._public

    def parameters(self) -> dsa.DSAParameters:
        return self._public.parameters()

    def sign(self, data: Buffer, algorithm: Prehashed | _Hash) -> bytes:
        """As DER."""
        if isinstance(algorithm, Prehashed):
            return self._signer.sign("NONE_WITH_DSA", data)
        return self._signer.sign(f"{_hash(algorithm)}_WITH_DSA", data)

    def private_numbers(self) -> NoReturn:
        raise _never()

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        raise _never()

    def __copy__(self) -> "_DsaKey":
        return self

    def __deepcopy__(self, _: object) -> "_DsaKey":
        return self


def _hash(algorithm: Prehashed | _Hash) -> str:
    """How the contract writes it; what is hashed already is another algorithm there."""
    hashed = algorithm._algorithm if isinstance(algorithm, Prehashed) else algorithm  # noqa: SLF001
    name = _NAMES.get(hashed.name)
    if name is None:
        raise _other(f"the hash {hashed.name}")
    return f"NONE{name}" if isinstance(algorithm, Prehashed) else name


def _padding(used: padding.AsymmetricPadding, algorithm: Prehashed | _Hash) -> str:
    if isinstance(used, padding.PKCS1v15):
        return ""
    digest = algorithm._algorithm if isinstance(algorithm, Prehashed) else algorithm  # noqa: SLF001
    if isinstance(used, padding.PSS):
        same = used._mgf._algorithm.name == digest.name  # noqa: SLF001
        if same and used._salt_length in (padding.PSS.DIGEST_LENGTH, digest.digest_size):  # noqa: SLF001
            return "_PSS"
    raise _other("a padding other than PKCS#1 v1.5 and PSS with MGF1 of the same hash and a salt as long as it")


def _other(what: str) -> Failure:
    return Failure(Reason.NOT_IMPLEMENTED, f"a key in a keystore does not do {what}")


def _never() -> Failure:
    return Failure(Reason.KEY_FORBIDS, "the private key does not leave its keystore")
