"""Who may give what: a role, to somebody, inside a place of one's own.

A prefix admin gives what is for its own repositories, and no role over the service; an admin
gives any. Nobody gives a role to a key that could make another key: it would never end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from signer.access.principal import Action, Principal
from signer.access.roles import DELEGABLE, ROLES, RoleName
from signer.access.where import Where
from signer.errors import PermissionDeniedError, RequestError

OF_PERSONS: frozenset[RoleName] = frozenset({"admin", "operator", "prefix-admin"})


def role_named(text: str) -> RoleName:
    """Return the role that is called `text`; raises `RequestError` if none is."""
    if text not in ROLES:
        raise RequestError(f"expected one of {', '.join(sorted(ROLES))}, found {text[:40]!r}")
    return cast("RoleName", text)


def may_give(principal: Principal, role: RoleName, where: Where) -> bool:
    """Whether `principal` may give `role` in all of `where`."""
    action: Action = "bind" if role in DELEGABLE else "bind-any"
    return any(grant.where.contains(where) for grant in principal.grants.get(action, ()))


def check_may_give(principal: Principal, role: RoleName, places: Iterable[Where]) -> None:
    """Check that `principal` may give `role` in all of `places`.

    Raises:
        PermissionDeniedError: it may not.
    """
    for where in places:
        if not may_give(principal, role, where):
            raise PermissionDeniedError(f"{principal.name} may not give {role} in {where}")


def sees(principal: Principal, places: Iterable[Where | None]) -> bool:
    """Whether what is about `places` lies in places where `principal` may bind; None is all."""
    grants = principal.grants.get("bind", ())
    return all(
        any(grant.where.contains(where or Where("*")) for grant in grants) for where in places
    )
