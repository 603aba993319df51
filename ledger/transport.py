"""HTTP as this room needs it, without a library: whoever starts a program brings the real one.

A transport follows no redirect, reads no more than `limit` bytes of an answer,
and is done, one way or the other, within `timeout_s`.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ledger.errors import LedgerError


class TransportError(LedgerError):
    """No answer, or none within the limits."""

    code = "unreachable"


class Request(NamedTuple):
    """What is asked. `limit` is bytes of body, `timeout_s` seconds for all of it."""

    method: str
    url: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    limit: int = 1 << 20
    timeout_s: float = 10.0


class Response(NamedTuple):
    """What came back; `media_type` is the Content-Type as sent."""

    status: int
    media_type: str
    body: bytes


class Transport(Protocol):
    """Sends one request; safe in many threads."""

    def __call__(self, request: Request) -> Response:
        """Return the answer, whatever its status; raises `TransportError` when there is none."""
