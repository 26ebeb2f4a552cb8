"""Certificates by keys of both backends: judged by openssl, kept over a restart, gone with their key."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hsmgate.adapters.certificates import SealedCertificates
from hsmgate.adapters.sealed_keys import TENANT
from hsmgate.adapters.sql.certificates import CertificateRows
from hsmgate.errors import Reason
from hsmgate.pki.certified import Wanted
from hsmgate.usecases import certificate_signing, certificates, keys
from hsmgate.usecases.certificate_signing import SignRequest
from hsmgate.usecases.certificates import Certify
from hsmgate.usecases.ports import Keystore, Ports
from support.api import ListAudit
from support.hsm_tokens import open_keystore, softhsm
from support.keystore_contract import label, raises, spec_of
from support.keystores import software_keystore

KINDS = {"secp256r1": "SHA256_WITH_ECDSA", "RSA-2048": "SHA512_WITH_RSA", "ED25519": "EDDSA"}
AUTHORITY = Wanted(key_usage=("KEY_CERT_SIGN", "CRL_SIGN"), authority=True)


def ports_over(keystore: Any) -> Ports:
    beside = SealedCertificates(CertificateRows(keystore._database, TENANT), keystore.own_secret)
    return Ports(keystore, ListAudit(), time.time, (), "", certificates=beside)


@pytest.fixture(scope="module", params=["software", "token"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystore]:
    folder = tmp_path_factory.mktemp("certificates")
    if request.param == "software":
        with software_keystore(folder, 0.0) as keystore:
            yield keystore
        return
    in_token = open_keystore(softhsm(folder / "token"), folder)
    yield in_token
    in_token.close()


@pytest.fixture
def ports(store: Keystore) -> Ports:
    return ports_over(store)


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def pem(folder: Path, name: str, der: bytes) -> None:
    (folder / name).write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("password", [None, "s3cret"], ids=["open", "guarded"])
def test_a_key_is_an_authority_for_another(ports: Ports, tmp_path: Path, kind: str, password: str | None) -> None:
    root, leaf = label(), label()
    ports.keystore.create(spec_of(kind, root), password)
    ports.keystore.create(spec_of(kind, leaf), password)
    algorithm = KINDS[kind]
    certificates.self_sign(ports, Certify(root, algorithm, named("root"), AUTHORITY, password, 30))
    csr = certificates.request(ports, Certify(leaf, algorithm, named("leaf"), password=password)).der
    made = certificate_signing.sign(ports, SignRequest(root, algorithm, csr, password=password, new_label=leaf))
    assert certificates.read(ports, leaf) == made.der
    pem(tmp_path, "root", certificates.read(ports, root))
    pem(tmp_path, "leaf", made.der)
    command = ("openssl", "verify", "-x509_strict", "-check_ss_sig", "-CAfile", "root", "root", "leaf")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert done.stdout == "root: OK\nleaf: OK\n", done.stderr
    if password:
        with raises(Reason.KEY_PASSWORD_MISMATCH):
            certificates.self_sign(ports, Certify(root, algorithm, named("root"), days=1))
        assert certificates.read(ports, root) != made.der


def test_a_lone_certificate_needs_a_keystore_that_takes_one(ports: Ports) -> None:
    root, leaf = label(), label()
    for name in (root, leaf):
        ports.keystore.create(spec_of("secp256r1", name), None)
    certificates.self_sign(ports, Certify(root, "SHA256_WITH_ECDSA", named("root"), AUTHORITY, days=30))
    csr = certificates.request(ports, Certify(leaf, "SHA256_WITH_ECDSA", named("leaf"))).der
    lone = label()
    wish = SignRequest(root, "SHA256_WITH_ECDSA", csr, new_label=lone)
    if "EC" in ports.keystore.capabilities().imports:
        assert certificate_signing.sign(ports, wish).label == lone
        assert certificates.read(ports, lone)
    else:
        with raises(Reason.NOT_IMPLEMENTED):
            certificate_signing.check(ports, wish)  # before the key is used


def test_a_certificate_goes_with_its_key_and_stays_for_another_process(ports: Ports) -> None:
    name = label()
    ports.keystore.create(spec_of("secp256r1", name), None)
    der = certificates.self_sign(ports, Certify(name, "SHA256_WITH_ECDSA", named("x"), days=1)).der
    assert certificates.read(ports_over(ports.keystore), name) == der
    key, store = ports.keystore.find(name), ports.certificates
    assert store is not None
    before = store.count()
    ports.keystore.delete(key, None)
    assert store.count() == before - 1
    with raises(Reason.KEY_NOT_FOUND):
        store.put(key, der)  # it was signed while the key was deleted
    assert store.count() == before - 1
    with raises(Reason.KEY_NOT_FOUND):
        keys.attributes(ports, name, None)
