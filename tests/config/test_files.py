"""Which files are read."""

import os
from pathlib import Path

import pytest

from hsmgate.config import files, load
from hsmgate.config.files import find, read_bounded
from hsmgate.errors import Failure, Reason
from support.config_folder import Folder


def names(folder: Folder, profile: str | None = None, **environ: str) -> list[str]:
    return [file.name for file in find(folder.path, profile, environ, Path("/")).files]


@pytest.fixture
def several(folder: Folder) -> Folder:
    for name in ("application.yml", "application-local.yml", "application-tee.yaml", "application-prod.yml"):
        folder.write("server.port: 1\n", name)
    return folder


@pytest.mark.parametrize(
    ("profile", "environ", "read"),
    [
        (None, {}, ["application.yml", "application-local.yml"]),
        ("prod", {}, ["application.yml", "application-prod.yml"]),
        ("prod", {"spring.profiles.active": "tee"}, ["application.yml", "application-prod.yml"]),
        (None, {"spring.profiles.active": "prod"}, ["application.yml", "application-prod.yml"]),
        (None, {"SPRING_PROFILES_ACTIVE": "prod"}, ["application.yml", "application-prod.yml"]),
        (
            None,
            {"spring.profiles.active": "prod", "SPRING_PROFILES_ACTIVE": "tee"},
            ["application.yml", "application-prod.yml"],
        ),
        ("local, tee", {}, ["application.yml", "application-local.yml", "application-tee.yaml"]),
        ("tee,local,tee", {}, ["application.yml", "application-tee.yaml", "application-local.yml"]),
        ("", {}, ["application.yml", "application-local.yml"]),
        (",", {}, ["application.yml", "application-local.yml"]),
    ],
)
def test_profiles(several: Folder, profile: str | None, environ: dict[str, str], read: list[str]) -> None:
    assert names(several, profile, **environ) == read


def test_later_files_win(folder: Folder) -> None:
    folder.write("server: {port: 1, address: 127.0.0.1}\nhsmgate.hosts: [a, b]\n", "application.yml")
    folder.write("server.port: 2\nhsmgate.hosts: [c]\n", "application-a.yml")
    folder.write("server.port: 3\n", "application-b.yml")
    config = load(folder.path, "a,b", {}, folder.path)
    assert (config.server.port, config.server.address, config.hsmgate.hosts) == (3, "127.0.0.1", ("c",))
    assert load(folder.path, "b,a", {}, folder.path).server.port == 2


def test_a_later_null_takes_a_value_back(folder: Folder) -> None:
    folder.write("server.port: 1\n", "application.yml")
    config = folder.load("server.port:\n")
    assert config.server.port == 8080
    assert not config.is_set("server.port")


def test_a_profile_without_file_is_said_when_it_was_asked_for(folder: Folder) -> None:
    folder.write("", "application.yml")
    assert find(folder.path, None, {}, Path("/")).warnings == ()
    (line,) = find(folder.path, "prod", {}, Path("/")).warnings
    assert "application-prod.yml" in line


@pytest.mark.parametrize("profile", ["../x", "a/b", "a b", "-x", ".", "a\nb", "é"])
def test_a_profile_is_a_plain_name(folder: Folder, profile: str) -> None:
    with pytest.raises(Failure, match="is not a profile name") as caught:
        names(folder, profile)
    assert caught.value.reason is Reason.CONFIG_INVALID


def test_yml_beside_yaml_is_refused(folder: Folder) -> None:
    folder.write("", "application.yml")
    folder.write("", "application.yaml")
    with pytest.raises(Failure, match=r"holds both application.yml and application.yaml"):
        names(folder)


def test_the_usual_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = tmp_path / "mount"
    monkeypatch.setattr(files, "CONFIG_MOUNT", str(mount))
    with pytest.raises(Failure, match=f"neither {tmp_path}/config-files nor {mount} exists") as caught:
        find(None, None, {}, tmp_path)
    assert caught.value.reason is Reason.CONFIG_MISSING
    for folder in (mount, tmp_path / "config-files", tmp_path / "named"):  # each is preferred to those before
        folder.mkdir()
        (folder / "application.yml").touch()
        environ = {"HSMGATE_CONFIG": "named"} if folder.name == "named" else {"HSMGATE_CONFIG": ""}
        assert find(None, None, environ, tmp_path).folder == folder
    assert find(Path("config-files"), None, {"HSMGATE_CONFIG": "named"}, tmp_path).folder == tmp_path / "config-files"


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (None, "application.yml or application-local.yml"),
        ("a,b", "application.yml or application-a.yml or application-b.yml"),
    ],
)
def test_an_empty_folder_is_missing(folder: Folder, profile: str | None, said: str) -> None:
    with pytest.raises(Failure, match=said) as caught:
        names(folder, profile)
    assert caught.value.reason is Reason.CONFIG_MISSING


def test_no_such_path_is_missing(folder: Folder) -> None:
    with pytest.raises(Failure, match="neither a file nor a folder") as caught:
        load(folder.path / "nowhere", None, {}, folder.path)
    assert caught.value.reason is Reason.CONFIG_MISSING
    with pytest.raises(Failure, match="File name too long") as caught:
        load(Path("x" * 5000), None, {}, folder.path)
    assert caught.value.reason is Reason.CONFIG_MISSING


def test_a_file_is_read_alone(several: Folder) -> None:
    file = several.write("server.ssl.trust-store: tls/t.pem\n", "mine.conf")
    config = load(Path("mine.conf"), None, {"SPRING_PROFILES_ACTIVE": "prod"}, several.path)
    assert config.files == (file,)
    assert config.folder == several.path
    assert config.server.ssl.trust_store == several.path / "tls/t.pem"
    assert config.warnings == ()
    (line,) = load(file, "prod", {}, several.path).warnings
    assert "profile prod is not used" in line


def test_links_as_kubernetes_makes_them_are_kept(folder: Folder) -> None:
    folder.write("server.port: 1\n", "..2024/application.yml")
    (folder.path / "..data").symlink_to("..2024")
    (folder.path / "application.yml").symlink_to("..data/application.yml")
    config = load(folder.path, None, {}, folder.path)
    assert config.server.port == 1
    assert config.files == (folder.path / "application.yml",)


def test_a_dangling_link_is_not_passed_over(folder: Folder) -> None:
    folder.write("", "application.yml")
    (folder.path / "application-local.yml").symlink_to("gone")
    with pytest.raises(Failure, match=r"application-local.yml cannot be read: No such file"):
        load(folder.path, None, {}, folder.path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda file: file.write_bytes(b"#" * (files.FILE_BYTES + 1)), "is larger than 1048576 bytes"),
        (lambda file: file.mkdir(), "is not a regular file|Is a directory"),
        (os.mkfifo, "is not a regular file"),
    ],
)
def test_what_is_no_reasonable_file_is_refused(folder: Folder, make: object, said: str) -> None:
    assert callable(make)
    make(folder.path / "application-local.yml")
    with pytest.raises(Failure, match=said) as caught:
        load(folder.path, None, {}, folder.path)
    assert caught.value.reason is Reason.CONFIG_INVALID


def test_read_bounded(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"1234")
    assert read_bounded(file, 4) == b"1234"
    with pytest.raises(ValueError, match="larger than 3 bytes"):
        read_bounded(file, 3)
