"""PKCS#12 truststores of keytool, openssl and pyca, agreed on by pyca's own loader; bounds and damage."""

import hashlib
import hmac
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization import pkcs12 as pyca

from hsmgate.errors import Failure, Reason
from hsmgate.pki.pkcs12_pbe import Password
from hsmgate.pki.store_limits import KDF_ROUNDS, SALT_BYTES
from hsmgate.pki.truststore import Truststore, read
from support import store_tools as stores
from support.store_tools import PASSWORD, integer, octets, oid, sequence, tlv

DATA, ENCRYPTED = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.6"
SHA256, HMAC_SHA256 = "2.16.840.1.101.3.4.2.1", "1.2.840.113549.2.9"
PBES2, PBKDF2, PBMAC1 = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12", "1.2.840.113549.1.5.14"
AES_256_CBC = "2.16.840.1.101.3.4.1.42"


@pytest.fixture(scope="module")
def root() -> bytes:
    return stores.certificate("Root")


def load(path: Path, password: str = PASSWORD) -> Truststore:
    return read(path.read_bytes(), password, "trust")


def openssl_store(folder: Path, root: bytes, *options: str, password: str = PASSWORD) -> Path:
    (folder / "root.pem").write_bytes(stores.pem(root))
    words = ("openssl", "pkcs12", "-export", "-nokeys", "-in", folder / "root.pem", "-out", folder / "o.p12")
    stores.run(*words, "-passout", f"pass:{password}", *options)
    return folder / "o.p12"


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-legacy",),
        ("-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"),
        ("-certpbe", "PBE-SHA1-2DES"),
        ("-legacy", "-certpbe", "PBE-SHA1-RC2-40"),
        ("-legacy", "-certpbe", "PBE-SHA1-RC2-128"),
        ("-certpbe", "AES-128-CBC"),
        ("-certpbe", "AES-192-CBC"),
        ("-certpbe", "DES-EDE3-CBC"),
        ("-certpbe", "NONE"),
        ("-macalg", "sha384", "-iter", "1"),
        ("-macalg", "sha512", "-nomaciter"),
        ("-macalg", "sha224", "-iter", "50000"),
        ("-caname", "an alias"),
    ],
    ids=" ".join,
)
def test_what_openssl_exports_without_keys(tmp_path: Path, root: bytes, options: tuple[str, ...]) -> None:
    path = openssl_store(tmp_path, root, *options)
    store = load(path)
    judge = pyca.load_pkcs12(path.read_bytes(), PASSWORD.encode()).additional_certs
    assert [entry.der for entry in store.entries] == [c.certificate.public_bytes(Encoding.DER) for c in judge] == [root]
    assert store.warnings == ()
    with pytest.raises(Failure, match="the password is wrong or the file was changed"):
        load(path, "wrong")
    with pytest.raises(Failure, match="needs its password; none is given"):
        read(path.read_bytes(), None, "trust")


@pytest.mark.parametrize("password", ["", "pässwörd €", "smile 😀", "x" * 300])
@pytest.mark.parametrize("options", [(), ("-legacy",), ("-certpbe", "PBE-SHA1-3DES")], ids=" ".join)
def test_odd_passwords(tmp_path: Path, root: bytes, password: str, options: tuple[str, ...]) -> None:
    path = openssl_store(tmp_path, root, *options, password=password)
    assert [entry.der for entry in load(path, password).entries] == [root]


@pytest.mark.parametrize("options", [(), ("-J-Dkeystore.pkcs12.legacy",)], ids=["modern", "legacy"])
def test_keytool_stores(tmp_path: Path, root: bytes, options: tuple[str, ...]) -> None:
    stores.import_certificate(tmp_path / "s", "PKCS12", "One Alias", root, *options)
    store = load(tmp_path / "s")
    assert [(entry.alias.lower(), entry.der) for entry in store.entries] == [("one alias", root)]
    assert store.format == "PKCS12"


