"""Keys and their certificates over the API, and judges outside of it."""

import subprocess
import uuid
from pathlib import Path
from typing import Any

from cryptography import x509

from support.api import Api
from support.asgi_client import Response

# (key, its signature algorithms of certificates)
KINDS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "RSA": (
        {"algorithm": "RSA", "keySize": 2048},
        ("SHA224_WITH_RSA", "SHA256_WITH_RSA", "SHA384_WITH_RSA", "SHA512_WITH_RSA"),
    ),
    "P-256": (
        {"algorithm": "EC", "curveOid": "1.2.840.10045.3.1.7"},
        ("SHA256_WITH_ECDSA", "SHA384_WITH_ECDSA", "SHA512_WITH_ECDSA"),
    ),
    "P-521": ({"algorithm": "EC", "curveOid": "1.3.132.0.35"}, ("SHA512_WITH_ECDSA",)),
    "secp256k1": ({"algorithm": "EC", "curveOid": "1.3.132.0.10"}, ("SHA256_WITH_ECDSA",)),
    "brainpoolP256r1": ({"algorithm": "EC", "curveOid": "1.3.36.3.3.2.8.1.1.7"}, ("SHA256_WITH_ECDSA",)),
    "Ed25519": ({"algorithm": "ED", "curveOid": "1.3.101.112"}, ("EDDSA",)),
    "DSA": ({"algorithm": "DSA", "keySize": 2048}, ("SHA256_WITH_DSA",)),
}
AUTHORITY: dict[str, Any] = {"certificateAuthority": True, "keyUsage": ["KEY_CERT_SIGN", "CRL_SIGN"]}


def made(api: Api, kind: str = "P-256", **more: object) -> str:
    name = f"key-{uuid.uuid4()}"
    body = {"label": name, "attributes": {"sign": True, "destroyable": True}, **KINDS[kind][0], **more}
    assert api.call("POST", "/v1/key", body).status == 201
    return name


def wish(label: str, algorithm: str = "SHA256_WITH_ECDSA", **more: object) -> dict[str, Any]:
    return {"signKeyName": label, "signatureAlgorithm": algorithm, "commonName": "orders", **more}


def ask(api: Api, what: str, body: dict[str, Any]) -> dict[str, str]:
    response = api.call("POST", f"/v1/certificate/synchronous/{what}", body)
    assert response.status == 200, response.json
    found: dict[str, str] = response.json
    return found


def self_signed(api: Api, label: str, algorithm: str = "SHA256_WITH_ECDSA", **more: object) -> str:
    return ask(api, "selfsign", wish(label, algorithm, validity=365, **more))["certificate"]


def authority(api: Api, kind: str = "P-256", **more: object) -> str:
    name = made(api, kind, **more)
    self_signed(api, name, KINDS[kind][1][0], commonName="Authority", **AUTHORITY)
    return name


def csr_of(api: Api, label: str, algorithm: str = "SHA256_WITH_ECDSA", **more: object) -> str:
    return ask(api, "request", wish(label, algorithm, **more))["certificateSigningRequest"]


def refused(response: Response) -> tuple[int, int]:
    assert set(response.json) == {"errorCode", "reason", "message"}, response.json
    return response.status, response.json["errorCode"]


def parsed(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def judged(folder: Path, *command: str, **files: str) -> str:
    for name, content in files.items():
        (folder / name).write_text(content)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def extensions(found: x509.Certificate | x509.CertificateSigningRequest) -> dict[str, tuple[bool, object]]:
    return {one.oid._name: (one.critical, one.value) for one in found.extensions}


LATER = {
    "request": "csrSignRequest",
    "selfsign": "selfSignCertificateRequest",
    "sign": "signCertificateRequest",
}


def later(api: Api, what: str, body: dict[str, Any], **more: object) -> Response:
    return api.call("POST", f"/v1/certificate/{what}", {LATER[what]: body | more, "requestSignature": None})


def count(api: Api) -> int:
    found: int = api.call("GET", "/v1/keystore/statistics").json["certificates"]
    return found
