"""The quickstart: one folder with everything that lets a newcomer serve, call and be let in."""

import ipaddress
import re
import secrets
import shlex
import string
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hsmgate.adapters import private_files
from hsmgate.cli import quickstart_pki
from hsmgate.cli.quickstart_config import application_yml
from hsmgate.errors import Failure, Reason
from hsmgate.pki import bundle
from hsmgate.record import Record

CONFIG_FOLDER = "config-files"
MARKER = ".hsmgate-quickstart"  # its presence tells a quickstart from any other folder
DATA_FOLDER = "data"
FILES = (
    MARKER,
    f"{CONFIG_FOLDER}/application-local.yml",
    f"{CONFIG_FOLDER}/tls/server.p12",
    f"{CONFIG_FOLDER}/tls/truststore.pem",
    *(f"{DATA_FOLDER}/{name}" for name in quickstart_pki.FILES),
    "ca.crt",
    "server.crt",
    "client.crt",
    "client.p12",
    "client.p12.password",
    "sealing.key",
)
_PASSWORD_LETTERS = string.ascii_letters + string.digits  # nothing that a shell, curl or YAML reads as its own
_PASSWORD_LENGTH = 24  # 142 bits
_DNS_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")


class Quickstart(Record):
    """A complete quickstart. `folder` is written as the caller wrote it; `expires`: when the first leaf does."""

    folder: Path
    created: bool  # by this call
    expires: datetime

    @property
    def config(self) -> Path:
        """What `hsmgate serve --config` takes."""
        return self.folder / CONFIG_FOLDER


class Randomness(Record):
    """Where keys, serial numbers and passwords come from."""

    octets: Callable[[int], bytes] = secrets.token_bytes
    choice: Callable[[str], str] = secrets.choice

    def password(self) -> str:
        return "".join(self.choice(_PASSWORD_LETTERS) for _ in range(_PASSWORD_LENGTH))


def quickstart(folder: Path, now: datetime, host_name: str, randomness: Randomness | None = None) -> Quickstart:
    """Make the quickstart in `folder`, or keep the complete one that is there, byte for byte.

    Failure: CONFIG_INVALID when `folder` holds an incomplete quickstart or something else; STORE_UNREADABLE when it
    cannot be written. Whatever happens, `folder` is either whole or not there.
    """
    if not str(folder).isprintable():
        raise Failure(Reason.CONFIG_INVALID, "the folder of a quickstart has only printable characters in its path")
    made = False
    if not _is_complete(folder):
        if folder.name in {"", ".."}:
            raise Failure(Reason.CONFIG_INVALID, "a quickstart is made in a new folder; name it")
        with private_files.whole_folder(folder) as building:
            if building is not None:
                _write(building, now, host_name, randomness or Randomness())
                made = True
        if not made and not _is_complete(folder):  # another process may have made it just now
            raise Failure(Reason.CONFIG_INVALID, f"{folder} is in use for something else; name another folder")
    return Quickstart(folder=folder, created=made, expires=_expiry(folder))


def beside(config: Path) -> Path | None:
    """The quickstart to which a configuration, folder or file, belongs; None when it belongs to none."""
    folder = config.parent if config.suffix in {".yml", ".yaml"} else config
    return folder.parent if (folder.parent / MARKER).is_file() else None


def curl_line(folder: Path, port: int) -> str:
    """The command that lists the keys, on one line, quoted for a shell; paths as `folder` is written.

    Failure: STORE_UNREADABLE when the client's password cannot be read.
    """
    password = _read(folder / "client.p12.password").decode("ascii", "replace").strip()
    # curl ends the file name at the first colon that has no backslash
    certificate = str(folder / "client.p12").replace("\\", "\\\\").replace(":", "\\:")
    url = f"https://localhost:{port}/v1/key"
    words = [
        "curl",
        "--cacert",
        str(folder / "ca.crt"),
        "--cert-type",
        "P12",
        "--cert",
        f"{certificate}:{password}",
        url,
    ]
    return shlex.join(words)


def revoke_line(folder: Path, program: str) -> str:
    """The command that revokes the client's certificate; `program`: how hsmgate is called here."""
    words = [program, "pki", "revoke", str(folder / "client.crt"), "--config", str(folder / CONFIG_FOLDER)]
    return shlex.join(words)


