"""The life of a token: had, renewed at half of its lease, had anew when it is refused.

One for all threads that sign with a key. A thread of its own renews, so that a token also
lives while nobody signs. What could become a storm is bounded here:

    a token is refused       one login, by whichever thread comes first; if the new token is
                             refused as well, the next login is 2 s later, then 4, 8 … 60
    credentials are refused  not presented again for a while (`Login.REFUSED_S`), unless they are
                             others
"""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import suppress

from signer.errors import KeyAccessError, KeyUnavailableError
from signer.keys.transit.client import Client
from signer.keys.transit.login import Login, Token, renewed
from verifier.errors import SealbookError

NOT_ALLOWED = "does a policy of the token allow it?"

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 60.0
_SHORTEST_S = 0.5  # between two renewals
_LONGEST_S = 3600.0
_ENDING_S = 2.0


class _Refusals:
    """Which credentials are refused, and until when. One for the process: keys share them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[bytes, float] = {}

    def check(self, name: bytes) -> None:
        """Raise `KeyAccessError` if these were refused a short while ago."""
        with self._lock:
            until = self._until.get(name, 0.0)
        if time.monotonic() < until:
            raise KeyAccessError("the server refused the same credentials before")

    def add(self, name: bytes, for_s: float) -> None:
        """Remember them, and forget those that may be tried again."""
        now = time.monotonic()
        with self._lock:
            self._until = {n: until for n, until in self._until.items() if now < until}
            self._until[name] = now + for_s


_REFUSALS = _Refusals()


class Lease:
    """A token that is valid as long as the server lets us have one. Safe in many threads."""

    def __init__(self, client: Client, login: Login, server: str) -> None:
        """Log in with `client`, which is the lease's own from now on.

        Raises:
            KeyHomeError: the credentials cannot be had, or are refused.
            KeyUnavailableError: the server does not answer.
        """
        self._client = client
        self._login = login
        self._server = server
        self._lock = threading.Lock()  # guards the client, and who changes the token
        self._ending = threading.Event()
        self._pause_s = 0.0  # in which no other login follows the last
        self._hold(self._logged_in())
        self._thread = threading.Thread(target=self._keep, name="openbao lease", daemon=True)
        self._thread.start()

    @property
    def token(self) -> Token:
        """The token of now."""
        return self._token

    def again(self, refused: Token) -> Token:
        """Return another token than `refused`, by a login unless somebody was faster.

        Raises:
            KeyAccessError: the server takes nothing that we have.
            KeyUnavailableError: it does not answer.
        """
        with self._lock:
            if self._token is not refused:
                return self._token
            since = time.monotonic() - self._since
            if since < self._pause_s:
                raise KeyAccessError(
                    "the server refuses a token that it just gave", hint=NOT_ALLOWED
                )
            lasted = since > 2 * _LONGEST_PAUSE_S
            doubled = 0.0 if lasted else 2 * self._pause_s
            self._pause_s = min(max(doubled, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
            self._hold(self._logged_in())
            return self._token

    def close(self) -> None:
        """Give the token back if it was made for us, and end."""
        if self._ending.is_set():
            return
        self._ending.set()
        self._thread.join(_ENDING_S)
        if self._login.MAKES and self._lock.acquire(timeout=_ENDING_S):
            with suppress(KeyUnavailableError):  # then it ends by itself
                self._client.ask("POST", "auth/token/revoke-self", {}, self._token.text)
            self._lock.release()
        self._client.close()

    def _logged_in(self) -> Token:
        credentials = self._login.credentials()
        name = hashlib.sha256("\0".join((self._server, *credentials)).encode()).digest()
        _REFUSALS.check(name)
        try:
            return self._login.log_in(self._client, credentials)
        except KeyAccessError:
            _REFUSALS.add(name, self._login.REFUSED_S)
            raise

    def _hold(self, token: Token) -> None:
        self._token = token
        self._since = time.monotonic()
        self._renew_in(token.lease_s)

    def _renew_in(self, lease_s: int) -> None:
        pause = max(lease_s / 2, _SHORTEST_S) if lease_s else _LONGEST_S
        self._renew_at = time.monotonic() + min(pause, _LONGEST_S)

    def _keep(self) -> None:
        while not self._ending.wait(max(self._renew_at - time.monotonic(), _SHORTEST_S)):
            try:
                self._renew()
            except SealbookError:
                # Until the token ends there is time, and then whoever signs hears the reason.
                self._renew_in(min(self._token.lease_s, 10))

    def _renew(self) -> None:
        with self._lock:
            token = self._token
            if time.monotonic() < self._renew_at or not token.lease_s:
                return
            renewal = renewed(self._client, token) if token.renewable else None
            if renewal is not None and 2 * renewal.lease_s >= token.lease_s:
                self._renew_in(renewal.lease_s)
                return
            # It cannot be renewed, or nears the end that no renewal moves.
            self._hold(self._logged_in())
