"""Places that are made of what a token says.

    "harbor.bank/{namespace_path}/**"   with namespace_path = "payments/core"
    harbor.bank/payments/core/**

A claim fills whole segments below the host, and may fill several. What it says is never cleaned
up: it is a path in its canonical spelling, or it names no place.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from signer.access.oidc.verified import Verified
from signer.access.where import Where
from signer.errors import ClaimPlaceError, WhereError
from verifier._strict import canonical_json
from verifier.errors import RepositoryError
from verifier.repository import Scope

_CLAIM = re.compile(r"\{([A-Za-z0-9_./:-]{1,128})\}", re.ASCII)
_WHOLE = re.compile(r"/\{[^{}]*\}(?=/|\Z)", re.ASCII)  # a segment of its own, below the host


class Pinned(NamedTuple):
    """That under a `name` of an issuer, by its URL, `claim` is `value`.

    `name` is whatever names can be given away again: the claims that a place is made of, or
    those that a binding asks for.
    """

    issuer: str
    name: str
    claim: str
    value: str


Keep = Callable[[Pinned], bool]


class Binding(Protocol):
    """What a place is found by: a binding of the configuration, or one of the ledger."""

    @property
    def issuer(self) -> str | None:
        """What the configuration calls the issuer."""

    @property
    def repository(self) -> str:
        """The place, or what it is made of."""

    @property
    def claims(self) -> Mapping[str, str]:
        """What a token has to say."""

    @property
    def pin(self) -> str | None:
        """The claim that has to be the first that was seen with a name."""


class Template:
    """A place with claims in it, or without; `names` are the claims."""

    def __init__(self, text: str) -> None:
        """Read `text`; raises `WhereError` when nothing that fills it could be a place."""
        self.names = tuple(_CLAIM.findall(text))
        filled = _WHOLE.sub("/x", text)
        if "{" in filled or len(_WHOLE.findall(text)) != len(self.names):
            raise WhereError(
                f"expected claims as whole segments below a host, found {text[:120]!r}",
                hint="write registry.example/{namespace_path}/**",
            )
        Where(filled)
        self._text = text

    def fill(self, claims: Mapping[str, str]) -> Where:
        """Return the place that `claims` make of it.

        Raises:
            ClaimPlaceError: a claim is missing or is no path in lower case, or no place comes out.
        """
        for name in self.names:
            if name not in claims:
                raise ClaimPlaceError(f"expected a claim {name!r} in the token")
            try:
                Scope("x/" + claims[name])
            except RepositoryError:
                raise ClaimPlaceError(
                    f"expected a path in lower case in the claim {name!r}, "
                    f"found {claims[name][:120]!r}"
                ) from None
        try:
            return Where(_CLAIM.sub(lambda match: claims[match[1]], self._text))
        except WhereError as e:
            raise ClaimPlaceError(e.message) from None


_template = functools.lru_cache(maxsize=1024)(Template)


def place(binding: Binding, verified: Verified, keep: Keep) -> Where | None:
    """Return where `binding` gives its role to `verified`; None when it is not about it.

    `keep` remembers the first value that it sees for an issuer, name and claim, and says whether
    this is it; it is asked only when all else fits.

    Raises:
        ClaimPlaceError: it is about it, and its claims name no place, or another had the name
            before.
    """
    said = verified.claims
    if binding.issuer != verified.issuer_name:
        return None
    if any(said.get(name) != value for name, value in binding.claims.items()):
        return None
    template = _template(binding.repository)
    where = template.fill(said)
    if binding.pin is not None:
        _check_pin(binding, verified, template.names or tuple(binding.claims), keep)
    return where


def _check_pin(binding: Binding, verified: Verified, names: tuple[str, ...], keep: Keep) -> None:
    said, pin = verified.claims, binding.pin
    assert pin is not None
    if not said.get(pin):
        raise ClaimPlaceError(f"expected a claim {pin!r} in the token")
    named = {name: said[name] for name in names if name != pin}
    if not keep(Pinned(verified.issuer, canonical_json(named).decode(), pin, said[pin])):
        shown = ", ".join(f"{name} {value}" for name, value in named.items())
        raise ClaimPlaceError(
            f"{shown[:200]} was another's {pin} before",
            hint="a binding with the new owner's id among its claims lets it in",
        )
