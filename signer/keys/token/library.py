"""The one library of a PKCS#11 module in this process.

Sessions, logins and handles belong to the process and the library, not to a key. When a token
went away, most libraries serve it again only after they were begun anew (C_Finalize, then
C_Initialize), which ends what all keys had there. So a library is shared by all keys of its
module, and counts how often it was begun: who holds a session of an earlier *generation*
opens another before it asks for anything. No call is under way while a library is begun anew;
what PKCS#11 would do then is undefined, and what SoftHSM does is crash.
"""

from __future__ import annotations

import ctypes
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pkcs11

from signer.errors import KeyLibraryError, KeyUnavailableError

_LEAVING_S = 0.5  # for calls under way to end, before a library is begun anew
_ENTERING_S = 1.5  # for a library to be begun anew, before a call fails
_PAUSE_S = 0.5  # between two beginnings
_OK, _OS_LOCKING_OK = 0, 2


class _Arguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS: no locks of ours, the library may use the system's."""

    _fields_ = (
        ("mutex_functions", ctypes.c_void_p * 4),
        ("flags", ctypes.c_ulong),
        ("reserved", ctypes.c_void_p),
    )


_ULONG, _POINTER = ctypes.c_ulong, ctypes.c_void_p
_ONE = ctypes.CFUNCTYPE(_ULONG, _POINTER)
_SIGN_INIT = ctypes.CFUNCTYPE(_ULONG, _ULONG, _POINTER, _ULONG)
_SIGN = ctypes.CFUNCTYPE(_ULONG, _ULONG, ctypes.c_char_p, _ULONG, _POINTER, _POINTER)


class Functions(ctypes.Structure):
    """CK_FUNCTION_LIST, as far as we look; each call lets other threads of Python run."""

    _fields_ = (
        ("version", ctypes.c_ubyte * 2),
        ("initialize", _ONE),
        ("finalize", _ONE),
        ("others", ctypes.c_void_p * 40),
        ("sign_init", _SIGN_INIT),
        ("sign", _SIGN),
    )


class Library:
    """A PKCS#11 module in use. Safe in many threads."""

    _held: ClassVar[dict[Path, Library]] = {}
    _holding: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, module: Path) -> None:
        """Know where the module is; `hold` gives the one that is in use."""
        self.module = module
        self.generation = 0
        self.logins: dict[int, pkcs11.Session | None] = {}  # by slot, of this generation
        self.typed: dict[str, bytes] = {}  # PINs, by token: nobody is asked twice
        self.login_lock = threading.Lock()  # guards both
        self._users = 0
        self._gate = threading.Condition()
        self._inside = 0
        self._beginning = False
        self._not_before = 0.0
        self._pkcs11: Any = None
        self.functions: Any = None  # a `Functions`, once there is a session

    @classmethod
    def hold(cls, module: Path) -> Library:
        """Return the library of `module`, begun before its first use.

        Raises:
            KeyLibraryError: it is not there, not to be trusted, or no PKCS#11 module.
        """
        _check_module(module)
        module = module.resolve()  # under two names it would still be one in the process
        with cls._holding:
            library = cls._held.setdefault(module, cls(module))
            library._users += 1  # noqa: SLF001
        return library

    def release(self) -> None:
        """Give it back; the last to do so ends it, unless a call is stuck in it."""
        with self._holding:
            self._users -= 1
            if self._users:
                return
            if self._pkcs11 is not None:
                if not self._closed():
                    # Whoever holds it next begins it, once that call is back.
                    self._pkcs11, self._not_before = None, 0.0
                    return
                self.logins.clear()
                self.functions.finalize(None)
            del self._held[self.module]

    @contextmanager
    def entered(self) -> Iterator[int]:
        """Keep the library from being begun anew meanwhile; gives its generation.

        Raises:
            KeyUnavailableError: it cannot be begun, or is not done with that in time.
        """
        with self._gate:
            if self._beginning and not self._gate.wait_for(
                lambda: not self._beginning, _ENTERING_S
            ):
                raise KeyUnavailableError(f"{self.module} is being begun anew")
            fresh = self._pkcs11 is None
            if not fresh:
                self._inside += 1
        if fresh:
            if not self.renew(self.generation):
                raise KeyUnavailableError(f"{self.module} could not be begun just now")
            with self.entered() as generation:
                yield generation
            return
        try:
            yield self.generation
        finally:
            with self._gate:
                self._inside -= 1
                if not self._inside:
                    self._gate.notify_all()

    def renew(self, generation: int) -> bool:
        """Begin the library anew, if nobody did since `generation`; False if it is too early.

        Raises:
            KeyUnavailableError: it cannot be begun, or a call in it does not come back.
        """
        with self._gate:
            if self.generation != generation:
                return True
            if time.monotonic() < self._not_before:
                return False
        if not self._closed():
            raise KeyUnavailableError(f"a call to {self.module} does not come back")
        try:
            if self.generation == generation:
                self.logins.clear()
                self._begin()
                self.generation += 1
        finally:
            with self._gate:
                self._beginning = False
                self._not_before = time.monotonic() + _PAUSE_S
                self._gate.notify_all()
        return True

    def slots(self) -> list[pkcs11.Slot]:
        """Return the slots in which there is a token; to be called when `entered`."""
        found: list[pkcs11.Slot] = self._pkcs11.get_slots(token_present=True)
        return found

    def _closed(self) -> bool:
        """Let nobody enter, and wait for the last to leave; False, and open, if that lasts."""
        with self._gate:
            if self._beginning and not self._gate.wait_for(
                lambda: not self._beginning, _ENTERING_S
            ):
                return False
            self._beginning = True
            if self._gate.wait_for(lambda: self._inside == 0, _LEAVING_S):
                return True
            self._beginning = False
            self._not_before = time.monotonic() + _PAUSE_S
            self._gate.notify_all()
            return False

    def _begin(self) -> None:
        try:
            self._pkcs11 = pkcs11.lib(str(self.module))
        except pkcs11.PKCS11Error as e:
            if "exception while loading" in str(e):
                raise KeyLibraryError(f"{self.module} is no PKCS#11 library: {e}") from e
            raise KeyUnavailableError(f"{self.module} cannot be begun: {type(e).__name__}") from e
        # python-pkcs11 promises the library that one thread uses it. SoftHSM believes that,
        # and crashes.
        pointer = ctypes.POINTER(Functions)()
        ctypes.CDLL(str(self.module)).C_GetFunctionList(ctypes.byref(pointer))
        self.functions = pointer.contents
        self.functions.finalize(None)
        found = self.functions.initialize(ctypes.byref(_Arguments(flags=_OS_LOCKING_OK)))
        if found != _OK:
            self._pkcs11 = None
            raise KeyUnavailableError(f"{self.module} cannot be begun: error {found:#x}")


def _check_module(module: Path) -> None:
    """Refuse a library that anybody could have written: it runs as we do, and gets the PIN."""
    try:
        status = module.stat()
    except OSError as e:
        raise KeyLibraryError(
            f"cannot read {module}: {e.strerror}",
            hint="?module-path= names the library of the token's vendor",
        ) from e
    if not stat.S_ISREG(status.st_mode) or status.st_mode & stat.S_IWOTH:
        raise KeyLibraryError(f"expected a library that not everybody may write at {module}")
