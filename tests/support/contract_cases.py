"""Requests of real clients, octet for octet, and the whole answers that they need; told in tests/contract/rows.

Nothing here or in tests/contract knows how hsmgate is made. Placeholders stand between angle brackets:

in requests   <host>, <length> of the body, <management> <operation> <service> (API keys), <each> (the value that the
              row is repeated for), <payload> and <other> (what the live tests sign with <each>, and something else,
              in Base64), <kept NAME> (from an earlier answer), <oaep NAME> (a text that the client encrypts itself)
in answers    <base64>, <base64 64>, <base64 70..72> (octets), <hex>, <hex 20>, <time>, <uuid>, <xml>, <text>, <count>,
              <labels ...> (a list of texts with these in it), <kept NAME>, <each>
              {"$key": {...}} a signed key whose member json has these members, the others being those of `KEY`;
              {"$error": [code, "reason"]} with any text as message
"""

import base64
import copy
import hashlib
import json
import re
import socket
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

FOLDER = Path(__file__).parents[1] / "contract/rows"
TEXT = b"sixteen octets !"
OTHER = b"another text"
SEALED = b"the key that unseals"
FLAGS = ("decrypt", "sign", "unwrap", "derive", "sensitive", "alwaysSensitive", "extractable", "neverExtractable",
         "modifiable", "copyable", "destroyable")  # fmt: skip
KEY = {
    "xml": "<xml>",
    "json": {
        "label": "<text>", "id": None, "uuid": "<uuid>", "algorithm": "<text>", "algorithmOid": "<text>",
        "curveOid": None, "derivedAttributes": None, "keySize": None, "keyUsageCount": 0, "createTime": "<time>",
        "attestTime": "<time>", "publicKey": "<base64>", "addressTruncated": None,
        "attributes": {}, "policy": None,
    },
    "xmlSignature": "<base64 384>",
    "attestationKeyName": "attestation-key",
}  # fmt: skip
_SHAPES = {
    "base64": r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
    "hex": r"(?:[0-9A-F]{2})+",
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "uuid": r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
    "xml": r"<(?:private|secret)_key [\s\S]+\n",
    "text": r"[\s\S]+",
}


@dataclass(frozen=True)
class Step:
    """One request and what must come of it. `keep`: name -> dotted path in the answer."""

    request: str
    status: int
    answer: Any
    keep: Mapping[str, str] = field(default_factory=dict)
    each: str = ""


@dataclass(frozen=True)
class Row:
    """One row of the contract: its steps, or what it waits for."""

    client: str
    name: str
    what: str
    steps: tuple[Step, ...]
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClientFile:
    """One client: the part of the contract that is about it, and its rows in the order in which they run."""

    client: str
    part: str
    note: str
    rows: tuple[Row, ...]


def load() -> list[ClientFile]:
    """All files, by the part of the contract."""
    files = [_file(tomllib.loads(path.read_text())) for path in sorted(FOLDER.glob("*.toml"))]
    return sorted(files, key=lambda file: file.part)


def _file(told: dict[str, Any]) -> ClientFile:
    rows = tuple(_row(told["client"], row) for row in told["row"])
    return ClientFile(told["client"], told["part"], told["note"], rows)


def _row(client: str, told: dict[str, Any]) -> Row:
    known = {"name", "what", "step", "each", "waits_for"}
    assert set(told) <= known, f"{client}: {set(told) - known}"
    steps = tuple(
        Step(step["request"], step["status"], json.loads(step["answer"]), step.get("keep", {}), each)
        for each in told.get("each", [""])
        for step in told.get("step", [])
    )
    waits = told.get("waits_for", [])
    assert bool(steps) != bool(waits), f"{client}, {told['name']}: a row has steps, or waits"
    return Row(client, told["name"], told["what"], steps, tuple([waits] if isinstance(waits, str) else waits))


