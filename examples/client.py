"""Creates a P-256 key, signs with it, and verifies the signature with the public key alone.

Wants a quickstart that is served, and `pip install cryptography`, which reads the client's PKCS#12 file:

    python examples/client.py [QUICKSTART-FOLDER [PORT]]
"""

import base64
import http.client
import json
import os
import ssl
import sys
import tempfile
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_der_public_key,
    pkcs12,
)

PAYLOAD = b"pay 10 to Alice"


def tls(folder: Path) -> ssl.SSLContext:
    """Trust in the service's root, and our own certificate. The key touches the disk encrypted only."""
    password = (folder / "client.p12.password").read_bytes().strip()
    bundle = pkcs12.load_pkcs12((folder / "client.p12").read_bytes(), password)
    if bundle.key is None or bundle.cert is None:
        raise SystemExit("client.p12 holds no key with its certificate")
    key = bundle.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    chain = [each.certificate.public_bytes(Encoding.PEM) for each in (bundle.cert, *bundle.additional_certs)]
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    with tempfile.NamedTemporaryFile() as pem:  # the ssl module reads files only
        pem.write(key + b"".join(chain))
        pem.flush()
        context.load_cert_chain(pem.name, password=password)
    return context


class Service:
    """One connection, kept alive."""

    def __init__(self, folder: Path, port: int) -> None:
        self._connection = http.client.HTTPSConnection("localhost", port, context=tls(folder), timeout=30)

    def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """The answer's JSON; ends the program on an error, in the service's own words."""
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        if response.status not in (200, 201):
            raise SystemExit(f"{method} {path}: {response.status} {answer['reason']}: {answer['message']}")
        return answer


def verifies(public_key: bytes, signature: bytes, payload: bytes) -> bool:
    """Without the service: with the public key that it gave."""
    key = load_der_public_key(public_key)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise SystemExit("the public key is no EC key")
    try:
        key.verify(signature, payload, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def main(folder: str = "quickstart", port: str = "8080") -> None:
    """Create, sign, verify, delete."""
    service = Service(Path(folder), int(port))
    label = f"example-python-{os.getpid()}"
    attributes = {"sign": True, "destroyable": True}
    key = {"label": label, "algorithm": "EC", "curveOid": "1.2.840.10045.3.1.7", "attributes": attributes}
    created = service.call("POST", "/v1/key", key)
    try:
        payload = base64.b64encode(PAYLOAD).decode()
        wish = {"signKeyName": label, "payload": payload, "signatureAlgorithm": "SHA256_WITH_ECDSA"}
        signed = service.call("POST", "/v1/synchronousSign", {"signRequest": wish})
        public_key, signature = base64.b64decode(created["json"]["publicKey"]), base64.b64decode(signed["signature"])
        asked = {"verifySignatureRequest": {**wish, "signature": signed["signature"]}}
        told = service.call("POST", "/v1/verify", asked)["signatureValid"]
        good = verifies(public_key, signature, PAYLOAD) and not verifies(public_key, signature, PAYLOAD + b"0")
        if not (good and told is True):
            raise SystemExit("the signature does not verify")
        print("Verified OK")
    finally:
        service.call("DELETE", f"/v1/key/{label}")
    print(f"created, used and deleted: {label}")


if __name__ == "__main__":
    main(*sys.argv[1:])
