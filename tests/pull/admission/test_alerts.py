"""Alerts: bounded in number, in time and in what is remembered; nobody waits for them."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import Any

import pytest

from ledger.transport import Request, Response, TransportError
from signer.admission import alerting
from signer.admission.alerting import Alerts
from tests.pull.admission.webhook import until
from verifier.pull.admission.judging import Judged
from verifier.pull.decision import Decision


class Hook:
    """A double of a transport: keeps what was posted, and may be slow or fail."""

    def __init__(self, *, fails: bool = False) -> None:
        self.heard: list[dict[str, Any]] = []
        self.open = threading.Event()
        self.open.set()
        self.fails = fails

    def __call__(self, request: Request) -> Response:
        self.open.wait()
        if self.fails:
            raise TransportError("nobody")
        self.heard.append(json.loads(request.body))
        return Response(204, "", b"")


def refused(*digests: str, namespace: str = "shop", **more: Any) -> Judged:
    """Return a refusal of some images."""
    decisions = tuple(
        Decision(False, f"sha256:{one}", "registry.example/web", "unsigned", "by nobody")  # noqa: FBT003
        for one in digests
    )
    return Judged({}, False, "uid", namespace, "Pod shop/x", "unsigned", "no", decisions, **more)  # noqa: FBT003


def alerts(hook: Hook, counted: Counter[str], repeat_s: float = 600.0, **more: float) -> Alerts:
    return Alerts(
        hook, "https://hook.example/", repeat_s, lambda how: counted.update([how]), **more
    )


def test_the_same_is_told_once_and_then_how_often() -> None:
    """The same image in the same namespace is told once, and after a while with a count."""
    hook, counted = Hook(), Counter[str]()
    told = alerts(hook, counted, repeat_s=0.5)
    for _ in range(5):
        told.tell(refused("a"))
    told.tell(refused("a", namespace="other"))
    until(lambda: len(hook.heard) == 2)
    time.sleep(0.6)
    told.tell(refused("a"))
    told.close()
    assert [1, 1, 5] == [one["times"] for one in hook.heard]
    assert {"sent": 3, "repeated": 4} == counted


def test_what_is_told_of() -> None:
    """Refusals are told, each image that was refused and no other; yes and dry runs are not."""
    hook, counted = Hook(), Counter[str]()
    told = alerts(hook, counted)
    fine = refused("a").decisions[0]._replace(allowed=True, code="", digest="sha256:fine")
    both = refused("a", "b")
    told.tell(both._replace(decisions=(fine, *both.decisions)))
    told.tell(refused("c")._replace(allowed=True))
    told.tell(refused("d", dry_run=True))
    told.tell(refused()._replace(code="bad-object", message="no containers"))
    told.close()
    assert ["sha256:a", "sha256:b", ""] == [one["digest"] for one in hook.heard]
    assert "bad-object" == hook.heard[2]["refused"][0]["code"]


def test_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody takes alerts, telling returns at once, and what is too much is counted."""
    monkeypatch.setattr(alerting, "_END_S", 0.3)
    hook, counted = Hook(), Counter[str]()
    hook.open.clear()
    told = alerts(hook, counted, timeout_s=0.2)
    began = time.monotonic()
    for i in range(1000):
        told.tell(refused(str(i)))
    assert time.monotonic() - began < 5
    assert 1000 - alerting._MOST_WAITING - 20 <= counted["dropped"] < 1000
    began = time.monotonic()
    told.close()
    assert time.monotonic() - began < 10
    hook.open.set()


def test_what_fails_stops_nothing() -> None:
    """An alert that cannot be posted is counted, and the next one is tried."""
    hook, counted = Hook(fails=True), Counter[str]()
    told = alerts(hook, counted)
    told.tell(refused("a"))
    until(lambda: counted["failed"] == 1)
    hook.fails = False
    told.tell(refused("b"))
    until(lambda: len(hook.heard) == 1)
    told.close()


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is refused, no more than some thousand refusals are remembered."""
    monkeypatch.setattr(alerting, "_END_S", 0.3)
    told = alerts(Hook(), Counter[str]())
    for i in range(alerting._MOST_REMEMBERED + 100):
        told.tell(refused(str(i)))
    assert alerting._MOST_REMEMBERED == len(told._told)
    told.close()
