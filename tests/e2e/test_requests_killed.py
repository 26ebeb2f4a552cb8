"""SIGKILL at every commit and token call while requests run: nothing answered is lost, nothing runs twice."""

import base64
import hashlib
import itertools
import os
import random
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.serialization import load_der_public_key

from support import service as services
from support.service import GONE, Client, Quick

TESTS = Path(__file__).parent.parent
CLIENTS = 2
ALL = [f"{name}.{moment}" for name in ("insert", "token", "settle", "audit") for moment in ("before", "after")]
SECRET, IV = bytes(range(32)), bytes(16)
SUBMITTED = {f"POST /v1/{kind}" for kind in ("sign", "decrypt", "unwrap", "modify", "block", "unblock")}


class Deed(NamedTuple):
    """A request. `note`: what is noted where its key is used; `payload`: what is signed or decrypted."""

    kind: str
    body: dict[str, Any]
    note: str
    payload: bytes = b""


def deeds(customer: int) -> Iterator[Deed]:
    """Requests of every kind in turn, each of which is noted in words of its own; on a ruled key of one's own."""
    ruled = f"ruled-{customer}"
    for number in itertools.count():
        payload, word = os.urandom(24), os.urandom(12).hex()
        digest = hashlib.sha256(payload).hexdigest()
        yield Deed("sign", {"signRequest": signing(payload)}, f"sign {digest}", payload)
        yield Deed("decrypt", {"decryptRequest": decryption(payload)}, f"decrypt {digest}", payload)
        yield Deed("unwrap", {"unwrapKeyRequest": unwrapping(word)}, f"unwrap {word}", word.encode())
        policy = {"ruleUse": {"tokens": [{"name": word, "timelock": 0, "timeout": 0}]}}
        yield Deed("modify", {"modifyRequest": {"modifyKeyName": ruled, "policy": policy}}, f"policy {word}")
        kind = "unblock" if number % 2 else "block"  # changes nothing, perhaps, after a kill
        yield Deed(kind, {f"{kind}Request": {f"{kind}KeyName": ruled}}, "")


def signing(payload: bytes) -> dict[str, object]:
    encoded = base64.b64encode(payload).decode()
    return {"signKeyName": "first", "payload": encoded, "signatureAlgorithm": "SHA256_WITH_ECDSA", "metaData": "eA=="}


def decryption(payload: bytes) -> dict[str, object]:
    sealed, iv = base64.b64encode(payload).decode(), base64.b64encode(IV).decode()
    return {
        "decryptKeyName": "known",
        "encryptedPayload": sealed,
        "cipherAlgorithm": "AES_CTR",
        "initializationVector": iv,
    }


def unwrapping(label: str) -> dict[str, object]:
    wrapped = base64.b64encode(aes_key_wrap(SECRET, bytes(16))).decode()
    attributes = {"decrypt": True, "destroyable": True}
    return {
        "wrappedKey": wrapped,
        "label": label,
        "attributes": attributes,
        "unwrapKeyName": "known",
        "wrapMethod": "AES_WRAP",
    }


class Customer(threading.Thread):
    """Submits requests of its own until the service is gone; `answered`: id -> what was asked."""

    def __init__(self, quick: Quick, port: int, number: int) -> None:
        super().__init__()
        self._context, self._port, self._number = quick.context(), port, number
        self.answered: dict[str, Deed] = {}
        self.wrong: list[object] = []

    def run(self) -> None:
        client = Client(self._port, self._context, timeout=20)
        try:
            for deed in deeds(self._number):
                answer = client.call("POST", f"/v1/{deed.kind}", deed.body)
                if answer.status != 201:
                    self.wrong.append(answer)
                    return
                ((_, request_id),) = answer.json.items()
                self.answered[request_id] = deed
        except GONE:
            pass
        finally:
            client.close()


def make_keys(client: Client) -> None:
    secret, attributes = base64.b64encode(SECRET).decode(), {"decrypt": True, "unwrap": True}
    known = {"label": "known", "algorithm": "AES", "secretKey": secret, "attributes": attributes}
    assert client.call("POST", "/v1/key/import/plain", known).status == 201
    for number in range(CLIENTS):
        ruled = {"label": f"ruled-{number}", "algorithm": "ED", "attributes": {"sign": True}, "policy": {}}
        assert client.call("POST", "/v1/key", ruled).status == 201


