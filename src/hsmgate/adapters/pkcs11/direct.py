"""Functions of the module as they are, where python-pkcs11 does more than is wanted.

It asks for the type of the key and for the length of the result first: three calls more of the module, which cost as
much as signing on P-256 where a token reads its files at each; and some modules tell a length that then is too small.
"""

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

from pkcs11 import MGF, Attribute, GCMParams, Mechanism

from hsmgate.adapters.pkcs11.library import FunctionList
from hsmgate.adapters.pkcs11.losses import error_of

# places in CK_FUNCTION_LIST
_GET_ATTRIBUTE_VALUE, _ENCRYPT_INIT, _ENCRYPT, _SIGN_INIT, _SIGN, _WRAP_KEY = 24, 29, 30, 42, 43, 60
LONGEST = 1024  # octets of a signature, by RSA-8192; the package takes eight times as much, which costs
_LONGEST_WRAPPED = 8192
_DATA_SPECIFIED = 1  # the label of OAEP is given, and is empty here
# of PSS (hash, MGF, octets of salt), OAEP (hash, MGF, None), AES-GCM, or as the module reads it
Parameter = tuple[Mechanism, MGF, int] | tuple[Mechanism, MGF, None] | GCMParams | bytes | None


class _Mechanism(ctypes.Structure):
    _fields_ = [("mechanism", ctypes.c_ulong), ("parameter", ctypes.c_void_p), ("length", ctypes.c_ulong)]


class _Attribute(ctypes.Structure):
    _fields_ = [("type", ctypes.c_ulong), ("value", ctypes.c_void_p), ("length", ctypes.c_ulong)]


class _Pss(ctypes.Structure):
    """CK_RSA_PKCS_PSS_PARAMS."""

    _fields_ = [("hash", ctypes.c_ulong), ("mgf", ctypes.c_ulong), ("salt", ctypes.c_ulong)]


class _Oaep(ctypes.Structure):
    """CK_RSA_PKCS_OAEP_PARAMS."""

    _fields_ = [
        ("hash", ctypes.c_ulong),
        ("mgf", ctypes.c_ulong),
        ("source", ctypes.c_ulong),
        ("label", ctypes.c_void_p),
        ("length", ctypes.c_ulong),
    ]


class _Gcm(ctypes.Structure):
    """CK_GCM_PARAMS."""

    _fields_ = [
        ("iv", ctypes.c_char_p),
        ("iv_length", ctypes.c_ulong),
        ("iv_bits", ctypes.c_ulong),
        ("aad", ctypes.c_char_p),
        ("aad_length", ctypes.c_ulong),
        ("tag_bits", ctypes.c_ulong),
    ]


class _Given(NamedTuple):
    """A mechanism with its parameter, which must live as long as the address is used."""

    address: int
    mechanism: _Mechanism
    parameter: object


class Direct:
    """Calls the functions of one module. May be used from any thread, by each with sessions of its own.

    Objects stand for their handles and for the session that they were found in. Every method may raise PKCS11Error.
    """

    def __init__(self, functions: FunctionList) -> None:
        number, pointer, octets = ctypes.c_ulong, ctypes.c_void_p, ctypes.c_char_p
        once = (number, octets, number, pointer, pointer)
        self._attribute = functions.prototype(_GET_ATTRIBUTE_VALUE, number, number, pointer, number)
        self._encrypt_init = functions.prototype(_ENCRYPT_INIT, number, pointer, number)
        self._encrypt = functions.prototype(_ENCRYPT, *once)
        self._sign_init = functions.prototype(_SIGN_INIT, number, pointer, number)
        self._sign = functions.prototype(_SIGN, *once)
        self._wrap = functions.prototype(_WRAP_KEY, number, pointer, number, number, pointer, pointer)
        self._signing: dict[tuple[Mechanism, Parameter], _Given] = {}

    def sign(self, private: Any, mechanism: Mechanism, parameter: Parameter, data: bytes) -> bytes:  # noqa: ANN401
        """The signature."""
        given = self._signing.get((mechanism, parameter))
        if given is None:
            given = self._signing[mechanism, parameter] = _given(mechanism, parameter)
        return _once(self._sign_init, self._sign, private, given, data, LONGEST)

    def encrypt(self, item: Any, mechanism: Mechanism, parameter: Parameter, data: bytes, room: int) -> bytes:  # noqa: ANN401
        """The ciphertext, of at most `room` octets."""
        return _once(self._encrypt_init, self._encrypt, item, _given(mechanism, parameter), data, room)

    def wrap(self, wrapping: Any, item: Any, mechanism: Mechanism, parameter: Parameter) -> bytes:  # noqa: ANN401
        """One key under another."""
        given = _given(mechanism, parameter)
        room, size = ctypes.create_string_buffer(_LONGEST_WRAPPED), ctypes.c_ulong(_LONGEST_WRAPPED)
        session, where = wrapping.session.handle, (ctypes.addressof(room), ctypes.addressof(size))
        value = self._wrap(session, given.address, wrapping.handle, item.handle, *where)
        if value:
            raise error_of(value)
        return room.raw[: size.value]

    def length(self, item: Any, name: Attribute) -> int:  # noqa: ANN401
        """Octets of an attribute that the object would tell; it is not read."""
        asked = _Attribute(name, None, 0)
        value = self._attribute(item.session.handle, item.handle, ctypes.addressof(asked), 1)
        if value:
            raise error_of(value)
        return int(asked.length)


def _once(
    begin: Callable[..., int],
    end: Callable[..., int],
    item: Any,  # noqa: ANN401
    given: _Given,
    data: bytes,
    most: int,
) -> bytes:
    session = item.session.handle
    room, size = ctypes.create_string_buffer(most), ctypes.c_ulong(most)
    value = begin(session, given.address, item.handle)
    if not value:
        value = end(session, data, len(data), ctypes.addressof(room), ctypes.addressof(size))
    if value:
        raise error_of(value)
    return room.raw[: size.value]


def _given(mechanism: Mechanism, parameter: Parameter) -> _Given:
    made: ctypes.Structure | ctypes.Array[ctypes.c_char] | None = None
    if isinstance(parameter, bytes):
        made = ctypes.create_string_buffer(parameter, len(parameter))
    elif isinstance(parameter, GCMParams):
        iv, aad = parameter.nonce, parameter.aad or b""
        made = _Gcm(iv, len(iv), len(iv) * 8, aad, len(aad), parameter.tag_bits)
    elif parameter is not None:
        hashing, mgf, salt = parameter
        made = _Oaep(hashing, mgf, _DATA_SPECIFIED, None, 0) if salt is None else _Pss(hashing, mgf, salt)
    address = None if made is None else ctypes.addressof(made)
    whole = _Mechanism(mechanism, address, 0 if made is None else ctypes.sizeof(made))
    return _Given(ctypes.addressof(whole), whole, made)
