"""Where the service listens, who may call, and what takes more than one to agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from signer.config.values import Address, Approvals, Name, Section, Under


class ListenSection(Section):
    """Where to listen. Beyond loopback only with TLS.

    `public_url` is where clients find the HTTP side, when that is another address.
    """

    grpc: Address = "127.0.0.1:8640"
    http: Address = "127.0.0.1:8641"
    operator: Path = Path("run/operator.sock")
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    reflection: bool = False
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s@/?#]+(/[^\s@?#]*)?$")] | None = None

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        return self


class AccessSection(Section):
    """The files with the tokens of callers.

    With `append_token` one may append to the log and no more, with `approver_token` look, and
    agree to what others ask for.
    """

    token: Path
    append_token: Path | None = None
    approver_token: Path | None = None


class ApproverSection(Section):
    """A person who may approve: the PEM of their public key, and who they are when they call."""

    key: Path
    principals: tuple[str, ...] = ()


class ProtectedSection(Section):
    """So many others have to approve what is signed under a scope, or by a key."""

    approvals: Approvals
    under: Under | None = None
    key: Name | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.under is None) == (self.key is None):
            raise ValueError("expected either under or key")
        return self


class KeyChangesSection(Section):
    """So many others have to approve what is done to keys, and new trust files."""

    approvals: Approvals
