"""Private keys of authorities and leaves: files 0600, perhaps under a passphrase, or labels of the keystore."""

import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hsmgate.adapters import keystore_signer
from hsmgate.adapters.private_files import make_folder, write_once
from hsmgate.errors import Failure, Reason
from hsmgate.usecases.ports import Keystore

FILE, KEYSTORE = "file:", "keystore:"
KEY_PASSPHRASE = "HSMGATE_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable: what opens a key
_MOST_OCTETS = 64 * 1024  # PEM of RSA-8192 has 7 KB
_MAKERS: dict[str, Callable[[], CertificateIssuerPrivateKeyTypes]] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "rsa2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa3072": lambda: rsa.generate_private_key(65537, 3072),
    "rsa4096": lambda: rsa.generate_private_key(65537, 4096),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
}
KINDS = tuple(_MAKERS)
_SIGNERS = (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)


class SigningKeyStore:
    """The SigningKeys port. `folder`: from where relative files count.

    `passphrase` and `new_passphrase` are asked, with the reference, for what opens a key and what a new one is
    protected with; None: there is none. `keystore`: opens the keystore, when a reference first needs it.
    """

    def __init__(
        self,
        folder: Path,
        passphrase: Callable[[str], str | None] = lambda _reference: None,
        new_passphrase: Callable[[str], str | None] = lambda _reference: None,
        keystore: Callable[[], Keystore] | None = None,
    ) -> None:
        self._folder = folder
        self._passphrase, self._new_passphrase = passphrase, new_passphrase
        self._keystore = keystore

    def make(self, reference: str, kind: str) -> CertificateIssuerPrivateKeyTypes:
        if kind not in _MAKERS:
            raise Failure(Reason.INVALID_INPUT, f"{kind[:40]!a} is no kind of key; there are: {', '.join(KINDS)}")
        if reference.startswith(KEYSTORE):
            label = reference.removeprefix(KEYSTORE)
            return keystore_signer.make(self._opened(reference), label, kind, self._new_passphrase(reference))
        path = self._path(reference)
        if path.exists() or path.is_symlink():
            raise Failure(
                Reason.KEY_EXISTS, f"{path} is there already; if a run that was cut off left it, move it away"
            )
        passphrase = self._new_passphrase(reference)
        protection = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        key = _MAKERS[kind]()
        make_folder(path.parent)
        write_once(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))
        return key

    def open(self, reference: str) -> CertificateIssuerPrivateKeyTypes:
        if reference.startswith(KEYSTORE):
            label = reference.removeprefix(KEYSTORE)
            return keystore_signer.find(self._opened(reference), label, lambda: self._passphrase(reference))
        path = self._path(reference)
        return loaded(read(path), lambda: self._passphrase(reference), str(path))

    def forget(self, reference: str) -> None:
        with suppress(Failure, OSError):
            if reference.startswith(KEYSTORE):
                label = reference.removeprefix(KEYSTORE)
                keystore_signer.delete(self._opened(reference), label, self._new_passphrase(reference))
            else:
                self._path(reference).unlink()

    def _path(self, reference: str) -> Path:
        if not reference.startswith(FILE) or reference == FILE:
            raise Failure(Reason.INVALID_INPUT, f"a key is at file:PATH or keystore:LABEL, not {reference[:80]!a}")
        return self._folder / reference.removeprefix(FILE)

    def _opened(self, reference: str) -> Keystore:
        if self._keystore is None:
            raise Failure(
                Reason.INVALID_INPUT, f"{reference[:80]!a}: keys are in the keystore of a configuration: give --config"
            )
        return self._keystore()


def read(path: Path) -> bytes:
    """A key file that nobody else may read or write. Failure: STORE_UNREADABLE."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & (stat.S_IWGRP | stat.S_IRWXO):  # a mounted secret may be readable for the service's group
                raise Failure(Reason.STORE_UNREADABLE, f"{path} is open to others (mode {mode:o}): chmod 600 it")
            content = file.read(_MOST_OCTETS + 1)
    except OSError as error:
        raise Failure(Reason.STORE_UNREADABLE, f"cannot read {path}: {(error.strerror or 'failed').lower()}") from None
    if len(content) > _MOST_OCTETS:
        raise Failure(Reason.STORE_UNREADABLE, f"{path} is too large for a key")
    return content


def loaded(content: bytes, passphrase: Callable[[], str | None], name: str) -> CertificateIssuerPrivateKeyTypes:
    """The private key of a PEM. `passphrase` is asked only where one is needed.

    Failure: STORE_UNREADABLE, KEY_PASSWORD_MISMATCH (wrong, or none).
    """
    try:
        try:
            key = load_pem_private_key(content, None)
        except TypeError:  # it is encrypted
            given = passphrase()
            if not given:
                raise Failure(Reason.KEY_PASSWORD_MISMATCH, f"{name} needs its passphrase") from None
            key = load_pem_private_key(content, given.encode())
    except UnsupportedAlgorithm:
        raise Failure(
            Reason.STORE_UNREADABLE, f"{name} is a key, or is encrypted, in a way that is not supported"
        ) from None
    except ValueError as error:
        if "password" in str(error).lower() or b"ENCRYPTED" in content:
            raise Failure(Reason.KEY_PASSWORD_MISMATCH, f"{name}: the passphrase is wrong") from None
        raise Failure(Reason.STORE_UNREADABLE, f"{name} holds no private key in PEM") from None
    if not isinstance(key, _SIGNERS):
        raise Failure(Reason.STORE_UNREADABLE, f"{name} holds a key of a type that signs no certificates")
    return key
