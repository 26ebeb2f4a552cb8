"""Creates an EC key, signs with it, has the signature verified, and deletes the key.

Wants a quickstart that is served, by `make run` or by `hsmgate quickstart` and `hsmgate serve`.

    python examples/python_client.py [QUICKSTART-FOLDER [PORT]]
"""

import sys
import uuid
from pathlib import Path

from hsmgate.client import P12, Attributes, Client, RequestFailed

P256 = "1.2.840.10045.3.1.7"


def main(folder: Path, port: int) -> None:
    passphrase = (folder / "client.p12.password").read_text().strip()
    identity = P12(folder / "client.p12", passphrase)
    label = f"example-{uuid.uuid4()}"
    with Client(f"https://localhost:{port}", ca=folder / "ca.crt", identity=identity) as client:
        client.create(label, "EC", curve_oid=P256, attributes=Attributes(sign=True, destroyable=True))
        try:
            signed = client.sign(label, b"pay 10 to Alice", "SHA256_WITH_ECDSA")
            if not client.verify(label, b"pay 10 to Alice", signed.signature, "SHA256_WITH_ECDSA"):
                sys.exit("the signature does not verify")
            if client.verify(label, b"pay 99 to Mallory", signed.signature, "SHA256_WITH_ECDSA"):
                sys.exit("the signature verifies for another payload")
            print("Verified OK")
        finally:
            client.delete(label)
        try:
            client.key(label)
        except RequestFailed as failure:
            print(f"gone: {failure.reason}, errorCode {failure.error_code}, HTTP {failure.status}")
    print(f"created, used and deleted: {label}")


if __name__ == "__main__":
    arguments = [*sys.argv[1:], *["quickstart", "8080"][len(sys.argv) - 1 :]]
    main(Path(arguments[0]), int(arguments[1]))