def test_keytool_store_without_protection_warns(tmp_path: Path, root: bytes) -> None:
    options = ("-J-Dkeystore.pkcs12.macAlgorithm=NONE", "-J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE")
    stores.import_certificate(tmp_path / "s", "PKCS12", "one", root, *options)
    for password in (PASSWORD, "any", None):
        store = read((tmp_path / "s").read_bytes(), password, "trust")
        assert [entry.der for entry in store.entries] == [root]
        assert store.warnings == ("trust: has no MAC, so any password opens it and nobody notices a change",)


def test_encrypted_store_without_mac_needs_the_password(tmp_path: Path, root: bytes) -> None:
    stores.import_certificate(tmp_path / "s", "PKCS12", "one", root, "-J-Dkeystore.pkcs12.macAlgorithm=NONE")
    assert [entry.der for entry in load(tmp_path / "s").entries] == [root]
    assert "has no MAC" in load(tmp_path / "s").warnings[0]
    with pytest.raises(Failure):
        load(tmp_path / "s", "wrong")
    with pytest.raises(Failure, match="needs its password"):
        read((tmp_path / "s").read_bytes(), None, "trust")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, root: bytes) -> Path:
    """A trusted certificate beside two key entries and a secret key."""
    path = tmp_path_factory.mktemp("mixed") / "s"
    stores.import_certificate(path, "PKCS12", "root", root)
    common = ("-keystore", path, "-storepass:env", "STOREPASS")
    for alias in ("first", "second"):
        stores.keytool("-genkeypair", "-alias", alias, "-keyalg", "EC", "-dname", f"CN={alias}", *common)
    stores.keytool("-genseckey", "-alias", "third", "-keyalg", "AES", "-keysize", "128", *common)
    return path


def test_key_entries_and_their_certificates_are_skipped(mixed: Path, root: bytes) -> None:
    store = load(mixed)
    assert [(entry.alias, entry.der) for entry in store.entries] == [("root", root)]
    assert sorted(store.skipped_keys) == ["first", "second", "third"]
    assert store.warnings == ("trust: 2 certificates without the attribute of a trusted entry are skipped",)


def test_a_server_key_store_is_no_truststore(tmp_path: Path, root: bytes) -> None:
    """openssl puts the chain beside the key without Oracle's attribute: none of it becomes trust."""
    key, der = stores.key_and_certificate("server")
    (tmp_path / "key.pem").write_bytes(stores.key_pem(key) + stores.pem(der))
    (tmp_path / "ca.pem").write_bytes(stores.pem(root))
    words = ("openssl", "pkcs12", "-export", "-in", tmp_path / "key.pem", "-certfile", tmp_path / "ca.pem")
    stores.run(*words, "-name", "srv", "-out", tmp_path / "s", "-passout", "env:STOREPASS")
    with pytest.raises(Failure, match=r"holds key entries only \(srv\) and no trusted certificate"):
        load(tmp_path / "s")


def test_every_flipped_byte_is_refused_or_changes_nothing_trusted(tmp_path: Path, root: bytes) -> None:
    """The MAC covers the content; around it stand only algorithm names and lengths."""
    content = openssl_store(tmp_path, root, "-iter", "1", "-nomaciter").read_bytes()
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 0x01
        try:
            entries = read(bytes(changed), PASSWORD, "trust").entries
        except Failure:
            continue
        assert [entry.der for entry in entries] == [root]


def test_cut_anywhere_and_trailing_bytes(tmp_path: Path, root: bytes) -> None:
    content = openssl_store(tmp_path, root).read_bytes()
    for size in range(1, len(content)):
        with pytest.raises(Failure, match=r"cut short|is no store"):
            read(content[:size], PASSWORD, "trust")
    with pytest.raises(Failure, match="has 4 bytes after its end"):
        read(content + b"more", PASSWORD, "trust")


def content_info(kind: str, body: bytes) -> bytes:
    return sequence(oid(kind), tlv(0xA0, body))


