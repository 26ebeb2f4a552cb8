"""Adding and removing: keytool reads each result, aliases and text stay, other stores name the command to use."""

import shlex
import subprocess
from pathlib import Path

import pytest

from hsmgate.errors import Failure, Reason
from hsmgate.pki import jks, truststore_edit
from hsmgate.pki.store_limits import ALIAS_CHARACTERS
from hsmgate.pki.truststore import read
from support import store_tools as stores
from support.store_tools import PASSWORD


@pytest.fixture(scope="module")
def roots() -> list[bytes]:
    return [stores.certificate(name) for name in ("Root A", "Root B", "Root C")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, roots: list[bytes]) -> dict[str, bytes]:
    """One store of each format that is edited, each with Root A."""
    folder = tmp_path_factory.mktemp("made")
    kinds: dict[str, tuple[str, ...]] = {"JKS": (), "PKCS12": (), "legacy": ("-J-Dkeystore.pkcs12.legacy",)}
    for kind, options in kinds.items():
        stores.import_certificate(folder / kind, kind.replace("legacy", "PKCS12"), "First", roots[0], *options)
    contents = {kind: (folder / kind).read_bytes() for kind in kinds}
    return {**contents, "PEM": b"# our roots\nfriendlyName: first\n" + stores.pem(roots[0]) + b"# the end\n"}


def entries_of(content: bytes) -> dict[str, bytes]:
    return {entry.alias.lower(): entry.der for entry in read(content, PASSWORD, "t").entries}


def refused(call: Failure) -> str:
    assert call.reason is Reason.STORE_UNSUPPORTED
    return call.detail


def add_refused(content: bytes, alias: str, der: bytes, name: str = "t") -> str:
    with pytest.raises(Failure) as caught:
        truststore_edit.add(content, PASSWORD, alias, der, name=name, source="new.pem")
    assert PASSWORD not in caught.value.detail
    return refused(caught.value)


def remove_refused(content: bytes, alias: str, name: str = "t") -> str:
    with pytest.raises(Failure) as caught:
        truststore_edit.remove(content, PASSWORD, alias, name=name)
    assert PASSWORD not in caught.value.detail
    return refused(caught.value)


@pytest.mark.parametrize("kind", ["JKS", "PKCS12", "legacy", "PEM"])
def test_add_and_remove(made: dict[str, bytes], roots: list[bytes], kind: str, tmp_path: Path) -> None:
    more = truststore_edit.add(made[kind], PASSWORD, "Second", roots[1], created=1_700_000_000_000)
    more = truststore_edit.add(more, PASSWORD, "third one", roots[2])
    assert entries_of(more) == {"first": roots[0], "second": roots[1], "third one": roots[2]}
    less = truststore_edit.remove(more, PASSWORD, "SECOND")
    assert entries_of(less) == {"first": roots[0], "third one": roots[2]}
    if kind != "PEM":
        (tmp_path / "more").write_bytes(more)
        (tmp_path / "less").write_bytes(less)
        kept = dict.fromkeys(["first", "third one"], "trustedCertEntry")
        assert stores.listed(tmp_path / "more") == {**kept, "second": "trustedCertEntry"}
        assert stores.listed(tmp_path / "less") == kept


def test_keytool_goes_on_where_we_stopped(made: dict[str, bytes], roots: list[bytes], tmp_path: Path) -> None:
    """keytool finds our alias again, whatever case we were given."""
    for kind in ("JKS", "PKCS12"):
        path = tmp_path / kind
        path.write_bytes(truststore_edit.add(made[kind], PASSWORD, "MiXed", roots[1]))
        common = ("-keystore", path, "-storepass:env", "STOREPASS")
        stores.keytool("-delete", "-alias", "mixed", *common)
        assert entries_of(path.read_bytes()) == {"first": roots[0]}


