"""Sessions on one token, logged in.

A login is the process's: once one session is logged in all are, so there is one login for each
token in a generation of its library, and a session that does nothing else keeps it. A PIN
that was refused is never tried again, and none is tried that would lock the token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

import pkcs11
from pkcs11.constants import TokenFlag

from signer.errors import KeyObjectError, KeyUnavailableError, PassphraseError, PinError
from signer.keys.passphrase import read_source
from signer.keys.token.library import Library
from signer.keys.token.pins import Refusals
from signer.keys.token.signing import CannotSignError
from signer.keys.token.uri import TokenUri

T = TypeVar("T")

# PKCS#11 section 3.2, CK_TOKEN_INFO.
_FINAL_TRY, _LOCKED = TokenFlag(0x00020000), TokenFlag(0x00040000)
_REFUSED = (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange)


class AbsentKeyError(KeyObjectError):
    """The token is there, and the key is not in it."""


class Opened(NamedTuple):
    """A session, where it is, and the generation of the library in which it is good."""

    generation: int
    token: pkcs11.Token
    session: pkcs11.Session


class Sessions:
    """Opens sessions on the token that a URI names. Safe in many threads."""

    def __init__(self, uri: TokenUri, base: Path) -> None:
        """Hold the token's library; relative paths start at `base`.

        Raises:
            KeyLibraryError: it is not there, or not to be trusted.
        """
        self._uri = uri
        self._base = base
        self._refusals = Refusals(base)
        self._closed = False
        self.library = Library.hold(uri.module)

    def close(self) -> None:
        """Give the library back, once."""
        if not self._closed:
            self._closed = True
            self.library.release()

    def open(self, find: Callable[[Opened], T], *, write: bool = False) -> T:
        """Return what `find` makes of a new session; closes it again when that raises.

        Where the token or the key is not found, it is looked for once more in a library that
        was begun anew: most see only then that a token came back.

        Raises:
            KeyUnavailableError: the token does not answer, or is not there.
            AbsentKeyError: raised by `find`, and the token is there.
            PinError: the PIN was refused, now or earlier.
            PassphraseError: there is no PIN where the URI says.
            KeyObjectError: raised by `find`, or two tokens are meant.
        """
        generation = self.library.generation
        try:
            return self._open(find, write=write)
        except (KeyUnavailableError, AbsentKeyError):
            if not self.library.renew(generation):
                raise
        return self._open(find, write=write)

    @contextmanager
    def asking(self) -> Iterator[int]:
        """Ask the token something meanwhile; gives the library's generation.

        Raises:
            KeyUnavailableError: the token failed.
            KeyObjectError: it says that it will never do this with this key.
        """
        try:
            with self.library.entered() as generation:
                yield generation
        except pkcs11.PKCS11Error as e:
            raise KeyUnavailableError(f"{self._uri.place}: {_name(e)}") from e
        except CannotSignError as e:
            raise KeyObjectError(
                f"{self._uri.place} does not sign with {self._uri.key}: {e}"
            ) from e

    def _open(self, find: Callable[[Opened], T], *, write: bool) -> T:
        with self.asking() as generation:
            token = self._token()
            self._log_in(token)
            opened = Opened(generation, token, token.open(rw=write))
            try:
                return find(opened)
            except BaseException:
                with suppress(pkcs11.PKCS11Error):
                    opened.session.close()
                raise

    def _token(self) -> pkcs11.Token:
        found = []
        for slot in self.library.slots():
            with suppress(pkcs11.TokenNotPresent, pkcs11.TokenNotRecognised):
                token = slot.get_token()
                if self._uri.finds(token, slot.slot_id):
                    found.append(token)
        if not found:
            raise KeyUnavailableError(f"{self._uri.place} is not there")
        if len(found) > 1:
            raise KeyObjectError(f"expected one {self._uri.place}, found {len(found)}: add serial=")
        return found[0]

    def _log_in(self, token: pkcs11.Token) -> None:
        if not self._uri.pin_source:
            return
        with self.library.login_lock:
            if token.slot.slot_id in self.library.logins:
                return
            name = f"token {token.label} {token.serial.decode('ascii', 'replace')}"
            if token.flags & _LOCKED:
                raise PinError(f"{name} has locked itself: too many PINs were wrong")
            if token.flags & _FINAL_TRY:
                raise PinError(
                    f"{name} would lock itself at the next wrong PIN, and is not asked",
                    hint="log in once by hand, as with pkcs11-tool --login, which resets it",
                )
            pin = self._pin(name)
            try:
                text = pin.decode()
            except UnicodeDecodeError:
                raise PassphraseError(f"expected a PIN in UTF-8 for {name}") from None
            self._refusals.check(name, pin)
            try:
                self.library.logins[token.slot.slot_id] = token.open(user_pin=text)
            except _REFUSED:
                self.library.typed.pop(name, None)
                self._refusals.add(name, pin)
                raise PinError(f"{name} refused the PIN") from None
            except pkcs11.UserAlreadyLoggedIn:
                self.library.logins[token.slot.slot_id] = None  # by somebody else in this process
            except pkcs11.PinLocked:
                raise PinError(f"{name} has locked itself: too many PINs were wrong") from None
            except (pkcs11.PinExpired, pkcs11.UserPinNotInitialized) as e:
                raise PinError(
                    f"{name} takes no PIN: {_name(e)}", hint="set the PIN with its vendor's tool"
                ) from None
            self._refusals.clear(name)

    def _pin(self, name: str) -> bytes:
        """Return the PIN, read anew, so that a changed one is used; what was typed is kept."""
        source, typed = self._uri.pin_source, self.library.typed
        if source != "prompt":
            return read_source(source, self._base, f"the PIN of {name}")
        if name not in typed:
            typed[name] = read_source(source, self._base, f"the PIN of {name}")
        return typed[name]


def _name(error: pkcs11.PKCS11Error) -> str:
    """Return what a token said, which is a number with a name, and nothing that was sent."""
    return str(error) or type(error).__name__
