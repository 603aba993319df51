"""Waiting for approvals: the call is made again when there is a point in it, and not before."""

from __future__ import annotations

from typing import Any, cast

import pytest

from signer.client import Client
from signer.client.approvals import OpenRequest
from signer.client.patience import patiently
from signer.errors import ServiceError, ServiceUnreachableError

OPEN = OpenRequest("a" * 64, "sign", "urn:test#ci", (), (), 0, 2, (), "", granted=False)
GRANTED = OPEN._replace(granted=True)
GONE = ServiceError("unknown-request", "gone")
AWAY = ServiceUnreachableError("away")
EVERY_S = 2.0


def needed(id_: str = "a" * 64) -> ServiceError:
    """Return the refusal that names a request."""
    return ServiceError("approval-needed", f"0 of 2 approvals, request {id_}", "", id_)


class Told:
    """A service that answers from two lists: what the call comes to, and how far requests are."""

    def __init__(self, calls: list[Any], looks: list[Any]) -> None:
        self.calls, self.looks = calls, looks
        self.told: list[str] = []
        self.slept = 0

    def call(self) -> str:
        """Answer the call."""
        return cast("str", self._next(self.calls))

    def request(self, id_: str) -> OpenRequest:
        """Answer how far the request is that was last told of."""
        assert id_ == self.told[-1]
        return cast("OpenRequest", self._next(self.looks))

    def wait(self, **more: Any) -> str:
        """Make the call, waiting."""
        client = cast("Client", self)

        def sleep(seconds: float) -> None:
            assert EVERY_S == seconds
            self.slept += 1

        return patiently(
            self.call, client, lambda e: self.told.append(e.request), sleep=sleep, **more
        )

    @staticmethod
    def _next(answers: list[Any]) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_nothing_to_wait_for() -> None:
    """
    A call that needs nobody is made once, and nobody is told of anything.
    """
    service = Told(["done"], [])

    assert ("done", [], 0) == (service.wait(), service.told, service.slept)


def test_called_again_when_granted() -> None:
    """
    While a request waits only the request is asked about; the call comes again when it is granted.
    """
    service = Told([needed(), "done"], [OPEN, OPEN, AWAY, GRANTED])

    assert "done" == service.wait()
    assert (["a" * 64], [], []) == (service.told, service.calls, service.looks)
    assert 4 == service.slept


def test_request_that_is_gone() -> None:
    """
    A request that the service does not know any more is asked for again, never without a pause,
    and somebody is told of the new one.
    """
    service = Told([needed(), needed("b" * 64), needed("b" * 64), "done"], [GONE, GONE, GRANTED])

    assert "done" == service.wait()
    assert ["a" * 64, "b" * 64] == service.told
    assert 3 == service.slept


@pytest.mark.parametrize(
    ("calls", "looks", "code"),
    [
        ([ServiceError("permission-denied", "no")], [], "permission-denied"),
        ([ServiceError("approval-needed", "by whom?")], [], "approval-needed"),
        ([needed(), ServiceError("ledger-frozen", "no")], [GRANTED], "ledger-frozen"),
        ([needed()], [ServiceError("unauthenticated", "no")], "unauthenticated"),
    ],
    ids=["refused", "names no request", "refused later", "may not look"],
)
def test_refused(calls: list[Any], looks: list[Any], code: str) -> None:
    """
    Whatever is no wish for approvals ends the waiting.
    """
    with pytest.raises(ServiceError) as caught:
        Told(calls, looks).wait()

    assert code == caught.value.code


def test_patience_ends() -> None:
    """
    When nobody approved in time the refusal is what the call comes to.
    """
    with pytest.raises(ServiceError) as caught:
        Told([needed()], []).wait(patience_s=0)

    assert "approval-needed" == caught.value.code
