"""What values of the configuration have to look like."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ledger.anchor import LONGEST_ORIGIN
from signer.address import check_address
from signer.errors import ConfigError
from verifier._strict import name as check_key_name
from verifier.errors import SealbookError
from verifier.repository import Scope

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_ORIGIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)


class Section(BaseModel):
    """A part of the file; it takes no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def check_origin(text: str) -> str:
    """Return `text` if it can be the origin of a ledger: a bare host name.

    Sigstore's clients compare it with the host name of the log's URL, and take a
    name that ends in " - <number>" for another kind of log. At most 128 characters,
    so that the anchor's slot holds it.

    Raises:
        ConfigError: it cannot.
    """
    if not _ORIGIN.fullmatch(text) or len(text) > LONGEST_ORIGIN:
        raise ConfigError(f"expected a bare host name in lower case, found {text[:80]!r}")
    return text


def check_network(text: str) -> str:
    """Return `text` if it is a network in CIDR, in its one spelling, as in 10.0.0.0/8 or ::1/128.

    Raises:
        ConfigError: it is not.
    """
    try:
        good = str(ipaddress.ip_network(text)) == text
    except ValueError:
        good = False
    if not good:
        raise ConfigError(f"expected a network as in 10.0.0.0/8, found {text[:80]!r}")
    return text


def _checked(check: Callable[[str], str]) -> AfterValidator:
    """Return a check of ours as pydantic wants it."""

    def checked(text: str) -> str:
        try:
            return check(text)
        except SealbookError as e:
            raise ValueError(e.message) from e

    return AfterValidator(checked)


Address = Annotated[str, _checked(check_address)]
Origin = Annotated[str, _checked(check_origin)]
Name = Annotated[str, _checked(check_key_name)]
Under = Annotated[str, _checked(Scope)]
Approvals = Annotated[int, Field(ge=1, le=16)]
Network = Annotated[str, _checked(check_network)]
SpkiHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
