"""What takes more than one to agree, and what takes no person at all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from signer.config.values import Approvals, Name, Section, Under


class ApproverSection(Section):
    """A person who may approve: the PEM of their public key, and who they are when they call."""

    key: Path
    principals: tuple[str, ...] = ()


class ProtectedSection(Section):
    """So many others have to approve what is signed under a scope, or by a key.

    With `pipelines_only` no person signs there at all, whoever agrees.
    """

    approvals: Annotated[int, Field(ge=0, le=16)] = 0
    under: Under | None = None
    key: Name | None = None
    pipelines_only: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.under is None) == (self.key is None):
            raise ValueError("expected either under or key")
        if not self.approvals and not self.pipelines_only:
            raise ValueError("expected approvals, or pipelines_only = true")
        return self


class KeyChangesSection(Section):
    """So many others have to approve what is done to keys, and new trust files."""

    approvals: Approvals


class GateSection(Section):
    """What has to hold by `trust.policy` before anything is approved under a scope.

    `vulnerabilities`: a scan of the image is in the ledger, fresh and clean enough.
    `requester`: the caller is one of those that the policy names.
    """

    under: Under
    demand: Annotated[tuple[Literal["vulnerabilities", "requester"], ...], Field(min_length=1)]
