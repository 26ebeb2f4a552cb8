"""What an exception of a token means: the session, the login, a handle or the token is lost, or the request is bad."""

from enum import Enum, auto

import pkcs11
from pkcs11 import PKCS11Error

from hsmgate.adapters.pkcs11.library import ModuleFailed
from hsmgate.errors import Failure, Reason


class Loss(Enum):
    """What has to be made again before the same call can succeed."""

    SESSION = auto()  # a new session and a login are enough
    TOKEN = auto()  # perhaps the whole module


_LOSSES: dict[type[PKCS11Error], Loss] = {
    pkcs11.SessionHandleInvalid: Loss.SESSION,
    pkcs11.SessionClosed: Loss.SESSION,
    pkcs11.UserNotLoggedIn: Loss.SESSION,
    pkcs11.KeyHandleInvalid: Loss.SESSION,
    pkcs11.ObjectHandleInvalid: Loss.SESSION,
    pkcs11.WrappingKeyHandleInvalid: Loss.SESSION,
    pkcs11.UnwrappingKeyHandleInvalid: Loss.SESSION,
    pkcs11.OperationActive: Loss.SESSION,
    pkcs11.OperationNotInitialized: Loss.SESSION,
    pkcs11.SessionCount: Loss.TOKEN,
    pkcs11.DeviceError: Loss.TOKEN,
    pkcs11.DeviceMemory: Loss.TOKEN,
    pkcs11.DeviceRemoved: Loss.TOKEN,
    pkcs11.TokenNotPresent: Loss.TOKEN,
    pkcs11.TokenNotRecognised: Loss.TOKEN,
    pkcs11.SlotIDInvalid: Loss.TOKEN,
    pkcs11.GeneralError: Loss.TOKEN,
    pkcs11.HostMemory: Loss.TOKEN,
    pkcs11.FunctionFailed: Loss.TOKEN,
    pkcs11.FunctionCancelled: Loss.TOKEN,
    ModuleFailed: Loss.TOKEN,
    PKCS11Error: Loss.TOKEN,  # not initialised, and values of vendors
}
# of the values that signing, encrypting and wrapping may give (PKCS#11 2.40, 5.8 to 5.13); python-pkcs11 keeps its own
# table to itself
_VALUES: dict[int, type[PKCS11Error]] = {
    0x02: pkcs11.HostMemory,
    0x05: pkcs11.GeneralError,
    0x06: pkcs11.FunctionFailed,
    0x07: pkcs11.ArgumentsBad,
    0x20: pkcs11.DataInvalid,
    0x21: pkcs11.DataLenRange,
    0x30: pkcs11.DeviceError,
    0x31: pkcs11.DeviceMemory,
    0x32: pkcs11.DeviceRemoved,
    0x40: pkcs11.EncryptedDataInvalid,
    0x41: pkcs11.EncryptedDataLenRange,
    0x50: pkcs11.FunctionCancelled,
    0x54: pkcs11.FunctionNotSupported,
    0x60: pkcs11.KeyHandleInvalid,
    0x62: pkcs11.KeySizeRange,
    0x63: pkcs11.KeyTypeInconsistent,
    0x68: pkcs11.KeyTypeInconsistent,  # CKR_KEY_FUNCTION_NOT_PERMITTED, which the package does not know
    0x69: pkcs11.KeyNotWrappable,
    0x6A: pkcs11.KeyUnextractable,
    0x70: pkcs11.MechanismInvalid,
    0x71: pkcs11.MechanismParamInvalid,
    0x82: pkcs11.ObjectHandleInvalid,
    0x90: pkcs11.OperationActive,
    0x91: pkcs11.OperationNotInitialized,
    0xA3: pkcs11.PinExpired,
    0xB0: pkcs11.SessionClosed,
    0xB3: pkcs11.SessionHandleInvalid,
    0x101: pkcs11.UserNotLoggedIn,
    0x113: pkcs11.WrappingKeyHandleInvalid,
    0x114: pkcs11.WrappingKeySizeRange,
    0x115: pkcs11.WrappingKeyTypeInconsistent,
}
PIN_REFUSED = (
    pkcs11.PinIncorrect,
    pkcs11.PinInvalid,
    pkcs11.PinLenRange,
    pkcs11.PinExpired,
    pkcs11.PinLocked,
    pkcs11.UserPinNotInitialized,
)
_LACKING = (
    pkcs11.MechanismInvalid,
    pkcs11.MechanismParamInvalid,
    pkcs11.FunctionNotSupported,
    pkcs11.DomainParamsInvalid,
    pkcs11.KeySizeRange,
)


def loss_of(error: PKCS11Error) -> Loss | None:
    """What is lost; None: the token answered, and refuses this request."""
    return _LOSSES.get(type(error))


def error_of(value: int) -> PKCS11Error:
    """The exception for a return value other than CKR_OK, as python-pkcs11 would raise it."""
    kind = _VALUES.get(value)
    return PKCS11Error(f"return value {value:#x}") if kind is None else kind()


def failure_of(error: PKCS11Error) -> Failure:
    """The refusal of a token that answers: NOT_IMPLEMENTED for what it lacks, else KEYSTORE."""
    said = describe(error)
    if isinstance(error, _LACKING):
        return Failure(Reason.NOT_IMPLEMENTED, f"the token lacks it ({said})")
    return Failure(Reason.KEYSTORE, f"the token refused the operation ({said})")


def describe(error: BaseException) -> str:
    """One line for the log."""
    return str(error) if isinstance(error, Failure) else f"{type(error).__name__} {error}".strip()
