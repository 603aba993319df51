"""What a client makes of the counters that hosts' pulls left."""

from __future__ import annotations

from typing import Literal, NamedTuple

from signer.errors import WrongAnswerError
from signer.v1 import signer_pb2

Outcome = Literal["allowed", "warned", "refused"]
_OUTCOMES: dict[int, Outcome] = {1: "allowed", 2: "warned", 3: "refused"}


class Pulls(NamedTuple):
    """How often hosts decided alike on a `day`, as in "2026-11-26", as in Pulls of signer.proto.

    Without a `repository`, of all that are not named.
    """

    day: str
    repository: str
    outcome: Outcome
    code: str
    times: int


def read(message: signer_pb2.ListPullsResponse) -> Pulls:
    """Read one; raises `WrongAnswerError` for an outcome that is none."""
    said = message.pulls
    outcome = _OUTCOMES.get(said.outcome)
    if outcome is None:
        raise WrongAnswerError(f"pulls with the outcome {said.outcome}")
    return Pulls(message.day, said.repository, outcome, said.code, said.count)
