"""client/signing.py: signatures over requests, judged by openssl and by a service that demands them."""

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hsmgate.api.routes import ROUTES
from hsmgate.client import P12, Attributes, Client, NewRules, Pem, RequestFailed, operations, request_operations
from hsmgate.client.call import Call
from hsmgate.client.endpoints import ENDPOINTS
from hsmgate.client.signing import RequestSigner
from support.service import Quick

KEYS = {
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "ed": ["-algorithm", "ED25519"],
}
CALLS: dict[str, Callable[[], Call[Any]]] = {
    "sign": lambda: operations.sign("x", b"\x00/\xff", "EDDSA", meta_data=b'{"a": 1}'),
    "hex": lambda: request_operations.submit_sign("x", b"x", "EDDSA", payload_type="HEX", password="pä"),
    "decrypt": lambda: operations.decrypt("x", b"", "AES_GCM", tag_length=128),
    "modify": lambda: request_operations.submit_modify('the "x"\n', NewRules(rule_use=None), meta_data=b"m"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signers")
    for name, how in KEYS.items():
        openssl(folder, "genpkey", *how, "-out", f"{name}.pem")
        openssl(folder, "pkey", "-in", f"{name}.pem", "-pubout", "-outform", "DER", "-out", f"{name}.pub")
    openssl(folder, "genpkey", "-algorithm", "ED448", "-out", "other.pem")
    openssl(folder, "pkey", "-in", "rsa.pem", "-aes256", "-passout", "pass:s3cret", "-out", "locked.pem")
    return folder


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def holds(folder: Path, name: str, signature: str, data: bytes) -> None:
    """Whether openssl verifies it."""
    (folder / "data").write_bytes(data)
    (folder / "signature").write_bytes(base64.b64decode(signature))
    how = ["-rawin"] if name == "ed" else ["-rawin", "-digest", "sha256"]
    key = ["-pubin", "-keyform", "DER", "-inkey", f"{name}.pub"]
    openssl(folder, "pkeyutl", "-verify", *how, *key, "-in", "data", "-sigfile", "signature")


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("what", CALLS)
def test_the_inner_object_is_signed_as_it_is_sent(files: Path, name: str, what: str) -> None:
    plain = CALLS[what]()
    call = RequestSigner(Pem(files / f"{name}.pem")).signed(plain)
    found = re.fullmatch(rb'\{"\w+":(\{.*\}),"requestSignature":(\{.*\})\}', call.content, re.DOTALL)
    assert found is not None
    signature = json.loads(found[2])
    assert signature.keys() == {"signature", "digestAlgorithm", "publicKey"}
    assert signature["digestAlgorithm"] == ("EdDSA" if name == "ed" else "SHA-256")
    assert base64.b64decode(signature["publicKey"]) == (files / f"{name}.pub").read_bytes()
    holds(files, name, signature["signature"], found[1])
    with pytest.raises(subprocess.CalledProcessError):
        holds(files, name, signature["signature"], found[1] + b" ")
    inner, ((_, before),) = json.loads(found[1]), json.loads(plain.content).items()
    if (over_meta := inner.pop("metaDataSignature", None)) is not None:
        holds(files, name, over_meta, base64.b64decode(before["metaData"]))
    assert (over_meta is None) is ("metaData" not in before)
    assert list(inner.items()) == list(before.items())


def test_a_signature_over_metadata_that_is_given_is_kept(files: Path) -> None:
    call = operations.sign("x", b"x", "EDDSA", meta_data=b"m", meta_data_signature=b"mine")
    signed = RequestSigner(Pem(files / "ec.pem")).signed(call)
    assert json.loads(signed.content)["signRequest"]["metaDataSignature"] == base64.b64encode(b"mine").decode()


def test_what_cannot_be_signed_goes_as_it_is(files: Path) -> None:
    signer = RequestSigner(Pem(files / "ec.pem"))
    unsignable: list[Call[Any]] = [operations.keys(), operations.key("x"), request_operations.request("x")]
    for call in unsignable:
        assert signer.signed(call) is call


def test_the_endpoints_that_take_a_signature_are_the_services() -> None:
    """Those whose body is one object beside it."""
    bodies = {route.action: getattr(route.body, "__struct_fields__", ()) for route in ROUTES}
    theirs = {
        action
        for action, fields in bodies.items()
        if "request_signature" in fields
        and all(name.endswith("_request") for name in set(fields) - {"request_signature"})
    }
    ours = {one.action for one in ENDPOINTS}
    assert {one.action for one in ENDPOINTS if one.signable} == theirs & ours


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (Pem("nowhere.pem"), "cannot read"),
        (Pem("rsa.pub"), "no key can be loaded"),
        (Pem("locked.pem"), "no key can be loaded"),
        (Pem("locked.pem", passphrase="wr0ng"), "no key can be loaded"),
        (Pem("other.pem"), "RSA, EC or Ed25519"),
        (P12("rsa.pem"), "no PKCS#12 file"),
    ],
    ids=["nowhere", "public", "locked", "wrong", "ed448", "no p12"],
)
def test_signers_that_are_none(files: Path, given: Pem | P12, says: str) -> None:
    at = P12(files / given.file) if isinstance(given, P12) else Pem(files / given.certificate, None, given.passphrase)
    with pytest.raises(RequestFailed) as caught:
        Client("https://localhost:1", signer=at)
    assert caught.value.reason == "client.identity"
    assert says in caught.value.message
    assert "wr0ng" not in caught.value.message


def test_a_service_that_demands_signatures(quick: Quick, identity: P12, tmp_path: Path, files: Path) -> None:
    ignored = shutil.ignore_patterns("*.sock")
    demanding = Quick(Path(shutil.copytree(quick.folder, tmp_path / "quickstart", ignore=ignored)))
    certificate = demanding.folder / "application.pem"
    words = ["-in", str(identity.file), "-passin", f"pass:{identity.passphrase}", "-nokeys", "-clcerts"]
    openssl(demanding.folder, "pkcs12", *words, "-out", str(certificate))
    with demanding.serve(GENERAL_ALLOWEDREQUESTCERTIFICATES=str(certificate)) as service:
        url, ca = f"https://localhost:{service.port}", demanding.folder / "ca.crt"
        with Client(url, ca=ca, identity=identity, signer=identity) as client:
            made = client.create("signed", "ED", attributes=Attributes(sign=True, destroyable=True))
            assert client.sign("signed", b"x", "EDDSA", meta_data=b"m").signature
            assert demanding.trail()[-1]["detail"]["metaDataSigned"] is True
            submitted = client.submit_sign("signed", b"x", "EDDSA").sign_request_id
            assert client.request(submitted).status == "EXECUTED"
            labels = client.keys()
            assert made.json.label in labels
        for signer in (None, Pem(files / "ec.pem")):
            with Client(url, ca=ca, identity=identity, signer=signer) as client, pytest.raises(RequestFailed) as caught:
                client.sign("signed", b"x", "EDDSA")
            assert caught.value.error_code == 415
