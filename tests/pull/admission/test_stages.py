"""Whatever goes wrong inside the webhook, at any stage, no object is let through by it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.pull.admission.asking import GOOD, REPOSITORY, Says, core, review, spec_of
from tests.verifier.stages import Run, Stage, failing, owners, returned, stages, sweeping
from verifier.pull.admission.asgi import Admission
from verifier.pull.admission.metrics import Metrics
from verifier.pull.decision import Decision

TAG = f"{REPOSITORY}:1.4"


class Panic(BaseException):
    """As what `cryptography` raises when its own code in Rust fails: no Exception."""


ERRORS = (RuntimeError, MemoryError, KeyError, OSError, Panic)
# Functions that may give nothing and still leave a yes, and why.
NOTHING_IS_FINE = {
    "containers._name": "only words in an answer",
    "core._pinned": "it is refused when it is validated: see test_what_was_not_pinned",
    "errands._Errand.lane": "only who shares a turn",
    "references.Reference.pinned": "it is refused when it is validated, too",
    "review.Review.what": "only words in an answer",
}
BODY = json.dumps(review(spec_of(TAG, TAG))).encode()


@pytest.fixture(autouse=True)
def _swept() -> Iterator[None]:
    with sweeping():
        yield


def judging() -> Run:
    """The core, at one review that it lets through."""
    return Run(
        lambda: core(Says({TAG: GOOD})), lambda made: made(BODY, mutating=True, left_s=2).review
    )


def allowed(answer: Any) -> bool:
    """Whether an API server would let the object through."""
    try:
        return answer["response"]["allowed"] is True
    except (TypeError, KeyError):
        return False


def outcome(run: Run, stage: Stage, error: BaseException) -> str:
    try:
        return "yes" if allowed(failing(run, stage, error)) else "no"
    except AssertionError:
        raise
    except BaseException as e:  # noqa: BLE001  the application makes a no of it
        return type(e).__name__


def test_each_stage_of_the_core_raises() -> None:
    """
    Whatever a stage raises, the review is refused, or there is no review to answer with.
    """
    run = judging()
    found = [one for one in stages(run) if not one.name.endswith(("lock.__exit__", "__exit__"))]
    outcomes = {
        stage.name: outcome(run, stage, ERRORS[number % len(ERRORS)]("canary"))
        for number, stage in enumerate(found)
    }

    assert allowed(run())
    assert len(outcomes) > 60
    assert [] == [name for name, came in outcomes.items() if came == "yes"]


def test_nothing_in_the_place_of_something() -> None:
    """
    A function that gives nothing in the place of something lets nothing through.
    """
    run = judging()
    outcomes = {}
    for name, code in returned(run).items():
        if "/admission/" not in code.co_filename:
            continue
        with pytest.MonkeyPatch.context() as patch:
            for owner, function in owners(code):
                patch.setattr(owner, function, nothing_like(vars(owner)[function]))
            try:
                outcomes[name] = "yes" if allowed(run()) else "no"
            except Exception as e:  # noqa: BLE001
                outcomes[name] = type(e).__name__

    assert len(outcomes) > 15
    assert set(NOTHING_IS_FINE) >= {name for name, came in outcomes.items() if came == "yes"}


@pytest.mark.parametrize("function", ["core._pinned", "references.Reference.pinned"])
def test_what_was_not_pinned(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What a bug left unpinned when it was changed is refused when it is validated.
    """
    code = returned(judging())[function]
    for owner, name in owners(code):
        monkeypatch.setattr(owner, name, nothing_like(vars(owner)[name]))
    spec = spec_of(TAG)
    answer = core(Says({TAG: GOOD}))(
        json.dumps(review(spec)).encode(), mutating=True, left_s=2
    ).review
    patch = answer["response"].get("patch")
    if patch is not None:
        [change] = json.loads(base64.b64decode(patch))
        spec["containers"][0]["image"] = change["value"]
    body = json.dumps(review(spec)).encode()

    assert not allowed(json.loads(core(Says()).decide(body, mutating=False)))


def nothing_like(function: Any) -> Any:
    """Return what can stand where `function` does, and gives nothing."""

    def nothing(*_: object, **__: object) -> None:
        return None

    if isinstance(function, property):
        return property(nothing)
    return staticmethod(nothing) if isinstance(function, (staticmethod, classmethod)) else nothing


class Failing(Says):
    """A double of the gate and of registries that fails at one of its two questions."""

    def __init__(self, where: str, error: BaseException | None) -> None:
        super().__init__({TAG: GOOD})
        self._where, self._error = where, error

    def decide(self, *asked: Any) -> Decision:
        return self._fail("decide") or super().decide(*asked)

    def resolve(self, *asked: Any) -> Any:
        return self._fail("resolve") or super().resolve(*asked)

    def _fail(self, where: str) -> Any:
        if where == self._where and self._error is not None:
            raise self._error
        return None


class Nothing(Says):
    """A double of the gate that answers nothing."""

    def decide(self, *_: Any) -> Any:
        return None


@pytest.mark.parametrize("error", [one("canary") for one in ERRORS], ids=repr)
@pytest.mark.parametrize("where", ["decide", "resolve"])
def test_who_is_asked_fails(where: str, error: BaseException) -> None:
    """
    Whatever the gate or a registry raises, in whichever thread, what is sent is no yes.
    """
    status, body = sent(core(Failing(where, error)))

    assert status != 200 or json.loads(body)["response"]["allowed"] is False


def test_the_gate_says_nothing() -> None:
    """
    An answer that is none is no yes.
    """
    status, body = sent(core(Nothing({TAG: GOOD})))

    assert status != 200 or json.loads(body)["response"]["allowed"] is False


def test_the_application_fails() -> None:
    """
    Whatever the judge raises or returns, what is sent is no yes; with a good one it is.
    """

    def says(what: Any) -> Any:
        def judge(*_: object, **__: object) -> Any:
            if isinstance(what, BaseException):
                raise what
            return what

        return judge

    good, body = sent(core(Says({TAG: GOOD})))
    assert (200, True) == (good, allowed(json.loads(body)))
    for what in (*(one("canary") for one in ERRORS), None, True, {"allowed": True}, b"yes"):
        status, body = sent(says(what))
        assert status != 200 or not allowed(json.loads(body)), what


def sent(judge: Any) -> tuple[int, bytes]:
    """Return what the application sends for one review."""
    application = Admission(judge, lambda: None, Metrics(), deadline_s=3)
    found: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Any) -> None:
        found.append(message)

    scope = {"type": "http", "method": "POST", "path": "/mutate", "query_string": b""}
    headers = [(b"content-length", str(len(BODY)).encode())]
    try:
        asyncio.run(application({**scope, "headers": headers}, receive, send))
    finally:
        application.close()
    return found[0]["status"], found[1]["body"]
