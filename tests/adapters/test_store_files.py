"""Stores on disk: bounded reading, folders, the watcher's digest, and replacing that survives links and rivals."""

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from hsmgate.adapters import store_files
from hsmgate.errors import Failure, Reason
from hsmgate.pki.store_limits import FILE_BYTES
from support import store_tools as stores


@pytest.fixture(scope="module")
def roots() -> list[bytes]:
    return [stores.certificate(name) for name in ("Root A", "Root B", "Root C")]


@pytest.fixture
def folder(tmp_path: Path, roots: list[bytes]) -> Path:
    folder = tmp_path / "trust.d"
    folder.mkdir()
    (folder / "b.pem").write_bytes(stores.pem(roots[1]))
    (folder / "a.DER").write_bytes(roots[0])
    return folder


def failure_of(path: Path, password: str | None = None) -> Failure:
    with pytest.raises(Failure) as caught:
        store_files.read_store(path, password)
    assert "\n" not in caught.value.detail
    return caught.value


def test_a_file_is_read_by_its_content(tmp_path: Path, roots: list[bytes]) -> None:
    (tmp_path / "trust.jks").write_bytes(stores.pem(roots[0]))
    store = store_files.read_store(tmp_path / "trust.jks", None, "JKS")
    assert [entry.der for entry in store.entries] == [roots[0]]
    assert "the configured type is JKS but the content is PEM" in store.warnings[0]


def test_a_folder_is_merged_in_the_order_of_its_names(folder: Path, roots: list[bytes]) -> None:
    (folder / "c.crt").write_bytes(stores.pem(roots[2]) + stores.pem(roots[0]))
    store = store_files.read_store(folder, None)
    assert store.format == "PEM"
    assert [entry.der for entry in store.entries] == [roots[0], roots[1], roots[2]]
    assert len(store.warnings) == 1
    assert "are the same certificate; it counts once" in store.warnings[0]


def test_a_folder_ignores_dotfiles_and_names_what_else_it_ignores(folder: Path) -> None:
    (folder / ".hidden.pem").write_text("rubbish")
    (folder / "README.txt").write_text("rubbish")
    (folder / "sub.pem").mkdir()
    store = store_files.read_store(folder, None)
    assert len(store.entries) == 2
    assert store.warnings == (f"{folder}: 2 other entries of the folder are ignored (README.txt, sub.pem)",)


def test_the_links_of_a_kubernetes_volume_are_followed(tmp_path: Path, roots: list[bytes]) -> None:
    volume = tmp_path / "volume"
    for number in (0, 1):
        (volume / f"..2024_{number}").mkdir(parents=True)
        (volume / f"..2024_{number}" / "ca.crt").write_bytes(stores.pem(roots[number]))
    (volume / "..data").symlink_to("..2024_0")
    (volume / "ca.crt").symlink_to("..data/ca.crt")
    before = store_files.fingerprint(volume)
    assert [entry.der for entry in store_files.read_store(volume, None).entries] == [roots[0]]
    (volume / "..data_tmp").symlink_to("..2024_1")
    (volume / "..data_tmp").rename(volume / "..data")
    assert [entry.der for entry in store_files.read_store(volume, None).entries] == [roots[1]]
    assert store_files.fingerprint(volume) != before


@pytest.mark.parametrize("content", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\n"])
def test_a_broken_file_refuses_the_folder_by_its_name(folder: Path, content: bytes) -> None:
    (folder / "c.pem").write_bytes(content)
    assert failure_of(folder).detail.startswith(f"{folder}/c.pem: ")


def test_a_dangling_link_refuses_the_folder(folder: Path) -> None:
    (folder / "c.pem").symlink_to("nowhere")
    assert failure_of(folder).detail == f"{folder}/c.pem: No such file or directory"


def test_a_folder_holds_no_other_formats(folder: Path, roots: list[bytes]) -> None:
    from hsmgate.pki import jks

    (folder / "c.der").write_bytes(jks.serialise([jks.certificate_entry("a", roots[2], 0)], ""))
    assert failure_of(folder).reason is Reason.STORE_UNREADABLE  # no password is tried inside a folder
    stores.import_certificate(folder / "store", "PKCS12", "a", roots[2], "-J-Dkeystore.pkcs12.macAlgorithm=NONE",
                              "-J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE")  # fmt: skip
    (folder / "store").rename(folder / "c.der")
    failure = failure_of(folder)
    assert failure.reason is Reason.STORE_UNSUPPORTED
    assert "a folder holds PEM and DER files, this is PKCS12" in failure.detail


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "the folder holds no .cer, .crt, .der, .pem file" in failure_of(tmp_path).detail


def test_bounds_of_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_files, "FOLDER_BYTES", 300)
    assert "its files are larger than 300 bytes in all" in failure_of(folder).detail
    monkeypatch.setattr(store_files, "FOLDER_FILES", 1)
    assert "holds more than 1 files" in failure_of(folder).detail
    assert len(store_files.fingerprint(folder)) == 32


