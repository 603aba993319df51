"""Admission over HTTP, as a plain ASGI callable. Whatever goes wrong here is a refusal.

    POST /mutate    an AdmissionReview; what is allowed is pinned by the patch in the answer
    POST /validate  an AdmissionReview
    GET  /healthz   200 while reviews end; 503 when one does not any more
    GET  /readyz    200 while what we believe is there and fresh, and nobody has us stop
    GET  /metrics   text for Prometheus

The API server waits for so long as it says in `?timeout=10s`, and then goes by its
failurePolicy; whoever asked is not told why. So the answer is sent before, always, with a
reason: also when no thread was free for it, or the judge has not come back.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from verifier import limits
from verifier.errors import MalformedError, SealbookError, VerificationError
from verifier.pull.admission.errors import TooLateError
from verifier.pull.admission.judging import Judge, Judged
from verifier.pull.admission.metrics import Metrics
from verifier.pull.admission.replying import Reply, refused, reply_of, text

# Where whoever serves us puts the certificate that the peer has shown: DER, or None.
CERTIFICATE = "sealbook.certificate"
DEADLINE_S = 9.0  # from the request's first byte to the answer's
_THREADS = 256
_MOST_REVIEWS = 1024  # at once, most of them waiting for a thread
_MOST_HELD = 96 << 20  # bytes of their bodies
_READ_S = 4.0  # for a body
_MARGIN, _SAYING_S = 0.85, 1.0  # of the time that there is, and what it takes to say so
_STUCK_S = 60.0
_READY_S = 1.0  # for which an answer about it is good
_QUERY = re.compile(rb"(?:.*&)?timeout=([1-9][0-9]?)s(?:&.*)?")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Admission:
    """The ASGI application of one webhook."""

    def __init__(
        self,
        judge: Judge,
        check_ready: Callable[[], None],
        metrics: Metrics,
        *,
        told: Callable[[Judged, bool], None] = lambda _, __: None,
        admits: Callable[[bytes | None], bool] = lambda _: True,
        deadline_s: float = DEADLINE_S,
        stuck_s: float = _STUCK_S,
    ) -> None:
        """Answer by `judge`, within `deadline_s`.

        `check_ready` raises what keeps us from saying yes; `told` hears of each answer once it
        is sent, and whether it could mutate, and must not wait; `admits` says who may ask, by
        their certificate.
        """
        self._judge = judge
        self._check_ready = check_ready
        self._metrics = metrics
        self._told = told
        self._admits = admits
        self._deadline_s = deadline_s
        self._stuck_s = stuck_s
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="review")
        self._looks = ThreadPoolExecutor(1, thread_name_prefix="ready")
        self._running: dict[object, float] = {}  # since when, by a token of each
        self._waiting = self._held = 0
        self._ready = (0.0, "")  # when it was last asked, and what it said
        self._asking = asyncio.Lock()
        self.stopping = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        assert scope["type"] == "http"
        began = time.monotonic()
        judged: Judged | None = None
        try:
            reply, judged = await self._reply(scope, receive, began)
        except Exception:  # noqa: BLE001  a bug of ours is a refusal too
            reply = Reply(500, b"refused: internal-error\n", close=True)
            self._metrics.ended("error")
        headers = [
            (b"content-type", reply.media_type),
            (b"content-length", str(len(reply.body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if reply.allow:
            headers.append((b"allow", reply.allow))
        if reply.close or self.stopping:  # who goes on asks another one of us
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})
        if judged is not None:
            with contextlib.suppress(Exception):  # the answer stands
                self._told(judged, scope["path"] == "/mutate")

    async def _reply(
        self, scope: Message, receive: Receive, began: float
    ) -> tuple[Reply, Judged | None]:
        method, path = scope["method"], scope["path"]
        looks = {"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._figures}
        if path not in looks and path not in ("/mutate", "/validate"):
            return Reply(404, b"there is nothing here\n", close=True), None
        allowed = "GET, HEAD" if path in looks else "POST"
        if method not in allowed.split(", "):
            return Reply(405, b"not so\n", close=True, allow=allowed.encode()), None
        if path in looks:
            return await looks[path](), None
        if not self._admits(scope.get(CERTIFICATE)):
            self._metrics.ended("stranger")
            told = b"refused: expected the API server, by its certificate\n"
            return Reply(401, told, close=True), None
        return await self._reviewed(scope, receive, began)

    async def _reviewed(
        self, scope: Message, receive: Receive, began: float
    ) -> tuple[Reply, Judged | None]:
        deadline = began + self._allowed_s(scope.get("query_string", b""))
        if self._waiting >= _MOST_REVIEWS:
            return self._busy(), None
        self._waiting += 1
        held: list[int] = []
        try:
            body = await self._read(scope["headers"], receive, deadline, held)
            if isinstance(body, Reply):
                return body, None
            mutating = scope["path"] == "/mutate"
            return await self._judged(body, mutating=mutating, began=began, deadline=deadline)
        finally:
            self._waiting -= 1
            self._held -= sum(held)

    def _allowed_s(self, query: bytes) -> float:
        """Return how long an answer may take: ours, or less if the API server waits for less."""
        said = _QUERY.fullmatch(query)
        return min(self._deadline_s, _MARGIN * int(said[1])) if said else self._deadline_s

    async def _read(
        self, headers: list[tuple[bytes, bytes]], receive: Receive, deadline: float, held: list[int]
    ) -> bytes | Reply:
        """Return the body, or the refusal of one that is too large or too slow.

        What it holds is counted in `held`, and in all.
        """
        most = limits.ADMISSION
        too_large = Reply(413, f"refused: expected at most {most} bytes\n".encode(), close=True)
        length = dict(headers).get(b"content-length", b"0")
        if len(length) > 18 or not length.isdigit() or int(length) > most:
            self._metrics.ended("malformed")
            return too_large
        body = bytearray()
        left_s = min(_READ_S, deadline - time.monotonic())
        try:
            async with asyncio.timeout(left_s):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        self._metrics.ended("malformed")
                        return Reply(400, b"the request ended early\n", close=True)
                    part = message.get("body", b"")
                    if self._held + len(part) > _MOST_HELD:
                        return self._busy()
                    self._held += len(part)
                    held.append(len(part))
                    body += part
                    if len(body) > most:
                        self._metrics.ended("malformed")
                        return too_large
                    more = message.get("more_body", False)
        except TimeoutError:
            self._metrics.ended("late")
            told = f"refused: expected the review within {left_s:.0f} s\n"
            return Reply(408, told.encode(), close=True)
        return bytes(body)

    async def _judged(
        self, body: bytes, *, mutating: bool, began: float, deadline: float
    ) -> tuple[Reply, Judged | None]:
        """Return the answer to a review, whatever becomes of the judge."""
        try:
            async with asyncio.timeout_at(self._loop_time(deadline)):
                judged = await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._run, body, mutating, deadline
                )
            reply = reply_of(judged)
        except TimeoutError:
            self._metrics.ended("late")
            late = TooLateError("nobody came to an answer in time")
            return refused(body, late.code, late.message, late.hint), None
        except MalformedError as e:
            self._metrics.ended("malformed")
            return text(400, f"refused: {e.message} ({e.code})"), None
        except VerificationError as e:
            self._metrics.ended("error")
            return refused(body, e.code, e.message, e.hint), None
        except Exception as e:  # noqa: BLE001  whatever it is, the answer is no
            self._metrics.ended("error")
            return refused(body, "internal-error", f"{type(e).__name__}: {e}"), None
        self._metrics.answered(judged, time.monotonic() - began)
        return reply, judged

    @staticmethod
    def _loop_time(deadline: float) -> float:
        return asyncio.get_running_loop().time() + deadline - time.monotonic()

    def _run(self, body: bytes, mutating: bool, deadline: float) -> Judged:
        """Judge, in a thread; what has waited too long for one is not begun."""
        now = time.monotonic()
        left_s = deadline - now
        left_s -= min(_SAYING_S, (1 - _MARGIN) * left_s)
        if left_s <= 0:
            raise TimeoutError
        mine = object()
        self._running[mine] = now
        try:
            return self._judge(body, mutating=mutating, left_s=left_s)
        except (VerificationError, Exception):
            raise
        except BaseException as e:  # a panic in Rust must not end the thread
            raise RuntimeError(type(e).__name__) from e
        finally:
            del self._running[mine]

    def _busy(self) -> Reply:
        self._metrics.ended("busy")
        return Reply(503, b"refused: too many reviews at once (busy)\n", close=True)

    async def _healthz(self) -> Reply:
        since = min(list(self._running.values()), default=time.monotonic())
        if time.monotonic() - since > self._stuck_s:
            return Reply(503, b"a review does not end\n")
        return Reply(200, b"ok\n")

    async def _readyz(self) -> Reply:
        trouble = "we are told to stop" if self.stopping else await self._trouble()
        if trouble:
            return text(503, f"not ready: {trouble}")
        return Reply(200, b"ok\n")

    async def _trouble(self) -> str:
        """Return what keeps us from saying yes, as it was a moment ago; nothing if nothing."""
        async with self._asking:
            if time.monotonic() - self._ready[0] > _READY_S:
                trouble = ""
                try:
                    async with asyncio.timeout(self._deadline_s):
                        loop = asyncio.get_running_loop()
                        await loop.run_in_executor(self._looks, self._checked)
                except SealbookError as e:
                    trouble = f"{e.message} ({e.code})"
                except Exception as e:  # noqa: BLE001
                    trouble = f"{type(e).__name__}: {e}"
                self._ready = (time.monotonic(), trouble)
            return self._ready[1]

    def _checked(self) -> None:
        mine = object()
        self._running[mine] = time.monotonic()
        try:
            self._check_ready()
        finally:
            del self._running[mine]

    async def _figures(self) -> Reply:
        ready = not self.stopping and not await self._trouble()
        series = self._metrics.text(ready=ready, under_way=self._waiting)
        return Reply(200, series.encode(), b"text/plain; version=0.0.4; charset=utf-8")

    def close(self) -> bool:
        """Begin no further review; return whether one runs that nobody waits for any more."""
        for pool in (self._threads, self._looks):
            pool.shutdown(wait=False, cancel_futures=True)
        return bool(self._running)
