"""The server's key and chain out of PKCS#12, JKS and PEM, as openssl and keytool write them."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hsmgate.errors import Failure, Reason
from hsmgate.pki.truststore import KeyStore, read_key_store
from support import store_tools as stores
from support.store_tools import PASSWORD


class Server:
    """A leaf under an intermediate under a root, and the files that the tools need."""

    def __init__(self, folder: Path) -> None:
        root_key, self.root = stores.key_and_certificate("Root")
        middle_key = ec.generate_private_key(ec.SECP256R1())
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.middle = stores.issued("Middle", middle_key, "Root", root_key)
        self.leaf = stores.issued("localhost", self.key, "Middle", middle_key)
        self.chain = (self.leaf, self.middle, self.root)
        self.pkcs8 = self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        self.folder = folder
        self.key_file, self.chain_file = folder / "key.pem", folder / "chain.pem"
        self.key_file.write_bytes(stores.key_pem(self.key))
        self.chain_file.write_bytes(b"".join(stores.pem(der) for der in self.chain))

    @property
    def expected(self) -> KeyStore:
        return KeyStore(key_der=self.pkcs8, chain=self.chain)

    def pkcs12(self, *options: str) -> bytes:
        out = self.folder / "server.p12"
        words = ("openssl", "pkcs12", "-export", "-inkey", self.key_file, "-in", self.chain_file, "-out", out)
        stores.run(*words, "-name", "Srv", "-passout", "env:STOREPASS", *options)
        return out.read_bytes()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    return Server(tmp_path_factory.mktemp("server"))


@pytest.mark.parametrize(
    "options",
    [(), ("-legacy",), ("-keypbe", "NONE"), ("-keypbe", "PBE-SHA1-3DES"), ("-nomac",), ("-macalg", "sha512")],
    ids=" ".join,
)
def test_pkcs12_of_openssl(server: Server, options: tuple[str, ...]) -> None:
    assert read_key_store(server.pkcs12(*options), PASSWORD, "s") == server.expected
    assert read_key_store(server.pkcs12(*options), PASSWORD, "s", alias="sRV") == server.expected


def test_passwords_of_pkcs12(server: Server) -> None:
    for password, message in (("wrong", "the password is wrong"), (None, "none is given")):
        with pytest.raises(Failure, match=message):
            read_key_store(server.pkcs12(), password, "s")
    with pytest.raises(Failure, match=r"the password is wrong|cannot be used|cannot be decrypted"):
        read_key_store(server.pkcs12(), PASSWORD, "s", key_password="other")


def test_several_keys_need_an_alias(tmp_path: Path) -> None:
    for kind in ("PKCS12", "JKS"):
        path = tmp_path / kind
        for alias in ("one", "two"):
            words = ("-genkeypair", "-alias", alias, "-keyalg", "EC", "-dname", f"CN={alias}", "-storetype", kind)
            stores.keytool(*words, "-keystore", path, "-storepass:env", "STOREPASS", "-keypass:env", "STOREPASS")
        content = path.read_bytes()
        with pytest.raises(Failure, match="holds 2 keys that could be meant"):
            read_key_store(content, PASSWORD, "s")
        with pytest.raises(Failure, match='no key with the alias "three"'):
            read_key_store(content, PASSWORD, "s", alias="three")
        exported = stores.keytool(
            "-exportcert", "-rfc", "-alias", "two", "-keystore", path, "-storepass:env", "STOREPASS"
        )
        (leaf,) = read_key_store(content, PASSWORD, "s", alias="TWO").chain
        assert stores.pem(leaf).decode().split("-----")[2].split() == exported.split("-----")[2].split()


def test_jks_key_with_its_own_password(server: Server) -> None:
    path = server.folder / "server.jks"
    (server.folder / "for-jks.p12").write_bytes(server.pkcs12())
    stores.keytool(
        *("-importkeystore", "-srckeystore", server.folder / "for-jks.p12", "-srcstorepass:env", "STOREPASS"),
        *("-srcalias", "srv", "-destkeypass", "key-pass", "-destkeystore", path),
        *("-deststoretype", "JKS", "-deststorepass:env", "STOREPASS"),
    )
    content = path.read_bytes()
    assert read_key_store(content, PASSWORD, "s", key_password="key-pass") == server.expected
    with pytest.raises(Failure, match="this key password does not open"):
        read_key_store(content, PASSWORD, "s")


def test_jceks_is_refused_with_the_conversion(tmp_path: Path) -> None:
    path = tmp_path / "s"
    words = ("-genkeypair", "-alias", "srv", "-keyalg", "EC", "-dname", "CN=srv", "-storetype", "JCEKS")
    stores.keytool(*words, "-keystore", path, "-storepass:env", "STOREPASS", "-keypass:env", "STOREPASS")
    with pytest.raises(Failure, match="keytool -importkeystore -srckeystore s -srcstoretype JCEKS") as caught:
        read_key_store(path.read_bytes(), PASSWORD, "s")
    assert caught.value.reason is Reason.STORE_UNSUPPORTED


def test_pem_in_any_order_with_a_foreign_certificate(server: Server) -> None:
    files = [server.root, stores.certificate("Other"), server.middle, server.leaf]
    content = b"".join(stores.pem(der) for der in files) + server.key_file.read_bytes()
    assert read_key_store(content, None, "s") == server.expected


@pytest.mark.parametrize(
    "options",
    [
        ("pkcs8", "-topk8", "-v2", "aes-256-cbc"),
        ("pkcs8", "-topk8", "-v2", "des3", "-v2prf", "hmacWithSHA1"),
        ("pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES"),
        ("ec", "-aes256"),
        ("ec", "-des3"),
    ],
    ids=" ".join,
)
def test_pem_with_an_encrypted_key(server: Server, options: tuple[str, ...]) -> None:
    files = ("-in", server.key_file, "-out", server.folder / "locked.pem")
    stores.run("openssl", *options, *files, "-passout", "env:STOREPASS")
    content = (server.folder / "locked.pem").read_bytes() + server.chain_file.read_bytes()
    assert read_key_store(content, PASSWORD, "s") == server.expected
    for password in ("wrong", None):
        with pytest.raises(Failure):
            read_key_store(content, password, "s")


def test_a_traditional_key_in_the_clear_ignores_the_password(server: Server) -> None:
    stores.run("openssl", "ec", "-in", server.key_file, "-out", server.folder / "ec.pem")
    content = (server.folder / "ec.pem").read_bytes() + server.chain_file.read_bytes()
    assert b"BEGIN EC PRIVATE KEY" in content
    assert read_key_store(content, PASSWORD, "s") == server.expected


def test_a_renewed_certificate_of_the_same_key_is_chosen_by_its_key_id(server: Server) -> None:
    """Two certificates share the public key; openssl gives the key's id to the first that fits."""
    renewed = stores.issued("renewed", server.key, "Root", ec.generate_private_key(ec.SECP256R1()))
    (server.folder / "two.pem").write_bytes(stores.pem(renewed) + stores.pem(server.leaf))
    out = server.folder / "two.p12"
    words = ("openssl", "pkcs12", "-export", "-inkey", server.key_file, "-in", server.folder / "two.pem", "-out", out)
    stores.run(*words, "-passout", "env:STOREPASS")
    assert read_key_store(out.read_bytes(), PASSWORD, "s").chain == (renewed,)


@pytest.mark.parametrize("case", ["no key", "no certificate", "foreign certificate", "der", "openssh", "broken key"])
def test_what_is_no_key_store(server: Server, case: str) -> None:
    key, chain = server.key_file.read_bytes(), server.chain_file.read_bytes()
    broken = b"-----BEGIN PRIVATE KEY-----\nMAMCAQA=\n-----END PRIVATE KEY-----\n"
    content, message = {
        "no key": (chain, "holds no private key"),
        "no certificate": (key, "holds no certificate that fits"),
        "foreign certificate": (key + stores.pem(server.root), "holds no certificate that fits"),
        "der": (server.leaf, "holds no private key"),
        "openssh": (key.replace(b" PRIVATE", b" OPENSSH PRIVATE"), "write PKCS#8"),
        "broken key": (broken + chain, "cannot be used"),
    }[case]
    with pytest.raises(Failure, match=message):
        read_key_store(content, PASSWORD, "s")
