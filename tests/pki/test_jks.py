"""JKS and JCEKS: what keytool and pyjks write we read, what we write they read, and any change is refused."""

import hashlib
from pathlib import Path

import jks as pyjks
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsmgate.errors import Failure, Reason
from hsmgate.pki import jks
from hsmgate.pki.store_limits import ALIAS_CHARACTERS, CERTIFICATE_BYTES, ENTRIES
from support import store_tools as stores
from support.store_tools import PASSWORD


@pytest.fixture(scope="module")
def certificates() -> list[bytes]:
    return [stores.certificate(name) for name in ("Root A", "Root B", "Root C")]


@pytest.fixture(scope="module")
def keytool_jks(tmp_path_factory: pytest.TempPathFactory, certificates: list[bytes]) -> bytes:
    store = tmp_path_factory.mktemp("jks") / "trust.jks"
    stores.import_certificate(store, "JKS", "First", certificates[0])
    stores.import_certificate(store, "JKS", "second", certificates[1])
    return store.read_bytes()


@pytest.fixture(scope="module")
def keytool_jceks(tmp_path_factory: pytest.TempPathFactory, certificates: list[bytes]) -> bytes:
    store = tmp_path_factory.mktemp("jceks") / "trust.jceks"
    stores.import_certificate(store, "JCEKS", "one", certificates[0])
    return store.read_bytes()


def content_of(store: jks.Jks) -> dict[str, bytes]:
    return {entry.alias: entry.certificates[0] for entry in store.entries}


def sealed(content: bytes, password: str = PASSWORD) -> bytes:
    """Content with the digest that Sun's format asks for."""
    return content + hashlib.sha1(password.encode("utf-16-be") + b"Mighty Aphrodite" + content).digest()


def test_keytool_and_pyjks_agree_on_jks(keytool_jks: bytes, certificates: list[bytes]) -> None:
    store = jks.parse(keytool_jks, PASSWORD)
    judge = pyjks.KeyStore.loads(keytool_jks, PASSWORD)
    assert content_of(store) == {"first": certificates[0], "second": certificates[1]}
    assert content_of(store) == {alias: entry.cert for alias, entry in judge.certs.items()}
    assert store.version == 2


def test_keytool_and_pyjks_agree_on_jceks(keytool_jceks: bytes, certificates: list[bytes]) -> None:
    judge = pyjks.KeyStore.loads(keytool_jceks, PASSWORD)
    assert content_of(jks.parse(keytool_jceks, PASSWORD)) == {"one": certificates[0]}
    assert {alias: entry.cert for alias, entry in judge.certs.items()} == {"one": certificates[0]}


def test_every_flipped_byte_is_refused(certificates: list[bytes]) -> None:
    content = jks.serialise([jks.certificate_entry("a", certificates[0], 0)], PASSWORD)
    for position in range(len(content)):
        for mask in (0x01, 0x80, 0xFF):
            changed = bytearray(content)
            changed[position] ^= mask
            if position < 4:
                continue  # another magic: another format, tested with the truststore
            with pytest.raises(Failure):
                jks.parse(bytes(changed), PASSWORD)


def test_a_flip_that_parses_is_refused_by_the_digest(certificates: list[bytes]) -> None:
    content = bytearray(jks.serialise([jks.certificate_entry("a", certificates[0], 0)], PASSWORD))
    content[-30] ^= 1  # within the certificate's signature
    with pytest.raises(Failure, match="does not fit its digest") as caught:
        jks.parse(bytes(content), PASSWORD)
    assert caught.value.reason is Reason.STORE_UNREADABLE


def test_truncation_at_every_byte_is_refused(keytool_jks: bytes) -> None:
    for size in range(len(keytool_jks)):
        with pytest.raises(Failure, match="cut short"):
            jks.parse(keytool_jks[:size], PASSWORD)


