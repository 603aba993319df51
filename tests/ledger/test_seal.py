"""The seal of the head: it covers every field, and only the seal key makes it."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.seal import check_head, empty_head, sealed
from ledger.store import Head
from ledger.store.memory import MemoryStore
from tests.ledger.making import KEYS, NOW, ORIGIN, entries, ledger_over, memory_store, refused
from verifier.merkle import EMPTY_ROOT, Hash

OTHER = Hash(bytes(32))


@pytest.fixture
def head() -> Head:
    """The sealed head of a ledger of seven entries."""
    ledger = ledger_over(memory_store())
    ledger.append(entries(0, 7))
    return ledger.head


def check(head: Head, origin: str = ORIGIN, key: bytes = KEYS.seal) -> None:
    check_head(MemoryStore(origin, head), key)


def test_our_own(head: Head) -> None:
    """
    A head that the ledger sealed is accepted, and so is that of an empty ledger.
    """
    check(head)
    check(empty_head(ORIGIN, KEYS.seal))
    assert (0, EMPTY_ROOT, ()) == empty_head(ORIGIN, KEYS.seal)[:3]


@pytest.mark.parametrize(
    "change",
    [
        {"tree_size": 11},
        {"root": OTHER},
        {"compact": (OTHER, OTHER, OTHER)},
        {"compact": ()},
        {"time": NOW + 1},
        {"time": -NOW},
        {"frozen": True},
        {"seal": bytes(32)},
        {"seal": b""},
    ],
    ids=str,
)
def test_every_field_is_sealed(head: Head, change: dict[str, Any]) -> None:
    """
    A head with any one field changed is damaged.
    """
    refused("ledger-damaged", lambda: check(head._replace(**change)))


def test_origin_and_key_are_sealed(head: Head) -> None:
    """
    The head of one ledger is none of another's, and another key does not seal it.
    """
    refused("ledger-damaged", lambda: check(head, origin="other.example"))
    refused("ledger-damaged", lambda: check(head, key=bytes(32)))


def test_fields_cannot_be_moved_into_each_other() -> None:
    """
    Numbers and hashes that print alike when joined have different seals.
    """
    heads = [
        Head(1, OTHER, (OTHER, OTHER), 10, False, b""),  # noqa: FBT003
        Head(11, OTHER, (OTHER, OTHER), 0, False, b""),  # noqa: FBT003
        Head(1, OTHER, (OTHER, OTHER), 1, False, b""),  # noqa: FBT003
        Head(1, OTHER, (OTHER, OTHER), 1, True, b""),  # noqa: FBT003
        Head(1, OTHER, (OTHER, EMPTY_ROOT), 1, True, b""),  # noqa: FBT003
    ]

    assert 5 == len({sealed(ORIGIN, KEYS.seal, head).seal for head in heads})


@pytest.mark.parametrize("change", [{"compact": ()}, {"root": OTHER}, {"tree_size": 3}], ids=str)
def test_sealed_nonsense(head: Head, change: dict[str, Any]) -> None:
    """
    Even under our own seal a compact range that does not hash to the root is damage.
    """
    nonsense = sealed(ORIGIN, KEYS.seal, head._replace(**change))

    refused("ledger-damaged", lambda: check(nonsense))
