"""Verdicts: each rule with yes or no, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.repository import Repository
from verifier.statement import APPROVAL


class Verified(NamedTuple):
    """What is now known: `key` approved `digest` in `repository`, logged at `index`.

    An attestation says something else: its `predicate_type`. Of a certificate, `identity`
    and `issuer` are what it says, and `key` is the identity unless trust.json lists the key.
    `repository` is the name in the statement; "" when it names none.
    """

    digest: Digest
    repository: str
    key: str
    index: int  # type: ignore[assignment]  # tuple.index is not missed
    tree_size: int
    origin: str
    annotations: Mapping[str, str]
    witnesses: tuple[str, ...]  # those that stand behind the checkpoint
    known_witnesses: int  # how many the trust root names
    predicate_type: str = APPROVAL
    identity: str = ""
    issuer: str = ""


class Answer(NamedTuple):
    """One rule, whether it is met, and in a sentence how, or what is missing; then `code`."""

    rule: str
    met: bool
    told: str
    code: str = ""
    hint: str = ""


class Refused(NamedTuple):
    """Why one of the bundles that were handed in does not count; `number` is from 0."""

    number: int
    code: str
    message: str
    hint: str = ""


class Verdict(NamedTuple):
    """Whether the image may run, and why.

    `approvals` and `attestations` are the statements that are good, whether or not a rule
    asked for them. `broken_glass` says why the image may run in spite of its rules.
    """

    digest: Digest
    repository: Repository
    mode: str
    answers: tuple[Answer, ...]
    approvals: tuple[Verified, ...] = ()
    attestations: tuple[Verified, ...] = ()
    refused: tuple[Refused, ...] = ()
    warnings: tuple[str, ...] = ()
    broken_glass: str = ""

    @property
    def met(self) -> bool:
        """Whether every rule is."""
        return all(answer.met for answer in self.answers)

    @property
    def allowed(self) -> bool:
        """Whether the image may run: every rule is met, or a missing one only warns."""
        return self.met or self.mode == "warn" or bool(self.broken_glass)

    def json(self) -> dict[str, object]:
        """Return everything as JSON values."""
        return {
            "verdict": "yes" if self.allowed else "no",
            "digest": self.digest,
            "repository": self.repository,
            "mode": self.mode,
            "rules": [answer._asdict() for answer in self.answers],
            "approvals": [one._asdict() for one in self.approvals],
            "attestations": [one._asdict() for one in self.attestations],
            "refused": [one._asdict() for one in self.refused],
            "warnings": list(self.warnings),
            "broken_glass": self.broken_glass,
        }


class RefusedError(VerificationError):
    """The policy says no. `code` is that of the first rule that is not met; `verdict` has all."""

    code = "not-approved"

    def __init__(self, verdict: Verdict) -> None:
        """Refuse by `verdict`, in which a rule is not met."""
        missing = [answer for answer in verdict.answers if not answer.met]
        super().__init__("; ".join(answer.told for answer in missing), hint=missing[0].hint)
        self.code = missing[0].code
        self.verdict = verdict
