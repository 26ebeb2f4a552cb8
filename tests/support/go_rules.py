"""Go's crypto/x509 and golang.org/x/crypto/ocsp as judges: go/paths.go, compiled with what Debian's packages hold."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

SOURCE = Path(__file__).parent / "go/paths.go"
LIBRARIES = Path("/usr/share/gocode")


def verdicts(folders: Iterable[Path], cache: Path) -> dict[Path, str]:
    """What Go says of each folder's chain.pem below anchor.pem, and of its answer.der where there is one."""
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(LIBRARIES), "GOCACHE": str(cache), "GOFLAGS": ""}
    command = ["go", "run", str(SOURCE), *map(str, folders)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    found = (line.split("\t") for line in done.stdout.splitlines())
    return {Path(folder): says for folder, says in found}
