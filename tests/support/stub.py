"""The stub module of stub_pkcs11.c: a token that fails, hangs, or confuses its handles at chosen calls."""

import ctypes
import functools
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from support.hsm_tokens import Place

FUNCTIONS = {
    "C_Initialize": 0,
    "C_Finalize": 1,
    "C_GetSlotList": 4,
    "C_GetTokenInfo": 6,
    "C_OpenSession": 12,
    "C_CloseSession": 13,
    "C_CloseAllSessions": 14,
    "C_Login": 18,
    "C_Logout": 19,
    "C_FindObjectsInit": 26,
    "C_FindObjects": 27,
    "C_EncryptInit": 29,
    "C_Encrypt": 30,
    "C_DecryptInit": 33,
    "C_Decrypt": 34,
    "C_SignInit": 42,
    "C_Sign": 43,
    "C_GenerateKeyPair": 59,
    "C_WrapKey": 60,
    "C_UnwrapKey": 61,
}
FOREVER = -1
_HANG, _SPOIL = ctypes.c_ulong(-1).value, ctypes.c_ulong(-2).value

needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler")


class Stub:
    """A stub in front of the module of a place. `place` is what to open."""

    def __init__(self, behind: Place, folder: Path, reserved: str = "") -> None:
        path = folder / "stub.so"
        path.write_bytes(_compiled())
        self._library = ctypes.CDLL(str(path))
        self._library.stub_calls.restype = ctypes.c_ulong
        self.place = replace(behind, module=path)
        assert self._library.stub_target(str(behind.module).encode(), reserved.encode())

    def fail(self, function: str, value: int, *, skip: int = 0, count: int = 1) -> None:
        """Let the next calls of a function return this CKR value, after `skip` of them."""
        self._order(function, value, skip, count)

    def hang(self, function: str, *, skip: int = 0, count: int = 1) -> None:
        """Let the next calls of a function not return before `release`."""
        self._order(function, _HANG, skip, count)

    def spoil(self, *, count: int = 1) -> None:
        """Let the next signatures be wrong."""
        self._order("C_Sign", _SPOIL, 0, count)

    def release(self) -> None:
        """No orders any more; what hangs goes on."""
        self._library.stub_release()

    def swap(self, one: int, other: int) -> None:
        """From now on each of two handles names the other object."""
        self._library.stub_swap(ctypes.c_ulong(one), ctypes.c_ulong(other))

    def show_twice(self, *, on: bool) -> None:
        """Every object is found twice, or no longer so."""
        self._library.stub_twice(int(on))

    def calls(self, function: str) -> int:
        """How often it was called."""
        return int(self._library.stub_calls(FUNCTIONS[function]))

    def _order(self, function: str, value: int, skip: int, count: int) -> None:
        self._library.stub_order(FUNCTIONS[function], ctypes.c_ulong(value), ctypes.c_long(skip), ctypes.c_long(count))


@functools.cache
def _compiled() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path, source = Path(folder) / "stub.so", Path(__file__).with_name("stub_pkcs11.c")
        command = ["gcc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-O1", "-o", str(path), str(source)]
        subprocess.run([*command, "-ldl", "-lpthread"], check=True, timeout=60)
        return path.read_bytes()
