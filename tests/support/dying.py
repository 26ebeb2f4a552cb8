"""`python -m support.dying serve ...`: hsmgate that notes each use of a key, and kills itself at a given point.

DIE_AT names the point and the number of times it is let pass: `settle.after:3`. TOKEN_CALLS is the file of notes: a
line for each use, in words that a test can tell beforehand.
"""

import hashlib
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

from hsmgate.adapters.audit_file import FileAudit
from hsmgate.adapters.software import SoftwareKeystore
from hsmgate.adapters.sql.requests import RequestRows
from hsmgate.cli import main
from hsmgate.domain.policy import Policy

NOTES: dict[str, Callable[..., str]] = {  # of the arguments of a method of the keystore: what is noted of them
    "sign": lambda _key, _password, _algorithm, payload, _extra: f"sign {digest(payload)}",
    "decrypt": lambda _key, _password, _cipher, payload, _extra: f"decrypt {digest(payload)}",
    "unwrap": lambda _wrapping, _method, _wrapped, spec, _password: f"unwrap {spec.label}",
    "change_policy": lambda _key, _password, policy: f"policy {first_name(policy)} {policy.blocked}",
}
POINTS: dict[str, list[tuple[type, str]]] = {
    "insert": [(RequestRows, "insert")],
    "token": [(SoftwareKeystore, name) for name in NOTES],
    "settle": [(RequestRows, "settle")],
    "audit": [(FileAudit, "append")],
}


def digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def first_name(policy: Policy) -> str:
    """By which a test tells its policies apart."""
    return str(policy.rule_use.tokens[0].name) if policy.rule_use else ""


def _deadly(whole: Callable[..., Any], before: bool, passes: int, calls: Iterator[int]) -> Callable[..., Any]:
    def die_or(*arguments: Any, **named: Any) -> Any:
        last = next(calls) > passes
        if last and before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = whole(*arguments, **named)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return die_or


def _noting(whole: Callable[..., Any], words: Callable[..., str], notes: int) -> Callable[..., Any]:
    def noted(self: Any, *arguments: Any) -> Any:
        os.write(notes, words(*arguments).encode() + b"\n")
        return whole(self, *arguments)

    return noted


if __name__ == "__main__":
    descriptor = os.open(os.environ["TOKEN_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for name, words in NOTES.items():
        setattr(SoftwareKeystore, name, _noting(getattr(SoftwareKeystore, name), words, descriptor))
    if at := os.environ.get("DIE_AT"):
        point, _, times = at.partition(":")
        place, _, moment = point.partition(".")
        calls = itertools.count(1)
        for owner, method in POINTS[place]:
            setattr(owner, method, _deadly(getattr(owner, method), moment == "before", int(times), calls))
    main()
