"""The client's certificate and what it trusts: PEM or PKCS#12 files and a CA file become a TLS context."""

import secrets
import ssl
import tempfile
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from hsmgate.client.errors import IDENTITY, RequestFailed
from hsmgate.record import Guarded

_LARGEST = 1 << 20  # bytes of a file


class Pem(Guarded):
    """A certificate with those above it, and its key in the same file or another."""

    hidden = frozenset({"passphrase"})

    certificate: Path | str
    key: Path | str | None = None
    passphrase: str | None = None


class P12(Guarded):
    """A PKCS#12 file with certificate, key and what stands above the certificate."""

    hidden = frozenset({"passphrase"})

    file: Path | str
    passphrase: str | None = None


Identity = Pem | P12


def tls_context(ca: Path | str | None, identity: Identity | None) -> ssl.SSLContext:
    """TLS 1.2 or later; the server must prove a name under `ca`, or under the system's authorities where it is None.

    RequestFailed: a file cannot be read, or the passphrase does not open it.
    """
    context = _trusting(ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if isinstance(identity, Pem):
        _load(
            context, Path(identity.certificate), Path(identity.key or identity.certificate), identity.passphrase or ""
        )
    elif isinstance(identity, P12):
        _load_p12(context, identity)
    return context


def private_key(identity: Identity) -> PrivateKeyTypes:
    """Its key. RequestFailed: as tls_context()."""
    if isinstance(identity, P12):
        return _bundle(identity)[0]
    path, passphrase = Path(identity.key or identity.certificate), (identity.passphrase or "").encode()
    try:
        return load_pem_private_key(_read(path), passphrase or None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise RequestFailed(IDENTITY, f"no key can be loaded from {path}: wrong passphrase, or none in PEM") from None


def _trusting(ca: Path | str | None) -> ssl.SSLContext:
    if ca is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=str(ca))
    except ssl.SSLError:
        raise RequestFailed(IDENTITY, f"{ca} holds no certificate in PEM") from None
    except OSError as error:
        raise _unreadable(ca, error) from None


def _load(context: ssl.SSLContext, certificate: Path, key: Path, passphrase: str) -> None:
    _read(certificate)  # OpenSSL does not say which of the two files is not there
    _read(key)
    try:
        context.load_cert_chain(certificate, key, lambda: passphrase)  # without one OpenSSL would ask at the terminal
    except (ssl.SSLError, ValueError, OSError):
        message = f"certificate and key cannot be loaded from {certificate} and {key}: wrong passphrase, or no pair"
        raise RequestFailed(IDENTITY, message) from None


def _bundle(
    identity: P12,
) -> tuple[PrivateKeyTypes, pkcs12.PKCS12Certificate, list[pkcs12.PKCS12Certificate]]:
    path, passphrase = Path(identity.file), (identity.passphrase or "").encode()
    try:
        bundle = pkcs12.load_pkcs12(_read(path), passphrase or None)
    except ValueError:
        raise RequestFailed(IDENTITY, f"{path} is no PKCS#12 file, or its passphrase is another") from None
    if bundle.key is None or bundle.cert is None:
        raise RequestFailed(IDENTITY, f"{path} holds no key with its certificate")
    return bundle.key, bundle.cert, bundle.additional_certs


def _load_p12(context: ssl.SSLContext, identity: P12) -> None:
    private, own, above = _bundle(identity)
    chain = b"".join(each.certificate.public_bytes(Encoding.PEM) for each in [own, *above])
    once = secrets.token_hex(32)  # the ssl module reads files only: the key lies there for a moment, and not in clear
    key = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(once.encode()))
    with tempfile.TemporaryDirectory(prefix="hsmgate-") as folder:
        file = Path(folder, "identity.pem")
        file.touch(0o600)
        file.write_bytes(key + chain)
        _load(context, file, file, once)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(content) > _LARGEST:
        raise RequestFailed(IDENTITY, f"{path} is larger than {_LARGEST} bytes")
    return content


def _unreadable(path: Path | str, error: OSError) -> RequestFailed:
    return RequestFailed(IDENTITY, f"cannot read {path}: {(error.strerror or 'failed').lower()}")
