"""What a client makes of requests that others have to approve, and how it waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from signer.approvals.request import LIFETIME_S, Request, id_of
from signer.errors import ServiceError, ServiceUnreachableError, WrongAnswerError
from signer.v1 import approvals_pb2
from verifier.errors import VerificationError

if TYPE_CHECKING:
    from signer.client.sync import Client

T = TypeVar("T")

NEEDED = "approval-needed"
_UNKNOWN = "unknown-request"
_EVERY_S = 2.0


class OpenRequest(NamedTuple):
    """A request and how far it is, as in OpenRequest of approvals.proto.

    `request` is None in lists.
    """

    id: str
    action: str
    requester: str
    repositories: tuple[str, ...]
    keys: tuple[str, ...]
    expires: int
    needed: int
    approved_by: tuple[str, ...]
    unsigned_by: str
    granted: bool
    request: Request | None = None

    def __str__(self) -> str:
        """Say in a few words what is there, as in "1 of 2 approvals"."""
        said = f"{len(self.approved_by)} of {self.needed} approvals"
        by = f" ({', '.join(self.approved_by)})" if self.approved_by else ""
        asks = f"; {self.unsigned_by}, who asks, has not signed" if self.unsigned_by else ""
        return said + by + asks


class Approved(NamedTuple):
    """How far the request is now, and where the approval is in the ledger.

    `note` is the checkpoint that covers it; `known` when it was there before.
    """

    request: OpenRequest
    index: int  # type: ignore[assignment]  # tuple.index is not missed
    note: str
    known: bool


def open_request(message: approvals_pb2.OpenRequest) -> OpenRequest:
    """Read a line of a list."""
    return OpenRequest(
        message.id,
        message.action,
        message.requester,
        tuple(message.repositories),
        tuple(message.keys),
        message.expires,
        message.needed,
        tuple(message.approved_by),
        message.unsigned_by,
        message.granted,
    )


def checked(message: approvals_pb2.OpenRequest, id_: str) -> OpenRequest:
    """Return the request `id_` once its bytes are seen to be it, in their one spelling.

    Raises:
        WrongAnswerError: they are another request, or none.
    """
    if id_of(message.canonical) != id_:
        raise WrongAnswerError(f"asked for request {id_[:80]}, answered with another")
    try:
        request = Request.parse(message.canonical)
    except VerificationError as e:
        raise WrongAnswerError(f"the answer is no request: {e.message} ({e.code})") from e
    return open_request(message)._replace(id=id_, request=request)


def approved(message: approvals_pb2.ApproveResponse) -> Approved:
    """Read the answer to an approval."""
    return Approved(open_request(message.request), message.index, message.note, message.known)


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
