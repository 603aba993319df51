"""One process a ledger: every other one is told who serves it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from ledger.opening import Home, adopt, create, migrate, open_ledger
from tests.ledger.making import GENESIS, KEYS, entries, entry, prove_all, refused, start

SERVE = """
import sys
from pathlib import Path
from ledger.opening import open_ledger
from tests.ledger import making
with open_ledger(making.home_in(Path(sys.argv[1])), making.KEYS) as ledger:
    print("open")
    for line in sys.stdin:
        making.prove_all(ledger.append([making.entry(int(line))]))
        print("appended", line.strip())
"""


@pytest.fixture
def server(home: Home, tmp_path: Path) -> Iterator[Popen[str]]:
    """Another process that serves the ledger, and appends what it is told to."""
    with start(SERVE, tmp_path) as process:
        assert "open\n" == process.stdout.readline()
        yield process
        process.kill()


def told(server: Popen[str], i: int) -> None:
    """Let the other process append image `i`."""
    server.stdin.write(f"{i}\n")
    server.stdin.flush()
    assert f"appended {i}\n" == server.stdout.readline()


def test_second_process(home: Home, server: Popen[str]) -> None:
    """
    A ledger that another process serves is refused at once, and the message names that process.
    """
    began = time.monotonic()
    error = refused("ledger-busy", lambda: open_ledger(home, KEYS))

    assert f"pid {server.pid}" in error.message
    assert time.monotonic() - began < 20  # promised: 2 s


def test_every_way_in(home: Home, server: Popen[str]) -> None:
    """
    Nothing that writes gets at a ledger that is being served, and its service goes on.
    """
    told(server, 0)
    for attempt in (
        lambda: open_ledger(home, KEYS),
        lambda: adopt(home, KEYS, print),
        lambda: create(home, KEYS, GENESIS),
        lambda: migrate(home, print),
    ):
        error = refused("ledger-busy", attempt)
        assert f"pid {server.pid}" in error.message
    told(server, 1)
    server.stdin.close()
    assert 0 == server.wait(60)

    with open_ledger(home, KEYS) as ledger:
        assert [1, 2] == prove_all(ledger.append(entries(0, 2)))
        assert 3 == ledger.head.tree_size


def test_killed_process(home: Home, server: Popen[str]) -> None:
    """
    When the process that served is killed the next one opens, and finds every answered entry.
    """
    for i in range(3):
        told(server, i)
    server.kill()
    server.wait(60)

    with open_ledger(home, KEYS) as ledger:
        assert 4 == ledger.head.tree_size
        assert [1, 2, 3, 4] == prove_all(ledger.append(entries(0, 4)))


def test_same_process(home: Home) -> None:
    """
    One process does not open a ledger twice either, and can open it again once it is closed.
    """
    with open_ledger(home, KEYS) as ledger:
        refused("ledger-busy", lambda: open_ledger(home, KEYS))
        assert [1] == prove_all(ledger.append([entry(0)]))

    open_ledger(home, KEYS).close()


def test_refused_opening_gives_the_lock_back(home: Home) -> None:
    """
    An opening that was refused leaves the ledger free for the next attempt.
    """
    anchor = home.anchor / "anchor"
    kept = anchor.rename(anchor.with_name("kept"))
    refused("anchor-missing", lambda: open_ledger(home, KEYS))
    kept.rename(anchor)

    open_ledger(home, KEYS).close()
