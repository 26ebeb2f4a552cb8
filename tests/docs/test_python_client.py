"""docs/python-client.md: its examples run and say what it shows; its tables are the client's."""

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hsmgate.client import (
    Attributes,
    CertificateContent,
    Client,
    NewRules,
    certificate_operations,
    errors,
    operations,
    request_operations,
)
from hsmgate.client.call import Call
from support.pages import ROOT, shell, shown_to
from support.served import Served

PAGE = ROOT / "docs/python-client.md"
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_examples_run_and_say_what_is_shown(tmp_path: Path) -> None:
    blocks = BLOCK.findall(PAGE.read_text())
    script = "".join(text for language, text in blocks if language == "python")
    shown = "".join(text for language, text in blocks if language == "text")
    assert script.count("print(") >= 7
    assert shell("hsmgate quickstart", tmp_path).returncode == 0
    with Served(tmp_path, "--config", "quickstart/config-files") as served:
        (tmp_path / "page.py").write_text(shown_to(served.port, script.replace(':8080"', ':8080/"')))
        done = shell(f"{sys.executable} -W error page.py", tmp_path)
    assert (done.stderr, done.stdout) == ("", shown)


def rows(first: str) -> list[str]:
    """First cells of the table whose head begins with this."""
    table = PAGE.read_text().partition(f"| {first} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)


def test_every_argument_is_described() -> None:
    named = re.findall(r"`(\w+)`", " ".join(rows("Argument")))
    assert named == list(inspect.signature(Client).parameters)


CONTENT = CertificateContent("x")
EXAMPLES: dict[str, Callable[[], Call[Any]]] = {  # how the rows of the table are called
    "create": lambda: operations.create("x", "ED", attributes=Attributes()),
    "sign": lambda: operations.sign("x", b"", "EDDSA"),
    "verify": lambda: operations.verify("x", b"", b"", "EDDSA"),
    "encrypt": lambda: operations.encrypt("x", b"", "AES_GCM"),
    "decrypt": lambda: operations.decrypt("x", b"", "AES_GCM"),
    "hmac": lambda: operations.hmac("x", b""),
    "wrap": lambda: operations.wrap("x", "y", "AES_WRAP"),
    "unwrap": lambda: operations.unwrap("x", b"", "y", "AES_WRAP", attributes=Attributes()),
    "block": lambda: operations.block("x"),
    "unblock": lambda: operations.unblock("x"),
    "modify": lambda: operations.modify("x", NewRules()),
    "import_key": lambda: operations.import_key("x", "AES", secret_key=b""),
    "export": lambda: operations.export("x"),
    "change_password": lambda: operations.change_password("x"),
    "request_certificate": lambda: certificate_operations.request_certificate("x", "EDDSA", CONTENT),
    "self_sign": lambda: certificate_operations.self_sign("x", "EDDSA", CONTENT, 1),
    "sign_certificate": lambda: certificate_operations.sign_certificate("x", "EDDSA", ""),
    "import_certificate": lambda: certificate_operations.import_certificate("x", b""),
    "certificate": lambda: certificate_operations.certificate("x"),
    "delete_certificate": lambda: certificate_operations.delete_certificate("x"),
    "submit_certificate_request": lambda: certificate_operations.submit_certificate_request("x", "EDDSA", CONTENT),
    "submit_self_sign": lambda: certificate_operations.submit_self_sign("x", "EDDSA", CONTENT, 1),
    "submit_sign_certificate": lambda: certificate_operations.submit_sign_certificate("x", "EDDSA", ""),
    "submit_sign": lambda: request_operations.submit_sign("x", b"", "EDDSA"),
    "submit_decrypt": lambda: request_operations.submit_decrypt("x", b"", "AES_GCM"),
    "submit_unwrap": lambda: request_operations.submit_unwrap("x", b"", "y", "AES_WRAP", attributes=Attributes()),
    "submit_modify": lambda: request_operations.submit_modify("x", NewRules()),
    "submit_block": lambda: request_operations.submit_block("x"),
    "submit_unblock": lambda: request_operations.submit_unblock("x"),
    "request": lambda: request_operations.request("x"),
    "withdraw": lambda: request_operations.withdraw("x"),
    "random": lambda: operations.random(8),
    "key": lambda: operations.key("x"),
    "address": lambda: operations.address("x"),
    "delete": lambda: operations.delete("x"),
}


def test_every_method_is_described_with_its_endpoint() -> None:
    text = PAGE.read_text()
    names = [re.sub(r"\W.*", "", row.strip("`")) for row in rows("Method")]
    assert set(names) == {name for name in vars(Client) if not name.startswith("_")} - {"close", "run"}
    for name in names:
        call = EXAMPLES.get(name) or getattr(request_operations, name, None) or getattr(operations, name)
        assert re.search(rf"^\| `{name}\(.*\)` \| `{re.escape(call().endpoint.action)}` \|$", text, re.MULTILINE), name


def test_every_reason_of_the_client_is_described() -> None:
    reasons = [one for name, one in vars(errors).items() if name.isupper()]
    assert rows("`reason`") == [f"`{reason}`" for reason in reasons]