@pytest.mark.parametrize("extra", [b"\0", b"garbage", bytes(20)])
def test_trailing_bytes_are_named(keytool_jks: bytes, extra: bytes) -> None:
    with pytest.raises(Failure, match=f"has {len(extra)} bytes after its end"):
        jks.parse(keytool_jks + extra, PASSWORD)


def test_trailing_bytes_under_a_right_digest_are_refused(keytool_jks: bytes) -> None:
    with pytest.raises(Failure, match="has 3 bytes after its end"):
        jks.parse(sealed(keytool_jks[:-20] + b"abc"), PASSWORD)


def test_wrong_and_missing_password(keytool_jks: bytes) -> None:
    with pytest.raises(Failure, match="the password is wrong or the file was changed"):
        jks.parse(keytool_jks, PASSWORD + "x")
    with pytest.raises(Failure, match="needs its password; none is given"):
        jks.parse(keytool_jks, None)


def test_version_1_has_no_certificate_types(certificates: list[bytes]) -> None:
    entry = jks.certificate_entry("old", certificates[0], 5, version=1)
    content = jks.serialise([entry], PASSWORD, version=1)
    assert content_of(jks.parse(content, PASSWORD)) == {"old": certificates[0]}
    assert b"X.509" not in entry


@pytest.mark.parametrize("version", [0, 3, 2**32 - 1])
def test_other_versions_are_refused(version: int) -> None:
    with pytest.raises(Failure, match=f"of version {version}") as caught:
        jks.parse(sealed(jks.JKS_MAGIC + version.to_bytes(4, "big") + bytes(4)), PASSWORD)
    assert caught.value.reason is Reason.STORE_UNSUPPORTED


def head(count: int = 1) -> bytes:
    return jks.JKS_MAGIC + (2).to_bytes(4, "big") + count.to_bytes(4, "big")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (head(ENTRIES + 1), f"holds {ENTRIES + 1} entries"),
        (head() + (2).to_bytes(4, "big") + (3 * ALIAS_CHARACTERS + 1).to_bytes(2, "big") + bytes(900), "an alias of"),
        (head() + (7).to_bytes(4, "big") + b"\0\1a" + bytes(8), "unknown kind 7"),
        (head() + (2).to_bytes(4, "big") + b"\0\2\xc0\xaf" + bytes(8), "alias that is not text"),
        (head() + (2).to_bytes(4, "big") + b"\0\4\xf0\x9f\x98\x80" + bytes(8), "alias that is not text"),
        (head() + (2).to_bytes(4, "big") + b"\0\3\xed\xa0\x80" + bytes(8), "alias that is not text"),
        (head() + (2).to_bytes(4, "big") + b"\0\1a" + bytes(8) + b"\0\3PGP", "certificate of type 'PGP'"),
        (
            head() + (2).to_bytes(4, "big") + b"\0\1a" + bytes(8) + b"\0\5X.509" + (2**31).to_bytes(4, "big"),
            f"at most {CERTIFICATE_BYTES} are accepted",
        ),
        (head() + (1).to_bytes(4, "big") + b"\0\1a" + bytes(8) + (2**31).to_bytes(4, "big"), "a key of"),
        (head() + (1).to_bytes(4, "big") + b"\0\1a" + bytes(8) + bytes(4) + (101).to_bytes(4, "big"), "chain of 101"),
    ],
)
def test_bounds_and_broken_entries(content: bytes, message: str) -> None:
    with pytest.raises(Failure, match=message):
        jks.parse(sealed(content), PASSWORD)


def test_secret_keys_are_refused(tmp_path: Path) -> None:
    store = tmp_path / "secret.jceks"
    words = ("-genseckey", "-alias", "s", "-keyalg", "AES", "-keysize", "128", "-keypass:env", "STOREPASS")
    stores.keytool(*words, "-keystore", store, "-storetype", "JCEKS", "-storepass:env", "STOREPASS")
    with pytest.raises(Failure, match="holds a secret key") as caught:
        jks.parse(store.read_bytes(), PASSWORD)
    assert caught.value.reason is Reason.STORE_UNSUPPORTED


