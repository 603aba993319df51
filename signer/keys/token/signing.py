"""One signature in one session: C_SignInit, and C_Sign, called as they are.

python-pkcs11 asks first how long the signature will be, and makes its objects anew for each.
Every call lets the rest of the process run, and then waits for its turn: under load that, and
not the token's work, is what a signature costs here. So it is two calls, into one buffer.
"""

from __future__ import annotations

import ctypes
from typing import Any

import pkcs11

from signer.keys.token.library import Library

_OK = 0
_ROOM = 1024  # bytes: an RSA-4096 signature has 512

# PKCS#11 section 3.6: what a token says of a key that it will never sign with.
_CANNOT = {
    0x20: "CKR_DATA_INVALID",
    0x21: "CKR_DATA_LEN_RANGE",
    0x54: "CKR_FUNCTION_NOT_SUPPORTED",
    0x62: "CKR_KEY_SIZE_RANGE",
    0x63: "CKR_KEY_TYPE_INCONSISTENT",
    0x68: "CKR_KEY_FUNCTION_NOT_PERMITTED",
    0x70: "CKR_MECHANISM_INVALID",
    0x71: "CKR_MECHANISM_PARAM_INVALID",
}
# And of itself; what is in neither table is told by its number.
_FAILED = {
    0x05: "CKR_GENERAL_ERROR",
    0x06: "CKR_FUNCTION_FAILED",
    0x30: "CKR_DEVICE_ERROR",
    0x32: "CKR_DEVICE_REMOVED",
    0x60: "CKR_KEY_HANDLE_INVALID",
    0x82: "CKR_OBJECT_HANDLE_INVALID",
    0xB3: "CKR_SESSION_HANDLE_INVALID",
    0xE0: "CKR_TOKEN_NOT_PRESENT",
    0x101: "CKR_USER_NOT_LOGGED_IN",
    0x190: "CKR_CRYPTOKI_NOT_INITIALIZED",
}


class CannotSignError(Exception):
    """The token will never sign this with this key; its text is the name of its answer."""


class _Mechanism(ctypes.Structure):
    """CK_MECHANISM, without parameters: none of ours has any."""

    _fields_ = (
        ("type", ctypes.c_ulong),
        ("parameter", ctypes.c_void_p),
        ("length", ctypes.c_ulong),
    )


class Signing:
    """Signs with one key in one session, one signature at a time."""

    __slots__ = ("_arguments", "_buffer", "_functions", "_length", "_room", "_session")

    def __init__(self, library: Library, session: Any, private: Any, mechanism: int) -> None:
        """Sign in a session of python-pkcs11 with a private key that was found in it."""
        self._functions = library.functions
        self._session = session.handle
        self._buffer = ctypes.create_string_buffer(_ROOM)
        self._room = ctypes.c_ulong(_ROOM)
        self._length = ctypes.byref(self._room)
        self._arguments = ctypes.byref(_Mechanism(type=mechanism)), private.handle

    def sign(self, data: bytes) -> bytes:
        """Return what the token makes of `data`; to be called in a `Library` that was entered.

        Raises:
            PKCS11Error: it failed.
            CannotSignError: it never will.
        """
        answer = self._functions.sign_init(self._session, *self._arguments)
        if answer == _OK:
            self._room.value = _ROOM
            answer = self._functions.sign(
                self._session, data, len(data), self._buffer, self._length
            )
        if answer != _OK:
            if answer in _CANNOT:
                raise CannotSignError(_CANNOT[answer])
            raise pkcs11.PKCS11Error(_FAILED.get(answer, f"error {answer:#x}"))
        return self._buffer.raw[: self._room.value]
