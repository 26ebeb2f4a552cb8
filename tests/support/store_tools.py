"""Throw-away certificates, the real tools that make stores of them, and a small DER writer for odd stores."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

PASSWORD = "changeit"


def certificate(name: str, attribute: x509.ObjectIdentifier = NameOID.COMMON_NAME) -> bytes:
    """A self-signed P-256 certificate as DER; its key is forgotten."""
    return key_and_certificate(name, attribute)[1]


def key_and_certificate(
    name: str, attribute: x509.ObjectIdentifier = NameOID.COMMON_NAME
) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, issued(name, key, name, key, attribute)


def issued(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    attribute: x509.ObjectIdentifier = NameOID.COMMON_NAME,
) -> bytes:
    """A certificate for `key` signed by `issuer_key`, as DER."""
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(attribute, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(attribute, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(issuer_key, hashes.SHA256())
    )
    return cert.public_bytes(Encoding.DER)


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def run(*words: str | Path) -> str:
    """Run a tool that must succeed, with STOREPASS in its environment. Its output, both streams."""
    done = subprocess.run(
        [str(word) for word in words],
        env={**os.environ, "STOREPASS": PASSWORD, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=60,
    )
    output = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, output
    return output


def keytool(*words: str | Path) -> str:
    """keytool with a fast start: most of a call is the start of the virtual machine."""
    return run("keytool", "-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC", *words)


def import_certificate(store: Path, kind: str, alias: str, der: bytes, *options: str) -> None:
    """keytool -importcert into a store of this type."""
    file = store.with_name(f"{store.name}.import.pem")
    file.write_bytes(pem(der))
    words = ("-importcert", "-noprompt", "-alias", alias, "-file", file, "-keystore", store)
    keytool(*options, *words, "-storetype", kind, "-storepass:env", "STOREPASS")
    file.unlink()


def listed(store: Path) -> dict[str, str]:
    """What keytool -list reads: alias -> kind of entry."""
    lines = keytool("-list", "-keystore", store, "-storepass:env", "STOREPASS").splitlines()
    rows = [line.rstrip(", ").rsplit(", ", 3) for line in lines]  # alias, month and day, year, kind
    return {row[0]: row[3] for row in rows if len(row) == 4 and row[3].endswith("Entry")}


def tlv(tag: int, *parts: bytes) -> bytes:
    """One DER value."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


def integer(number: int) -> bytes:
    return tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    arcs = [int(arc) for arc in dotted.split(".")]
    body = b""
    for arc in [arcs[0] * 40 + arcs[1], *arcs[2:]]:
        rest, groups = arc >> 7, [arc & 0x7F]
        while rest:
            groups.insert(0, rest & 0x7F | 0x80)
            rest >>= 7
        body += bytes(groups)
    return tlv(0x06, body)


def sequence(*parts: bytes) -> bytes:
    return tlv(0x30, *parts)


def octets(*parts: bytes) -> bytes:
    return tlv(0x04, *parts)
