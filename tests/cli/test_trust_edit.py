"""What `hsmgate trust list`, `add` and `remove` do to real files."""

from pathlib import Path

import pytest

from hsmgate.cli import trust
from hsmgate.errors import Failure, Reason
from hsmgate.pki.truststore import Entry
from support import store_tools as stores
from support.store_tools import PASSWORD

CREATED = 1_700_000_000_000


@pytest.fixture(scope="module")
def roots() -> list[bytes]:
    return [stores.certificate(name) for name in ("Root A", "Root B", "Root C")]


@pytest.fixture
def files(tmp_path: Path, roots: list[bytes]) -> list[Path]:
    paths = [tmp_path / "a.pem", tmp_path / "b.der", tmp_path / "c.pem"]
    contents = [stores.pem(roots[0]), roots[1], stores.pem(roots[2])]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


@pytest.fixture(params=["JKS", "PKCS12"])
def store(request: pytest.FixtureRequest, tmp_path: Path, roots: list[bytes]) -> Path:
    path = tmp_path / "store"
    stores.import_certificate(path, request.param, "first", roots[0])
    path.chmod(0o640)
    return path


def aliases_of(path: Path) -> list[str]:
    return [row.alias for row in trust.list_entries(path, PASSWORD).rows]


def test_list_shows_each_entry_with_its_role(tmp_path: Path, roots: list[bytes]) -> None:
    (tmp_path / "a.pem").write_bytes(stores.pem(roots[0]) + stores.pem(roots[1]))

    def role_of(entry: Entry) -> str:
        return "issuer" if entry.der == roots[0] else "pin"

    listing = trust.list_entries(tmp_path / "a.pem", None, "JKS", role_of)
    assert listing.format == "PEM"
    assert [(row.subject, row.role) for row in listing.rows] == [("CN=Root A", "issuer"), ("CN=Root B", "pin")]
    assert "the configured type is JKS" in listing.warnings[0]
    said = stores.run("openssl", "x509", "-in", tmp_path / "a.pem", "-noout", "-enddate", "-dateopt", "iso_8601")
    assert listing.rows[0].expires == said.strip().split("=")[1].replace(" ", "T")
    assert len(listing.rows[0].sha256) == 64


def test_list_of_a_folder(files: list[Path]) -> None:
    assert [row.subject for row in trust.list_entries(files[0].parent, None).rows] == [
        "CN=Root A", "CN=Root B", "CN=Root C",
    ]  # fmt: skip


def test_add_and_remove_leave_what_keytool_reads(store: Path, files: list[Path]) -> None:
    before = store.stat()
    (row,) = trust.add(store, PASSWORD, [files[1]], CREATED, alias="Second", role_of=lambda _: "issuer")
    assert (row.alias, row.subject, row.role) == ("second", "CN=Root B", "issuer")
    assert stores.listed(store) == {"first": "trustedCertEntry", "second": "trustedCertEntry"}
    assert [gone.subject for gone in trust.remove(store, PASSWORD, ["FIRST"])] == ["CN=Root A"]
    assert stores.listed(store) == {"second": "trustedCertEntry"}
    after = store.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_several_at_once_are_all_or_none(store: Path, files: list[Path], tmp_path: Path) -> None:
    before = store.read_bytes()
    with pytest.raises(Failure, match='the certificate is there as "first"'):
        trust.add(store, PASSWORD, [files[1], files[0]], CREATED)
    assert store.read_bytes() == before
    both = tmp_path / "both.pem"
    both.write_bytes(files[2].read_bytes())
    assert len(trust.add(store, PASSWORD, [files[1], both], CREATED)) == 2
    before = store.read_bytes()
    with pytest.raises(Failure, match='no entry has the alias "nobody"'):
        trust.remove(store, PASSWORD, ["first", "nobody"])
    assert store.read_bytes() == before
    with pytest.raises(Failure, match="is the last certificate"):
        trust.remove(store, PASSWORD, aliases_of(store))
    assert store.read_bytes() == before


def test_remove_by_fingerprint_in_any_spelling(store: Path, files: list[Path]) -> None:
    (row,) = trust.add(store, PASSWORD, [files[1]], CREATED)
    spelled = ":".join(row.sha256[at : at + 2] for at in range(0, 64, 2)).upper()
    assert trust.remove(store, PASSWORD, [spelled]) == (row,)
    assert aliases_of(store) == ["first"]


def test_what_the_caller_got_wrong(store: Path, files: list[Path]) -> None:
    with pytest.raises(Failure, match="no certificate file is named") as caught:
        trust.add(store, PASSWORD, [], CREATED)
    assert caught.value.reason is Reason.INVALID_INPUT
    with pytest.raises(Failure, match="one alias cannot name 2 certificates"):
        trust.add(store, PASSWORD, files[1:], CREATED, alias="one for two")
    with pytest.raises(Failure, match="no alias is named"):
        trust.remove(store, PASSWORD, [])
    with pytest.raises(Failure, match=r"certificates to add are PEM or DER|needs its password"):
        trust.add(store, PASSWORD, [store], CREATED)
    with pytest.raises(Failure, match="No such file"):
        trust.add(store, PASSWORD, [files[0].with_name("none")], CREATED)
    with pytest.raises(Failure, match="the password is wrong"):
        trust.add(store, "wrong", [files[1]], CREATED)
    assert aliases_of(store) == ["first"]


def test_a_folder_is_edited_by_its_files(files: list[Path]) -> None:
    with pytest.raises(Failure, match="is a folder; put certificate files into it"):
        trust.add(files[0].parent, None, [files[1]], CREATED)


def test_a_pem_store_by_its_aliases(files: list[Path], roots: list[bytes]) -> None:
    (row,) = trust.add(files[0], None, [files[1]], CREATED, alias="Second")
    assert row.alias == "Second"
    trust.remove(files[0], None, ["second"])
    assert files[0].read_bytes() == stores.pem(roots[0])
