"""`hsmgate backup` while the service is at work, `hsmgate restore` where there is nothing; and what is refused."""

import gzip
import json
import os
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from hsmgate.adapters.archive import Archive, Writer
from support import certs
from support.forks import Forks
from support.service import GONE, Client, Quick, one_line

WHOLE = {
    *("hsmgate.db", "audit/audit.log", "trust-store", "key-store", "configuration/application-local.yml"),
    "manifest.json",
}


class Maker(threading.Thread):
    """Creates keys until it is told to stop; remembers what was answered."""

    def __init__(self, client: Client, name: str) -> None:
        super().__init__()
        self.client, self.prefix = client, name
        self.made: list[str] = []
        self.done = threading.Event()

    def run(self) -> None:
        number = 0
        try:
            while not self.done.wait(0.02):
                number += 1
                if self.client.create(f"{self.prefix}{number}", f"{self.prefix}{number}-id").status == 201:
                    self.made.append(f"{self.prefix}{number}")
        except GONE:
            pass


def backed_up(quick: Quick, commands: Forks, name: str = "backup.tar") -> Path:
    file = quick.folder.parent / name
    done = commands.run("backup", file, "--config", quick.config)
    assert done.code == 0, done.err
    assert file.stat().st_mode & 0o777 == 0o600
    return file


def fresh_machine(quick: Quick, folder: Path, key: str = "sealing.key") -> Quick:
    """A folder with nothing but the sealing key, and the client's own files beside it."""
    folder.mkdir()
    shutil.copy(quick.folder / "sealing.key", folder / key)
    for name in ("ca.crt", "client.p12", "client.p12.password"):
        shutil.copy(quick.folder / name, folder / name)
    return Quick(folder)


def attributes_of(client: Client, label: str) -> dict[str, object]:
    return {**client.call("GET", f"/v1/key/{label}/attributes").json["json"], "attestTime": ""}


def test_under_load_and_on_a_fresh_machine(quick_used: Quick, commands: Forks, tmp_path: Path) -> None:
    with quick_used.serve() as service:
        makers = [Maker(quick_used.client(service.port), name) for name in "ab"]
        for maker in makers:
            maker.start()
        try:
            while any(len(maker.made) < 3 for maker in makers):
                makers[0].done.wait(0.01)
            before = [label for maker in makers for label in list(maker.made)]
            file = backed_up(quick_used, commands)
        finally:
            for maker in makers:
                maker.done.set()
                maker.join()
                maker.client.close()
        with quick_used.client(service.port) as client:
            attributes = {label: attributes_of(client, label) for label in client.labels()}
        assert service.stop() == 0
    with tarfile.open(file) as archive:
        assert set(archive.getnames()) == WHOLE
        manifest = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
    secret = (quick_used.folder / "sealing.key").read_text().strip()
    assert secret.encode() not in file.read_bytes()
    assert bytes.fromhex(secret) not in file.read_bytes()
    assert manifest["sealingKey"].endswith("/sealing.key")

    there = fresh_machine(quick_used, tmp_path / "fresh")
    restored = commands.run("restore", file, there.folder, "--head", manifest["auditHead"])
    assert restored.code == 0, restored.err
    assert f"audit-head: {manifest['auditHead']}\n" in restored.out
    assert there.verify_trail("--head", manifest["auditHead"]).returncode == 0
    kept = [line["action"] for line in quick_used.trail() if line["action"] == "backup"]
    assert kept == ["backup"]
    assert there.trail()[-1]["action"] == "restore"
    with there.serve() as service:
        with there.client(service.port) as client:  # the same trust, the same server certificate
            labels = client.labels()
            assert set(before) <= set(labels) <= set(attributes)
            for label in labels:
                assert attributes_of(client, label) == attributes[label]
            for label in labels[:10]:
                assert client.sign(label, "aGVsbG8=").status == 200
            assert client.create("later").status == 201
        assert service.stop() == 0
    there.verify_trail("--head", manifest["auditHead"])
    begun = {line["requestId"] for line in there.trail() if line["phase"] == "intent"}
    assert {f"{label}-id" for label in labels if label != "first"} <= begun, "each key has its line"