def test_only_regular_files_are_read_and_nothing_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.pem")
    start = time.monotonic()
    for path in (tmp_path / "fifo.pem", Path("/dev/zero"), Path("/dev/tty")):
        assert failure_of(path).reason is Reason.STORE_UNREADABLE
        assert len(store_files.fingerprint(path)) == 32
    assert "fifo.pem: is not a regular file" in failure_of(tmp_path).detail
    assert time.monotonic() - start < 2


def test_a_file_too_large_or_missing(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(FILE_BYTES + 1)
    assert failure_of(large).detail == f"{large}: is larger than {FILE_BYTES} bytes"
    assert failure_of(tmp_path / "none").detail == f"{tmp_path / 'none'}: No such file or directory"
    with large.open("wb") as file:
        file.truncate(FILE_BYTES)
    assert len(store_files.read_file(large)) == FILE_BYTES


def test_fingerprint_follows_content_and_names_only(folder: Path) -> None:
    seen = [store_files.fingerprint(folder)]
    os.utime(folder / "b.pem", (1, 1))
    (folder / ".new").write_text("x")
    (folder / "notes.txt").write_text("x")
    assert store_files.fingerprint(folder) == seen[0]
    content = (folder / "b.pem").read_bytes()
    (folder / "b.pem").write_bytes(content + b"\n")
    seen.append(store_files.fingerprint(folder))
    (folder / "b.pem").write_bytes(content)
    assert store_files.fingerprint(folder) == seen[0]
    (folder / "b.pem").rename(folder / "c.pem")
    seen.append(store_files.fingerprint(folder))
    (folder / "c.pem").unlink()
    seen.append(store_files.fingerprint(folder))
    (folder / "c.pem").symlink_to("nowhere")
    seen.append(store_files.fingerprint(folder))
    assert len(set(seen)) == len(seen)


def test_fingerprint_of_files_and_of_what_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "a"
    seen = [store_files.fingerprint(file)]
    file.write_bytes(b"")
    seen.append(store_files.fingerprint(file))
    file.write_bytes(b"x")
    seen.append(store_files.fingerprint(file))
    file.write_bytes(bytes(FILE_BYTES + 1))
    seen.append(store_files.fingerprint(file))
    (tmp_path / "loop").symlink_to("loop")
    seen.append(store_files.fingerprint(tmp_path / "loop"))
    assert len(set(seen)) == len(seen)


def test_replace_keeps_mode_owner_and_link(tmp_path: Path) -> None:
    target = tmp_path / "real" / "store"
    target.parent.mkdir()
    target.write_bytes(b"old")
    target.chmod(0o4640)
    if os.geteuid() == 0:
        os.chown(target, 1234, 5678)
        target.chmod(0o640)
    else:
        target.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to("real/store")
    before = target.stat()
    store_files.replace(link, b"new")
    after = target.stat()
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino
    assert list(target.parent.iterdir()) == [target]


def test_a_failed_replace_leaves_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "store"
    file.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Failure, match="cannot be replaced: No space left on device"):
        store_files.replace(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("name", ["missing", "folder", "loop"])
def test_replace_wants_an_existing_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(Failure) as caught:
        store_files.replace(tmp_path / name, b"new")
    assert caught.value.reason is Reason.STORE_UNREADABLE


def test_editors_take_turns_and_no_change_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "store"
    file.write_bytes(b"")

    def slow(content: bytes) -> bytes:
        time.sleep(0.01)
        return content + b"x"

    threads = [threading.Thread(target=store_files.edit, args=(file, slow)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.read_bytes() == b"x" * 12


def test_a_lock_that_is_never_released_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_files, "_LOCK_WAIT", 0.1)
    file = tmp_path / "store"
    file.write_bytes(b"old")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(Failure, match="another editor holds its lock"):
            store_files.edit(file, lambda content: content + b"new")
    finally:
        os.close(descriptor)
    assert file.read_bytes() == b"old"


def test_a_refused_change_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "store"
    file.write_bytes(b"old")
    before = file.stat()

    def refuse(_content: bytes) -> bytes:
        raise Failure(Reason.STORE_UNSUPPORTED, "no")

    with pytest.raises(Failure, match="no"):
        store_files.edit(file, refuse)
    assert file.stat().st_ino == before.st_ino
    with pytest.raises(Failure, match="is a folder; put certificate files into it"):
        store_files.edit(tmp_path, refuse)
