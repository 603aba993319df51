"""Whatever becomes of a review, it is answered over TLS in time, and by no more than a yes.

The judge is a double here; `test_webhook` has the real one.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from signer.admission.settings import Listen
from signer.admission.tls import Callers
from tests.pull.admission.webhook import UID, Client, Serving, review, until, yes
from tests.pull.papers import Authority
from verifier import limits
from verifier.errors import (
    MalformedError,
    NotApprovedError,
    TrustStaleError,
    VerificationError,
)
from verifier.pull.admission import asgi, metrics
from verifier.pull.admission.judging import Judged
from verifier.pull.decision import Decision

BODY = review("registry.example/team/app@sha256:" + "ab" * 32)


def judge(body: bytes, *, mutating: bool, left_s: float) -> Judged:
    """A judge that always says yes."""
    del mutating, left_s
    return yes(body)


def raising(error: BaseException) -> Any:
    """Return a judge that raises."""

    def judge(body: bytes, *, mutating: bool, left_s: float) -> Judged:
        raise error

    return judge


def pushed(connection: ssl.SSLSocket, data: bytes, *, answer: bool = True) -> bytes:
    """Send what the other side may not want all of; return what it says to that.

    Where it closes before it has read all of it, the system may throw its answer away.
    """
    try:
        connection.sendall(data)
        return connection.recv(1 << 12) if answer else b""
    except OSError:
        return b" 413 "


def test_both_doors(tmp_path: Path) -> None:
    """/mutate and /validate ask the judge, each as what it is."""
    asked = []

    def asking(body: bytes, *, mutating: bool, left_s: float) -> Judged:
        asked.append((body, mutating))
        return yes(body)

    with Serving(tmp_path, asking) as webhook:
        answers = [webhook.ask(path, BODY) for path in ("/mutate", "/validate")]
    assert [{"uid": UID, "allowed": True}] * 2 == [one.response for one in answers]
    assert [(BODY, True), (BODY, False)] == asked
    assert "application/json" == answers[0].headers["content-type"]


ERRORS = [
    (RuntimeError("a bug"), "internal-error"),
    (MemoryError(), "internal-error"),
    (KeyError("x"), "internal-error"),
    (OSError("no disk"), "internal-error"),
    (SystemExit(0), "internal-error"),
    (GeneratorExit(), "internal-error"),
    (TimeoutError(), "admission-timeout"),
    (NotApprovedError("of nobody"), "not-approved"),
]


def test_a_judge_that_raises_is_a_refusal(tmp_path: Path) -> None:
    """Whatever the judge raises, the answer is a no with a reason, and the next one is answered."""
    left = [error for error, _ in ERRORS]

    def failing(body: bytes, *, mutating: bool, left_s: float) -> Judged:
        if left:
            raise left.pop(0)
        return yes(body)

    with Serving(tmp_path, failing) as webhook:
        for _, code in ERRORS:
            answer = webhook.ask("/validate", BODY)
            assert UID == answer.response["uid"]
            assert f"({code})" in answer.message
            assert 403 == answer.response["status"]["code"]
        assert webhook.ask("/validate", BODY).response["allowed"]


RESPONSE = {"uid": UID, "allowed": True}
NO = Decision(
    allowed=False,
    digest="sha256:" + "ab" * 32,
    repository="registry.example/team/app",
    code="not-approved",
)


def judged(answer: Any, *, allowed: bool, uid: str = UID, **more: Any) -> Judged:
    """Return what a judge might say."""
    return Judged(answer, allowed, uid, "shop", "Pod shop/web-1", **more)


NOT_YES = [
    None,
    judged({}, allowed=True),
    judged({"response": RESPONSE}, allowed=False, code="revoked"),
    judged({"response": RESPONSE}, allowed=True, uid="another"),
    judged({"response": {**RESPONSE, "allowed": 1}}, allowed=True),
    judged({"response": RESPONSE}, allowed=True, decisions=(NO,)),
    judged({"response": RESPONSE, "x": object()}, allowed=True),
]


def test_an_answer_that_is_not_what_was_judged_is_a_refusal(tmp_path: Path) -> None:
    """A yes is sent only if it is the judge's yes, to this question, to all of its images."""
    left = list(NOT_YES)
    with Serving(tmp_path, lambda *_, **__: left.pop()) as webhook:
        for _ in NOT_YES:
            assert "(internal-error)" in webhook.ask("/mutate", BODY).message


def test_no_review_is_no_yes(tmp_path: Path) -> None:
    """What is no AdmissionReview is status 400 with a reason, which an API server refuses by."""
    with Serving(tmp_path, raising(MalformedError("not a review\n\x1b[31m"))) as webhook:
        answer = webhook.ask("/validate", b"{}")
    assert (400, True) == (answer.status, b"(malformed)" in answer.body)
    assert b"\x1b" not in answer.body