def certificate_bag(der: bytes, *attributes: bytes) -> bytes:
    value = sequence(oid("1.2.840.113549.1.9.22.1"), tlv(0xA0, octets(der)))
    return sequence(oid("1.2.840.113549.1.12.10.1.3"), tlv(0xA0, value), *attributes)


def plain(*bags: bytes) -> bytes:
    return content_info(DATA, octets(sequence(*bags)))


def encrypted(algorithm: bytes, data: bytes = bytes(32)) -> bytes:
    info = sequence(oid(DATA), algorithm, tlv(0x80, data))
    return content_info(ENCRYPTED, sequence(integer(0), info))


def store_of(*parts: bytes, mac: bytes = b"") -> bytes:
    return sequence(integer(3), content_info(DATA, octets(sequence(*parts))), mac)


def pbkdf2(salt: bytes, iterations: int, *rest: bytes) -> bytes:
    return sequence(oid(PBKDF2), sequence(octets(salt), integer(iterations), *rest))


def pbes2(derivation: bytes) -> bytes:
    return sequence(oid(PBES2), sequence(derivation, sequence(oid(AES_256_CBC), octets(bytes(16)))))


def mac_data(iterations: int, salt: bytes = b"salt", digest: str = SHA256) -> bytes:
    return sequence(sequence(sequence(oid(digest), tlv(0x05)), octets(bytes(32))), octets(salt), integer(iterations))


def pbmac1_store(root: bytes, iterations: int = 2048, key_length: int | None = 32, password: str = PASSWORD) -> bytes:
    """RFC 9579: the MAC's key by PBKDF2, whose parameters name its length."""
    safe = sequence(plain(certificate_bag(root)))
    prf = sequence(oid(HMAC_SHA256), tlv(0x05))
    rest = (integer(key_length),) if key_length is not None else ()
    derivation = pbkdf2(b"saltsalt", iterations, *rest, prf)
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), b"saltsalt", min(iterations, 4096), key_length or 32)
    value = octets(hmac.digest(key, safe, "sha256"))
    algorithm = sequence(oid(PBMAC1), sequence(derivation, prf))
    mac = sequence(sequence(algorithm, value), octets(b"NOT USED"), integer(2048))
    return sequence(integer(3), content_info(DATA, octets(safe)), mac)


def test_pbmac1(root: bytes) -> None:
    content = pbmac1_store(root)
    judge = pyca.load_pkcs12(content, PASSWORD.encode()).additional_certs
    assert [c.certificate.public_bytes(Encoding.DER) for c in judge] == [root]
    assert [entry.der for entry in read(content, PASSWORD, "trust").entries] == [root]
    with pytest.raises(Failure, match="does not fit its MAC"):
        read(content, "wrong", "trust")
    with pytest.raises(Failure, match="PBKDF2 parameters that do not fit"):
        read(pbmac1_store(root, key_length=None), PASSWORD, "trust")


