"""Where the sealing key comes from: a file that only the service may read, or a passphrase."""

import base64
import binascii
import os
import stat
from pathlib import Path

from hsmgate.adapters.private_files import make_folder, write_once
from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

KEY_BYTES = 32
SHORTEST_PASSPHRASE = 12
_SETTING = "hsm.software.key"
_LARGEST_FILE = 1024
_CREDENTIAL_MODE = 0o440  # of root's: so looks a credential of systemd whose ACL lets one user in, and nobody else
_FEWEST_DISTINCT = 8  # random octets are never so alike: 2^-190


class SealingKey(Record):
    """A key of 32 random octets."""

    octets: bytes

    def __repr__(self) -> str:
        return "SealingKey(***)"


class Passphrase(Record):
    """A text from which the key is derived, with salt and cost that the database keeps."""

    text: str

    def __repr__(self) -> str:
        return "Passphrase(***)"


def configured_sealing_key(text: str | None, file: Path | None, base: Path) -> SealingKey | Passphrase:
    """As the settings have it: a file, a text, or the text that `${file:...}` took from a file, which is checked too.

    Failure: CONFIG_INVALID, as open_sealing_key and read_sealing_key.
    """
    if text is not None:
        if file is not None:
            _read_private(file)
        return open_sealing_key(text, base)
    if file is None:
        raise _refused("is missing")
    return read_sealing_key(file)


def open_sealing_key(value: str, base: Path) -> SealingKey | Passphrase:
    """What hsm.software.key says: `file:PATH` (relative to `base`), a key in hexadecimal or Base64, or a passphrase.

    Failure: CONFIG_INVALID.
    """
    if value.startswith("file:"):
        path = value.removeprefix("file:").removeprefix("//")
        return read_sealing_key(base / path)
    if value.startswith(("/", "./", "../", "~")):
        raise _refused("looks like a path: write file:PATH (a passphrase must not begin so)")
    key = _decoded(value.strip().encode())
    if len(key) == KEY_BYTES:
        return SealingKey(octets=_checked(key, "the key"))
    if len(value) < SHORTEST_PASSPHRASE:
        raise _refused(f"a passphrase has at least {SHORTEST_PASSPHRASE} characters")
    return Passphrase(text=value)


def read_sealing_key(path: Path) -> SealingKey:
    """The key in a file: 32 octets, or 64 hexadecimal digits, or their Base64.

    Failure: CONFIG_INVALID (not there, not the service's own, readable by others, another form).
    """
    return SealingKey(octets=_key_of(_read_private(path), path))


def read_sealing_secret(path: Path) -> SealingKey | Passphrase:
    """The key in a file, or the passphrase in it, less one newline at its end. Failure: CONFIG_INVALID."""
    content = _read_private(path)
    if len(content) == KEY_BYTES or len(_decoded(content.strip())) == KEY_BYTES:
        return SealingKey(octets=_key_of(content, path))
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise _refused(f"{path} holds neither a key nor a passphrase in UTF-8") from None
    if len(content) > _LARGEST_FILE:
        raise _refused(f"{path} is too long for a key or a passphrase")
    return open_sealing_key(text.removesuffix("\n").removesuffix("\r"), path.parent)


def make_sealing_key_file(path: Path) -> bool:
    """Make a file with a new key, 0600, unless it is there; True when it was made now. Failure: STORE_UNREADABLE."""
    make_folder(path.parent)
    if os.path.lexists(path):
        return False
    try:
        write_once(path, f"{os.urandom(KEY_BYTES).hex()}\n".encode())
    except Failure:
        if path.exists():  # another process was faster
            return False
        raise
    return True


def _read_private(path: Path) -> bytes:
    try:
        # non-blocking: opening a pipe must not wait for its writer
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            _check_private(os.fstat(descriptor), path)
            return os.read(descriptor, _LARGEST_FILE + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _refused(f"{path}: {(error.strerror or 'not readable').lower()}") from None


def _check_private(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _refused(f"{path} is no file")
    if status.st_uid not in {os.geteuid(), 0}:
        raise _refused(f"{path} belongs to another user, who could read or change it: chown it to this one")
    if status.st_uid == status.st_gid == 0 and stat.S_IMODE(status.st_mode) == _CREDENTIAL_MODE:
        return
    if status.st_mode & 0o077:
        raise _refused(f"{path} can be read or changed by others (mode {status.st_mode & 0o777:04o}): chmod 600 it")


def _key_of(content: bytes, path: Path) -> bytes:
    key = content if len(content) == KEY_BYTES else _decoded(content.strip())
    if len(key) != KEY_BYTES:
        raise _refused(f"{path} holds no key of 32 bytes, 64 hexadecimal digits or their Base64")
    return _checked(key, str(path))


def _checked(key: bytes, name: str) -> bytes:
    if len(set(key)) < _FEWEST_DISTINCT:
        raise _refused(f"{name} does not hold random bytes")
    return key


def _decoded(text: bytes) -> bytes:
    try:
        if len(text) == 2 * KEY_BYTES:
            return binascii.unhexlify(text)
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _refused(why: str) -> Failure:
    return Failure(Reason.CONFIG_INVALID, f"{_SETTING}: {why}")
