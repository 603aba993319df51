"""Waiting until others approved what a call needs approved."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from signer.approvals.request import LIFETIME_S
from signer.client.sync import Client
from signer.errors import ServiceError, ServiceUnreachableError

T = TypeVar("T")

NEEDED = "approval-needed"
_UNKNOWN = "unknown-request"
_EVERY_S = 2.0


def patiently(
    call: Callable[[], T],
    client: Client,
    tell: Callable[[ServiceError], None],
    *,
    patience_s: float = LIFETIME_S,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Return what `call` returns, calling again once others approved what it needs approved.

    `tell` is told of each request that somebody has to approve. Nothing is sent again
    meanwhile: the service is asked how far the request is.

    Raises:
        ServiceError: the service refused, for another reason; or nobody approved in time.
        SealbookError: whatever else `call` raises.
    """
    told, deadline = "", time.monotonic() + patience_s
    while True:
        try:
            return call()
        except ServiceError as e:
            if e.code != NEEDED or not e.request or time.monotonic() >= deadline:
                raise
            if e.request != told:
                told = e.request
                tell(e)
        sleep(_EVERY_S)
        while time.monotonic() < deadline and not _answered(client, told):
            sleep(_EVERY_S)


def _answered(client: Client, id_: str) -> bool:
    """Whether to call again: enough is there, or the service does not know the request any more."""
    try:
        return client.request(id_).granted
    except ServiceUnreachableError:  # restarted, perhaps; what was approved is in its ledger
        return False
    except ServiceError as e:
        if e.code == _UNKNOWN:
            return True
        raise
