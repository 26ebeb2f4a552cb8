"""Every truststore format by content, and one clear line for each way that a file can be wrong."""

import subprocess
import time
from pathlib import Path

import pytest
from cryptography.x509.oid import NameOID

from hsmgate.errors import Failure, Reason
from hsmgate.pki import jks
from hsmgate.pki.store_limits import CERTIFICATE_BYTES, ENTRIES, FILE_BYTES
from hsmgate.pki.truststore import read
from support import store_tools as stores
from support.store_tools import PASSWORD


@pytest.fixture(scope="module")
def roots() -> list[bytes]:
    return [stores.certificate(name) for name in ("Root A", "Root B", "Root C")]


def jks_of(*entries: tuple[str, bytes]) -> bytes:
    return jks.serialise([jks.certificate_entry(alias, der, 0) for alias, der in entries], PASSWORD)


def failure_of(content: bytes, password: str | None = PASSWORD, name: str = "trust") -> Failure:
    with pytest.raises(Failure) as caught:
        read(content, password, name)
    assert "\n" not in caught.value.detail
    assert caught.value.detail.startswith(name)
    return caught.value


def test_each_format_is_told_by_its_content(tmp_path: Path, roots: list[bytes]) -> None:
    contents = {"PEM": stores.pem(roots[0]), "DER": roots[0]}
    for kind in ("JKS", "JCEKS", "PKCS12"):
        stores.import_certificate(tmp_path / kind, kind, "one", roots[0])
        contents[kind] = (tmp_path / kind).read_bytes()
    for kind, content in contents.items():
        store = read(content, PASSWORD, "trust")
        assert (store.format, [entry.der for entry in store.entries]) == (kind, [roots[0]])
        assert store.warnings == store.skipped_keys == ()


def test_fingerprint_is_what_openssl_says(tmp_path: Path, roots: list[bytes]) -> None:
    file = tmp_path / "root.pem"
    file.write_bytes(stores.pem(roots[0]))
    said = stores.run("openssl", "x509", "-in", file, "-noout", "-fingerprint", "-sha256").split("=")[1]
    assert read(file.read_bytes(), None, "trust").entries[0].sha256 == said.strip().replace(":", "").lower()


def test_pem_and_der_need_no_password_and_ignore_one(roots: list[bytes]) -> None:
    for content in (stores.pem(roots[0]), roots[0]):
        assert read(content, None, "trust") == read(content, "anything", "trust")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello\n", "is no store"),
        (bytes(FILE_BYTES + 1), f"is larger than {FILE_BYTES} bytes"),
        ("-----BEGIN CERTIFICATE-----".encode("utf-16"), "is UTF-16 text"),
        (b"0\x82", "is cut short"),
        (b"\x30\x80\x02\x01\x03\x00\x00", "BER with an indefinite length"),
        (b"\x30\x03\x02\x01\x00", "fields"),
        (stores.sequence(stores.sequence()), "does not parse"),
        (b"# only a comment, BEGIN nothing\n", "holds no certificate"),
        (jks_of(), "holds no certificate"),
        (jks_of(("a", b"no certificate")), "entry 1 is a certificate that does not parse"),
        (jks_of(("a\nb", b"x")), "entry 1 is a certificate that does not parse"),
    ],
)
def test_what_is_no_truststore(content: bytes, message: str) -> None:
    failure = failure_of(content)
    assert message in failure.detail
    assert failure.reason in (Reason.STORE_UNREADABLE, Reason.STORE_UNSUPPORTED)


@pytest.mark.parametrize(("magic", "kind"), [("00000002", "BKS"), ("00000001", "UBER")])
def test_bouncy_castle_stores_are_refused_with_the_way_out(magic: str, kind: str) -> None:
    failure = failure_of(bytes.fromhex(magic) + bytes(40), name="/etc/my store")
    assert failure.reason is Reason.STORE_UNSUPPORTED
    assert f"is a {kind} store" in failure.detail
    assert f"keytool -importkeystore -srckeystore '/etc/my store' -srcstoretype {kind}" in failure.detail


def test_key_entries_only(tmp_path: Path) -> None:
    store = tmp_path / "keys"
    words = ("-genkeypair", "-alias", "srv", "-keyalg", "EC", "-dname", "CN=srv", "-storepass:env", "STOREPASS")
    stores.keytool(*words, "-keypass:env", "STOREPASS", "-storetype", "JKS", "-keystore", store)
    assert "holds key entries only (srv) and no trusted certificate" in failure_of(store.read_bytes()).detail
    stores.import_certificate(store, "JKS", "root", der := stores.certificate("Root"))
    mixed = read(store.read_bytes(), PASSWORD, "trust")
    assert [entry.der for entry in mixed.entries] == [der]
    assert mixed.skipped_keys == ("srv",)


