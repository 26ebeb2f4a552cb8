"""Audit trails for tests, written through the adapter."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from hsmgate.adapters.audit_file import FileAudit, open_audit
from hsmgate.errors import Failure
from hsmgate.usecases.ports import AuditEvent


def event(name: str = "", size: int = 0) -> AuditEvent:
    return AuditEvent(phase="event", action="test", request_id=name, result="ok", detail={"pad": "x" * size})


def opened(path: Path, *, fsync: bool = False, max_bytes: int = 2**28, trail: str = "t-1") -> FileAudit:
    return open_audit(path, now=time.time, trail=trail, version="1.0", fsync=fsync, max_bytes=max_bytes)


def lines(*paths: Path) -> list[bytes]:
    return [line for path in paths for line in path.read_bytes().splitlines(keepends=True)]


def rows(*paths: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(*paths)]


def actions(*paths: Path) -> list[str]:
    return [row["action"] for row in rows(*paths)]


def refusal(path: Path) -> Failure:
    """The failure of opening it, which names the file."""
    with pytest.raises(Failure) as caught:
        opened(path)
    assert str(path) in caught.value.detail
    return caught.value
