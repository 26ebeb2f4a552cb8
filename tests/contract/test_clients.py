"""Real clients, as the contract describes them: their requests octet for octet, the whole answers compared.

This folder may not import hsmgate: it knows the service only over the wire.
"""

import ast
import json
import shlex
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import contract_page
from support.contract_cases import FOLDER, ClientFile, Step, Teller, exchange, load
from support.pages import ROOT, shell
from support.served import Served

FILES = load()
ROWS = [row for file in FILES for row in file.rows]
API_KEYS = {
    "management": "management-key-of-the-contract",
    "operation": "operation-key-of-the-contract",
    "service": "service-key-of-the-contract",
}
Ask = Callable[[bytes], tuple[int, dict[str, str], bytes]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A quickstart with API keys switched on."""
    folder = tmp_path_factory.mktemp("contract")
    assert shell("hsmgate quickstart", folder).returncode == 0
    keys = {
        "APIAUTHENTICATION_ENABLED": "true",
        "APIAUTHENTICATION_KEYMANAGEMENTTOKEN": API_KEYS["management"],
        "APIAUTHENTICATION_KEYOPERATIONTOKEN": API_KEYS["operation"],
        "APIAUTHENTICATION_SERVICETOKEN": API_KEYS["service"],
    }
    with Served(folder, "--config", "quickstart/config-files", **keys) as served:
        yield served


@pytest.fixture(scope="module")
def ask(served: Served) -> Ask:
    """A new connection for each request, as the Go client makes it, over mutual TLS."""
    quick = served.folder / "quickstart"
    bundle, pem = shlex.quote(str(quick / "client.p12")), quick / "client.pem"
    password = shlex.quote(f"file:{quick / 'client.p12.password'}")
    done = shell(f"openssl pkcs12 -in {bundle} -passin {password} -nodes -out {shlex.quote(str(pem))}", quick)
    assert done.returncode == 0, done.stderr
    context = ssl.create_default_context(cafile=str(quick / "ca.crt"))
    context.load_cert_chain(pem)
    return lambda request: exchange(served.port, context, request)


@pytest.mark.parametrize("file", FILES, ids=[file.client for file in FILES])
def test_what_the_client_asks_is_answered_as_it_needs(file: ClientFile, ask: Ask, served: Served) -> None:
    teller = Teller(f"localhost:{served.port}", API_KEYS)
    failed = []
    for row in file.rows:
        for step in row.steps:
            status, headers, body = ask(teller.request(step))
            assert headers["content-type"] == "application/json"
            try:
                teller.check(step, status, body)
            except AssertionError as error:
                failed.append(f"{row.name} {step.each}: {error}")
    assert not failed, "\n".join(failed)


WAITING = sorted({what for row in ROWS for what in row.waits_for})


@pytest.mark.parametrize("what", WAITING)
def test_what_is_waited_for_is_not_there_yet(what: str, ask: Ask) -> None:
    """When this fails, what the rows wait for has come: write their requests and answers."""
    rows = [f"{row.client}, {row.name}" for row in ROWS if what in row.waits_for]
    assert is_absent(what, ask), f"{what} has come; these rows wait for it: {rows}"


def is_absent(what: str, ask: Ask) -> bool:
    kind, _, name = what.partition(" ")
    if kind in {"GET", "POST", "DELETE"}:
        status, _, body = ask(request(kind, name.replace("{id}", "x").replace("{keyName}", "x"), "management"))
        return (status in {404, 405}) and json.loads(body)["errorCode"] == 102
    if kind == "flag":
        return name not in json.loads(ask(request("GET", "/v1/licenseInfo", "service"))[2])["clientFlags"]
    assert kind == "key", what
    key = {"label": f"waits {what}", "attributes": {"sign": True}, "algorithm": name}
    status, _, body = ask(request("POST", "/v1/key", "management", json.dumps(key)))
    assert status in {201, 501}, body
    return status == 501


def request(method: str, path: str, role: str, body: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-API-KEY: {API_KEYS[role]}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def test_what_is_there_is_seen_to_be_there(ask: Ask) -> None:
    """The probes of the test above can fail."""
    assert not is_absent("GET /v1/key", ask)
    assert not is_absent("POST /v1/synchronousSign", ask)
    assert not is_absent("flag REST_API", ask)
    assert not is_absent("key ED", ask)


def test_rows_are_named_once_and_every_file_is_read() -> None:
    assert len(FILES) == len(list(FOLDER.iterdir())) == 8
    for file in FILES:
        names = [row.name for row in file.rows]
        assert len(set(names)) == len(names), file.client
    assert sum(len(row.steps) for row in ROWS) > 100


WRONG: list[tuple[object, str, list[str]]] = [  # what was told, an answer that fits, answers that do not
    (None, "null", ['""', "0", "false", "[]"]),
    (True, "true", ["1", '"true"', "false"]),
    (2048, "2048", ["2048.0", '"2048"', "null", "true"]),
    ("x", '"x"', ['"X"', "null"]),
    ([], "[]", ["null", "[1]", "{}"]),
    ({"a": None}, '{"a":null}', ["{}", '{"a":null,"b":null}', '{"a":0}', "[]", "null"]),
    ("<base64 3>", '"AAAA"', ['"AAA="', '"AAAA\\n"', '"AA-_"', "null", '""', '"QUFBQUE="']),
    ("<base64>", '"AA=="', ['"AA"', "0"]),
    ("<hex 2>", '"00FF"', ['"00ff"', '"00FF00"', '"0"', "null"]),
    ("<time>", '"2024-01-23T10:54:43Z"', ['"2024-01-23T10:54:43.000Z"', '"2024-01-23T10:54:43+00:00"', "1"]),
    ("<uuid>", '"0e3c9a52-0000-4000-8000-000000000000"', ['"0E3C"', "null"]),
    ("<count>", "0", ["-1", "0.0", "true", "null", '"0"']),
    ("<labels a b>", '["b","c","a"]', ['["a"]', '["a","b",1]', "null", '"a b"']),
    ({"$error": [650, "key.not.existent"]}, '{"errorCode":650,"reason":"res.error.key.not.existent","message":"m"}',
     ['{"errorCode":"650","reason":"res.error.key.not.existent","message":"m"}',
      '{"errorCode":650,"reason":"key.not.existent","message":"m"}',
      '{"errorCode":650,"reason":"res.error.key.not.existent","message":""}',
      '{"errorCode":650,"reason":"res.error.key.not.existent"}']),
]  # fmt: skip


@pytest.mark.parametrize(("told", "fits", "others"), WRONG, ids=[str(told) for told, _, _ in WRONG])
def test_a_wrong_answer_is_told(told: object, fits: str, others: list[str]) -> None:
    teller = Teller("localhost", API_KEYS)
    step = Step("", 201, told)
    teller.check(step, 201, fits.encode())
    with pytest.raises(AssertionError):
        teller.check(step, 200, fits.encode())
    for other in others:
        with pytest.raises(AssertionError):
            teller.check(step, 201, other.encode())


def test_requests_are_octets_as_the_client_sends_them() -> None:
    (file,) = [file for file in FILES if file.client == "Go client"]
    row = next(row for row in file.rows if row.name == "1.3 Attribute response")
    assert Teller("localhost:8080", API_KEYS).request(row.steps[0]) == (
        b"POST /v1/key/attributes HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: Go-http-client/1.1\r\n"
        b"Content-Length: 17\r\nContent-Type: application/json\r\nX-Api-Key: management-key-of-the-contract\r\n"
        b'Accept-Encoding: gzip\r\n\r\n{"label":"go-ec"}'
    )


def test_nothing_of_hsmgate_is_imported() -> None:
    seen: set[Path] = set()
    waiting = [*Path(__file__).parent.glob("*.py")]
    while waiting:
        path = waiting.pop()
        seen.add(path)
        for name in imported(path):
            assert name.partition(".")[0] != "hsmgate", f"{path} imports {name}"
            file = ROOT / "tests" / (name.replace(".", "/") + ".py")
            if name.startswith("support.") and file.is_file() and file not in seen:
                waiting.append(file)
    assert ROOT / "tests/support/contract_cases.py" in seen


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_page_of_the_clients_is_made_from_the_rows() -> None:
    assert contract_page.PAGE.read_text() == contract_page.page(), "run: python tests/support/contract_page.py"
