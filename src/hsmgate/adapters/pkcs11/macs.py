"""HMAC in the token."""

from typing import Any

from pkcs11 import Mechanism, SignMixin

from hsmgate.domain.algorithm import hmac_hash
from hsmgate.errors import Failure, Reason

MACS = {  # by the words of hashlib
    "sha1": Mechanism.SHA_1_HMAC,
    "sha224": Mechanism.SHA224_HMAC,
    "sha256": Mechanism.SHA256_HMAC,
    "sha384": Mechanism.SHA384_HMAC,
    "sha512": Mechanism.SHA512_HMAC,
}


def mac(item: Any, algorithm: str, label: str, payload: bytes) -> bytes:  # noqa: ANN401 - made by python-pkcs11
    """The whole code. Failure: KEY_FORBIDS. May raise PKCS11Error, of a length that the token does not take too."""
    if not isinstance(item, SignMixin):
        raise Failure(Reason.KEY_FORBIDS, f"the token does not let the key '{label}' make codes")
    return bytes(item.sign(payload, mechanism=MACS[hmac_hash(algorithm)]))