def test_an_unknown_spelling_is_refused_by_the_status(tmp_path: Path) -> None:
    """Where the question's uid is not where API servers write it, the status says no."""
    body = json.dumps({"request": {"object": {"uid": "evil"}, "uid": UID}}).encode()
    with Serving(tmp_path, raising(RuntimeError())) as webhook:
        answer = webhook.ask("/validate", body)
    assert 500 == answer.status
    assert b"evil" not in answer.body


def test_what_else_is_asked(tmp_path: Path) -> None:
    """There is nothing beside what is documented."""
    with Serving(tmp_path, judge) as webhook:
        for path, method, status in (
            ("/", "GET", 404),
            ("/validate/", "POST", 404),
            ("/validate", "GET", 405),
            ("/mutate", "PUT", 405),
            ("/metrics", "POST", 405),
            ("/healthz", "GET", 200),
            ("/healthz", "HEAD", 200),
            ("/readyz", "GET", 200),
        ):
            body = b"{}" if method in ("POST", "PUT") else None
            assert status == webhook.ask(path, body, method).status


def test_a_body_that_is_too_large(tmp_path: Path) -> None:
    """A body over the limit is refused before it is read, and also if its length was not told."""
    with Serving(tmp_path, judge) as webhook:
        large = {"content-length": str(limits.ADMISSION + 1)}
        assert 413 == webhook.ask("/validate", b"{}", headers=large).status
        with webhook.connect() as connection:
            connection.sendall(
                b"POST /validate HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            part = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
            assert b" 413 " in pushed(connection, part * (limits.ADMISSION // (1 << 16) + 1))
        assert webhook.ask("/validate", BODY).response["allowed"]
        assert 2 == webhook.series()["sealbook_admission_reviews_total result=malformed"]


def test_bodies_of_many_are_bounded_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many send, no more of bodies is held than is allowed, and what was is let go."""
    monkeypatch.setattr(asgi, "_MOST_HELD", 4 << 20)
    busy, opened = "sealbook_admission_reviews_total result=busy", []
    with Serving(tmp_path, judge) as webhook:
        head = f"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: {1 << 20}\r\n\r\n"
        for _ in range(6):
            connection = webhook.connect()
            opened.append(connection)
            pushed(connection, head.encode() + bytes((1 << 20) - 1), answer=False)
        until(lambda: webhook.series()[busy] == 2)
        for one in opened:
            one.close()
        until(lambda: webhook.app._held == 0)
        assert webhook.ask("/validate", BODY).response["allowed"]


def test_a_client_that_drips(tmp_path: Path) -> None:
    """Who sends a body byte by byte is refused in time, and keeps nobody else waiting."""
    with Serving(tmp_path, judge, deadline_s=1.0) as webhook, webhook.connect() as connection:
        connection.sendall(
            f"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n\r\n".encode()
        )
        began = time.monotonic()
        stop = threading.Event()

        def drip() -> None:
            for byte in BODY:
                if stop.wait(0.05):
                    return
                try:
                    connection.sendall(bytes([byte]))
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert webhook.ask("/validate", BODY).response["allowed"]
        assert b" 408 " in connection.recv(1 << 12)
        assert time.monotonic() - began < 10
        stop.set()
        dripping.join()
        assert 1 == webhook.series()["sealbook_admission_reviews_total result=late"]


@pytest.mark.parametrize("query", ["", "?timeout=1s"])
def test_a_judge_that_does_not_come_back(tmp_path: Path, query: str) -> None:
    """The answer is there before the API server gives up, though the judge never answers."""
    forever = threading.Event()
    left = []

    def waiting(body: bytes, *, mutating: bool, left_s: float) -> Judged:
        left.append(left_s)
        forever.wait()
        return yes(body)

    with Serving(tmp_path, waiting, deadline_s=9.0 if query else 1.0) as webhook:
        began = time.monotonic()
        answer = webhook.ask(f"/validate{query}", BODY)
        taken = time.monotonic() - began
        forever.set()
        assert "(admission-timeout)" in answer.message
        assert taken < 5
        assert left[0] < 1  # and the judge was told how long it has


def test_no_thread_is_free(tmp_path: Path) -> None:
    """Reviews that wait for a thread too long are refused in time, and are never judged."""
    forever, asked = threading.Event(), []

    def waiting(body: bytes, *, mutating: bool, left_s: float) -> Judged:
        asked.append(1)
        forever.wait()
        return yes(body)

    with Serving(tmp_path, waiting, deadline_s=2.0) as webhook:
        webhook.app._threads = ThreadPoolExecutor(2)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: webhook.ask("/validate", BODY), range(8)))
        forever.set()
        webhook.app._threads.shutdown()
        assert all("(admission-timeout)" in one.message for one in answers)
    assert 2 == len(asked)


def test_health(tmp_path: Path) -> None:
    """A review that never ends is seen by who would restart us, and one that ends is forgotten."""
    going = threading.Event()

    def waiting(body: bytes, *, mutating: bool, left_s: float) -> Judged:
        going.wait()
        return yes(body)

    with Serving(tmp_path, waiting, deadline_s=0.4, stuck_s=0.5) as webhook:
        assert 200 == webhook.ask("/healthz").status
        webhook.ask("/validate", BODY)
        until(lambda: webhook.ask("/healthz").status == 503)
        going.set()
        until(lambda: webhook.ask("/healthz").status == 200)


def test_ready(tmp_path: Path) -> None:
    """It is ready while what we believe is fresh, says why not, and not once it is told to stop."""
    trouble: list[BaseException] = []

    def check() -> None:
        if trouble:
            raise trouble[0]

    with Serving(tmp_path, judge, check_ready=check) as webhook:
        assert 200 == webhook.ask("/readyz").status
        assert 1 == webhook.series()["sealbook_admission_ready"]
        for error, told in (
            (TrustStaleError("eight days old"), b"eight days old (trust-stale)"),
            (RuntimeError("a bug"), b"a bug"),
        ):
            trouble[:] = [error]
            webhook.app._ready = (0.0, "")
            answer = webhook.ask("/readyz")
            assert (503, True) == (answer.status, told in answer.body)
        assert 0 == webhook.series()["sealbook_admission_ready"]
        trouble.clear()
        webhook.app._ready = (0.0, "")
        webhook.app.stopping = True
        answer = webhook.ask("/readyz")
        assert (503, "close") == (answer.status, answer.headers["connection"])


def test_only_the_api_server(tmp_path: Path) -> None:
    """With an authority for it, who asks must show a certificate of it; probes need none."""
    callers = Authority(tmp_path / "callers", "callers")
    good, other = callers.issue("kube-apiserver"), callers.issue("a-kubelet")
    listen = Listen("", client_ca=callers.certificate, client_names=("kube-apiserver",))
    admits = Callers(listen).admits
    with Serving(tmp_path / "a", judge, client_ca=callers.certificate, admits=admits) as webhook:
        asked = {}
        for name, pair in (("good", good), ("other", other), ("nobody", None)):
            client = Client(webhook.port, webhook.authority.certificate, pair)
            asked[name] = client.ask("/validate", BODY).status
        assert {"good": 200, "other": 401, "nobody": 401} == asked
        assert 200 == webhook.ask("/readyz").status
        assert 2 == webhook.series()["sealbook_admission_reviews_total result=stranger"]


def test_listeners_never_delay_or_change_an_answer(tmp_path: Path) -> None:
    """Who is told of answers hears of each once it is sent, and may fail."""
    told: list[Judged] = []

    def tell(judged: Judged, mutating: bool) -> None:
        assert not mutating
        told.append(judged)
        raise RuntimeError

    with Serving(tmp_path, judge, told=tell) as webhook:
        for _ in range(3):
            assert webhook.ask("/validate", BODY).response["allowed"]
        until(lambda: len(told) == 3)


def test_series_are_bounded(tmp_path: Path) -> None:
    """Whatever codes decisions have, /metrics has the ones that are ours, and one for the rest."""
    codes = ["not-approved", "revoked", *(f"evil{i}" for i in range(50))]
    decisions = tuple(NO._replace(code=code) for code in codes)
    warned = NO._replace(allowed=True, code="not-approved")
    remembered = NO._replace(allowed=True, code="", remembered=True)
    no = {"response": {"uid": UID, "allowed": False}}
    answers = [
        judged(no, allowed=False, code="evil", decisions=decisions),
        judged({"response": RESPONSE}, allowed=True, decisions=(warned, remembered)),
    ]
    with Serving(tmp_path, lambda *_, **__: answers.pop()) as webhook:
        before = len(webhook.series())
        webhook.ask("/validate", BODY)
        webhook.ask("/validate", BODY)
        found = webhook.series()
    images = "sealbook_admission_images_total"
    assert 50 == found[f"{images} code=other result=refused"]
    assert 1 == found[f"{images} code=revoked result=refused"]
    assert 1 == found[f"{images} code=not-approved result=warned"]
    assert 1 == found["sealbook_admission_cache_hits_total"]
    assert 1 == found["sealbook_admission_reviews_total result=warned"]
    assert 1 == found["sealbook_admission_reviews_total result=refused"]
    assert 2 == found["sealbook_admission_review_seconds_count"]
    assert len(found) <= before + 4


def test_every_code_is_a_label() -> None:
    """The codes of all ways to say no are few enough to be labels."""
    codes = set(metrics._codes(VerificationError))
    assert {"not-approved", "trust-stale", "registry-timeout"} <= codes
    assert len(codes) < metrics._MOST_CODES