@pytest.mark.parametrize("chain", [0, 1])
def test_a_key_entry_without_a_key_is_still_no_trust(roots: list[bytes], chain: int) -> None:
    """An empty protected key must not turn the chain behind it into trusted certificates."""
    certificate = jks.certificate_entry("", roots[1], 0)[14:]  # type and octets, as in a chain
    entry = (1).to_bytes(4, "big") + b"\0\1k" + bytes(8) + bytes(4) + chain.to_bytes(4, "big") + certificate * chain
    content = jks.serialise([entry, jks.certificate_entry("a", roots[0], 0)], PASSWORD)
    store = read(content, PASSWORD, "trust")
    assert [entry.der for entry in store.entries] == [roots[0]]
    assert store.skipped_keys == ("k",)
    assert "holds key entries only (k)" in failure_of(jks.serialise([entry], PASSWORD)).detail


def test_a_jceks_with_a_secret_key_names_the_conversion_that_works(tmp_path: Path, roots: list[bytes]) -> None:
    store = tmp_path / "s.jceks"
    stores.import_certificate(store, "JCEKS", "root", roots[0])
    words = ("-genseckey", "-alias", "s", "-keyalg", "AES", "-keysize", "128", "-keypass:env", "STOREPASS")
    stores.keytool(*words, "-keystore", store, "-storetype", "JCEKS", "-storepass:env", "STOREPASS")
    failure = failure_of(store.read_bytes(), name=str(store))
    assert failure.reason is Reason.STORE_UNSUPPORTED
    command = failure.detail.split("convert it: ")[1].split()
    stores.run(*command, "-srcstorepass:env", "STOREPASS", "-deststorepass:env", "STOREPASS")
    converted = read(Path(f"{store}.p12").read_bytes(), PASSWORD, "trust")
    assert [entry.der for entry in converted.entries] == [roots[0]]
    assert converted.skipped_keys == ("s",)


@pytest.mark.parametrize(
    ("hint", "warns"), [("JKS", False), ("jks", False), (None, False), ("PKCS12", True), ("PEM", True), ("weird", True)]
)
def test_the_content_wins_over_the_hint(roots: list[bytes], hint: str | None, warns: bool) -> None:
    store = read(jks_of(("a", roots[0])), PASSWORD, "trust", hint)
    assert store.format == "JKS"
    assert bool(store.warnings) is warns
    if warns:
        assert store.warnings == (f"trust: the configured type is {hint} but the content is JKS; the content counts",)


@pytest.mark.parametrize("hint", ["P12", "pkcs12", "PKCS#12", "pfx"])
def test_other_names_of_a_type_are_no_difference(tmp_path: Path, roots: list[bytes], hint: str) -> None:
    stores.import_certificate(tmp_path / "s", "PKCS12", "one", roots[0])
    assert read((tmp_path / "s").read_bytes(), PASSWORD, "trust", hint).warnings == ()


def test_a_certificate_counts_once_and_both_aliases_are_named(roots: list[bytes]) -> None:
    store = read(jks_of(("a", roots[0]), ("b", roots[1]), ("c", roots[0])), PASSWORD, "trust")
    assert [entry.alias for entry in store.entries] == ["a", "b"]
    assert store.warnings == ('trust: "a" and "c" are the same certificate; it counts once',)


def test_aliases_are_unique_without_regard_to_case(roots: list[bytes]) -> None:
    store = read(jks_of(("Root", roots[0]), ("root", roots[1])), PASSWORD, "trust")
    assert [entry.alias for entry in store.entries] == ["Root", f"root-{store.entries[1].sha256[:8]}"]
    assert 'two certificates have the alias "root"' in store.warnings[0]


def test_aliases_written_to_collide_are_refused(roots: list[bytes]) -> None:
    digest = read(roots[0], None, "x").entries[0].sha256[:8]
    taken = [("r", roots[1]), (f"r-{digest}", roots[2]), (f"r-{digest}-4", stores.certificate("D")), ("R", roots[0])]
    assert "entry 4 has an alias that collides" in failure_of(jks_of(*taken)).detail


