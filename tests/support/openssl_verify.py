"""`openssl verify`, the command, as a second judge of certification paths."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.certs import Made


def verify(sent: Sequence[Made], trust: Sequence[Made], folder: Path, *, strict: bool) -> str:
    """Empty when openssl accepts, else what it says. Security level 2: RSA >= 2048, no SHA-1."""
    command = ["openssl", "verify", "-partial_chain", "-purpose", "sslclient", "-auth_level", "2", "-no-CApath"]
    command += ["-no-CAstore", "-CAfile", _pem(trust, folder / "trust.pem")]
    if sent[1:]:
        command += ["-untrusted", _pem(sent[1:], folder / "untrusted.pem")]
    if strict:
        command.append("-x509_strict")
    (folder / "leaf.der").write_bytes(sent[0].der)  # DER shows openssl every octet
    command.append(str(folder / "leaf.der"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or "refused"


def _pem(certificates: Sequence[Made], path: Path) -> str:
    path.write_bytes(b"".join(made.raw_pem for made in certificates))
    return str(path)
