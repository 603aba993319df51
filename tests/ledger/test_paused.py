"""A process that stands still in the middle of an append while another takes its place."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from ledger.opening import Home, open_ledger
from tests.crash.signed import check_never_twice, signed_trees
from tests.ledger.making import KEYS, ORIGIN, entries, entry, grow, prove_all, refused, start
from verifier.note import NoteKey

PAUSED = """
import os, signal, sys
from pathlib import Path
from ledger.anchor import Anchor
from ledger.ledger import Ledger
from ledger.opening import open_ledger
from ledger.store.sqlite import SqliteStore
from tests.ledger import making
from verifier.errors import SealbookError

owner, name = {
    "inside": (SqliteStore, "_insert"), "anchor": (Anchor, "write"), "sign": (Ledger, "_sign"),
}[sys.argv[2]]
real, stopped = getattr(owner, name), False

def pausing(*args):
    global stopped
    if name == "_insert":
        real(*args)
    if not stopped:
        stopped = True
        os.kill(os.getpid(), signal.SIGSTOP)
    return real(*args) if name != "_insert" else None

with open_ledger(making.home_in(Path(sys.argv[1])), making.KEYS) as ledger:
    setattr(owner, name, pausing)
    print("open")
    for line in sys.stdin:
        try:
            making.prove_all(ledger.append([making.entry(int(line))]))
            print("appended")
        except SealbookError as e:
            print(e.code)
"""


@pytest.fixture(params=["inside", "anchor", "sign"])
def paused(request: pytest.FixtureRequest, home: Home, tmp_path: Path) -> Iterator[Popen[str]]:
    """A process that serves a ledger of three, and stands still in the append of image 2."""
    grow(home, 0, 2)
    with start(PAUSED, tmp_path, request.param) as process:
        process.step = request.param  # type: ignore[attr-defined]
        assert process.stdout
        assert "open\n" == process.stdout.readline()
        tell(process, 2)
        assert os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        yield process
        process.kill()


def tell(process: Popen[str], i: int) -> None:
    """Ask for image `i`."""
    assert process.stdin
    process.stdin.write(f"{i}\n")
    process.stdin.flush()


def told(process: Popen[str]) -> str:
    """Return the next answer."""
    assert process.stdout
    return process.stdout.readline().strip()


def test_lock_is_held_while_paused(home: Home, paused: Popen[str]) -> None:
    """
    Whoever stands still still serves: nobody else gets in, and killed it cannot wake up.
    """
    refused("ledger-busy", lambda: open_ledger(home, KEYS))
    paused.kill()
    paused.wait(60)

    with open_ledger(home, KEYS) as ledger:
        assert (3 if paused.step == "inside" else 4) == ledger.head.tree_size
        assert [1, 2, 3, 4] == prove_all(ledger.append(entries(0, 4)))


def test_lock_was_taken_away(
    home: Home, paused: Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    When somebody removed the lock of one that stood still, and another one serves: of the two
    that write, the one that finds the head moved appends no more, and there is one history.
    """
    monkeypatch.setattr("ledger.store.connection.BUSY_TIMEOUT_S", 0.1)
    home.lock.unlink()
    with open_ledger(home, KEYS) as ledger:
        if paused.step == "inside":  # its transaction is the first
            refused("storage-busy", lambda: ledger.append(entries(5, 7)))
            paused.send_signal(signal.SIGCONT)
            assert "appended" == told(paused)
            refused("head-moved", lambda: ledger.append(entries(5, 7)))
            refused("storage-failed", lambda: ledger.append(entries(5, 7)))
            tell(paused, 3)
            assert "appended" == told(paused)
        else:  # what it committed is found, and built on
            assert [3, 4, 5] == prove_all(ledger.append([entry(2), *entries(5, 7)]))
            paused.send_signal(signal.SIGCONT)
            assert "appended" == told(paused)
            tell(paused, 3)
            assert "head-moved" == told(paused)
            tell(paused, 3)
            assert "storage-failed" == told(paused)
            assert [6] == prove_all(ledger.append([entry(7)]))
    assert paused.stdin
    paused.stdin.close()
    assert 0 == paused.wait(60)

    with open_ledger(home, KEYS) as ledger:
        acknowledged = entries(2, 4) if paused.step == "inside" else [entry(2), *entries(5, 8)]
        answers = ledger.append(acknowledged)
        assert list(range(3, 3 + len(acknowledged))) == prove_all(answers)
        assert not any(answer.fresh for answer in answers)
    roots = signed_trees([home.directory], NoteKey.of(ORIGIN, KEYS.log.public))
    check_never_twice(roots)
