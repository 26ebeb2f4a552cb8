"""The self-signed server certificate, made once when TLS is wanted and no key store is configured."""

import datetime as dt
import ipaddress
import re
import socket
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hsmgate.adapters.private_files import make_folder, write_once
from hsmgate.errors import Failure

_DNS_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8}")
LIFETIME = dt.timedelta(days=3650)


def ensure(path: Path) -> bool:
    """Make `path` (PEM, key and certificate, 0600) unless it is there; True when it was made now.

    P-256 for localhost, the loopback addresses and the host name. Failure: STORE_UNREADABLE.
    """
    if path.exists():
        return False
    make_folder(path.parent)
    try:
        write_once(path, _made(socket.gethostname(), dt.datetime.now(dt.UTC).replace(microsecond=0)))
    except Failure:
        if path.exists():  # another process was faster
            return False
        raise
    return True


def _made(host: str, now: dt.datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    hosts = list(dict.fromkeys(["localhost", *filter(_DNS_NAME.fullmatch, [host])]))
    loopback = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(
            x509.SubjectAlternativeName([*map(x509.DNSName, hosts), *map(x509.IPAddress, loopback)]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key_pem + cert.public_bytes(Encoding.PEM)