def lines(made: Quickstart, now: datetime) -> list[str]:
    """What `hsmgate quickstart` says about it, a line each."""
    start = shlex.join(["hsmgate", "serve", "--config", str(made.config)])
    if made.created:
        said = [f"made {made.folder}: certificates, truststore, client.p12 and configuration; start: {start}"]
    else:
        said = [f"kept {made.folder} as it is; start: {start}"]
    if made.expires <= now:
        said.append(
            f"warning: the certificates in {made.folder} expired on {made.expires:%Y-%m-%d}; "
            "move the folder away and make a new one"
        )
    return said


def server_names(host_name: str) -> list[x509.GeneralName]:
    """The names of this machine for its own certificate; a host name that DNS could not hold is left out."""
    names = ["localhost"]
    host = host_name.lower().rstrip(".")
    if _DNS_NAME.fullmatch(host) and len(host) <= 253 and not host.replace(".", "").isdigit() and host != names[0]:
        names.append(host)
    addresses = ["127.0.0.1", "::1"]
    return [x509.DNSName(n) for n in names] + [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]


def _is_complete(folder: Path) -> bool:
    """False when nothing is there yet. Failure: CONFIG_INVALID when part of it is missing."""
    try:
        present = {name for name in FILES if (folder / name).is_file() and (folder / name).stat().st_size}
        if MARKER not in present:
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise Failure(Reason.CONFIG_INVALID, f"{folder} exists and is no quickstart; name another folder")
            return False
    except OSError as error:
        raise _unreadable(folder, error) from None
    missing = [name for name in FILES if name not in present]
    if missing:
        raise Failure(
            Reason.CONFIG_INVALID,
            f"{folder} is incomplete: {', '.join(missing)} missing or empty; put back what is missing, "
            "or move the folder away and make a new one",
        )
    return True


def _write(building: Path, now: datetime, host_name: str, randomness: Randomness) -> None:
    data = building / DATA_FOLDER
    private_files.make_folder(data)
    pki = quickstart_pki.make(data, server_names(host_name), now, randomness.octets)
    for name, content in _contents(pki, randomness).items():
        private_files.make_folder((building / name).parent)
        private_files.write_once(building / name, content)


def _contents(pki: quickstart_pki.Made, randomness: Randomness) -> dict[str, bytes]:
    """Every file beside the data folder by its name.

    One root signs the server's leaf and the authority of clients. The truststore holds that authority alone, so that
    nothing else below the root is ever let in as a client.
    """
    server_password, client_password = randomness.password(), randomness.password()
    server, client = pki.server, pki.client
    return {
        f"{CONFIG_FOLDER}/application-local.yml": application_yml(server_password, quickstart_pki.RESPONDER).encode(),
        f"{CONFIG_FOLDER}/tls/server.p12": bundle.pkcs12("server", server.key, server.certificate, [], server_password),
        f"{CONFIG_FOLDER}/tls/truststore.pem": _pem(pki.clients),
        "ca.crt": _pem(pki.root),
        "server.crt": _pem(server.certificate),
        "client.crt": _pem(client.certificate),
        "client.p12": bundle.pkcs12(
            quickstart_pki.CLIENT_NAME, client.key, client.certificate, client.chain[:-1], client_password
        ),
        "client.p12.password": f"{client_password}\n".encode(),
        "sealing.key": f"{randomness.octets(32).hex()}\n".encode(),
        MARKER: b"made by hsmgate quickstart\n",
    }


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _expiry(folder: Path) -> datetime:
    """When the first of the two leaves expires. Failure: STORE_UNREADABLE."""
    expiries = []
    for name in ("server.crt", "client.crt"):
        try:
            expiries.append(x509.load_pem_x509_certificate(_read(folder / name)).not_valid_after_utc)
        except ValueError:
            raise Failure(Reason.STORE_UNREADABLE, f"{folder / name} holds no certificate") from None
    return min(expiries).astimezone(UTC)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(65536)  # these files have below 2 KB
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> Failure:
    return Failure(Reason.STORE_UNREADABLE, f"cannot read {path}: {(error.strerror or 'failed').lower()}")
