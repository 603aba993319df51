"""Places that are made of what a token says.

    "harbor.bank/{namespace_path}/**"   with namespace_path = "payments/core"
    harbor.bank/payments/core/**

A claim fills whole segments below the host, and may fill several. What it says is never cleaned
up: it is a path in its canonical spelling, or it names no place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from signer.access.oidc.verified import Verified
from signer.access.where import Where
from signer.config.access import BindingSection


class Pinned(NamedTuple):
    """That under a `name` of an issuer, as the configuration calls it, `claim` is `value`.

    `name` is whatever names can be given away again: the claims that a place is made of, or
    those that a binding asks for.
    """

    issuer: str
    name: str
    claim: str
    value: str


Keep = Callable[[Pinned], bool]


def place(binding: BindingSection, verified: Verified, keep: Keep) -> Where | None:
    """Return where `binding` gives its role to `verified`; None when it is not about it.

    `keep` remembers the first value that it sees for an issuer, name and claim, and says whether
    this is it; it is asked only when all else fits.

    Raises:
        ClaimPlaceError: it is about it, and its claims name no place, or another had the name
            before.
    """
    raise NotImplementedError
