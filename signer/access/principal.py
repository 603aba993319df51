"""Who is calling: an identity, how it was proved, from where, and what it may do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from signer.access.where import Where
from signer.errors import PermissionDeniedError
from verifier.repository import EVERYWHERE, Repository

Action = Literal[
    "sign",
    "sign-raw",
    "attest",
    "publish",
    "report",
    "append",
    "read",
    "fetch",
    "watch",
    "monitor",
    "agree",
    "mirror",
    "audit",
    "bind",
    "bind-any",
    "operate",
    "delete-body",
]
Proof = Literal["token", "session", "api-key", "certificate", "socket", "network", "none"]
_NONE: Mapping[str, str] = MappingProxyType({})


class Caller(NamedTuple):
    """Where a call comes from; `reference` names the call in refusals and in the audit trail."""

    address: str = ""  # an IP address, IPv4 in its own spelling; empty for the admin socket
    certificate: str = ""  # hex SHA-256 of the SPKI of the client's certificate; empty without one
    reference: str = ""
    thumbprint: str = ""  # of that certificate, as RFC 8705 section 3.1 writes it


class Grant(NamedTuple):
    """That something may be done somewhere; `rule` is what the configuration calls the reason."""

    where: Where
    rule: str = ""


class Principal(NamedTuple):
    """Somebody we know: `issuer` says who vouches, `subject` is stable under that issuer.

    `pipeline` says that it is a build, and no person. `claims` are stable too, and are in what is
    signed for it: numeric ids, never a person's name.
    """

    issuer: str
    subject: str
    grants: Mapping[Action, tuple[Grant, ...]]
    proof: Proof = "token"
    pipeline: bool = False
    claims: Mapping[str, str] = _NONE
    caller: Caller = Caller()

    @property
    def name(self) -> str:
        """The principal in one word, as labels and logs show it."""
        return f"{self.issuer}#{self.subject}"


def authorise(principal: Principal, action: Action, repository: Repository | None = None) -> Grant:
    """Return what lets `principal` do `action` in `repository`, or somewhere at all.

    Raises:
        PermissionDeniedError: nothing does.
    """
    for grant in principal.grants.get(action, ()):
        if repository is None or grant.where.covers(repository):
            return grant
    where = f" in {repository}" if repository else ""
    raise PermissionDeniedError(f"{principal.name} may not {action}{where}")


def authorise_everywhere(principal: Principal, action: Action) -> Grant:
    """Return what lets `principal` do `action` everywhere: what names no repository needs that.

    Raises:
        PermissionDeniedError: nothing does.
    """
    for grant in principal.grants.get(action, ()):
        if grant.where == EVERYWHERE:
            return grant
    raise PermissionDeniedError(
        f"{principal.name} may not {action} what names no repository",
        hint="name the repository that it is for",
    )


def admit(principal: Principal, actions: Collection[Action]) -> None:
    """Check that `principal` may do one of `actions` somewhere; none of them is for everybody.

    Raises:
        PermissionDeniedError: it may not.
    """
    if actions and not any(principal.grants.get(action) for action in actions):
        raise PermissionDeniedError(f"{principal.name} may not {' or '.join(actions)}")
