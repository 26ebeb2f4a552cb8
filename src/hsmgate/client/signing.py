"""Signed requests: what the service verifies a request by, beside the TLS connection that it came on."""

import base64
from typing import TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsmgate.client.call import Call
from hsmgate.client.errors import IDENTITY, RequestFailed
from hsmgate.client.identity import Identity, private_key

T = TypeVar("T")
_META, _META_SIGNATURE = "metaData", "metaDataSignature"


class RequestSigner:
    """Signs with a key that is RSA (PKCS#1 v1.5), EC (DER), both with SHA-256, or Ed25519.

    RequestFailed: it cannot be read, or is another.
    """

    def __init__(self, identity: Identity) -> None:
        key = private_key(identity)
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
            raise RequestFailed(IDENTITY, "a key that signs requests is RSA, EC or Ed25519")
        self._key = key
        self._digest = "EdDSA" if isinstance(key, ed25519.Ed25519PrivateKey) else "SHA-256"
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self._public = base64.b64encode(public).decode()

    def signed(self, call: Call[T]) -> Call[T]:
        """The call with a signature over its inner object, and one over its metadata, where the endpoint takes them."""
        if not call.endpoint.signable:
            return call
        ((name, inner),) = msgspec.json.decode(call.content).items()
        if inner.get(_META) is not None and inner.get(_META_SIGNATURE) is None:
            inner[_META_SIGNATURE] = self._sign(base64.b64decode(inner[_META]))
        text = msgspec.json.encode(inner)  # compact, as it is signed and as it is sent
        signature = {"signature": self._sign(text), "digestAlgorithm": self._digest, "publicKey": self._public}
        content = msgspec.json.encode({name: msgspec.Raw(text), "requestSignature": signature})
        return msgspec.structs.replace(call, content=content)

    def _sign(self, data: bytes) -> str:
        if isinstance(self._key, rsa.RSAPrivateKey):
            made = self._key.sign(data, padding.PKCS1v15(), SHA256())
        elif isinstance(self._key, ec.EllipticCurvePrivateKey):
            made = self._key.sign(data, ec.ECDSA(SHA256()))
        else:
            made = self._key.sign(data)
        return base64.b64encode(made).decode()