def test_restored_by_a_configuration_of_another_shape(quick_used: Quick, commands: Forks, tmp_path: Path) -> None:
    """Truststore in a folder, trail with rotated and compressed files: put where the other configuration has them."""
    folder, other = quick_used.config / "tls/clients", certs.client("Über", certs.authority("root"))
    folder.mkdir()
    quick_used.truststore.rename(folder / "root.pem")
    (folder / "Über uns.crt").write_bytes(other.pem)
    quick_used.edit(("tls/truststore.pem", "tls/clients"))
    (quick_used.config / "ocsp.pem").write_bytes(other.pem)
    quick_used.yml.write_text(f"{quick_used.yml.read_text()}\nhsmgate.ocsp.issuers: [ocsp.pem, tls/clients/root.pem]\n")
    for number in (1, 2):  # what logrotate does between two starts
        quick_used.audit.rename(quick_used.data / f"audit.log-2026010{number}")
        assert commands.serve(quick_used.config).code is None
    first = quick_used.data / "audit.log-20260101"
    with gzip.open(f"{first}.gz", "wb") as packed:
        packed.write(first.read_bytes())
    first.unlink()
    (quick_used.data / "audit.log.txt").write_text("a note")  # no part of the trail
    file = backed_up(quick_used, commands)
    there = fresh_machine(quick_used, tmp_path / "fresh")
    there.config.mkdir()
    text = quick_used.yml.read_text().replace("tls/clients'", "trusted'").replace("tls/server.p12", "s/s.p12")
    text = text.replace("[ocsp.pem, tls/clients/root.pem]", "[o/1.pem, o/2.pem]")
    there.yml.write_text(f"{text}\nhsmgate.audit.file: ../trail/t.log\nspring.datasource.url: sqlite:///../db/k.db\n")
    restored = commands.run("restore", file, "--config", there.config)
    assert restored.code == 0, restored.err
    found = {str(path.relative_to(there.folder)) for path in there.folder.rglob("*") if path.is_file()}
    assert found >= {
        *("config-files/trusted/root.pem", "config-files/trusted/Über uns.crt", "config-files/s/s.p12", "db/k.db"),
        *("config-files/o/1.pem", "config-files/o/2.pem", "trail/t.log", "trail/t.log-20260102"),
        "trail/t.log-20260101.gz",
    }
    assert "trail/t.log.txt" not in found
    assert commands.run("audit", "verify", *there.folder.glob("trail/t.log*")).code == 0
    checked = commands.run("check", "--config", there.config, SERVER_PORT="0")
    assert checked.code == 0, checked.err
    assert "1 keys" in checked.out
    assert commands.serve(there.config).code is None


def test_a_restore_that_was_interrupted_is_repeated(quick_used: Quick, commands: Forks, tmp_path: Path) -> None:
    file = backed_up(quick_used, commands)
    there = fresh_machine(quick_used, tmp_path / "fresh", "elsewhere.key")
    missing = commands.run("restore", file, there.folder)
    assert missing.code == 1
    assert "sealing.key: no such file" in one_line(missing.err)
    assert not (there.data / "hsmgate.db").exists()
    (there.folder / "elsewhere.key").rename(there.folder / "sealing.key")
    assert commands.run("restore", file, there.folder).code == 0
    again = commands.run("restore", file, there.folder)
    assert again.code == 1
    assert "is there already: a restore overwrites nothing" in one_line(again.err)
    assert not list(there.data.glob(".hsmgate-*"))