SCRYPT = sequence(oid("1.3.6.1.4.1.11591.4.11"), sequence(octets(b"s"), integer(2**20), integer(8), integer(1)))
RC4 = sequence(oid("1.2.840.113549.1.12.1.1"), sequence(octets(bytes(8)), integer(1)))
MANY = KDF_ROUNDS + 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (store_of(mac=mac_data(MANY)), f"asks for {MANY} rounds"),
        (store_of(mac=mac_data(2**62)), f"asks for {2**62} rounds"),
        (store_of(mac=mac_data(0)), "asks for 0 rounds"),
        (store_of(mac=mac_data(1, salt=bytes(SALT_BYTES + 1))), f"a salt of {SALT_BYTES + 1} bytes"),
        (store_of(encrypted(pbes2(pbkdf2(b"s", MANY)))), f"asks for {MANY} rounds"),
        (store_of(encrypted(pbes2(pbkdf2(b"s", KDF_ROUNDS // 2 + 1)))), "rounds of key derivation in all"),
        (pbmac1_store(b"", iterations=MANY), f"asks for {MANY} rounds"),
        (store_of(encrypted(pbes2(SCRYPT))), "derives its keys with scrypt"),
        (store_of(encrypted(RC4)), r"encrypted with 1\.2\.840\.113549\.1\.12\.1\.1"),
        (store_of(encrypted(sequence(oid(PBES2), sequence(pbkdf2(b"s", 1), RC4)))), "which is not supported"),
        (store_of(encrypted(pbes2(pbkdf2(b"s", 1)), data=bytes(33))), "of a wrong length"),
        (store_of(encrypted(pbes2(pbkdf2(b"s", 1)), data=b"")), "of a wrong length"),
        (store_of(mac=mac_data(1, digest="1.2.840.113549.2.5")), "has a MAC with"),
        (store_of(plain(sequence(oid("1.2.840.113549.1.12.10.1.6"), tlv(0xA0, sequence())))), "nested bags"),
        (store_of(content_info("1.2.840.113549.1.7.3", sequence())), "encrypted for a public key"),
        (sequence(integer(3), content_info("1.2.840.113549.1.7.2", sequence())), "signed instead of having a MAC"),
        (sequence(integer(2), content_info(DATA, octets())), "neither a certificate nor a PKCS12 store"),
        (store_of(), "holds no certificate"),
        (store_of(plain()), "holds no certificate"),
        (store_of(plain(certificate_bag(b"x"))), "does not parse"),
        (store_of(plain(sequence(oid("1.2.840.113549.1.12.10.1.3"), tlv(0xA0, bytes(3))))), "PKCS12 store"),
        (sequence(integer(3), sequence(oid(DATA))), "cut short"),
        (b"\x30\x06\x02\x01\x03\x30\x80\x00", "BER"),
    ],
)
def test_bounds_and_unsupported_parts(content: bytes, message: str) -> None:
    start = time.process_time()
    with pytest.raises(Failure, match=message):
        read(content, PASSWORD, "trust")
    assert time.process_time() - start < 0.5, "refused before any derivation"


def test_rounds_add_up_over_all_parts() -> None:
    """Each part is below the bound, all together are not; the last is refused before it is derived."""
    part = encrypted(pbes2(pbkdf2(b"s", KDF_ROUNDS // 8, sequence(oid(HMAC_SHA256)))))
    with pytest.raises(Failure):
        read(store_of(part), PASSWORD, "trust")
    password = Password(PASSWORD, rounds=100)
    password.pbkdf2("sha256", b"s", 60, 32)
    with pytest.raises(Failure, match="in all"):
        password.pkcs12("sha1", b"s", 41, 8, 3)


def test_unsupported_parts_name_the_conversion(root: bytes) -> None:
    with pytest.raises(Failure, match="keytool -importkeystore -srckeystore trust -srcstoretype PKCS12") as caught:
        read(store_of(encrypted(RC4)), PASSWORD, "trust")
    assert caught.value.reason is Reason.STORE_UNSUPPORTED


def test_deep_nesting_does_not_recurse() -> None:
    deep = b"\x02\x01\x03"
    for _ in range(2000):
        deep = sequence(deep)
    start = time.process_time()
    with pytest.raises(Failure):
        read(sequence(integer(3), deep), PASSWORD, "trust")
    assert time.process_time() - start < 1


def test_aliases_with_surrogates_and_without_text(root: bytes) -> None:
    def named(name: bytes) -> bytes:
        return tlv(0x31, sequence(oid("1.2.840.113549.1.9.20"), tlv(0x31, tlv(0x1E, name))))

    entries = read(store_of(plain(certificate_bag(root, named("r 😀".encode("utf-16-be"))))), None, "trust").entries
    assert entries[0].alias == "r 😀"
    with pytest.raises(Failure, match="an alias that is not text"):
        read(store_of(plain(certificate_bag(root, named(b"\xd8\x00")))), None, "trust")
    unnamed = read(store_of(plain(certificate_bag(root, named(b"")))), None, "trust").entries
    assert unnamed[0].alias.startswith("Root-")
