"""The image, built and run without any registry: its base is made with debootstrap, its packages come from a folder."""

import json
import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from support.pages import ROOT
from support.served import Served

BASE = "docker.io/library/debian:12-slim"  # the name in the Dockerfile
IMAGE = "localhost/hsmgate:test"
USER = 1234  # anybody but the image's own
_KEPT = ROOT / "build" / "debian-12-slim.tar"  # `make clean` removes it
_LEFT_OUT = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "var/cache/apt",
    "var/lib/apt/lists",
)
_BUILD_SECONDS, _SECONDS = 1800, 300  # for a busy machine: each layer is a copy of the whole


class Engine:
    """buildah and podman with a storage of their own, below one folder; podman wants the name of `runroot` short."""

    def __init__(self, folder: Path, runroot: Path) -> None:
        self._folder = folder
        self._storage = ["--root", str(folder / "storage"), "--runroot", str(runroot), "--storage-driver", "vfs"]

    def podman(self, *words: str, seconds: float = _SECONDS, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One command; there is no systemd here to give it a cgroup."""
        runtime = shutil.which("runc", path="/usr/sbin:/usr/bin:/sbin") or "runc"
        command = ["podman", *self._storage, "--runtime", runtime, "--cgroup-manager", "cgroupfs", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def build(self) -> None:
        """The image as the Dockerfile says; packages come from a folder, and are those of the lock."""
        self.podman("import", str(_base(self._folder)), BASE)
        wheels, settings = self._folder / "wheels", self._folder / "pip.conf"
        lock = ROOT / "requirements/main.txt"
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "-d", str(wheels)]
        subprocess.run([*pip, "-r", str(lock)], check=True, timeout=_BUILD_SECONDS, capture_output=True)
        settings.write_text("[global]\nno-index = true\nfind-links = /wheels\n")
        mounts = ["--volume", f"{wheels}:/wheels:ro", "--volume", f"{settings}:/etc/pip.conf:ro"]
        command = ["buildah", *self._storage, "bud", "--isolation", "chroot", "--format", "docker", "--layers=false"]
        done = subprocess.run(
            [*command, "--pull=never", *mounts, "-t", IMAGE, str(ROOT)],
            capture_output=True,
            text=True,
            check=False,
            timeout=_BUILD_SECONDS,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def inspect(self, what: str, name: str) -> Any:
        """What podman knows of an `image` or a `container`."""
        return json.loads(self.podman(what, "inspect", name).stdout)[0]


def _base(folder: Path) -> Path:
    """A tar of a Debian system as small as the official slim one."""
    if not _KEPT.exists():
        root = folder / "base"
        subprocess.run(
            ["debootstrap", "--variant=minbase", "bookworm", str(root)],
            check=True,
            timeout=_BUILD_SECONDS,
            capture_output=True,
        )
        for name in _LEFT_OUT:
            shutil.rmtree(root / name, ignore_errors=True)
        for name in ("usr/share/man/man1", "var/cache/apt/archives/partial", "var/lib/apt/lists/partial"):
            (root / name).mkdir(parents=True, exist_ok=True)
        _KEPT.parent.mkdir(exist_ok=True)
        part = _KEPT.with_suffix(".part")
        subprocess.run(["tar", "-C", str(root), "-cf", str(part), "."], check=True, timeout=_SECONDS)
        part.rename(_KEPT)
        shutil.rmtree(root)
    return _KEPT


class Contained(Served):
    """The service in a container without any rights, with the two folders of the compose file, on a free port."""

    def __init__(self, engine: Engine, folder: Path, mode: str = "rw") -> None:
        """`mode`: of the folder with the configuration."""
        self.folder, self._engine = folder, engine
        output = folder / "output"
        output.mkdir(exist_ok=True)
        shutil.chown(output, USER, USER)
        self.name = engine.podman(
            *("run", "-d", "--network", "host", "--no-healthcheck", "--read-only", "--tmpfs", "/tmp"),
            *("--cap-drop", "all", "--security-opt", "no-new-privileges", "--user", f"{USER}:{USER}"),
            *("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"),  # what a machine without rights may give
            *("-v", f"{folder}/config-files:/etc/app/config:{mode}", "-v", f"{output}:/etc/app/output"),
            *("-e", "spring.profiles.active=local", "-e", "SERVER_ADDRESS=127.0.0.1", "-e", "SERVER_PORT=0"),
            IMAGE,
        ).stdout.strip()
        self.port = self._started()

    @property
    def running(self) -> bool:
        return bool(self._engine.inspect("container", self.name)["State"]["Running"])

    @property
    def seconds_to_listening(self) -> float:
        """From the start of its process to the line that says so; what podman does before is not counted."""
        began = str(self._engine.inspect("container", self.name)["State"]["StartedAt"])
        (said,) = re.findall(r"^(\S+) info +started ", self.log, re.MULTILINE)
        return _seconds(said) - _seconds(began)

    @property
    def log(self) -> str:
        return self._engine.podman("logs", self.name).stderr

    def health(self) -> subprocess.CompletedProcess[str]:
        """The health check of the image, as the engine would run it."""
        return self._engine.podman("exec", self.name, "hsmgate", "health", check=False)

    def stop(self) -> int:
        """As `docker-compose down`: stop, then remove; the exit code."""
        self._engine.podman("stop", "-t", "60", self.name)
        code = int(self._engine.inspect("container", self.name)["State"]["ExitCode"])
        self._engine.podman("rm", "-f", self.name)
        return code


def _seconds(stamp: str) -> float:
    """ISO 8601, with any number of digits behind the second."""
    whole, _, rest = stamp.partition(".")
    fraction, zone = re.fullmatch(r"(\d+)(.*)", rest).groups()  # type: ignore[union-attr]
    return datetime.fromisoformat(f"{whole}{zone.replace('Z', '+00:00')}").timestamp() + float(f"0.{fraction}")
