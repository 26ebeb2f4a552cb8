"""Writes truststores with the tools that operators use: keytool for Java's formats."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

from support.certs import Made

PASSWORD = "secret"
_JAVA = {"JKS", "JCEKS", "PKCS12"}


def write(kind: str, entries: Sequence[tuple[str, Made]], folder: Path) -> bytes:
    """The octets of a truststore of this format; `folder` is for files on the way."""
    if kind == "PEM":
        return b"".join(b"friendlyName: " + alias.encode() + b"\n" + made.pem for alias, made in entries)
    if kind == "DER":
        ((_, made),) = entries
        return made.der
    assert kind in _JAVA
    return _keytool(kind, entries, folder)


def _keytool(kind: str, entries: Sequence[tuple[str, Made]], folder: Path) -> bytes:
    source, target = folder / "source", folder / "target"
    if len(entries) == 1:
        ((alias, made),) = entries
        source.write_bytes(made.pem)
        how = ["-importcert", "-keystore", target, "-storetype", kind, "-alias", alias, "-file", source]
    else:
        bags = [PKCS12Certificate(x509.load_der_x509_certificate(m.der), alias.encode()) for alias, m in entries]
        source.write_bytes(serialize_java_truststore(bags, BestAvailableEncryption(PASSWORD.encode())))
        how = [
            "-importkeystore", "-srckeystore", source, "-srcstoretype", "PKCS12", "-srcstorepass", PASSWORD,
            "-destkeystore", target, "-deststoretype", kind,
        ]  # fmt: skip
    password = "-deststorepass" if len(entries) > 1 else "-storepass"
    command = ["keytool", "-J-XX:TieredStopAtLevel=1", *map(str, how), password, PASSWORD, "-noprompt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return target.read_bytes()