@pytest.mark.parametrize("kind", ["JKS", "PKCS12"])
def test_keytool_reads_an_alias_beyond_the_bmp(
    made: dict[str, bytes], roots: list[bytes], tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "s"
    path.write_bytes(truststore_edit.add(made[kind], PASSWORD, "ünï 😀", roots[1]))
    stores.keytool("-delete", "-alias", "first", "-keystore", path, "-storepass:env", "STOREPASS")
    assert entries_of(path.read_bytes()) == {"ünï 😀": roots[1]}


def test_a_legacy_file_stays_readable_for_the_java_that_made_it(made: dict[str, bytes], roots: list[bytes]) -> None:
    sha1, aes = bytes.fromhex("06052b0e03021a"), bytes.fromhex("060960864801650304012a")
    for kind, legacy in (("legacy", True), ("PKCS12", False)):
        content = truststore_edit.add(made[kind], PASSWORD, "b", roots[1])
        assert (sha1 in content, aes in content) == (legacy, not legacy)


def test_jks_entries_keep_their_dates_and_order(made: dict[str, bytes], roots: list[bytes]) -> None:
    old = jks.parse(made["JKS"], PASSWORD).entries
    new = jks.parse(truststore_edit.add(made["JKS"], PASSWORD, "b", roots[1], created=99), PASSWORD).entries
    assert new[:1] == old
    assert (99).to_bytes(8, "big") in new[1].raw


def test_pem_keeps_the_text_of_the_file(made: dict[str, bytes], roots: list[bytes]) -> None:
    more = truststore_edit.add(made["PEM"], PASSWORD, "second", roots[1])
    assert more == made["PEM"] + b"friendlyName: second\n" + stores.pem(roots[1])
    assert truststore_edit.remove(more, PASSWORD, "second") == made["PEM"]
    assert truststore_edit.remove(more, None, "first") == (
        b"# our roots\n# the end\nfriendlyName: second\n" + stores.pem(roots[1])
    )


def test_pem_without_last_line_end_and_with_windows_line_ends(roots: list[bytes]) -> None:
    content = stores.pem(roots[0]).replace(b"\n", b"\r\n").rstrip()
    more = truststore_edit.add(content, None, "second", roots[1])
    assert more.startswith(content + b"\n")
    assert sorted(entries_of(more).values()) == sorted(roots[:2])


def test_removing_cuts_every_copy_of_the_certificate(roots: list[bytes]) -> None:
    """A copy that stayed behind under another alias would still be trusted."""
    raw = [jks.certificate_entry(alias, der, 0) for alias, der in (("a", roots[0]), ("b", roots[1]), ("c", roots[0]))]
    for alias in ("a", "c"):
        assert entries_of(truststore_edit.remove(jks.serialise(raw, PASSWORD), PASSWORD, alias)) == {"b": roots[1]}
    text = stores.pem(roots[0]) + stores.pem(roots[1]) + b"friendlyName: again\n" + stores.pem(roots[0])
    assert truststore_edit.remove(text, None, "again") == stores.pem(roots[1])


def test_a_double_alias_can_be_told_apart(roots: list[bytes]) -> None:
    raw = [jks.certificate_entry(alias, der, 0) for alias, der in (("a", roots[0]), ("A", roots[1]))]
    content = jks.serialise(raw, PASSWORD)
    second = read(content, PASSWORD, "t").entries[1].alias
    assert list(entries_of(truststore_edit.remove(content, PASSWORD, "a")).values()) == [roots[1]]
    assert list(entries_of(truststore_edit.remove(content, PASSWORD, second)).values()) == [roots[0]]


def test_an_alias_is_made_where_none_is_given(roots: list[bytes]) -> None:
    content = truststore_edit.add(stores.pem(roots[0]), None, None, roots[1])
    assert [alias.rsplit("-", 1)[0] for alias in entries_of(content)] == ["root a", "root b"]


@pytest.mark.parametrize("kind", ["JKS", "PKCS12", "PEM"])
def test_refusals(made: dict[str, bytes], roots: list[bytes], kind: str) -> None:
    content = made[kind]
    assert 'the alias "first" is taken' in add_refused(content, "FIRST", roots[1]).lower()
    assert 'the certificate is there as "first"' in add_refused(content, "other", roots[0]).lower()
    assert 'no entry has the alias "nobody"' in remove_refused(content, "nobody")
    assert "is the last certificate" in remove_refused(content, "first")
    with pytest.raises(Failure, match=r"new\.pem is a certificate that does not parse"):
        truststore_edit.add(content, PASSWORD, "x", b"rubbish", source="new.pem")


@pytest.mark.parametrize("alias", ["", " a", "a\n", "a\nb", "\u202e", "x" * (ALIAS_CHARACTERS + 1)])
def test_aliases_that_could_not_be_read_back(made: dict[str, bytes], roots: list[bytes], alias: str) -> None:
    assert "an alias has 1 to" in add_refused(made["PEM"], alias, roots[1])


def test_a_wrong_password_changes_nothing(made: dict[str, bytes], roots: list[bytes]) -> None:
    for kind in ("JKS", "PKCS12"):
        with pytest.raises(Failure, match="the password is wrong") as caught:
            truststore_edit.add(made[kind], "wrong", "b", roots[1])
        assert caught.value.reason is Reason.STORE_UNREADABLE


def run_command(message: str, folder: Path) -> None:
    """Run what the message says, as an operator would."""
    command = message.split("with the password in STOREPASS run: ")[1]
    environment = {"STOREPASS": PASSWORD, "PATH": "/usr/bin:/bin"}
    subprocess.run(command, shell=True, check=True, cwd=folder, env=environment, timeout=60, capture_output=True)


@pytest.mark.parametrize("kind", ["JCEKS", "JKS", "PKCS12"])
def test_stores_with_keys_and_jceks_name_commands_that_work(tmp_path: Path, roots: list[bytes], kind: str) -> None:
    name = "it's a store"
    path = tmp_path / name
    stores.import_certificate(path, kind, "first", roots[0])
    if kind != "JCEKS":
        words = ("-genkeypair", "-alias", "srv", "-keyalg", "EC", "-dname", "CN=srv", "-storetype", kind)
        stores.keytool(*words, "-keystore", path, "-storepass:env", "STOREPASS", "-keypass:env", "STOREPASS")
    (tmp_path / "new.pem").write_bytes(stores.pem(roots[1]))
    message = add_refused(path.read_bytes(), "a new; one", roots[1], name)
    assert ("hold key entries" in message) is (kind != "JCEKS")
    run_command(message, tmp_path)
    assert entries_of(path.read_bytes()) == {"first": roots[0], "a new; one": roots[1]}
    run_command(remove_refused(path.read_bytes(), "first", name), tmp_path)
    assert entries_of(path.read_bytes()) == {"a new; one": roots[1]}


def test_der_and_pem_with_a_key_name_a_store_to_make(tmp_path: Path, roots: list[bytes]) -> None:
    (tmp_path / "root.der").write_bytes(roots[0])
    (tmp_path / "new.pem").write_bytes(stores.pem(roots[1]))
    run_command(add_refused(roots[0], "second", roots[1], "root.der"), tmp_path)
    first = read(roots[0], None, "t").entries[0].alias
    assert entries_of((tmp_path / "root.der.p12").read_bytes()) == {first.lower(): roots[0], "second": roots[1]}
    assert "DER stores are not edited" in remove_refused(roots[0], first)
    key, _ = stores.key_and_certificate("x")
    message = add_refused(stores.pem(roots[0]) + stores.key_pem(key), "second", roots[1], "root.pem")
    assert "hold key entries" in message
    run_command(message, tmp_path)
    assert entries_of((tmp_path / "root.pem.p12").read_bytes()) == {"second": roots[1]}


def test_pkcs12_that_a_rewrite_would_damage(tmp_path: Path, roots: list[bytes]) -> None:
    (tmp_path / "a.pem").write_bytes(stores.pem(roots[0]))
    words = ("openssl", "pkcs12", "-export", "-nokeys", "-in", tmp_path / "a.pem", "-out", tmp_path / "s")
    stores.run(*words, "-passout", "env:STOREPASS", "-nomac")
    message = add_refused((tmp_path / "s").read_bytes(), "b", roots[1])
    assert "without MAC or password are not edited" in message
    assert shlex.split(message.split("run: ")[1])[:2] == ["keytool", "-importcert"]


def test_an_unnamed_openssl_entry_gets_its_shown_alias(tmp_path: Path, roots: list[bytes]) -> None:
    """keytool shows only entries with a name and Oracle's attribute; the rewrite gives both."""
    (tmp_path / "a.pem").write_bytes(stores.pem(roots[0]))
    words = ("openssl", "pkcs12", "-export", "-nokeys", "-in", tmp_path / "a.pem", "-out", tmp_path / "s")
    stores.run(*words, "-passout", "env:STOREPASS")
    shown = read((tmp_path / "s").read_bytes(), PASSWORD, "t").entries[0].alias
    (tmp_path / "s").write_bytes(truststore_edit.add((tmp_path / "s").read_bytes(), PASSWORD, "b", roots[1]))
    assert stores.listed(tmp_path / "s") == dict.fromkeys([shown.lower(), "b"], "trustedCertEntry")
