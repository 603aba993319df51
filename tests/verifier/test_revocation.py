"""Revocations: what each kind says, what the ledger says of it, and what no longer counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.verifier.making import IMAGE, NOW, ORIGIN, REPOSITORY, Signer, World, refused, rows
from tests.verifier.statuses import Ledger
from verifier import limits
from verifier._strict import Fields, utc
from verifier.digest import Digest
from verifier.repository import Scope
from verifier.statement import event
from verifier.trust.listed import TrustedKey
from verifier.trust.revocation import Revocation, Revocations, until_of
from verifier.verify import Verifier

HINT = Signer().public.hint
ENTRY = Revocation("entry", "4", "a mistake", 40, bundle=b"{}")
KEY = Revocation("key", HINT, "stolen", 41, 3, bundle=b"{}")
DIGEST = Revocation("digest", str(IMAGE), "malware", 42, bundle=b"{}")
AUTHORITY = Revocation("authority", "0f" * 32, "gone", 43, NOW, bundle=b'{"a":1}')
CLAIMS = {
    "entry": (ENTRY, {"kind": "entry", "reason": "a mistake", "entry": 4}),
    "key": (KEY, {"kind": "key", "reason": "stolen", "key": HINT, "valid_through_tree_size": 3}),
    "digest": (
        DIGEST,
        {"kind": "digest", "reason": "malware", "digest": str(IMAGE), "repository": "*"},
    ),
    "authority": (
        AUTHORITY,
        {"kind": "authority", "reason": "gone", "authority": "0f" * 32, "until": utc(NOW)},
    ),
}


@pytest.mark.parametrize("kind", CLAIMS)
def test_kinds(kind: str) -> None:
    """
    A revocation of each kind is written with its own fields, and read back.
    """
    revocation, claim = CLAIMS[kind]
    row = revocation.json()

    assert claim == revocation.claim()
    assert {**claim, "index": revocation.index, "bundle": json.loads(revocation.bundle)} == row
    assert revocation == Revocation.read(row, 0)
    assert revocation == Revocation.claimed(Fields(claim, "predicate"), revocation.index)._replace(
        bundle=revocation.bundle
    )


@pytest.mark.parametrize(
    ("change", "code"),
    rows(
        ("unknown kind", {"kind": "image"}, "malformed"),
        ("no kind", {"kind": None}, "malformed"),
        ("negative entry", {"entry": -1}, "bad-integer"),
        ("entry as text", {"entry": "4"}, "malformed"),
        ("negative index", {"index": -1}, "bad-integer"),
        ("more", {"key": HINT}, "unknown-field"),
        ("bundle as text", {"bundle": "{}"}, "malformed"),
        ("long reason", {"reason": "x" * (limits.ANNOTATION_VALUE + 1)}, "over-limit"),
        ("large bundle", {"bundle": {"a": "x" * limits.BUNDLE}}, "over-limit"),
    ),
)
def test_other_rows(change: dict[str, Any], code: str) -> None:
    """
    A row with other fields, or with more in them than there may be, is refused.
    """
    refused(code, lambda: Revocation.read(ENTRY.json() | change, 0))


def logged(predicate: dict[str, object], kind: str = "revocation", index: int = 4) -> World:
    """Return a world whose ledger has an event at `index`."""
    return World(payload=event(kind, ORIGIN, predicate), index=index)


@pytest.mark.parametrize("more", [{}, {"previous": "sha256:…"}])
def test_logged(more: dict[str, object]) -> None:
    """
    A revocation is proven by the event at its index that says the same; what came before it
    does not matter.
    """
    one = ENTRY._replace(index=4)
    world = logged({**one.claim(), **more})
    world.key = world.key._replace(purpose="event")

    bundle = world.bundle
    key = Verifier(world.trust, lambda: world.now).logged(bundle)[1]
    one.check_logged(bundle, key)


@pytest.mark.parametrize(
    ("world", "purpose", "code"),
    rows(
        ("another key", logged(ENTRY.claim()), "approve", "key-purpose"),
        ("another index", logged(ENTRY.claim(), index=3), "event", "entry-mismatch"),
        ("another event", logged(ENTRY.claim(), "genesis"), "event", "entry-mismatch"),
        ("another claim", logged(ENTRY.claim() | {"entry": 5}), "event", "entry-mismatch"),
        ("true for 1", logged(ENTRY.claim() | {"entry": True}), "event", "entry-mismatch"),
    ),
)
def test_not_logged(world: World, purpose: str, code: str) -> None:
    """
    An event of another key, at another index or about something else proves nothing.
    """
    one = ENTRY._replace(index=4, target="1") if b"true" in world.payload else ENTRY
    key = TrustedKey("officer", purpose, world.signer.public, ())

    refused(code, lambda: one._replace(index=4).check_logged(world.bundle, key))


def test_of_entries_and_keys() -> None:
    """
    A revoked entry does not count, whoever signed it; a revoked key does not from a position on.
    """
    known = Revocations([ENTRY, KEY, DIGEST, AUTHORITY])

    known.check_entry(2, HINT)
    known.check_entry(3, "another")
    refused("revoked", lambda: known.check_entry(4, "another"))
    said = refused("revoked", lambda: known.check_entry(3, HINT))
    assert "by entry 41: stolen" in said.message
    assert KEY == known.of_key(HINT)
    assert known.of_key("another") is None


@pytest.mark.parametrize("order", [1, -1])
def test_a_key_revoked_twice(order: int) -> None:
    """
    Of two revocations of one key the one that takes away more counts, whichever came first.
    """
    known = Revocations([KEY, KEY._replace(index=50, after=2)][::order])

    known.check_entry(1, HINT)
    refused("revoked", lambda: known.check_entry(2, HINT))


def test_a_key_revoked_twice_over() -> None:
    """
    Of two revocations that say the same the first is the one that is told.
    """
    for kind in (ENTRY, KEY):
        known = Revocations([kind, kind._replace(index=50, reason="again")])
        error = refused("revoked", lambda known=known: known.check_entry(4, HINT))
        assert f"by entry {kind.index}: {kind.reason}" in error.message


@pytest.mark.parametrize(
    ("scope", "names", "revoked"),
    [
        ("*", (), True),
        ("*", ("registry.example/team/app",), True),
        ("registry.example/team", ("registry.example/team/app",), True),
        ("registry.example/team", ("registry.example/team-evil/app",), False),
        ("registry.example/team", ("a.example/b", "registry.example/team/app"), True),
        ("registry.example/team", (), False),
        ("registry.example/team", ("a file",), True),  # nobody knows where that lies
        ("registry.example/team", ("",), True),
    ],
)
def test_of_digests(scope: str, names: tuple[str, ...], revoked: bool) -> None:
    """
    A revoked image does not count in the repositories that were named, by whole segments.
    """
    known = Revocations([DIGEST._replace(repository=Scope(scope))])

    known.check_digest(Digest.of(b"another"), *names)
    if revoked:
        error = refused("revoked", lambda: known.check_digest(IMAGE, *names))
        where = "" if scope == "*" else f" in {scope}"
        assert f"{IMAGE} was revoked{where}, by entry 42: malware" == error.message
    else:
        known.check_digest(IMAGE, *names)


def test_of_authorities() -> None:
    """
    An authority that was revoked twice ended at the earlier time.
    """
    later = AUTHORITY._replace(index=60, after=NOW + 1)
    other = AUTHORITY._replace(index=61, target="00" * 32)

    expected = {AUTHORITY.target: NOW, other.target: NOW}
    assert expected == until_of([later, AUTHORITY, ENTRY, other])
    assert expected == until_of([AUTHORITY, later, other])


@pytest.mark.parametrize(
    ("revocation", "code"),
    rows(
        ("its entry", ENTRY, "revoked"),
        ("another entry", ENTRY._replace(target="3"), "yes"),
        ("its image", DIGEST, "revoked"),
        ("its image elsewhere", DIGEST._replace(repository=Scope("a.example")), "yes"),
        ("its key, later", KEY._replace(after=5), "yes"),
        ("its key, before", KEY._replace(after=4), "revoked"),
    ),
)
def test_honoured_offline(revocation: Revocation, code: str) -> None:
    """
    What the status file revokes is refused, and nothing else is.
    """
    ledger = Ledger()
    world = ledger.world
    if revocation.kind == "key":
        revocation = revocation._replace(target=world.signer.public.hint)
    status = ledger.status(revocations=(revocation,))
    judge = Verifier(ledger.trust, lambda: NOW, status=status)
    bundle = world.bundle.json()

    if code == "yes":
        assert 4 == judge.verify(bundle, IMAGE, REPOSITORY).index
    else:
        refused(code, lambda: judge.verify(bundle, IMAGE, REPOSITORY))
