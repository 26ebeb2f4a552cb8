"""The file of a backup: any tar reads it; what is not exactly such a file is refused."""

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hsmgate.adapters.archive import FORMAT, MANIFEST, Archive, Entry, Manifest, Writer
from hsmgate.errors import Failure, Reason

CONTENTS = {"hsmgate.db": b"d" * 1500, "audit/audit.log": b"", "trust-store/a%20b.pem": b"t" * 512}


def manifest(*files: Entry, form: int = FORMAT) -> Manifest:
    return Manifest(
        format=form,
        version="1",
        created="2026-01-02T03:04:05+00:00",
        tables="0001",
        sealing_key="/x",
        audit_trail="t",
        audit_head="h",
        audit_seq=1,
        files=files,
    )


def written(contents: dict[str, bytes] | None = None) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, 1.7e9)
    for name, content in (CONTENTS if contents is None else contents).items():
        writer.add(name, f"/was/{name}", len(content), [content])
    digest = writer.finish(manifest(*writer.entries))
    assert digest == hashlib.sha256(file.getvalue()).hexdigest()
    return file.getvalue()


WHOLE = written()


def read(octets: bytes, folder: Path) -> dict[str, bytes]:
    path = folder / "backup.tar"
    path.write_bytes(octets)
    with path.open("rb") as file:
        archive = Archive(file)
        return {name: b"".join(archive.chunks(name)) for name in archive.entries}


def refused(octets: bytes, folder: Path, words: str) -> None:
    with pytest.raises(Failure, match=words) as caught:
        read(octets, folder)
    assert caught.value.reason is Reason.INTEGRITY


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read(WHOLE, tmp_path) == CONTENTS


