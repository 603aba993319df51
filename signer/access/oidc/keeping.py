"""The keys of an issuer, kept: asked for when they are needed, at most once a minute.

    known id      answered at once for ten minutes, in whose second half the keys are asked for
                  in the background; after that, when they were asked for again
    unknown id    asked for again, if that is a minute ago or more; else there is no such key
    no answer     what is known goes on for a day, and is asked for again each minute

So an issuer that is away for an hour stops nobody whose key is known, and tokens with invented
ids cause one request a minute. A key that an issuer takes back counts for ten minutes, and while
the issuer is away.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Protocol

import structlog

from signer.access.oidc.fetching import WHOLE_S
from signer.access.oidc.jwks import Key, KeySet
from signer.errors import IssuerError, TokenKeyError
from verifier.errors import SealbookError

log = structlog.get_logger()

EACH_S = 60.0
YOUNG_S = 300.0
FRESH_S = 600.0
OLDEST_S = 86_400.0
_MOST_WAITING = 8
_WAIT_S = WHOLE_S + 1

Fetch = Callable[[], Coroutine[None, None, KeySet]]


class Keys(Protocol):
    """Where the keys of an issuer come from. Safe in many threads."""

    def key(self, key_id: str) -> Key:
        """Return the key of that id; it may take as long as a fetch.

        Raises:
            TokenKeyError: the issuer has none.
            IssuerError: nobody knows what keys it has.
        """


class FetchedKeys:
    """Keys that are fetched. `clock` is a monotonic clock, in seconds."""

    def __init__(
        self, issuer: str, fetch: Fetch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Know nothing yet; whoever asks first waits for the first fetch."""
        self._issuer, self._fetch, self._clock = issuer, fetch, clock
        self._lock = threading.Lock()
        # All below is the lock's.
        self._keys: KeySet | None = None
        self._fetched_at = self._tried_at = float("-inf")
        self._why = ""  # the last attempt failed; empty when it did not
        self._under_way: threading.Event | None = None
        self._waiting = 0

    def key(self, key_id: str) -> Key:
        """Return the key of that id; see `Keys`."""
        with self._lock:
            found = self._known(key_id)
            age = self._clock() - self._fetched_at
            under_way = self._under_way
            if (found is None or age > YOUNG_S) and under_way is None and self._may_try():
                under_way = self._start()
            if found is not None and (age <= FRESH_S or under_way is None):
                return found
            # Waiting takes a thread each: others are told to come again.
            if under_way is None or self._waiting >= _MOST_WAITING:
                raise self._missing(known=found is not None)
            self._waiting += 1
        try:
            under_way.wait(_WAIT_S)
        finally:
            with self._lock:
                self._waiting -= 1
        with self._lock:
            found = self._known(key_id)
            if found is None:
                raise self._missing()
            return found

    def _known(self, key_id: str) -> Key | None:
        keys = self._keys
        if keys is None or self._clock() - self._fetched_at > OLDEST_S or key_id not in keys:
            return None
        return keys.key(key_id)

    def _may_try(self) -> bool:
        return self._clock() - self._tried_at >= EACH_S

    def _missing(self, *, known: bool = False) -> SealbookError:
        if known or self._keys is None or self._clock() - self._fetched_at > OLDEST_S:
            # Why is for whoever runs this: it may name hosts that callers do not know.
            return IssuerError("the keys of the issuer cannot be had, so no token of it is judged")
        return TokenKeyError("the issuer has no key of the id that the token names")

    def _start(self) -> threading.Event | None:
        self._tried_at = self._clock()
        done = threading.Event()
        thread = threading.Thread(target=self._run, args=(done,), name="issuer-keys", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads: in a minute, perhaps
            return None
        # It waits for the lock before it takes this away again.
        self._under_way = done
        return done

    def _run(self, done: threading.Event) -> None:
        asyncio.run(self._try(done))

    async def _try(self, done: threading.Event) -> None:
        keys, why = None, f"the keys of {self._issuer} could not be fetched"
        try:
            keys = await self._fetch()
            why = ""
        except SealbookError as e:
            why = e.message
            log.warning("issuer-keys", issuer=self._issuer, code=e.code, error=why)
        finally:
            # Here, and not when the loop has ended: that may wait for a name to be resolved.
            with self._lock:
                if keys is not None:
                    self._keys, self._fetched_at = keys, self._clock()
                self._why, self._under_way = why, None
            done.set()
