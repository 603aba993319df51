"""A key's life: announcements prove that whoever has the keys wanted them, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.verifier.making import ORIGIN, Signer, refused, rows
from verifier._strict import Fields, canonical_json, json_object
from verifier.repository import Scope
from verifier.trust.life import Activated, Added, Announcement, Retired
from verifier.trust.listed import TrustedKey

OLD, NEW, OTHER = Signer(), Signer(), Signer()
SECOND = Announcement(
    "release", 2, "approve", (Scope("a.example"),), NEW.public, OLD.public.hint, {"home": "file"}
)
FIRST = SECOND._replace(version=1, replaces="")


def proven(announcement: Announcement, *signers: Signer, origin: str = ORIGIN) -> Added:
    """Let these prove an announcement."""
    message = announcement.message(origin)
    return Added(announcement, {s.public.hint: s.sign(message) for s in signers})


def fields(claim: Mapping[str, object]) -> Fields:
    """Return a predicate as a reader finds it."""
    return Fields(json_object(canonical_json(claim), limit=1 << 16), "predicate")


GOOD = proven(SECOND, NEW, OLD)
ACTIVATED = Activated("release", 2, NEW.public.hint)
RETIRED = Retired("release", 1, OLD.public.hint, 9007, "its time had come")


def test_message() -> None:
    """
    What proves an announcement is a DSSE encoding of its own type, which names the ledger.
    """
    expected = (
        b'{"attributes":{"home":"file"},"key":"%s","name":"release","origin":"%s",'
        b'"purpose":"approve","replaces":"%s","scope":["a.example"],"version":2}'
    ) % (SECOND.claim()["key"].encode(), ORIGIN.encode(), OLD.public.hint.encode())  # type: ignore[attr-defined]
    kind = b"application/vnd.sealbook.key+json"

    assert b"DSSEv1 %d %s %d %s" % (
        len(kind),
        kind,
        len(expected),
        expected,
    ) == SECOND.message(ORIGIN)


@pytest.mark.parametrize("added", [GOOD, proven(FIRST, NEW)])
def test_added_round_trip(added: Added) -> None:
    """
    An announcement is read as it was written, and its proofs hold.
    """
    again = Added.read(fields(added.claim()))

    assert added == again
    again.check(ORIGIN, OLD.public if added.announcement.replaces else None)


def test_others_round_trip() -> None:
    """
    What put a key to use, and what retired it, is read as it was written.
    """
    assert ACTIVATED == Activated.read(fields(ACTIVATED.claim()))
    assert RETIRED == Retired.read(fields(RETIRED.claim()))


def test_trusted() -> None:
    """
    A trust file lists what was announced, from a position on.
    """
    expected = TrustedKey("release", "approve", NEW.public, (Scope("a.example"),), 7, None, 2)

    assert expected == SECOND.trusted(7)


@pytest.mark.parametrize(
    "added",
    rows(
        ("nobody", proven(SECOND)),
        ("the old one alone", proven(SECOND, OLD)),
        ("the new one alone", proven(SECOND, NEW)),
        ("somebody else", proven(SECOND, NEW, OTHER)),
        ("one too many", proven(SECOND, NEW, OLD, OTHER)),
        ("another ledger", proven(SECOND, NEW, OLD, origin="other.example")),
        ("another name", GOOD._replace(announcement=SECOND._replace(name="attest"))),
        ("another version", GOOD._replace(announcement=SECOND._replace(version=3))),
        ("another scope", GOOD._replace(announcement=SECOND._replace(scope=(Scope("*"),)))),
        ("another purpose", GOOD._replace(announcement=SECOND._replace(purpose="event"))),
        ("another attribute", GOOD._replace(announcement=SECOND._replace(attributes={}))),
        ("no predecessor", GOOD._replace(announcement=SECOND._replace(replaces=""))),
        ("another old one", proven(SECOND._replace(replaces=OTHER.public.hint), NEW, OLD)),
    ),
)
def test_unproven(added: Added) -> None:
    """
    An announcement that was changed, moved, or that one of the holders did not sign proves nothing.
    """
    refused("bad-signature", lambda: added.check(ORIGIN, OLD.public))


def test_without_its_predecessor() -> None:
    """
    What replaces a key is not proven without knowing that key.
    """
    refused("bad-signature", lambda: GOOD.check(ORIGIN, None))
    refused("bad-signature", lambda: proven(SECOND, NEW).check(ORIGIN, None))


LINE = GOOD.claim()["proofs"][0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("read", "claim", "change", "code"),
    rows(
        ("version 0", Added.read, GOOD, {"version": 0}, "malformed"),
        ("no name", Added.read, GOOD, {"name": ""}, "malformed"),
        ("purpose", Added.read, GOOD, {"purpose": "promise"}, "malformed"),
        ("no scope", Added.read, GOOD, {"scope": None}, "malformed"),
        ("a scope", Added.read, GOOD, {"scope": [1]}, "malformed"),
        ("an attribute", Added.read, GOOD, {"attributes": {"a": 1}}, "malformed"),
        (
            "many attributes",
            Added.read,
            GOOD,
            {"attributes": {f"a{n}": "" for n in range(33)}},
            "over-limit",
        ),
        ("replaces", Added.read, GOOD, {"replaces": 1}, "malformed"),
        ("key", Added.read, GOOD, {"key": "AAAA"}, "unsupported-key"),
        ("proofs", Added.read, GOOD, {"proofs": [LINE] * 3}, "over-limit"),
        ("one proof twice", Added.read, GOOD, {"proofs": [LINE] * 2}, "malformed"),
        ("a proof", Added.read, GOOD, {"proofs": [{**LINE, "x": 1}]}, "unknown-field"),
        ("more", Added.read, GOOD, {"more": 1}, "unknown-field"),
        ("activated 0", Activated.read, ACTIVATED, {"version": 0}, "malformed"),
        ("activated more", Activated.read, ACTIVATED, {"more": 1}, "unknown-field"),
        ("retired more", Retired.read, RETIRED, {"more": 1}, "unknown-field"),
        ("reason", Retired.read, RETIRED, {"reason": "a\nb"}, "malformed"),
        ("end", Retired.read, RETIRED, {"valid_through_tree_size": -1}, "bad-integer"),
    ),
)
def test_shapes(
    read: Callable[[Fields], object], claim: Any, change: dict[str, object], code: str
) -> None:
    """
    Each predicate has one shape.
    """
    changed = fields({**claim.claim(), **change})
    refused(code, lambda: read(changed))
