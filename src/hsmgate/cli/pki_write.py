"""The files that `hsmgate pki` hands out: each written whole, none over another, and only what is committed."""

import os
import re
import secrets
import string
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hsmgate.adapters.private_files import make_folder, write_once
from hsmgate.adapters.public_files import PUBLIC_MODE
from hsmgate.cli import pki_passphrases
from hsmgate.errors import Failure, Reason

_LETTERS = string.ascii_letters + string.digits  # nothing that a shell, curl or YAML reads as its own
_PASSWORD_LENGTH = 24  # 142 bits
_SUFFIXES = (".crt", ".key", ".p12", ".p12.password")


class Files:
    """BASE.crt, BASE.key, BASE.p12 and BASE.p12.password. Failure: STORE_UNREADABLE when one that is wanted exists."""

    def __init__(self, base: Path, *, key: bool, bundle: bool) -> None:
        self._base = base
        self.written: list[str] = []
        for suffix in (".crt", *((".key",) if key else ()), *((".p12", ".p12.password") if bundle else ())):
            if (path := self.path(suffix)).exists() or path.is_symlink():
                raise Failure(Reason.STORE_UNREADABLE, f"{path} is there already: give another name with --out")
        make_folder(base.absolute().parent)

    def path(self, suffix: str) -> Path:
        """With the suffix behind the whole name, dots and all."""
        return self._base.with_name(f"{self._base.name}{suffix}").absolute()

    def certificate(self, chain: Sequence[bytes]) -> None:
        """PEM, the leaf first; a trust anchor at its end is left out, for whoever verifies has it."""
        write_public(self.path(".crt"), pem(without_anchor(chain)))
        self.written.append(str(self.path(".crt")))

    def key(self) -> None:
        """The key that the keys' port has made."""
        self.written.append(str(self.path(".key")))

    def bundle(self, content: bytes, made_password: str | None) -> None:
        """PKCS#12, and its password where it was made here."""
        write_once(self.path(".p12"), content)
        self.written.append(str(self.path(".p12")))
        if made_password is not None:
            write_once(self.path(".p12.password"), f"{made_password}\n".encode())
            self.written.append(str(self.path(".p12.password")))


def base_of(out: Path | None, subject: str) -> Path:
    """Where files go: as was said, else after the common name, in the working folder. Failure: INVALID_INPUT."""
    if out is not None:
        return out.with_name(out.name.removesuffix(".crt"))
    attributes = x509.Name.from_rfc4514_string(subject).get_attributes_for_oid(NameOID.COMMON_NAME)
    text = re.sub(r"[^A-Za-z0-9._-]+", "-", str(attributes[0].value) if attributes else "").strip(".-")
    if not text:
        raise Failure(Reason.INVALID_INPUT, "the subject gives no file name: give one with --out")
    return Path(text)


def bundle_password(file: Path | None) -> tuple[str, bool]:
    """The password of a bundle, and whether it was made here."""
    if file is not None:
        return pki_passphrases.from_file(file), False
    if given := os.environ.get(pki_passphrases.BUNDLE):
        return given, False
    return "".join(secrets.choice(_LETTERS) for _ in range(_PASSWORD_LENGTH)), True


def without_anchor(chain: Sequence[bytes]) -> list[bytes]:
    """The chain without a self-signed certificate at its end."""
    last = x509.load_der_x509_certificate(chain[-1])
    return list(chain[:-1]) if len(chain) > 1 and last.issuer == last.subject else list(chain)


def pem(ders: Sequence[bytes]) -> bytes:
    """The certificates as PEM, one after the other."""
    return b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in ders)


def write_public(path: Path, content: bytes) -> None:
    """A new file that everybody may read. Failure: STORE_UNREADABLE."""
    write_once(path, content)
    try:
        path.chmod(PUBLIC_MODE)
    except OSError as error:
        raise Failure(Reason.STORE_UNREADABLE, f"cannot write {path}: {(error.strerror or 'failed').lower()}") from None


def hand_out(out: Path | None, content: bytes) -> None:
    """Text to a new file, else to standard output."""
    if out is None:
        sys.stdout.write(content.decode("ascii"))
    else:
        write_public(out, content)
