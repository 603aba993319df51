"""Status files one after the other: they only ever take away, and the ledger only grows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.verifier.making import NOW, NoteSigner, Signer, World, refused, rows, verdict
from tests.verifier.statuses import DAY, HOUR, STATUS_KEY, Ledger, revoked
from verifier.note import Note
from verifier.trust.listed import TrustedKey, TrustedLog, keys_by_hint
from verifier.trust.revocation import Revocation
from verifier.trust.signed import SignedFile
from verifier.trust.status import PAYLOAD_TYPE, Mark, Status, StatusPayload

FIRST = revoked(2, 5)
LATER = Revocation("key", Signer().public.hint, "stolen", 6, 4, bundle=b"{}")


@pytest.fixture
def ledger() -> Ledger:
    """A ledger of seven entries, of which one was revoked."""
    return Ledger()


def follow(ledger: Ledger, version: int, **changes: Any) -> Status:
    """Read a status file as one that follows version 7, in which FIRST was revoked."""
    known = {"revocations": (FIRST,)}
    return ledger.next(ledger.payload(7, **known), ledger.payload(version, **known | changes))


@pytest.mark.parametrize(
    ("version", "expected"),
    [(1, "status-rollback"), (6, "status-rollback"), (7, "yes"), (8, "yes"), (10**9, "yes")],
)
def test_versions(ledger: Ledger, version: int, expected: str) -> None:
    """
    A version may be ours or any later one.
    """
    assert expected == verdict(lambda: follow(ledger, version))


def test_versions_that_are_told(ledger: Ledger) -> None:
    """
    Who is refused learns which version was expected, and what it may mean.
    """
    error = refused("status-rollback", lambda: follow(ledger, 6))

    assert "expected version 7 or later, found 6" == error.message
    assert error.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"issued": NOW - 1},
        {"next_update": NOW + 9 * HOUR},
        {"marks": ()},
        {"revocations": (FIRST, LATER)},
        {"revocations": ()},
    ],
    ids=str,
)
def test_one_version_says_one_thing(ledger: Ledger, changes: dict[str, Any]) -> None:
    """
    Of one version there is one content, whether it says more or less.
    """
    refused("trust-conflict", lambda: follow(ledger, 7, **changes))


@pytest.mark.parametrize(
    ("revocations", "expected"),
    rows(
        ("the same", (FIRST,), "yes"),
        ("one more", (FIRST, LATER), "yes"),
        ("one more, before it", (LATER, FIRST), "yes"),
        ("proven by another bundle", (FIRST._replace(bundle=b'{"a":1}'),), "yes"),
        ("none", (), "status-rollback"),
        ("another", (LATER,), "status-rollback"),
        ("of another entry", (FIRST._replace(target="3"),), "status-rollback"),
        ("at another index", (FIRST._replace(index=4),), "status-rollback"),
        ("for another reason", (FIRST._replace(reason="x"),), "status-rollback"),
        ("of another kind", (LATER._replace(index=5),), "status-rollback"),
    ),
)
def test_revocations_stay(
    ledger: Ledger, revocations: tuple[Revocation, ...], expected: str
) -> None:
    """
    What was revoked stays revoked, in the same words; a newer file may only revoke more.
    """
    assert expected == verdict(lambda: follow(ledger, 8, revocations=revocations))


def test_a_key_revocation_that_moves(ledger: Ledger) -> None:
    """
    The position from which a key is revoked cannot be moved, nor an image's place narrowed.
    """
    old = ledger.read(ledger.payload(7, revocations=(LATER,)))
    for after in (3, 5):
        new = ledger.payload(8, revocations=(LATER._replace(after=after),)).sealed(STATUS_KEY)
        refused("status-rollback", lambda new=new: old.successor(new, ledger.trust))


def test_the_revocation_that_is_gone_is_told(ledger: Ledger) -> None:
    """
    Who is refused learns where the revocation is that somebody hides.
    """
    error = refused("status-rollback", lambda: follow(ledger, 8, revocations=()))

    assert "the revocation at 5 is gone" == error.message


@pytest.mark.parametrize(
    ("leaves", "expected"), [(5, "status-rollback"), (6, "status-rollback"), (7, "yes"), (8, "yes")]
)
def test_the_ledger_grows(ledger: Ledger, leaves: int, expected: str) -> None:
    """
    The checkpoint of a newer file is as large as ours, or larger.
    """
    world = ledger.world
    grown = World(log=world.log, signer=world.signer, leaves=leaves, payload=world.payload)

    assert expected == verdict(lambda: follow(ledger, 8, note=grown.note, marks=()))


def test_another_tree_of_one_size(ledger: Ledger) -> None:
    """
    Another tree of our size is two histories; its refusal says to keep both.
    """
    split = World(log=ledger.world.log, logged=b"another history")
    error = refused("split-view", lambda: follow(ledger, 8, note=split.note))

    assert "two checkpoints of 7 entries have other roots" == error.message
    assert "keep both" in error.hint


def test_the_ledger_of_another(ledger: Ledger) -> None:
    """
    The status of another ledger does not follow ours, though one key signs both.
    """
    old = ledger.status()
    other = NoteSigner("other.example")
    ledger.world.logs = (*ledger.world.logs, TrustedLog("other.example", other.key))
    text = str(ledger.world.checkpoint._replace(origin="other.example"))
    new = ledger.payload(8, origin="other.example", note=str(Note(text, (other.sign(text),))))

    assert 8 == ledger.read(new).payload.version
    error = refused("foreign-trust", lambda: old.successor(new.sealed(STATUS_KEY), ledger.trust))
    assert "expected a status of ledger.example, found other.example" == error.message


@pytest.mark.parametrize(
    "marks",
    [
        [[3, NOW - DAY], [2, NOW]],
        [[3, NOW], [7, NOW - DAY]],
        [[3, NOW], [7, NOW]],
        [[7, NOW - DAY], [3, NOW - DAY]],
    ],
)
def test_marks_that_go_back(ledger: Ledger, marks: list[list[int]]) -> None:
    """
    Marks that go back, in size or in time, are refused in whichever file.
    """
    payload = ledger.payload(8, marks=tuple(Mark(*mark) for mark in marks))

    refused(
        "malformed", lambda: ledger.status().successor(payload.sealed(STATUS_KEY), ledger.trust)
    )


def test_who_signs_the_next(ledger: Ledger) -> None:
    """
    A status key that a newer trust file no longer names signs no newer status file.
    """
    old, new = ledger.status(7), ledger.payload(8)
    fresh = Signer()
    keys = [ledger.world.key, TrustedKey("status-2", "status", fresh.public, ())]
    later = ledger.trust._replace(version=2, keys=keys_by_hint(keys))

    assert 8 == old.successor(new.sealed(fresh), later).payload.version
    refused("foreign-trust", lambda: old.successor(new.sealed(STATUS_KEY), later))
    refused("foreign-trust", lambda: old.successor(new.sealed(fresh), ledger.trust))


def test_what_is_no_status_file_follows_nothing(ledger: Ledger) -> None:
    """
    A successor is read as strictly as any status file.
    """
    old, payload = ledger.status(7), json.loads(ledger.payload(8).json())
    changed = SignedFile.sign(
        PAYLOAD_TYPE, json.dumps(payload | {"critical": 1}).encode(), [STATUS_KEY]
    )

    refused("unknown-field", lambda: old.successor(changed.json(), ledger.trust))
    refused("malformed", lambda: old.successor(ledger.payload(8).json(), ledger.trust))


def test_older_time_is_no_newer_file(ledger: Ledger) -> None:
    """
    Versions decide, not times: a newer version may be issued at the same moment.
    """
    assert StatusPayload.read(ledger.payload(8).json()).issued == NOW
    assert 8 == follow(ledger, 8, issued=NOW).payload.version