def rewritten(file: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    """The same backup with other contents, under a manifest that fits them: what an attacker makes."""
    with file.open("rb") as old, (file.parent / "new.tar").open("wb") as new:
        archive, writer = Archive(old), Writer(new, 0)
        for name, entry in archive.entries.items():
            content = change(name, b"".join(archive.chunks(name)))
            if content is not None:
                writer.add(name, entry.place, len(content), [content])
        writer.finish(msgspec.structs.replace(archive.manifest, files=writer.entries))
    (file.parent / "new.tar").rename(file)


def yml(old: bytes, new: bytes) -> Callable[[str, bytes], bytes | None]:
    def change(name: str, content: bytes) -> bytes | None:
        assert not name.endswith(".yml") or old in content
        return content.replace(old, new) if name.endswith(".yml") else content

    return change


def cut_trail(name: str, content: bytes) -> bytes | None:
    return b"".join(content.splitlines(keepends=True)[:-1]) if name.startswith("audit") else content


def changed_trail(name: str, content: bytes) -> bytes | None:
    return content.replace(b'"result":"ok"', b'"result":"OK"') if name.startswith("audit") else content


def without(part: str) -> Callable[[str, bytes], bytes | None]:
    return lambda name, content: None if name.startswith(part) else content


def changed_key(name: str, content: bytes) -> bytes | None:
    """The label of a key, as large as before."""
    return content.replace(b"firstclientEC", b"fIrstclientEC") if name == "hsmgate.db" else content


HOSTILE: dict[str, tuple[Callable[[str, bytes], bytes | None], str]] = {
    "data elsewhere": (yml(b"data-dir: '../data'", b"data-dir: /var/tmp/hsmgate-elsewhere"), "outside "),
    "data above": (yml(b"data-dir: '../data'", b"data-dir: ../../other"), "outside "),
    "trust elsewhere": (yml(b"file:tls/truststore.pem", b"file:/etc/ssl/hsmgate.pem"), "outside "),
    "trail elsewhere": (yml(b"data-dir: '../data'", b"audit.file: /var/tmp/x.log"), "outside "),
    "database elsewhere": (
        yml(b"hsm:\n", b"spring.datasource.url: sqlite:////var/tmp/hsmgate-x.db\nhsm:\n"),
        "outside ",
    ),
    "another key in the database": (changed_key, "does not hold"),
    "trail cut": (cut_trail, "does not end where its manifest says"),
    "trail changed": (changed_trail, "the hash does not hold"),
    "no database": (without("hsmgate.db"), "holds no database"),
    "no configuration": (without("configuration"), "holds no configuration"),
    "database garbage": (lambda name, content: b"x" * 8192 if name == "hsmgate.db" else content, "damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_backup_that_was_made_to_harm_is_refused(
    name: str, quick_used: Quick, commands: Forks, tmp_path: Path
) -> None:
    change, words = HOSTILE[name]
    file = backed_up(quick_used, commands)
    rewritten(file, change)
    there = fresh_machine(quick_used, tmp_path / "fresh")
    done = commands.run("restore", file, there.folder)
    assert done.code == 1
    assert words in one_line(done.err)
    assert not list(there.folder.rglob("hsmgate.db"))
    assert not list(there.folder.rglob("audit.log"))
    assert not Path("/var/tmp/hsmgate-elsewhere").exists()


def test_a_link_in_the_folder_leads_nowhere(quick_used: Quick, commands: Forks, tmp_path: Path) -> None:
    file = backed_up(quick_used, commands)
    there = fresh_machine(quick_used, tmp_path / "fresh")
    (tmp_path / "outside").mkdir()
    (there.folder / "data").symlink_to(tmp_path / "outside")
    done = commands.run("restore", file, there.folder)
    assert done.code == 1
    assert "outside" in one_line(done.err)
    assert not list((tmp_path / "outside").iterdir())


REFUSED: dict[str, tuple[Callable[[Quick], object], str]] = {
    "another sealing key": (
        lambda there: (there.folder / "sealing.key").write_text(os.urandom(32).hex()),
        "not the key that the backup is sealed with",
    ),
    "a database": (lambda there: _make(there.data / "hsmgate.db"), "hsmgate.db is there already"),
    "a log of a database": (lambda there: _make(there.data / "hsmgate.db-wal"), "hsmgate.db-wal is there already"),
    "a trail": (lambda there: _make(there.audit), "audit.log is there already"),
    "another truststore": (lambda there: _make(there.truststore), "differs from the backup: move it away"),
    "another configuration": (lambda there: _make(there.yml), "differs from the backup: move it away"),
    "a folder in the way": (lambda there: there.truststore.mkdir(parents=True), "truststore.pem"),
}


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"mine")


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_there_is_left_alone(name: str, quick_used: Quick, commands: Forks, tmp_path: Path) -> None:
    change, words = REFUSED[name]
    file = backed_up(quick_used, commands)
    there = fresh_machine(quick_used, tmp_path / "fresh")
    change(there)
    before = {path: path.read_bytes() for path in there.folder.rglob("*") if path.is_file()}
    done = commands.run("restore", file, there.folder)
    assert done.code == 1
    assert words in one_line(done.err)
    assert {path: path.read_bytes() for path in before} == before


def test_a_passphrase_stays_out_of_the_backup(quick: Quick, commands: Forks, tmp_path: Path) -> None:
    quick.edit(("'file:../sealing.key'", "correct horse battery staple"))
    assert commands.serve(quick.config).code is None
    file = tmp_path / "backup.tar"
    done = commands.run("backup", file, "--config", quick.config)
    assert done.code == 0
    assert "hsm.software.key is a text: the files of the configuration, which may hold it, are left out" in done.err
    assert b"correct horse" not in file.read_bytes()
    assert "sealing key: hsm.software.key (not in the backup" in done.out
    there = fresh_machine(quick, tmp_path / "fresh")
    assert "holds no configuration" in commands.run("restore", file, there.folder).err
    there.config.mkdir(exist_ok=True)
    there.yml.write_text(quick.yml.read_text())
    restored = commands.run("restore", file, "--config", there.config)
    assert restored.code == 0, restored.err


def test_what_cannot_be_backed_up_is_said(fresh: Path, quick_used: Quick, commands: Forks, tmp_path: Path) -> None:
    bare = Quick(Path(shutil.copytree(fresh, tmp_path / "bare")))
    shutil.rmtree(bare.data)
    nothing = commands.run("backup", tmp_path / "x.tar", "--config", bare.config)
    assert "there is nothing to back up" in one_line(nothing.err)
    file = backed_up(quick_used, commands)
    before = file.read_bytes()
    again = commands.run("backup", file, "--config", quick_used.config)
    assert (again.code, "it is never overwritten" in one_line(again.err)) == (1, True)
    assert file.read_bytes() == before
    nowhere = commands.run("backup", tmp_path / "no/x.tar", "--config", quick_used.config)
    assert "cannot write" in one_line(nowhere.err)
    lines = quick_used.audit.read_bytes().replace(b'"result":"ok"', b'"result":"OK"', 1)
    quick_used.audit.write_bytes(lines)
    bad = commands.run("backup", tmp_path / "y.tar", "--config", quick_used.config)
    assert "the hash does not hold" in one_line(bad.err)
    assert not (tmp_path / "y.tar").exists()
    assert not list(tmp_path.glob(".*"))


def test_wrong_usage(quick_used: Quick, commands: Forks, tmp_path: Path) -> None:
    file = backed_up(quick_used, commands)
    both = commands.run("restore", file, tmp_path / "x", "--config", quick_used.config)
    assert both.code == 2
    absent = commands.run("restore", tmp_path / "absent.tar", tmp_path / "x")
    assert "absent.tar: No such file" in one_line(absent.err)
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in one_line(commands.run("restore", tmp_path / "pipe", tmp_path / "x").err)
    wrong = commands.run("restore", file, fresh_machine(quick_used, tmp_path / "f").folder, "--head", "0" * 64)
    assert "no line up to seq" in one_line(wrong.err)
