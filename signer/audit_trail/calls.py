"""Tables of methods whose handlers say who acts while they run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from google.protobuf.message import Message

from signer.access import Principal
from signer.audit_trail.acting import ACTING
from signer.guard import Method, Streaming, Unary, Uploading


def told(table: Mapping[str, Method]) -> dict[str, Method]:
    """Return `table` with handlers during which their caller is the one who acts."""
    return {name: _told(method) for name, method in table.items()}


def _told(method: Method) -> Method:
    if method.unary is not None:
        return method._replace(unary=_unary(method.unary))
    if method.uploading is not None:
        return method._replace(uploading=_uploading(method.uploading))
    assert method.streaming is not None
    return method._replace(streaming=_streaming(method.streaming))


def _unary(answer: Unary) -> Unary:
    async def unary(principal: Principal, request: Any) -> Message:
        ACTING.set(principal)  # each call is in a task, and so in a context, of its own
        return await answer(principal, request)

    return unary


def _uploading(answer: Uploading) -> Uploading:
    async def uploading(principal: Principal, requests: AsyncIterator[Any]) -> Message:
        ACTING.set(principal)
        return await answer(principal, requests)

    return uploading


def _streaming(answer: Streaming) -> Streaming:
    async def streaming(principal: Principal, request: Any) -> AsyncIterator[Message]:
        ACTING.set(principal)
        async for message in answer(principal, request):
            yield message

    return streaming