@pytest.mark.parametrize("alias", ["a\nb", "bell\a", "turn \u202e round", "line \u2028 end"])
def test_an_alias_that_could_forge_a_log_line_is_refused(roots: list[bytes], alias: str) -> None:
    assert "entry 1 has an alias that cannot be printed" in failure_of(jks_of((alias, roots[0]))).detail


def test_a_certificate_larger_than_a_peer_could_send_is_refused(roots: list[bytes]) -> None:
    large = stores.sequence(bytes(CERTIFICATE_BYTES))
    assert f"at most {CERTIFICATE_BYTES} are accepted" in failure_of(large).detail


def test_more_entries_than_allowed_are_refused_quickly(roots: list[bytes]) -> None:
    content = stores.pem(roots[0])
    many = (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") * (ENTRIES + 1)
    assert f"holds more than {ENTRIES} PEM blocks" in failure_of(many).detail
    start = time.process_time()
    copies = FILE_BYTES // len(content)
    store = read(content * copies, None, "trust")
    assert len(store.entries) == 1
    assert store.warnings[-1] == f"{copies - 1 - 20} further warnings"
    assert time.process_time() - start < 5


def test_a_name_that_the_parser_chokes_on(roots: list[bytes]) -> None:
    """A BIT STRING as common name parses lazily and fails only when the name is read."""
    odd = roots[0].replace(b"\x0c\x06Root A", b"\x03\x06\x00oot A")
    assert odd != roots[0]
    assert "does not parse" in failure_of(odd).detail


def test_der_with_trailing_bytes(roots: list[bytes]) -> None:
    assert "has 1 bytes after its end" in failure_of(roots[0] + b"\n").detail


def test_der_and_jks_cut_anywhere(roots: list[bytes]) -> None:
    for content in (roots[0], jks_of(("a", roots[0]))):
        for size in range(len(content)):
            failure_of(content[:size])


class TestPem:
    def test_names_come_from_the_comment_or_the_certificate(self, roots: list[bytes]) -> None:
        organisation = stores.certificate("Only Org", NameOID.ORGANIZATION_NAME)
        content = b"0 s: a chain as s_client shows it\n" + stores.pem(roots[0])
        content += b"Bag Attributes\n    friendlyName: My Root\n" + stores.pem(roots[1]) + stores.pem(organisation)
        store = read(content, None, "trust")
        names = [entry.alias for entry in store.entries]
        assert names == [
            f"Root A-{store.entries[0].sha256[:8]}",
            "My Root",
            f"Only Org-{store.entries[2].sha256[:8]}",
        ]

    def test_a_name_out_of_a_certificate_cannot_forge_a_line(self) -> None:
        alias = read(stores.pem(stores.certificate("a\r\nb \u202e")), None, "trust").entries[0].alias
        assert alias.startswith("a??b ?-")

    def test_openssl_writes_bags_we_read(self, tmp_path: Path, roots: list[bytes]) -> None:
        stores.import_certificate(tmp_path / "s.p12", "PKCS12", "kept", roots[0])
        text = stores.run("openssl", "pkcs12", "-in", tmp_path / "s.p12", "-nokeys", "-passin", "env:STOREPASS")
        assert [(e.alias, e.der) for e in read(text.encode(), None, "trust").entries] == [("kept", roots[0])]

    @pytest.mark.parametrize("ending", [b"\r\n", b"\r"])
    def test_other_line_ends_a_byte_order_mark_and_no_last_line_end(self, roots: list[bytes], ending: bytes) -> None:
        content = b"\xef\xbb\xbf" + stores.pem(roots[0]).replace(b"\n", ending).rstrip()
        assert [entry.der for entry in read(content, None, "trust").entries] == [roots[0]]

    def test_x509_certificate_and_unwrapped_base64(self, roots: list[bytes]) -> None:
        body = b"".join(stores.pem(roots[0]).splitlines()[1:-1])
        content = b"-----BEGIN X509 CERTIFICATE-----\n" + body + b"\n-----END X509 CERTIFICATE-----\n"
        assert [entry.der for entry in read(content, None, "trust").entries] == [roots[0]]

    def test_openssl_trust_settings_are_refused_not_cut(self, tmp_path: Path, roots: list[bytes]) -> None:
        (tmp_path / "a.pem").write_bytes(stores.pem(roots[0]))
        words = ("openssl", "x509", "-in", tmp_path / "a.pem", "-trustout")
        limited = stores.run(*words, "-addreject", "clientAuth")
        failure = failure_of(limited.encode(), None)
        assert failure.reason is Reason.STORE_UNSUPPORTED
        assert "OpenSSL trust settings" in failure.detail
        assert [e.der for e in read(stores.run(*words).encode(), None, "trust").entries] == [roots[0]]

    def test_a_private_key_warns_and_never_counts(self, roots: list[bytes]) -> None:
        key, _ = stores.key_and_certificate("x")
        store = read(stores.key_pem(key) + stores.pem(roots[0]), None, "trust")
        assert [entry.der for entry in store.entries] == [roots[0]]
        assert store.warnings == ("trust: line 1: a private key has no place in a truststore; it is ignored",)
        assert store.skipped_keys == ("line 1",)
        assert "holds key entries only" in failure_of(stores.key_pem(key), None).detail

    def test_other_blocks_are_named(self, roots: list[bytes]) -> None:
        content = b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n" + stores.pem(roots[0])
        assert read(content, None, "trust").warnings == ("trust: line 1: the X509 CRL block is ignored",)

    def test_a_pkcs7_bundle_is_refused_with_the_command_that_works(self, tmp_path: Path, roots: list[bytes]) -> None:
        (tmp_path / "a.pem").write_bytes(stores.pem(roots[0]))
        for form in ("PEM", "DER"):
            bundle = tmp_path / f"b {form}"
            words = ("openssl", "crl2pkcs7", "-nocrl", "-certfile", tmp_path / "a.pem", "-outform", form)
            stores.run(*words, "-out", bundle)
            failure = failure_of(bundle.read_bytes(), None, str(bundle))
            assert failure.reason is Reason.STORE_UNSUPPORTED
            subprocess.run(failure.detail.split("convert it: ")[1], shell=True, check=True, timeout=30)
            assert [e.der for e in read(Path(f"{bundle}.pem").read_bytes(), None, "t").entries] == [roots[0]]

    def test_a_bundle_cut_within_a_certificate_is_refused(self, roots: list[bytes]) -> None:
        first, second = stores.pem(roots[0]), stores.pem(roots[1])
        for size in range(6, len(second) - 1):  # up to five dashes are a line of dashes
            failure_of(first + second[:size], None)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            (b"-----END CERTIFICATE-----\n", b"", "BEGIN CERTIFICATE without its END"),
            (b"-----END CERTIFICATE", b"-----END X509 CRL", "an END without its BEGIN"),
            (b"-----BEGIN CERTIFICATE-----\n", b"", "an END without its BEGIN"),
            (b"-----BEGIN CERT", b"----BEGIN CERT", "a PEM boundary that is not exact"),
            (b"-----BEGIN CERT", b" -----BEGIN CERT", "a PEM boundary that is not exact"),
            (b"-----BEGIN CERT", b"\xe2\x80\x93BEGIN CERT", "a PEM boundary that is not exact"),
            (b"-----BEGIN CERTIFICATE-----", b"-----begin certificate-----", "a PEM boundary that is not exact"),
            (b"CERTIFICATE-----\nMII", b"CERTIFICATE----- MII", "a PEM boundary that is not exact"),
            (b"CERTIFICATE-----\nMII", b"CERTIFICATE-----\n!II", "not sound base64"),
            (b"CERTIFICATE-----\nMII", b"CERTIFICATE-----\nMI", "not sound base64"),
            (b"CERTIFICATE-----\nMII", b"CERTIFICATE-----\nMI=I", "not sound base64"),
            (b"CERTIFICATE-----\nMII", b"CERTIFICATE-----\nX-Header: 1\n\nMII", "not sound base64"),
            (
                b"CERTIFICATE-----\nMII",
                b"CERTIFICATE-----\nAII",
                "not what its format asks for|does not parse|certificate",
            ),
        ],
    )
    def test_a_broken_block_refuses_the_file(self, roots: list[bytes], old: bytes, new: bytes, message: str) -> None:
        broken = stores.pem(roots[0]).replace(old, new, 1)
        assert broken != stores.pem(roots[0])
        for content in (stores.pem(roots[1]) + broken, broken + stores.pem(roots[1])):
            with pytest.raises(Failure, match=message):
                read(content, None, "trust")

    def test_lines_and_patterns_cost_little(self) -> None:
        start = time.process_time()
        size = FILE_BYTES - 100
        for filler in (b"\n", b"BEGIN ", b"-BEGIN A A ", b"friendlyName: " + b" " * 1000, b"-", b"-----BEGIN A"):
            content = (b"# BEGIN nothing\n" + filler * (size // len(filler)))[:FILE_BYTES]
            with pytest.raises(Failure):
                read(content, None, "trust")
        assert time.process_time() - start < 10
