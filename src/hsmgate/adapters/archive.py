"""The file of a backup: a plain tar that any tar lists, with a manifest of digests as its last member.

It is read strictly, for it may come from anywhere: plain files only, under names that we give, each once, nothing
compressed or linked, nothing before, between or behind them. So it can take no more room than it has itself.
"""

import hashlib
import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from typing import IO

import msgspec

from hsmgate.errors import Failure, Reason
from hsmgate.record import Record

FORMAT = 1
MANIFEST = "manifest.json"
_BLOCK = 512
_CHUNK = 1024 * 1024
_MEMBERS = 10_000
_MANIFEST_BYTES = 8 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_%~-][A-Za-z0-9_%~.-]*)?")


class Entry(Record):
    """What the manifest says of one member. `place`: where it was, for a person to read."""

    name: str
    size: int
    sha256: str
    place: str


class Manifest(Record, rename="camel"):
    """What a backup is. `sealing_key`: where it was; the key itself is never part of a backup."""

    format: int
    version: str
    created: str  # ISO 8601, UTC
    tables: str  # the migration that the database has
    sealing_key: str
    audit_trail: str
    audit_head: str  # hash of the last line
    audit_seq: int
    files: tuple[Entry, ...]


class Member(Record):
    """Where a member lies in the file."""

    name: str
    offset: int
    size: int


class Writer:
    """Writes members one after the other; the manifest last."""

    def __init__(self, file: IO[bytes], created: float) -> None:
        self._file, self._created = file, int(created)
        self._whole = hashlib.sha256()
        self._entries: list[Entry] = []

    def add(self, name: str, place: str, size: int, chunks: Iterable[bytes]) -> None:
        """Write a member of exactly this size. Failure: INTEGRITY (another size), STORE_UNSUPPORTED (name, size)."""
        self._put(self._header(name, size))
        digest, written = hashlib.sha256(), 0
        for chunk in chunks:
            self._put(chunk)
            digest.update(chunk)
            written += len(chunk)
        if written != size:
            raise Failure(Reason.INTEGRITY, f"{place} changed while it was read: try again")
        self._put(bytes(-size % _BLOCK))
        self._entries.append(Entry(name=name, size=size, sha256=digest.hexdigest(), place=place))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What was written so far."""
        return tuple(self._entries)

    def finish(self, manifest: Manifest) -> str:
        """Write the manifest and the end; the SHA-256 of the whole file, in hex."""
        text = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
        self._put(self._header(MANIFEST, len(text)))
        self._put(text + bytes(-len(text) % _BLOCK) + bytes(2 * _BLOCK))
        return self._whole.hexdigest()

    def _header(self, name: str, size: int) -> bytes:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, self._created
        try:
            if not _NAME.fullmatch(name):
                raise ValueError(name)
            return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
        except ValueError:
            raise Failure(Reason.STORE_UNSUPPORTED, f"{name}: too long a name, or too large, for a backup") from None

    def _put(self, octets: bytes) -> None:
        self._file.write(octets)
        self._whole.update(octets)


class Archive:
    """A backup that is read. Every method may fail with INTEGRITY."""

    def __init__(self, file: IO[bytes]) -> None:
        """Look at every header and at the manifest; contents are judged when they are read."""
        self._file = file
        found = {member.name: member for member in _index(file)}
        last = next(reversed(found.values()), None)
        if last is None or last.name != MANIFEST:
            raise _damaged("it does not end with its manifest: it is not whole, or no backup")
        self.manifest = _manifest(_read(file, last, _MANIFEST_BYTES))
        entries = {entry.name: entry for entry in self.manifest.files}
        del found[MANIFEST]
        if len(entries) != len(self.manifest.files) or {name: member.size for name, member in found.items()} != {
            name: entry.size for name, entry in entries.items()
        }:
            raise _damaged("its manifest names other files than it holds")
        self.entries = entries
        self._members = found

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a member; fails at its end when it is not the one of the manifest."""
        digest = hashlib.sha256()
        member = self._members[name]
        for offset in range(0, member.size, _CHUNK):
            self._file.seek(member.offset + offset)
            chunk = self._file.read(min(_CHUNK, member.size - offset))
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != self.entries[name].sha256:
            raise _damaged(f"{name} is not what its manifest says")

    def content(self, name: str, limit: int) -> bytes:
        """A small member, whole."""
        if self._members[name].size > limit:
            raise _damaged(f"{name} is larger than {limit} bytes")
        return b"".join(self.chunks(name))


def _index(file: IO[bytes]) -> Iterator[Member]:
    whole, position, met = os.fstat(file.fileno()).st_size, 0, set[str]()
    while (header := _block(file, position)) != bytes(_BLOCK):
        member = _member(header, position + _BLOCK)
        if member.name in met or len(met) >= _MEMBERS:
            raise _damaged("it holds a file twice, or too many")
        met.add(member.name)
        position = member.offset + member.size + (-member.size % _BLOCK)
        if position > whole:
            raise _damaged("it is cut off")
        yield member
    if whole - position < 2 * _BLOCK:
        raise _damaged("it is cut off")
    if whole - position > 10_240 or _block(file, position, whole - position).strip(b"\0"):
        raise _damaged("there is something behind its end")


def _block(file: IO[bytes], position: int, size: int = _BLOCK) -> bytes:
    file.seek(position)
    block = file.read(size)
    if len(block) != size:
        raise _damaged("it is cut off")
    return block


def _member(header: bytes, offset: int) -> Member:
    try:
        info = tarfile.TarInfo.frombuf(header, "ascii", "strict")
    except (tarfile.HeaderError, ValueError):
        raise _damaged("it is no tar file, or damaged") from None
    if info.type != tarfile.REGTYPE or info.size < 0 or not _NAME.fullmatch(info.name):
        raise _damaged("it holds something else than the plain files of a backup")
    return Member(name=info.name, offset=offset, size=info.size)


def _read(file: IO[bytes], member: Member, limit: int) -> bytes:
    if member.size > limit:
        raise _damaged(f"{member.name} is larger than {limit} bytes")
    return _block(file, member.offset, member.size)


def _manifest(text: bytes) -> Manifest:
    try:
        found = msgspec.json.decode(text, type=dict[str, msgspec.Raw]).get("format", msgspec.Raw(b"0"))
        if msgspec.json.decode(found, type=int) > FORMAT:
            raise Failure(
                Reason.INTEGRITY, "the backup was made by a newer version of hsmgate: restore it with that one"
            )
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _damaged("its manifest cannot be read") from None
    if manifest.format != FORMAT:
        raise _damaged("its manifest is of no known form")
    return manifest


def _damaged(why: str) -> Failure:
    return Failure(Reason.INTEGRITY, f"the backup cannot be used: {why}")
