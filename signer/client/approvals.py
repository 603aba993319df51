"""What a client makes of requests that others have to approve."""

from __future__ import annotations

from typing import NamedTuple

from signer.approvals.request import Request, id_of
from signer.errors import WrongAnswerError
from signer.v1 import approvals_pb2
from verifier.errors import VerificationError


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
