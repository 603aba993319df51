"""Idempotency keys lead to the entry that answers their request, or fsck says so."""

from __future__ import annotations

import pytest

from ledger.fsck import Known, fsck
from ledger.opening import Home, open_ledger
from ledger.plan import NewEntry
from ledger.store.sqlite import SqliteStore
from tests.ledger.making import (
    KEYS,
    ORIGIN,
    REPOSITORY,
    claim_on,
    edit,
    entry,
    prove_all,
    signed,
)
from verifier import statement
from verifier.digest import Digest


def renewal(i: int, supersedes: int) -> NewEntry:
    """Return the approval of image `i` that supersedes the one at that index."""
    payload = statement.approval(
        REPOSITORY, Digest.of(b"%d" % i), {statement.SUPERSEDES: str(supersedes)}
    )
    return signed(payload, claim=claim_on(entry(i), renew=True))


@pytest.fixture
def claimed(home: Home) -> Home:
    """A ledger with an approval, its renewal, and another approval, each under a key."""
    first, other = entry(0), entry(1)
    with open_ledger(home, KEYS) as ledger:
        prove_all(ledger.append([first._replace(claim=claim_on(first))]))
        prove_all(ledger.append([renewal(0, 1)]))
        prove_all(ledger.append([other._replace(claim=claim_on(other))]))
    return home


def found(home: Home) -> list[tuple[str, int]]:
    """Return what fsck says, by code and index."""
    store = SqliteStore(home.database, read_only=True)
    try:
        return [(f.code, f.index) for f in fsck(store, Known(ORIGIN, KEYS.seal))]
    finally:
        store.close()


def test_keys_of_first_and_renewed_approvals(claimed: Home) -> None:
    """
    The key of an approval and that of its renewal lead to what answered them: nothing is found.
    """
    assert [] == found(claimed)
    assert [(3,)] == edit(claimed.database, "SELECT count(*) FROM claim")


@pytest.mark.parametrize(("at", "to"), [(1, 3), (1, 2), (2, 3), (3, 1), (3, 2)])
def test_key_that_leads_elsewhere(claimed: Home, at: int, to: int) -> None:
    """
    A key that leads to an entry which answers another request is found. (To renew what is not
    there yet makes the first approval: for that alone a renewal's key may lead to it.)
    """
    edit(claimed.database, "UPDATE claim SET idx = ? WHERE idx = ?", to, at)

    assert [("claim-altered", to)] == found(claimed)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_request_that_was_altered(claimed: Home, at: int) -> None:
    """
    A key whose request is none that its entry answers is found.
    """
    edit(claimed.database, "UPDATE claim SET request = zeroblob(32) WHERE idx = ?", at)

    assert [("claim-altered", at)] == found(claimed)
