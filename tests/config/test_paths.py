"""file: URLs, relative paths, and the container's paths."""

from pathlib import Path

import pytest

from hsmgate.config import paths
from hsmgate.config.paths import Places, locate, location
from support.config_folder import Folder


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("file:/etc/x.p12", "/etc/x.p12"),
        ("file:///etc/x.p12", "/etc/x.p12"),
        ("file://localhost/etc/x.p12", "/etc/x.p12"),
        ("FILE:/etc/x.p12", "/etc/x.p12"),
        ("file:tls/x.p12", "tls/x.p12"),
        ("file:/etc/my%20store.p12", "/etc/my store.p12"),
        ("file:/etc/%C3%A9", "/etc/é"),
        ("file:/etc/100%", "/etc/100%"),
        ("/etc/100%25", "/etc/100%25"),
        ("/etc/x.p12", "/etc/x.p12"),
        ("tls/x.p12", "tls/x.p12"),
        ("./a:b", "./a:b"),
    ],
)
def test_location(text: str, path: str) -> None:
    assert location(text) == path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("classpath:keystore.p12", "classpath:"),
        ("CLASSPATH:/keystore.p12", "classpath:"),
        ("http://example.com/x", "must be a path"),
        ("jar:file:/x!/y", "must be a path"),
        ("file://host/etc/x", "another host"),
        ("file://host", "another host"),
        ("file:", "must be a path"),
        ("file:/a%00b", "must be a path"),
        ("a\0b", "must be a path"),
        ("", "must be a path"),
    ],
)
def test_no_location(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        location(text)


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The container's two mounts, under a folder of the test."""
    monkeypatch.setattr(paths, "CONFIG_MOUNT", str(tmp_path / "app/config"))
    monkeypatch.setattr(paths, "OUTPUT_MOUNT", str(tmp_path / "app/output"))
    return tmp_path / "app"


@pytest.mark.parametrize(
    ("path", "written", "where", "moved"),
    [
        ("{app}/config/tls/x.p12", False, "/conf/tls/x.p12", True),
        ("{app}/config", False, "/conf", True),
        ("{app}/config/../config/./x", False, "/conf/x", True),
        ("{app}/output/a.log", True, "/data/a.log", True),
        ("{app}/output", True, "/data", True),
        ("{app}/configure/x", False, "{app}/configure/x", False),
        ("{app}/config/../secret", False, "{app}/config/../secret", False),
        ("/elsewhere/x", False, "/elsewhere/x", False),
        ("tls/x", False, "/conf/tls/x", False),
    ],
)
def test_locate_without_mounts(mounts: Path, path: str, written: bool, where: str, moved: bool) -> None:
    places = Places(Path("/conf"), Path("/data"))
    found = locate(path.format(app=mounts), places, written)
    assert found == (Path(where.format(app=mounts)), moved)


def test_locate_prefers_what_exists_in_a_mount(mounts: Path) -> None:
    (mounts / "config").mkdir(parents=True)
    (mounts / "output").mkdir()
    (mounts / "config/x.p12").touch()
    places = Places(Path("/conf"), Path("/data"))
    assert locate(f"{mounts}/config/x.p12", places, written=False) == (mounts / "config/x.p12", False)
    assert locate(f"{mounts}/config/y.p12", places, written=False) == (Path("/conf/y.p12"), True)
    # a file that the service will make belongs into the mount that is there
    assert locate(f"{mounts}/output/new/a.log", places, written=True) == (mounts / "output/new/a.log", False)


def test_a_moved_path_gives_one_line(folder: Folder) -> None:
    config = folder.load("server.ssl.trust-store: file:/etc/app/config/tls/none-such.jks\n")
    assert config.server.ssl.trust_store == folder.path / "tls/none-such.jks"
    (line,) = config.warnings
    assert line.startswith(f"{folder.path}/application-local.yml:1: server.ssl.trust-store leads to {folder.path}/tls/")


def test_data_dir_counts_from_the_folder_and_output_paths_from_data_dir(folder: Folder) -> None:
    config = folder.load("hsmgate: {data-dir: ../state, audit: {file: /etc/app/output/none-such/audit.log}}\n")
    assert config.hsmgate.data_dir == folder.path / "../state"
    assert config.hsmgate.audit.file == folder.path / "../state/none-such/audit.log"
    assert len(config.warnings) == 1
    config = folder.load("hsmgate.data-dir: /etc/app/output/none-such\n")
    assert config.hsmgate.data_dir == folder.path / "data/none-such"
    assert len(config.warnings) == 1


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("sqlite:///data/h.db", "sqlite:///{folder}/data/h.db"),
        ("sqlite+pysqlite:///h.db?mode=ro", "sqlite+pysqlite:///{folder}/h.db?mode=ro"),
        ("sqlite:////var/lib/h.db", "sqlite:////var/lib/h.db"),
        ("sqlite:////etc/app/output/none-such/h.db", "sqlite:///{folder}/data/none-such/h.db"),
        ("jdbc:sqlite:h.db", "jdbc:sqlite:{folder}/h.db"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("jdbc:mariadb://db:3306/securosys?sslMode=false", "jdbc:mariadb://db:3306/securosys?sslMode=false"),
        ("postgresql://db/x", "postgresql://db/x"),
    ],
)
def test_a_sqlite_file_counts_from_the_folder(folder: Folder, url: str, read: str) -> None:
    config = folder.load(f"spring: {{datasource: {{url: '{url}'}}}}\n")
    assert config.datasource.url == read.format(folder=folder.path)
