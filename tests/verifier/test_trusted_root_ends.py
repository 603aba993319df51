"""What ends in trusted_root.json: an authority that was revoked, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.verifier.making import ISSUED
from tests.verifier.pinned import GOOD
from verifier._strict import utc
from verifier.trust.revocation import Revocation
from verifier.trusted_root import START, trusted_root

FIELDS = {
    "timestamp": "timestampAuthorities",
    "certificate": "certificateAuthorities",
    "transparency": "ctlogs",
}


def root(*revocations: Revocation) -> dict[str, Any]:
    """Return the file as values."""
    value: dict[str, Any] = json.loads(trusted_root(GOOD, revocations))
    return value


def window(value: dict[str, Any], kind: str) -> dict[str, str]:
    """Return when the authority of this kind counts."""
    [one] = value[FIELDS[kind]]
    holder = one.get("publicKey", one)
    found: dict[str, str] = holder["validFor"]
    return found


def ended(kind: str, until: int) -> Revocation:
    """Return the revocation of the authority of this kind."""
    [authority] = [one for one in GOOD.authorities if one.kind == kind]
    return Revocation("authority", authority.fingerprint, "copied", 5, until)


@pytest.mark.parametrize("kind", FIELDS)
def test_end(kind: str) -> None:
    """
    An authority that was revoked counts until then, and of two ends until the earlier one.
    """
    value = root(ended(kind, ISSUED + 100), ended(kind, ISSUED + 50), ended(kind, ISSUED + 70))
    assert {"start": utc(START), "end": utc(ISSUED + 50)} == window(value, kind)
    del window(value, kind)["end"]

    assert root() == value


def test_end_before_the_beginning() -> None:
    """
    One that ended before everything counts never, in a window that is none.
    """
    value = root(ended("timestamp", START - 9))

    assert {"start": utc(START - 9), "end": utc(START - 9)} == window(value, "timestamp")


def test_nothing_else_ends() -> None:
    """
    Keys, entries and images are not in this file, and an unknown authority is no matter.
    """
    hint = next(iter(GOOD.keys))
    others = (
        Revocation("key", hint, "copied", 5, 1),
        Revocation("entry", "1", "a mistake", 6),
        Revocation("authority", "00" * 32, "whose?", 7, ISSUED + 1),
        ended("notation", ISSUED + 1),
    )

    assert root() == root(*others)
