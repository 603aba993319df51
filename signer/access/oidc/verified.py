"""Who a token is for, once all about it has been checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Reuse = Literal["once", "minute"]


@dataclass(frozen=True, slots=True)
class Verified:
    """Whom an issuer vouches for; the token itself is not in here.

    Attributes:
        issuer_name: What the configuration calls the issuer.
        issuer: Its URL, as in the token.
        subject: Who it is, stable under the issuer: made of ids that nobody else gets.
        claims: All that the token says as text, by name. What lies inside an object is named by
            its path, as in "kubernetes.io/namespace"; lists are left out.
        stable: Of those what goes into what is signed: ids and protected refs, no person's name.
        jti: The issuer's own name of the token, if it gave one.
        reuse: Whether a token counts once, or, as it is used again by design, once a minute.
        used: What to remember of the token so that it does not count twice: the same for every
            spelling of it, for its `jti` and its issuer or, without one, for all that was signed.
        expires_at: When the token ends, POSIX seconds; later it could not come again.
        pipeline: Whether it is a build or a workload, and no person.
        issued_at: When the issuer made the token, POSIX seconds.
        lifetime_s: How long the issuer's tokens may live here; nothing that comes of one lives
            longer.
        confirmation: The thumbprint of the only client certificate that it counts with, as RFC
            8705 section 3.1 writes it; empty when it names none.
    """

    issuer_name: str
    issuer: str
    subject: str
    claims: Mapping[str, str]
    stable: Mapping[str, str]
    jti: str | None
    reuse: Reuse
    used: bytes
    expires_at: int
    pipeline: bool
    issued_at: int = 0
    lifetime_s: int = 0
    confirmation: str = ""
