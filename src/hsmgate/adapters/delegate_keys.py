"""Where the keys of delegates are: in a file beside their certificate, or in the keystore, an HSM it may be."""

import hashlib
import hmac
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hsmgate.adapters import keystore_signer, private_files, signer_files
from hsmgate.adapters.own_secret import OwnKeystore
from hsmgate.errors import Failure, Reason
from hsmgate.pki.ocsp_signing import SignerKey, check_key

_PREFIX = "hsmgate/ocsp-delegate/"  # no client can make a key of this name
_REFERENCE = b"keystore:"
_NEXT = ".next"  # names a key that is being made, so that a crash leaves none behind


class DelegateKeys(Protocol):
    """Makes and keeps one delegate of one authority."""

    def kept(self) -> tuple[SignerKey, x509.Certificate] | None:
        """The one that was kept last; None: there is none. Failure: it cannot be used."""
        ...

    def make(self) -> SignerKey:
        """A new key. Failure: as the Keystore."""
        ...

    def keep(self, key: SignerKey, certificate: x509.Certificate) -> None:
        """When it returns a restart goes on with it, and the one before is gone. Failure: STORE_UNREADABLE."""
        ...

    def drop(self) -> None:
        """The one that was kept is not wanted any more."""
        ...


class InFile:
    """Key and certificate as PEM in one file, readable by its owner alone; None: in memory alone.

    `keystore`: where a key is destroyed that the file names since the time when keys were made there.
    """

    def __init__(self, file: Path | None, keystore: Callable[[], OwnKeystore] | None = None) -> None:
        self._file, self._keystore = file, keystore

    def kept(self) -> tuple[SignerKey, x509.Certificate] | None:
        if self._file is None or not self._file.exists():
            return None
        return signer_files.open_pair(self._file, None)

    def make(self) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(ec.SECP256R1())

    def keep(self, key: SignerKey, certificate: x509.Certificate) -> None:
        if self._file is not None:
            private_files.make_folder(self._file.parent)
            text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            private_files.put(self._file, text + certificate.public_bytes(Encoding.PEM))

    def drop(self) -> None:
        if self._file is not None and self._keystore is not None:
            InKeystore(self._keystore, self._file).drop()
        elif self._file is not None:
            self._file.unlink(missing_ok=True)


class InKeystore:
    """The key in the keystore, under a password that no client knows; the file names it beside the certificate."""

    def __init__(self, keystore: Callable[[], OwnKeystore], file: Path) -> None:
        self._keystore, self._file = keystore, file
        self._next = file.with_name(file.name + _NEXT)
        self._label = ""  # of the key that was made last

    def kept(self) -> tuple[SignerKey, x509.Certificate] | None:
        self._clear()
        if not self._file.exists():
            return None
        label, certificate = self._read(self._file)
        key = keystore_signer.find(self._keystore(), label, lambda: self._password(label))
        return check_key(key), certificate

    def make(self) -> SignerKey:
        self._clear()
        label = f"{_PREFIX}{os.urandom(16).hex()}"
        private_files.make_folder(self._file.parent)
        private_files.put(self._next, _REFERENCE + label.encode() + b"\n")
        self._label = label
        return check_key(keystore_signer.make(self._keystore(), label, "p256", self._password(label)))

    def keep(self, key: SignerKey, certificate: x509.Certificate) -> None:
        del key  # it is the one that make() gave
        before = self._label_in(self._file)
        text = _REFERENCE + self._label.encode() + b"\n" + certificate.public_bytes(Encoding.PEM)
        private_files.put(self._file, text)
        self._next.unlink(missing_ok=True)
        self._delete(before)

    def drop(self) -> None:
        label = self._label_in(self._file)
        self._file.unlink(missing_ok=True)
        self._delete(label)

    def _clear(self) -> None:
        """Of a key that was being made when the process ended nothing shall be left."""
        label = self._label_in(self._next)
        if label != self._label_in(self._file):
            self._delete(label)
        self._next.unlink(missing_ok=True)

    def _delete(self, label: str) -> None:
        if not label:
            return
        try:
            keystore_signer.delete(self._keystore(), label, self._password(label))
        except Failure as failure:
            if failure.reason is not Reason.KEY_NOT_FOUND:
                raise

    def _password(self, label: str) -> str:
        return hmac.digest(self._keystore().own_secret(), label.encode(), hashlib.sha256).hex()

    def _label_in(self, file: Path) -> str:
        return self._read_label(file.read_bytes()) if file.exists() else ""

    def _read(self, file: Path) -> tuple[str, x509.Certificate]:
        content = file.read_bytes()
        label = self._read_label(content)
        try:
            return label, x509.load_pem_x509_certificate(content.partition(b"\n")[2])
        except ValueError:
            raise Failure(Reason.STORE_UNREADABLE, f"{file}: holds no certificate") from None

    @staticmethod
    def _read_label(content: bytes) -> str:
        """Empty: the file names no key of ours, as one that holds the key itself."""
        first = content.partition(b"\n")[0]
        label = first.removeprefix(_REFERENCE).decode("ascii", "replace")
        return label if first.startswith(_REFERENCE) and label.startswith(_PREFIX) else ""