@pytest.mark.parametrize(
    "points",
    [
        ["insert.after", "token.after", "settle.after"],
        pytest.param(ALL * 25, marks=[pytest.mark.long, pytest.mark.timeout(3000)], id="200 times"),
    ],
    ids=lambda points: f"{len(points)} times",
)
def test_nothing_answered_is_lost_and_nothing_runs_twice(
    quick_used: Quick, monkeypatch: pytest.MonkeyPatch, points: list[str]
) -> None:
    monkeypatch.setattr(services, "PROGRAM", (sys.executable, "-m", "support.dying"))
    notes, chance, answered = quick_used.folder / "token-calls", random.Random(), dict[str, Deed]()
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    more = {"PYTHONPATH": path, "TOKEN_CALLS": str(notes)}
    with quick_used.serve(**more) as service, quick_used.client(service.port) as client:
        make_keys(client)
        assert service.stop() == 0
    for point in points:
        spared = chance.randint(0, 11) * (2 if point.startswith("audit") else 1) + (2 if "audit" in point else 0)
        with quick_used.serve(DIE_AT=f"{point}:{spared}", **more) as service:
            customers = [Customer(quick_used, service.port, number) for number in range(CLIENTS)]
            for customer in customers:
                customer.start()
            service.process.wait(60)
            assert service.process.returncode == -9, service.text()
            for customer in customers:
                customer.join()
                assert not customer.wrong
                answered |= customer.answered
    assert answered, "nobody was answered: nothing is proven"
    left = given_time_to_die(quick_used)
    assert left, "no request was open at a kill: nothing is proven"
    assert not left & set(answered)
    with quick_used.serve(**more) as service, quick_used.client(service.port) as client:
        service.await_line("requests.failed")
        check_answered(client, answered)
        check_left(client, left)
        assert service.stop() == 0
    calls = Counter(notes.read_text().splitlines())
    assert not [one for one, times in calls.items() if times > 1], "a token call was made twice"
    made = {" ".join(one.split(" ")[:2]) for one in calls}  # of a policy that is blocked, or is not
    assert {deed.note for deed in answered.values() if deed.note} <= made
    monkeypatch.undo()
    check_trail(quick_used, answered, left)


def given_time_to_die(quick: Quick) -> set[str]:
    """The ids of the requests that were left open, some of them given up already; time passes for the others."""
    with closing(sqlite3.connect(quick.data / "hsmgate.db", isolation_level=None)) as connection:
        rows = connection.execute("SELECT id FROM request WHERE status IN ('PENDING', 'FAILED')").fetchall()
        connection.execute("UPDATE request SET claimed_until = 0")
    return {request_id for (request_id,) in rows}


def check_answered(client: Client, answered: dict[str, Deed]) -> None:
    key = client.call("POST", "/v1/key/attributes", {"label": "first"}).json["json"]["publicKey"]
    public, labels = load_der_public_key(base64.b64decode(key)), set(client.labels())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    for request_id, deed in answered.items():
        found = client.call("GET", f"/v1/request/{request_id}").json
        assert found["status"] == "EXECUTED", found
        result = base64.b64decode(found["result"])
        if deed.kind == "sign":
            public.verify(result, deed.payload, ec.ECDSA(hashes.SHA256()))
        elif deed.kind == "decrypt":
            assert result == Cipher(algorithms.AES(SECRET), modes.CTR(IV)).decryptor().update(deed.payload)
        else:
            assert found["result"] == ""
            assert deed.kind != "unwrap" or deed.payload.decode() in labels


def check_left(client: Client, left: set[str]) -> None:
    """What a killed process had begun is FAILED, for all to see, and has no result."""
    assert client.call("GET", "/v1/filteredRequests?status=PENDING").json == {"requests": []}
    for request_id in left:
        found = client.call("GET", f"/v1/request/{request_id}").json
        assert (found["status"], found["result"]) == ("FAILED", None)


def check_trail(quick: Quick, answered: dict[str, Deed], left: set[str]) -> None:
    quick.verify_trail()
    trail = quick.trail()
    submitted = [line for line in trail if line["action"] in SUBMITTED]
    intents = Counter(line["detail"]["request"] for line in submitted if line["phase"] == "intent")
    assert set(intents.values()) == {1}
    assert set(answered) | left <= set(intents)
    outcomes = {line["detail"]["request"]: line["result"] for line in submitted if line["phase"] == "outcome"}
    assert {outcomes[request_id] for request_id in answered} == {"ok"}
    assert not left & set(outcomes)
    failed = [line["detail"]["request"] for line in trail if line["action"] == "request.failed"]
    assert set(failed) == left, "each has its line; a kill between line and commit leaves two"
