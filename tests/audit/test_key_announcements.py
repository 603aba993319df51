"""Announcements of keys: an auditor believes none that its holder did not prove."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.making import APPROVE, ATTEST, ORIGIN, STRANGER, Log, Outsider, Signer
from verifier.repository import Scope
from verifier.trust.life import ADDED, Added, Announcement

NEW = Signer(21)
SECOND = Announcement("release", 2, "approve", (Scope("*"),), NEW.public, APPROVE.public.hint)
FIRST = SECOND._replace(name="new", version=1, replaces="")
GONE = SECOND._replace(replaces=STRANGER.public.hint)  # a key that no trust file lists any more


def proven(announcement: Announcement, *by: Signer, origin: str = ORIGIN) -> Added:
    """Return an announcement with the proofs of these."""
    message = announcement.message(origin)
    return Added(announcement, {one.public.hint: one.sign(message) for one in by})


GOOD = proven(SECOND, NEW, APPROVE)


@pytest.mark.parametrize(
    "added", [GOOD, proven(FIRST, NEW), proven(GONE, NEW), proven(GONE, NEW, STRANGER)]
)
def test_proven(tmp_path: Path, added: Added) -> None:
    """
    A key that both holders announce is no finding; nor is one whose predecessor is long gone.
    """
    log = Log()
    log.event(ADDED, added.claim())

    assert [] == Outsider(tmp_path).found(log.write(tmp_path / "tree"))


@pytest.mark.parametrize(
    "added",
    [
        proven(SECOND, NEW),
        proven(SECOND, APPROVE),
        proven(SECOND, NEW, ATTEST),
        proven(SECOND, NEW, APPROVE, origin="other.example"),
        GOOD._replace(announcement=SECOND._replace(scope=())),
        proven(FIRST),
        proven(GONE, STRANGER),
        Added(GONE, {NEW.public.hint: b"no signature"}),
    ],
)
def test_unproven(tmp_path: Path, added: Added) -> None:
    """
    An operator who announces a key whose holder, or whose predecessor's, did not want it is found.
    """
    log = Log()
    index = log.event(ADDED, added.claim())

    assert [("unproven-key", index)] == Outsider(tmp_path).found(log.write(tmp_path / "tree"))


def test_another_shape(tmp_path: Path) -> None:
    """
    An announcement that cannot be read is found too.
    """
    log = Log()
    index = log.event(ADDED, {**GOOD.claim(), "version": 0})

    assert [("bad-body", index)] == Outsider(tmp_path).found(log.write(tmp_path / "tree"))