class Teller:
    """Fills in requests and compares answers; remembers what is kept."""

    def __init__(self, host: str, api_keys: Mapping[str, str]) -> None:
        self._fixed = {"host": host, **api_keys}
        self._kept: dict[str, Any] = {}

    def request(self, step: Step) -> bytes:
        """The octets that go over the wire."""
        head, _, body = step.request.strip("\n").partition("\n\n")
        content = re.sub(r"<([a-z]+)(?: ([\w-]+))?>", lambda found: self._value(step, found), body).encode()
        fixed = {**self._fixed, "length": str(len(content))}
        head = re.sub(r"<kept ([\w-]+)>", lambda found: str(self._kept[found[1]]), head)
        lines = re.sub(r"<([a-z]+)>", lambda found: fixed[found[1]], head).split("\n")
        return "\r\n".join([*lines, "", ""]).encode() + content

    def check(self, step: Step, status: int, body: bytes) -> None:
        """AssertionError: another status, or an answer that is not the whole one that was told."""
        assert status == step.status, (status, body)
        answer = json.loads(body)
        self._compare(step, expanded(step.answer), answer, "answer")
        for name, path in step.keep.items():
            value = answer
            for part in path.split("."):
                value = value[part]
            self._kept[name] = value

    def _value(self, step: Step, found: re.Match[str]) -> str:
        word, name = found[1], found[2]
        if word == "each":
            return step.each
        if word in {"payload", "other"}:
            return base64.b64encode(payload_for(step.each, TEXT if word == "payload" else OTHER)).decode()
        if word == "kept":
            return json.dumps(str(self._kept[name]), ensure_ascii=False)[1:-1]
        if word == "oaep":
            return _oaep(self._kept[name])
        raise AssertionError(f"unknown placeholder {found[0]}")

    def _compare(self, step: Step, told: Any, came: Any, at: str) -> None:
        if isinstance(told, dict):
            assert isinstance(came, dict), f"{at}: {came!r}"
            assert set(came) == set(told), f"{at}: {sorted(set(came) ^ set(told))}"
            for name, value in told.items():
                self._compare(step, value, came[name], f"{at}.{name}")
        elif isinstance(told, list):
            assert isinstance(came, list), f"{at}: {came!r}"
            assert len(came) == len(told), f"{at}: {came!r}"
            for number, (one, other) in enumerate(zip(told, came, strict=True)):
                self._compare(step, one, other, f"{at}[{number}]")
        elif isinstance(told, str) and (shape := re.fullmatch(r"<(\w+)(?: ([^<>]+))?>", told)):
            self._fits(step, shape[1], shape[2] or "", came, at)
        else:
            assert type(came) is type(told), f"{at}: {came!r}"
            assert came == told, f"{at}: {came!r} instead of {told!r}"

    def _fits(self, step: Step, shape: str, more: str, came: Any, at: str) -> None:
        if shape == "kept":
            assert came == self._kept[more], f"{at}: {came!r}"
        elif shape == "each":
            assert came == step.each, f"{at}: {came!r}"
        elif shape == "count":
            assert type(came) is int, f"{at}: {came!r}"
            assert came >= 0, f"{at}: {came!r}"
        elif shape == "labels":
            assert isinstance(came, list), f"{at}: {came!r}"
            assert all(isinstance(one, str) for one in came), f"{at}: {came!r}"
            assert set(more.split()) <= set(came), f"{at}: {came!r}"
        else:
            assert isinstance(came, str), f"{at}: {came!r}"
            assert re.fullmatch(_SHAPES[shape], came), f"{at}: {came!r}"
            if more:
                least, _, most = more.partition("..")
                size = len(came) // 2 if shape == "hex" else len(base64.b64decode(came))
                assert int(least) <= size <= int(most or least), f"{at}: {size} octets"


def expanded(answer: Any) -> Any:
    """The whole answer that a short form stands for."""
    if isinstance(answer, dict) and "$key" in answer:
        whole: dict[str, Any] = copy.deepcopy(KEY)
        given = dict(answer["$key"])
        may = given.pop("attributes")
        assert set(given) <= set(whole["json"])
        whole["json"] |= given
        whole["json"]["attributes"] = {"ekaSign": None, **dict.fromkeys(FLAGS, False), **may}
        return whole
    if isinstance(answer, dict) and "$error" in answer:
        code, reason = answer["$error"]
        return {"errorCode": code, "reason": f"res.error.{reason}", "message": "<text>"}
    return answer


def payload_for(algorithm: str, text: bytes) -> bytes:
    """What the live tests sign: a digest where the caller hashes, else a text."""
    if found := re.match(r"NONESHA(\d+)_", algorithm):
        return hashlib.new(f"sha{found[1]}", text).digest()
    return hashlib.sha256(text).digest() if algorithm.startswith("NONE_") else text


def _oaep(public_key: str) -> str:
    key = load_der_public_key(base64.b64decode(public_key, validate=True))
    assert isinstance(key, rsa.RSAPublicKey)
    sha256 = hashes.SHA256()
    return base64.b64encode(key.encrypt(SEALED, padding.OAEP(padding.MGF1(sha256), sha256, None))).decode()


def exchange(port: int, context: ssl.SSLContext, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """One connection, one request, one response: status, headers, body."""
    with (
        socket.create_connection(("127.0.0.1", port), 60) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(request)
        stream = connection.makefile("rb")
        status = int(stream.readline().split()[1])
        headers: dict[str, str] = {}
        while line := stream.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, stream.read(int(headers["content-length"]))
