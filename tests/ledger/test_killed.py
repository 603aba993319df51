"""Processes that die at each step of an append or of the making of a ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import LedgerError
from ledger.opening import Home, open_ledger
from tests.ledger.making import (
    KEYS,
    entries,
    grow,
    home_in,
    prove_all,
    script,
)

OPEN_AND_DIE = """
import os, sys
from pathlib import Path
from ledger import opening
from ledger.anchor import Anchor
from ledger.ledger import Ledger
from ledger.store.sqlite import SqliteStore
from tests.ledger import making
home = making.home_in(Path(sys.argv[1]))
if sys.argv[2] == "open":
    ledger = opening.open_ledger(home, making.KEYS).ledger
def die(*args):
    print("died")
    sys.stdout.flush()
    os._exit(0)
owner, name = {
    "commit": (SqliteStore, "commit"), "anchor": (Anchor, "write"), "sign": (Ledger, "_sign"),
    "new anchor": (Anchor, "create"), "genesis": (Ledger, "append"),
}[sys.argv[3]]
setattr(owner, name, die)
if sys.argv[2] == "open":
    ledger.append(making.entries(2, 4))
else:
    opening.create(home, making.KEYS, making.GENESIS)
"""


@pytest.mark.parametrize(("step", "expected"), [("commit", 3), ("anchor", 5), ("sign", 5)])
def test_killed_while_appending(home: Home, tmp_path: Path, step: str, expected: int) -> None:
    """
    A process that dies before a step of an append leaves all of the batch or nothing of it.
    """
    grow(home, 0, 2)

    assert ["died"] == script(OPEN_AND_DIE, tmp_path, "open", step)

    with open_ledger(home, KEYS) as ledger:
        assert expected == ledger.head.tree_size
        assert [1, 2, 3, 4] == prove_all(ledger.append(entries(0, 4)))
        assert 5 == ledger.head.tree_size


@pytest.mark.parametrize("step", ["new anchor", "genesis"])
def test_killed_while_creating(tmp_path: Path, step: str) -> None:
    """
    A ledger whose making was cut off before its genesis is never served.
    """
    assert ["died"] == script(OPEN_AND_DIE, tmp_path, "create", step)

    with pytest.raises(LedgerError):
        open_ledger(home_in(tmp_path), KEYS).close()
    assert home_in(tmp_path).database.exists()
