"""`hsmgate keystore reseal`: killed at any of its steps it is continued by the next try; no file of a key is lost."""

import io
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from hsmgate.adapters import unsealing
from hsmgate.adapters.sealing_key import configured_sealing_key, read_sealing_key
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.adapters.sql import connect
from hsmgate.adapters.stretching import ScryptCost
from hsmgate.cli import resealing
from hsmgate.cli.audit import judge
from hsmgate.cli.progress import Progress
from hsmgate.config import Config, load
from hsmgate.errors import Failure
from support.keystore_contract import NO_EXTRA, spec_of

STEPS = (
    "open",
    "link",
    "replace",
    "rename",
    "unlink",
    "fsync",
    "fdatasync",
)  # of os: what changes files, or waits for it
YML = "hsm: {software: {key: KEY}}\nhsmgate: {data-dir: data}\n"


class Killed(BaseException):
    """Nobody handles it."""


class Steps:
    """Lets so many calls pass, then ends."""

    def __init__(self, passed: int) -> None:
        self._left = passed

    def counted(self, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            self._left -= 1
            if self._left == -1:
                raise Killed
            return real(*arguments, **named)

        return call


class House:
    """A configuration folder whose database holds a key."""

    def __init__(self, folder: Path, key: str = "file:sealing.key") -> None:
        self.folder, self.key = folder, folder / "sealing.key"
        self.configure(key)

    def configure(self, key: str) -> None:
        (self.folder / "application-local.yml").write_text(YML.replace("KEY", f"'{key}'" if key else ""))

    @property
    def config(self) -> Config:
        return load(self.folder, None, {}, self.folder)

    def opened(self) -> SoftwareKeystore:
        config = self.config
        software, data = config.hsm.software, config.hsmgate.data_dir
        given = configured_sealing_key(software.key, software.key_file or data / "sealing.key", data)
        database = connect(None, None, None, data)
        try:
            return SoftwareKeystore(database, given, lambda: 1.7e9)
        except Failure:
            database.close()
            raise

    def signs(self) -> bytes:
        """The public key of the one that signs."""
        store = self.opened()
        try:
            key = store.find("a")
            assert store.sign(key, None, "SHA256_WITH_ECDSA", b"m", NO_EXTRA)
            return key.public_key or b""
        finally:
            store.close()

    def trail(self) -> list[str]:
        path = self.folder / "data/audit.log"
        judge([path], "", Progress("", io.StringIO(), lambda: 0.0))
        return re.findall(r'"action":"(keystore[^"]*)"', path.read_text())


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passphrases need not be safe here."""
    monkeypatch.setattr(unsealing, "ScryptCost", partial(ScryptCost, log_n=15))


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.key.write_text(os.urandom(32).hex())
    made.key.chmod(0o600)
    store = made.opened()
    store.create(spec_of("secp256r1", "a"), None)
    store.close()
    return made


def old_keys(house: House) -> Iterator[Path]:
    return house.folder.rglob("sealing.key.old-*")


def test_a_new_key_takes_the_place_of_the_old_one_which_is_kept(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    public, old = house.signs(), read_sealing_key(house.key)
    resealing.reseal(house.config, None)
    kept = house.folder / "sealing.key.old-1"
    assert capsys.readouterr().out.splitlines() == [
        "sealed anew: 1 keys",
        f"sealing key: {house.key}",
        f"kept: {kept} (backups of before need it)",
    ]
    assert read_sealing_key(kept) == old != read_sealing_key(house.key)
    assert house.signs() == public
    assert house.trail() == ["keystore.reseal", "keystore.resealed"]
    resealing.reseal(house.config, None)
    assert sorted(path.name for path in old_keys(house)) == ["sealing.key.old-1", "sealing.key.old-2"]
    assert house.signs() == public
    assert not [path for path in house.folder.rglob("*") if path.name.endswith(".new")]


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
def test_killed_at_any_step_it_is_continued(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    public, first = house.signs(), read_sealing_key(house.key)
    shutil.copytree(house.folder, tmp_path / "kept-copy")
    kills = 0
    for step in range(random.randrange(every), 1000, every):
        for path in house.folder.iterdir():
            if path.name != "kept-copy":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(tmp_path / "kept-copy", house.folder, dirs_exist_ok=True)
        with monkeypatch.context() as patched:
            steps = Steps(step)
            for name in STEPS:
                patched.setattr(os, name, steps.counted(getattr(os, name)))
            try:
                resealing.reseal(house.config, None)
            except Killed:
                kills += 1
            else:
                break
        started = starts(house)
        finished = read_sealing_key(house.key) != first and not (house.folder / "sealing.key.new").exists()
        if not finished:
            resealing.reseal(house.config, None)
        assert house.signs() == public, step
        assert [read_sealing_key(path) for path in old_keys(house)] == [first], step
        assert not (house.folder / "sealing.key.new").exists()
        assert started or "keystore.resealed" in house.trail()
    assert kills > 20 // every, "steps were met"


def starts(house: House) -> bool:
    """Whether a service would start after the kill."""
    try:
        house.signs()
    except Failure as failure:
        if "not the key that the database was made with" in str(failure):
            return False
        raise
    return True


@pytest.mark.parametrize(
    "content",
    [None, os.urandom(32), b"another passphrase\n", os.urandom(32).hex().encode()],
    ids=["new", "octets", "passphrase", "hex"],
)
def test_another_file_takes_over_and_the_configuration_follows(
    house: House, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    public, to = house.signs(), house.folder / "next"
    if content is not None:
        to.write_bytes(content)
        to.chmod(0o600)
    resealing.reseal(house.config, to)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "sealed anew: 1 keys"
    found = re.fullmatch(r'set in the configuration: hsm\.software\.key: "(.+)"', second)
    assert found
    resealing.reseal(house.config, to)  # as after a kill
    assert capsys.readouterr().out.splitlines() == [
        "sealed anew: by an earlier try, which is brought to its end",
        second,
    ]
    house.configure(found[1])
    assert house.signs() == public
    with pytest.raises(Failure, match="next holds the present sealing key"):
        resealing.reseal(house.config, to)


def test_a_passphrase_is_changed_to_another(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    public = house.signs()
    for name in ("one", "two"):
        to = house.folder / name
        to.write_text(f"passphrase number {name}\n")
        to.chmod(0o600)
        resealing.reseal(house.config, to)
        house.configure(f"${{file:{to}}}")
        assert house.signs() == public
    with pytest.raises(Failure, match="name the file of the next key with --to"):
        resealing.reseal(house.config, None)
    capsys.readouterr()


def test_an_own_key_below_the_data_folder_is_changed(house: House) -> None:
    house.key.rename(house.folder / "data/sealing.key")
    house.configure("")
    public = house.signs()
    resealing.reseal(house.config, None)
    assert house.signs() == public
    assert [path.name for path in old_keys(house)] == ["sealing.key.old-1"]


def test_a_link_to_a_key_stays_a_link(house: House) -> None:
    (house.folder / "vault").mkdir()
    house.key.rename(house.folder / "vault/real.key")
    house.key.symlink_to("vault/real.key")
    public = house.signs()
    resealing.reseal(house.config, None)
    assert house.key.is_symlink()
    assert house.signs() == public
    assert sorted(path.name for path in (house.folder / "vault").iterdir()) == ["real.key", "real.key.old-1"]


def test_a_name_that_is_taken_is_left_alone(house: House) -> None:
    taken = house.folder / "sealing.key.old-1"
    taken.symlink_to("nowhere")
    resealing.reseal(house.config, None)
    assert taken.is_symlink()
    assert (house.folder / "sealing.key.old-2").is_file()


def test_what_is_refused_changes_nothing(house: House) -> None:
    other = house.folder / "other.key"
    other.write_text(os.urandom(32).hex())
    other.chmod(0o600)
    before = sorted(house.folder.iterdir())
    kept = house.opened()
    with pytest.raises(Failure, match="stop it first"):
        resealing.reseal(house.config, None)
    kept.close()
    house.configure("file:other.key")
    for to in (None, house.folder / "new.key"):
        with pytest.raises(Failure, match="not the key that the database is sealed with"):
            resealing.reseal(house.config, to)
    assert sorted(house.folder.iterdir()) == before
    house.configure("file:sealing.key")
    other.chmod(0o640)
    with pytest.raises(Failure, match="chmod 600"):
        resealing.reseal(house.config, other)
    with pytest.raises(Failure, match="holds the present sealing key"):
        resealing.reseal(house.config, house.key)
    shutil.rmtree(house.folder / "data")
    with pytest.raises(Failure, match="there are no keys yet"):
        resealing.reseal(house.config, None)
    assert not (house.folder / "data").exists()
