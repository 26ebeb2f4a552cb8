"""A PKCS#11 module in this process: initialised for threads, and initialised again.

python-pkcs11 initialises modules without locking and lets go of the interpreter lock during calls, which crashes
modules that then are used by several threads. So its initialisation is undone and done again here, with the locks
of the operating system (PKCS#11 2.40, 5.4), through ctypes.
"""

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pkcs11
from pkcs11 import PKCS11Error

from hsmgate.errors import Failure, Reason

_INITIALIZE, _FINALIZE = 0, 1
_OS_LOCKING_OK = 0x2
_OK = 0x0
_NOT_INITIALIZED = 0x190
_ALREADY_INITIALIZED = 0x191


class _InitializeArgs(ctypes.Structure):
    _fields_ = [
        ("create_mutex", ctypes.c_void_p),
        ("destroy_mutex", ctypes.c_void_p),
        ("lock_mutex", ctypes.c_void_p),
        ("unlock_mutex", ctypes.c_void_p),
        ("flags", ctypes.c_ulong),
        ("reserved", ctypes.c_void_p),
    ]


class FunctionList(ctypes.Structure):
    """CK_FUNCTION_LIST of PKCS#11 2.40."""

    _fields_ = [("version", ctypes.c_ubyte * 2), ("functions", ctypes.c_void_p * 68)]

    def prototype(self, place: int, *arguments: type) -> Callable[..., int]:
        """The function at this place, C_Initialize being at 0."""
        return ctypes.CFUNCTYPE(ctypes.c_ulong, *arguments)(self.functions[place])


class ModuleFailed(PKCS11Error):  # noqa: N818 - the house's word for it
    """A call of the module itself gave a return value other than CKR_OK."""


class Library:
    """One module, initialised. A process has each module once: two of these for one file fail."""

    def __init__(self, path: Path) -> None:
        """Load and initialise. `functions`: those of the module, None where it gives each caller others.

        Failure: CONFIG_INVALID (no module, in use already), CONNECTIVITY.
        """
        self.path = path
        self._process = os.getpid()
        if not path.is_file():
            raise Failure(Reason.CONFIG_INVALID, f"hsm.pkcs11.module: there is no file {path}")
        try:
            self._lib = pkcs11.lib(str(path))
            self._lib.finalize()
            self.functions = _functions(path)
        except (PKCS11Error, OSError, AttributeError) as error:
            raise Failure(Reason.CONFIG_INVALID, f"hsm.pkcs11.module: {path} cannot be used: {error!r}") from None
        try:
            self.initialize()
        except PKCS11Error as error:
            raise Failure(Reason.CONNECTIVITY, f"the module {path.name} does not initialise: {error!r}") from None

    @property
    def name(self) -> str:
        """What the module says that it is."""
        major, minor = self._lib.library_version
        return f"{self._lib.manufacturer_id} {self._lib.library_description} {major}.{minor}".strip()

    @property
    def manufacturer(self) -> str:
        return self._lib.manufacturer_id

    def initialize(self) -> None:
        """C_Initialize for use by threads. May raise PKCS11Error."""
        if self.functions is None:
            self._lib.initialize()
            return
        arguments = _InitializeArgs(flags=_OS_LOCKING_OK)
        initialize = self.functions.prototype(_INITIALIZE, ctypes.c_void_p)
        _check(initialize(ctypes.addressof(arguments)), "C_Initialize", _OK, _ALREADY_INITIALIZED)

    def finalize(self) -> None:
        """C_Finalize; nobody may be inside the module. May raise PKCS11Error."""
        if self.functions is None:
            self._lib.finalize()
            return
        finalize = self.functions.prototype(_FINALIZE, ctypes.c_void_p)
        _check(finalize(None), "C_Finalize", _OK, _NOT_INITIALIZED)

    def token(self, label: str) -> pkcs11.Token:
        """The token of this label. Failure: CONNECTIVITY (none), CONFIG_INVALID (several). May raise PKCS11Error."""
        self.check_process()
        found = list(self._lib.get_tokens(token_label=label))
        if len(found) > 1:
            raise Failure(Reason.CONFIG_INVALID, f"hsm.pkcs11.token: {len(found)} tokens are called {label}")
        if not found:
            raise Failure(Reason.CONNECTIVITY, f"no token is called {label}")
        return found[0]

    def check_process(self) -> None:
        """A module does not survive fork (PKCS#11 2.40, 5.4). Failure: INTERNAL."""
        if os.getpid() != self._process:
            raise Failure(Reason.INTERNAL, "a PKCS#11 module was carried into a forked process")


def _functions(path: Path) -> FunctionList | None:
    """The module's functions, or None where each caller gets others, as of p11-kit's proxy.

    Such a module keeps its callers apart, so that we cannot initialise it for python-pkcs11; and it must lock anyway.
    """
    library = ctypes.CDLL(str(path))
    library.C_GetFunctionList.restype = ctypes.c_ulong
    first, second = ctypes.POINTER(FunctionList)(), ctypes.POINTER(FunctionList)()
    for found in (first, second):
        _check(library.C_GetFunctionList(ctypes.byref(found)), "C_GetFunctionList", _OK)
    same = ctypes.addressof(first.contents) == ctypes.addressof(second.contents)
    return first.contents if same else None


def _check(value: int, function: str, *accepted: int) -> None:
    if value not in accepted:
        raise ModuleFailed(f"{function} gave {value:#x}")


@contextlib.contextmanager
def closing_quietly() -> Iterator[None]:
    """For letting go of what may be gone already."""
    with contextlib.suppress(PKCS11Error):
        yield