def test_tar_reads_it_too(tmp_path: Path) -> None:
    (tmp_path / "backup.tar").write_bytes(WHOLE)
    subprocess.run(["tar", "-xf", "backup.tar"], cwd=tmp_path, check=True)
    for name, content in CONTENTS.items():
        assert (tmp_path / name).read_bytes() == content
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    entries = msgspec.json.decode((tmp_path / MANIFEST).read_bytes(), type=Manifest).files
    listed = "".join(f"{entry.sha256}  {entry.name}\n" for entry in entries)
    done = subprocess.run(["sha256sum", "--check"], input=listed, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("position", range(0, len(WHOLE), 37))
def test_every_changed_octet_is_found_or_means_nothing(tmp_path: Path, position: int) -> None:
    """Nothing: padding, the header's owner and time, whose checksum tells a change all the same, places for people."""
    changed = bytearray(WHOLE)
    changed[position] ^= 0x20
    try:
        assert read(bytes(changed), tmp_path) == CONTENTS
    except Failure as failure:
        assert failure.reason is Reason.INTEGRITY  # noqa: PT017


@pytest.mark.parametrize("size", range(0, len(WHOLE), 256))
def test_every_cut_is_found(tmp_path: Path, size: int) -> None:
    refused(WHOLE[:size], tmp_path, "cannot be used")


def tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as made:
        for info, content in members:
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
        text = msgspec.json.encode(manifest(*(entry_of(info.name, content) for info, content in members)))
        last = tarfile.TarInfo(MANIFEST)
        last.size = len(text)
        made.addfile(last, io.BytesIO(text))
    return file.getvalue()


def entry_of(name: str, content: bytes) -> Entry:
    return Entry(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest(), place="")


def member(name: str, content: bytes = b"", **more: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    for field, value in more.items():
        setattr(info, field, value)
    return info, content


def test_a_tar_that_another_program_wrote_is_read(tmp_path: Path) -> None:
    assert read(tar(member("hsmgate.db", b"d")), tmp_path) == {"hsmgate.db": b"d"}


HOSTILE: dict[str, bytes] = {
    "parent": tar(member("../hsmgate.db")),
    "parent inside": tar(member("audit/../../x")),
    "absolute": tar(member("/etc/passwd")),
    "hidden": tar(member(".ssh")),
    "deep": tar(member("a/b/c")),
    "backslash": tar(member("..\\x")),
    "empty name": tar(member("")),
    "long name": tar(member("a" * 200), form=tarfile.GNU_FORMAT),
    "pax": tar(member("a" * 200), form=tarfile.PAX_FORMAT),
    "symbolic link": tar(member("hsmgate.db", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
    "hard link": tar(member("hsmgate.db", type=tarfile.LNKTYPE, linkname="/etc/passwd")),
    "device": tar(member("hsmgate.db", type=tarfile.CHRTYPE)),
    "fifo": tar(member("hsmgate.db", type=tarfile.FIFOTYPE)),
    "folder": tar(member("audit", type=tarfile.DIRTYPE)),
    "sparse": tar(member("hsmgate.db", type=tarfile.GNUTYPE_SPARSE), form=tarfile.GNU_FORMAT),
    "twice": tar(member("hsmgate.db", b"1"), member("hsmgate.db", b"2")),
    "too many": tar(*(member(f"audit/{number}") for number in range(10_001))),
    "something behind": WHOLE + b"x",
    "much behind": WHOLE + bytes(20_000),
    "two in one": WHOLE + WHOLE,
    "nothing": b"",
    "zeros": bytes(10_240),
    "no manifest": WHOLE[: WHOLE.rindex(b"manifest.json")] + bytes(1024),
    "gzip": b"\x1f\x8b" + bytes(2000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_backup_is_refused(tmp_path: Path, name: str) -> None:
    refused(HOSTILE[name], tmp_path, "the backup cannot be used: ")


def huge(size: int) -> bytes:
    """A header that claims a size which tar writes in binary."""
    info = tarfile.TarInfo("hsmgate.db")
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT) + WHOLE[512:]


@pytest.mark.parametrize("size", [2**33, 2**62, 2**80, -1, -(2**40)])
def test_a_size_that_cannot_be_takes_no_memory(tmp_path: Path, size: int) -> None:
    refused(huge(size), tmp_path, "cannot be used")


def with_manifest(text: bytes) -> bytes:
    file = io.BytesIO()
    info = tarfile.TarInfo(MANIFEST)
    info.size = len(text)
    file.write(info.tobuf(tarfile.USTAR_FORMAT) + text + bytes(-len(text) % 512) + bytes(1024))
    return file.getvalue()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"{}", "cannot be read"),
        (msgspec.json.encode(manifest(form=0)), "no known form"),
        (msgspec.json.encode(manifest(form=2)), "newer version of hsmgate"),
        (b'{"format": 3, "new": true}', "newer version of hsmgate"),
        (b'{"format": "x"}', "cannot be read"),
        (msgspec.json.encode(manifest()).replace(b'"version"', b'"other":1,"version"'), "cannot be read"),
        (msgspec.json.encode(manifest(entry_of("hsmgate.db", b""))), "names other files"),
        (b" " * (9 * 1024 * 1024), "larger than"),
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: bytes, words: str) -> None:
    refused(with_manifest(text), tmp_path, words)


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: msgspec.structs.replace(entry, sha256="0" * 64),
        lambda entry: msgspec.structs.replace(entry, size=entry.size + 1),
        lambda entry: msgspec.structs.replace(entry, name="key-store"),
    ],
)
def test_a_manifest_of_something_else_is_found(tmp_path: Path, change: Callable[[Entry], Entry]) -> None:
    file = io.BytesIO()
    writer = Writer(file, 0)
    writer.add("hsmgate.db", "", 3, [b"abc"])
    writer.finish(manifest(change(writer.entries[0])))
    refused(file.getvalue(), tmp_path, "cannot be used")


def test_a_name_twice_in_the_manifest_is_found(tmp_path: Path) -> None:
    file = io.BytesIO()
    writer = Writer(file, 0)
    writer.add("hsmgate.db", "", 3, [b"abc"])
    writer.finish(manifest(writer.entries[0], writer.entries[0]))
    refused(file.getvalue(), tmp_path, "names other files")


@pytest.mark.parametrize("name", ["../x", "/x", "a/b/c", "x" * 101, "é", "a b", ".x", ""])
def test_a_bad_name_is_not_written(name: str) -> None:
    with pytest.raises(Failure) as caught:
        Writer(io.BytesIO(), 0).add(name, "", 0, [])
    assert caught.value.reason is Reason.STORE_UNSUPPORTED


@pytest.mark.parametrize("content", [b"", b"ab", b"abcd"])
def test_a_file_that_changes_while_it_is_read_is_told(content: bytes) -> None:
    with pytest.raises(Failure, match=r"x\.log changed while it was read"):
        Writer(io.BytesIO(), 0).add("audit/audit.log", "x.log", 3, [content])


def test_a_small_member_is_small(tmp_path: Path) -> None:
    (tmp_path / "backup.tar").write_bytes(WHOLE)
    with (tmp_path / "backup.tar").open("rb") as file:
        assert Archive(file).content("trust-store/a%20b.pem", 512) == b"t" * 512
        with pytest.raises(Failure, match="larger than 511 bytes"):
            Archive(file).content("trust-store/a%20b.pem", 511)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=40)), min_size=1, max_size=4))
def test_damage_never_raises_anything_else(tmp_path: Path, changes: list[tuple[int, bytes]]) -> None:
    changed = bytearray(WHOLE)
    for position, octets in changes:
        changed[position : position + len(octets)] = octets
    try:
        found = read(bytes(changed), tmp_path)
    except Failure as failure:
        assert failure.reason is Reason.INTEGRITY  # noqa: PT017
    else:
        assert found == CONTENTS
