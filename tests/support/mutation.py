"""Changes single lines of the code under test in memory, to see whether a test notices."""

import inspect
import textwrap
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import pytest

from hsmgate.record import Record


class Edit(Record):
    """Replace `old`, which must stand exactly once in the function (or method: Class.method), by `new`."""

    module: str  # below hsmgate, e.g. "pki.trust"
    function: str
    old: str
    new: str


def apply(edits: Sequence[Edit], patch: pytest.MonkeyPatch) -> None:
    """Put the changed functions in place until `patch` is undone."""
    changed: dict[tuple[str, str], str] = {}
    for edit in edits:
        module: Any = import_module(f"hsmgate.{edit.module}")
        place = edit.module, edit.function
        owner, name = _owner(module, edit.function)
        source = changed.get(place) or textwrap.dedent(inspect.getsource(getattr(owner, name)))
        assert source.count(edit.old) == 1, f"{edit.module}.{edit.function} has no longer exactly one {edit.old!r}"
        changed[place] = source.replace(edit.old, edit.new)
    for (module_name, function), source in changed.items():
        module = import_module(f"hsmgate.{module_name}")
        owner, name = _owner(module, function)
        made: dict[str, Any] = {}
        exec(compile(source, f"<mutant of {function}>", "exec"), module.__dict__, made)
        patch.setattr(owner, name, made[name])
        if name == "_verify":  # OpenSSL holds a pointer to it
            callback = module._ffi.callback("int (*)(int, X509_STORE_CTX *)", made[name], error=0)
            patch.setattr(module, "_verify_callback", callback)


def _owner(module: Any, function: str) -> tuple[Any, str]:
    *classes, name = function.split(".")
    for one in classes:
        module = getattr(module, one)
    return module, name
