"""Telling somebody of each refusal: never late for an answer, never more than they can take.

    POST URL
    {"type":"urn:sealbook:refused:v1","at":"2026-11-26T11:40:00Z","namespace":"shop",
     "object":"Pod shop/web-…","repository":"registry.bank.example/web","digest":"sha256:…",
     "refused":[{"digest":"sha256:…","code":"not-approved","message":"…"}],"times":1}

A controller whose pod was refused tries again and again: the same refusal in one namespace is
told once, and then after a while how many there were since. What cannot be told is counted.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ledger.transport import Transport
from signer.carry.alerting import alert
from verifier.pull.admission.judging import Judged

_MOST_WAITING = 256
_MOST_REMEMBERED = 4096
_TIMEOUT_S = 5.0
_END_S = 3.0


class _Key(NamedTuple):
    """What makes two refusals one."""

    namespace: str
    repository: str
    digest: str
    code: str


class _Refusal(NamedTuple):
    """One refusal, and how often it was made since it was last told of."""

    key: _Key
    what: str
    message: str
    times: int


class Alerts:
    """Posts refusals to one URL, from one thread of its own."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        repeat_s: float,
        counted: Callable[[str], None],
        *,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        """Post to `url`, the same thing every `repeat_s` at most; `counted` hears how it went."""
        self._transport, self._url = transport, url
        self._repeat_s, self._timeout_s = repeat_s, timeout_s
        self._counted = counted
        self._waiting: queue.Queue[_Refusal | None] = queue.Queue(_MOST_WAITING)
        # When it was told, and how often it came since; the least recent first.
        self._told: OrderedDict[_Key, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._post, name="alerts", daemon=True)
        self._thread.start()

    def tell(self, judged: Judged) -> None:
        """Have it told what was refused; returns at once."""
        if judged.allowed or judged.dry_run:
            return
        for key, message in _refusals(judged):
            times = self._times(key)
            if not times:
                self._counted("repeated")
                continue
            try:
                self._waiting.put_nowait(_Refusal(key, judged.what, message, times))
            except queue.Full:
                self._counted("dropped")

    def close(self) -> None:
        """Tell what waits, for some seconds at most."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(_END_S)

    def _times(self, key: _Key) -> int:
        """Return how often it was refused since it was told of; 0 if it is too early again."""
        now = time.monotonic()
        with self._lock:
            at, since = self._told.pop(key, (-self._repeat_s - 1, 0))
            early = now - at < self._repeat_s
            self._told[key] = (at, since + 1) if early else (now, 0)
            if len(self._told) > _MOST_REMEMBERED:
                self._told.popitem(last=False)
        return 0 if early else since + 1

    def _post(self) -> None:
        while (one := self._waiting.get()) is not None:
            key = one.key
            refused = {"digest": key.digest, "code": key.code, "message": one.message}
            told = {
                "namespace": key.namespace,
                "object": one.what,
                "repository": key.repository,
                "digest": key.digest,
                "refused": [refused],
                "times": one.times,
            }
            try:
                alert(self._transport, self._url, told, timeout_s=self._timeout_s)
            except Exception:  # noqa: BLE001  whatever it was, the next one is told
                self._counted("failed")
            else:
                self._counted("sent")


def _refusals(judged: Judged) -> Iterator[tuple[_Key, str]]:
    """Yield each image that was refused; or that the whole review was, before any image."""
    none = True
    for one in judged.decisions:
        if not one.allowed:
            none = False
            yield _Key(judged.namespace, one.repository, one.digest, one.code), one.message
    if none:
        yield _Key(judged.namespace, "", "", judged.code), judged.message
