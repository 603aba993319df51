"""The files that verifiers pin, and when the service says that something ends."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from signer.config.values import Section

STATUS_EVERY_S = 3600.0


class TrustSection(Section):
    """The files that verifiers pin, which the service hands out.

    The service writes `status`, anew at least every `status_every_s`: it says what was
    revoked, and verifiers who see none for longer than they like refuse. `policy` is what
    an image needs; who hands one out need not follow it.
    """

    trust: Path
    trusted_root: Path
    status: Path = Path("status.json")
    status_every_s: Annotated[float, Field(gt=0, le=86_400)] = STATUS_EVERY_S
    policy: Path | None = None


class WarnSection(Section):
    """How long before something ends the service begins to say so."""

    days: Annotated[int, Field(ge=1, le=365)] = 30
