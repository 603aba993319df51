"""Following: what is unreachable is tried again, and what matches is delivered at least once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.audit.finding import Finding
from ledger.audit.follow import DeliveryError, Poster, follow
from ledger.audit.scan import Match
from ledger.errors import LedgerError, SourceError
from ledger.transport import Request, Response, TransportError
from tests.audit.making import ORIGIN, REPOSITORY, Log, Outsider

_MATCH = Match(7, b"an entry", {"digest": ["sha256:00"], "repository": [str(REPOSITORY)]})


class Receiver:
    """A stand-in for whoever takes matches: answers with these statuses, 0 for none at all."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.got: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.got.append(request)
        status = self.statuses.pop(0)
        if not status:
            raise TransportError("nobody there")
        return Response(status, "", b"")


def _poster(receiver: Receiver, pauses: list[float]) -> Poster:
    return Poster("https://me.example/hook", ORIGIN, receiver, pauses.append)


def test_a_match_is_posted() -> None:
    """
    The receiver gets origin, index, labels and entry as JSON.
    """
    receiver = Receiver(204)
    _poster(receiver, [])(_MATCH)
    [request] = receiver.got
    expected = {
        "origin": ORIGIN,
        "index": 7,
        "labels": {"digest": ["sha256:00"], "repository": [str(REPOSITORY)]},
        "entry": "YW4gZW50cnk=",
    }

    assert ("POST", "https://me.example/hook") == (request.method, request.url)
    assert (("content-type", "application/json"),) == request.headers
    assert expected == json.loads(request.body)


def test_a_post_is_tried_again_a_few_times() -> None:
    """
    Between tries it waits longer and longer, and then it gives up without skipping.
    """
    pauses: list[float] = []
    _poster(Receiver(0, 500, 302, 200), pauses)(_MATCH)
    assert [0.5, 1.0, 2.0] == pauses
    receiver = Receiver(*[503] * 9)
    with pytest.raises(DeliveryError) as caught:
        _poster(receiver, pauses)(_MATCH)

    assert "503" in caught.value.message
    assert 5 == len(receiver.got)


def test_following_goes_on_through_trouble(tmp_path: Path) -> None:
    """
    An audit that fails is told and made again; a finding is told once; nothing is missed.
    """
    log, outsider = Log(), Outsider(tmp_path)
    folder = log.write(tmp_path / "tree")
    matched: list[int] = []
    findings: list[Finding] = []
    troubles: list[LedgerError] = []
    turns = iter(range(8))

    def wait() -> bool:
        turn = next(turns)
        if turn in (1, 3):
            log.approve(turn)
        if turn == 4:
            log.delete_body(log.approve(turn), logged=False)
        log.write(folder)
        if turn in (2, 3):  # the source is away for a while
            (folder / "checkpoint").unlink()
            (folder / "checkpoint").mkdir()
        if turn == 4:
            log.write(folder)
        return turn == 7

    def audit(tell: object) -> object:
        if (folder / "checkpoint").is_dir():
            (folder / "checkpoint").rmdir()
            raise SourceError("away")
        report = outsider.audit(
            folder,
            match=(("repository", str(REPOSITORY)),),
            deliver=lambda match: matched.append(match.index),
        )
        for finding in report.findings:
            tell(finding)  # type: ignore[operator]
        return report

    well = follow(
        audit,  # type: ignore[arg-type]
        tell=findings.append,
        done=lambda _: None,
        trouble=troubles.append,
        wait=wait,
    )

    assert not well
    assert [1, 2] == matched
    assert [("body-missing", 3)] == [(f.code, f.index) for f in findings]
    assert ["away", "away"] == [trouble.message for trouble in troubles]