def test_a_key_entry_opens_with_its_own_password(tmp_path: Path) -> None:
    store = tmp_path / "server.jks"
    words = ("-genkeypair", "-alias", "srv", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=srv")
    stores.keytool(
        *words, "-keystore", store, "-storetype", "JKS", "-storepass:env", "STOREPASS", "-keypass", "other-pass"
    )
    (entry,) = jks.parse(store.read_bytes(), PASSWORD).entries
    assert entry.protected is not None
    judge = pyjks.KeyStore.load(str(store), PASSWORD, try_decrypt_keys=False).private_keys["srv"]
    judge.decrypt("other-pass")
    assert jks.unlock(entry.protected, "other-pass") == judge.pkey_pkcs8
    assert [entry.certificates[0]] == [der for _, der in judge.cert_chain]
    with pytest.raises(Failure, match="this key password does not open"):
        jks.unlock(entry.protected, PASSWORD)


def test_a_key_under_another_protector_is_refused() -> None:
    protected = stores.sequence(stores.sequence(stores.oid("1.3.6.1.4.1.42.2.19.1")), stores.octets(bytes(60)))
    with pytest.raises(Failure, match=r"protected by 1\.3\.6\.1\.4\.1\.42\.2\.19\.1") as caught:
        jks.unlock(protected, PASSWORD)
    assert caught.value.reason is Reason.STORE_UNSUPPORTED


ALIASES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=ALIAS_CHARACTERS // 2)


@settings(max_examples=150, deadline=None)
@given(
    entries=st.dictionaries(
        ALIASES,
        st.tuples(st.binary(min_size=1, max_size=200), st.integers(min_value=0, max_value=2**62)),
        max_size=5,
    ),
    password=st.text(st.characters(codec="utf-8"), max_size=20),
)
def test_what_we_write_pyjks_reads(entries: dict[str, tuple[bytes, int]], password: str) -> None:
    content = jks.serialise([jks.certificate_entry(a, der, at) for a, (der, at) in entries.items()], password)
    wanted = {alias: der for alias, (der, _) in entries.items()}
    assert content_of(jks.parse(content, password)) == wanted
    # pyjks reads plain UTF-8 only: it has no modified UTF-8, so NUL and characters beyond the BMP are not its to judge.
    if all("\0" not in alias and max(alias) <= "\uffff" for alias in entries):
        judge = pyjks.KeyStore.loads(content, password)
        assert {alias: entry.cert for alias, entry in judge.certs.items()} == wanted
        assert {alias: entry.timestamp for alias, entry in judge.certs.items()} == {
            alias: at for alias, (_, at) in entries.items()
        }


@pytest.mark.parametrize("alias", ["smile 😀", "nul\0nul", "ß ünï"])
def test_java_writes_the_same_octets_for_an_alias(alias: str) -> None:
    """DataOutput.writeUTF: NUL as C0 80, a surrogate as its own three octets."""
    entry = jks.certificate_entry(alias, b"x", 0)
    size = int.from_bytes(entry[4:6], "big")
    units = alias.encode("utf-16-be")
    expected = b""
    for at in range(0, len(units), 2):
        unit = int.from_bytes(units[at : at + 2], "big")
        if 1 <= unit <= 0x7F:
            expected += bytes([unit])
        elif unit <= 0x7FF:
            expected += bytes([0xC0 | unit >> 6, 0x80 | unit & 0x3F])
        else:
            expected += bytes([0xE0 | unit >> 12, 0x80 | unit >> 6 & 0x3F, 0x80 | unit & 0x3F])
    assert entry[6 : 6 + size] == expected


def test_pyjks_writes_what_we_read(certificates: list[bytes]) -> None:
    entries = [pyjks.TrustedCertEntry.new(f"alias {n}", der) for n, der in enumerate(certificates)]
    content = pyjks.KeyStore.new("jks", entries).saves(PASSWORD)
    assert content_of(jks.parse(content, PASSWORD)) == {f"alias {n}": der for n, der in enumerate(certificates)}
