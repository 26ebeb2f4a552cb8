"""The PKI of a quickstart: a root, the authority of clients below it, a server's certificate and a client's.

It lies in the database of the service that the quickstart starts, so that its gate and its responder know what was
issued and revoked.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from hsmgate import __version__
from hsmgate.adapters.audit_file import open_audit
from hsmgate.adapters.pki_keys import SigningKeyStore
from hsmgate.adapters.sql.connect import connect
from hsmgate.adapters.sql.register import SqlRegister
from hsmgate.cli.pki_place import SERVICE_KEYS
from hsmgate.pki import csr, names
from hsmgate.pki.extensions import Points
from hsmgate.pki.path import parse
from hsmgate.record import Record
from hsmgate.usecases import issuance_authorities as authorities
from hsmgate.usecases import issuance_leaves as leaves
from hsmgate.usecases.issuance_authorities import NewAuthority
from hsmgate.usecases.issuance_leaves import NewLeaf
from hsmgate.usecases.issuance_ports import AuthoritySettings, IssuancePorts

RESPONDER = "127.0.0.1:2560"  # the port that OCSP responders usually have
ROOT, CLIENTS = "root", "clients"
CLIENT_NAME = "quickstart-client"
DATABASE = "hsmgate.db"
FILES = (DATABASE, f"{SERVICE_KEYS}/{ROOT}.key", f"{SERVICE_KEYS}/{CLIENTS}.key")  # below the data folder
_SETTINGS = AuthoritySettings(points=Points(ocsp=(f"http://{RESPONDER}",)))


class Leaf(Record):
    """A certificate with its key, and what stands above it, the anchor last."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]


class Made(Record):
    """What the files of a quickstart are made of."""

    root: x509.Certificate
    clients: x509.Certificate
    server: Leaf
    client: Leaf


def make(data: Path, server_names: list[x509.GeneralName], now: datetime, octets: Callable[[int], bytes]) -> Made:
    """Make the PKI in the database below `data`, a new folder. Failure: STORE_UNREADABLE, CONNECTIVITY."""
    with _ports(data, now, octets) as ports:
        root = authorities.init(ports, _authority(ROOT, "hsmgate quickstart root", path_length=1))
        clients = authorities.intermediate(ports, _authority(CLIENTS, "hsmgate quickstart clients"), ROOT)
        server = NewLeaf(profile="server", issuer=ROOT, names=tuple(server_names))
        client = NewLeaf(profile="client", issuer=CLIENTS, subject=names.subject(CLIENT_NAME))
        return Made(
            root=parse(root.certificate),
            clients=parse(clients.certificate),
            server=_leaf(ports, server, "localhost"),
            client=_leaf(ports, client, CLIENT_NAME),
        )


def _authority(name: str, subject: str, path_length: int = 0) -> NewAuthority:
    key = f"file:{SERVICE_KEYS}/{name}.key"
    return NewAuthority(name=name, subject=subject, key=key, path_length=path_length, settings=_SETTINGS)


def _leaf(ports: IssuancePorts, wanted: NewLeaf, subject: str) -> Leaf:
    """Its key lives in its bundle alone, so it is issued from a request."""
    key = ec.generate_private_key(ec.SECP256R1())
    handed = leaves.issue_leaf(ports, msgspec.structs.replace(wanted, request=csr.make(subject, key)))
    assert handed.certified.certificate is not None
    return Leaf(key=key, certificate=parse(handed.certified.certificate), chain=tuple(map(parse, handed.chain)))


@contextmanager
def _ports(data: Path, now: datetime, octets: Callable[[int], bytes]) -> Iterator[IssuancePorts]:
    def clock() -> float:
        return now.timestamp()

    database = connect(None, None, None, data)
    try:
        audit = open_audit(data / "audit.log", now=clock, trail=str(uuid.uuid4()), version=__version__)
        try:
            keys = SigningKeyStore(data)
            yield IssuancePorts(SqlRegister(database), keys, audit, clock, octets, "hsmgate quickstart")
        finally:
            audit.close()
    finally:
        database.close()
