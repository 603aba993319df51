"""What a client makes of images whose signatures are being attached by the service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from signer.errors import RequestError, WrongAnswerError
from signer.v1 import signer_pb2

State = Literal["waiting", "attached", "refused", "dropped"]
_STATES: dict[int, State] = {1: "waiting", 2: "attached", 3: "refused", 4: "dropped"}


class Publication(NamedTuple):
    """What was asked for once, and what became of it, as in Publication of signer.proto.

    Times are POSIX seconds, and 0 when there is none. `code`, `message` and `hint` say why the
    last try failed; `entries` are attached, in whichever form.
    """

    id: int
    digest: str
    repository: str
    state: State
    attempts: int
    asked_at: int
    next_at: int
    done_at: int
    code: str = ""
    message: str = ""
    hint: str = ""
    entries: tuple[int, ...] = ()


def request(
    repository: str, digests: Sequence[str], wait_s: float, reason: str
) -> signer_pb2.PublishRequest:
    """Print a request; raises `RequestError` for a value that none can carry."""
    try:
        return signer_pb2.PublishRequest(
            repository=repository, digests=digests, wait_ms=round(wait_s * 1000), reason=reason
        )
    except (TypeError, ValueError, OverflowError) as e:
        raise RequestError(f"not a request: {e}") from e


def checked(
    answer: signer_pb2.PublishResponse, asked: signer_pb2.PublishRequest
) -> list[Publication]:
    """Read an answer; raises `WrongAnswerError` if it is about something else."""
    found = [publication(message) for message in answer.publications]
    about = [(one.digest, one.repository) for one in found]
    if about != [(digest, asked.repository) for digest in asked.digests]:
        raise WrongAnswerError("the answer is not about the digests that were asked for")
    return found


def publication(message: signer_pb2.Publication) -> Publication:
    """Read one; raises `WrongAnswerError` for a state that is none."""
    state = _STATES.get(message.state)
    if state is None:
        raise WrongAnswerError(f"a publication in the state {message.state}")
    return Publication(
        message.id,
        message.digest,
        message.repository,
        state,
        message.attempts,
        message.asked_at,
        message.next_at,
        message.done_at,
        message.refusal.code,
        message.refusal.message,
        message.refusal.hint,
        tuple(message.entries),
    )
