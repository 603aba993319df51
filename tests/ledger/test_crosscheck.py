"""`python -m ledger.crosscheck`: pymerkle, asked as an operator asks it, gets our root."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger import crosscheck
from ledger.opening import Home, open_ledger
from tests.ledger.making import KEYS, edit, entries, grow, ledger_over, memory_store, python
from verifier.merkle import EMPTY_ROOT

pytest.importorskip("pymerkle")

MODULE = ("-m", "ledger.crosscheck")


def test_open_ledger(home: Home) -> None:
    """
    While the ledger serves, pymerkle gets the root of its newest and of an earlier tree.
    """
    with open_ledger(home, KEYS) as ledger:
        ledger.append(entries(0, 300))
        newest = python(*MODULE, str(home.directory))
        earlier = python(*MODULE, str(home.directory), "257")
        ledger.append(entries(300, 310))

        assert f"301 {ledger.root_at(301).hex()}\n" == newest.stdout
        assert f"257 {ledger.root_at(257).hex()}\n" == earlier.stdout
        assert 311 == ledger.head.tree_size
    assert (0, 0, "", "") == (newest.returncode, earlier.returncode, newest.stderr, earlier.stderr)


def test_closed_ledger(home: Home) -> None:
    """
    Of a closed ledger it prints the same, as JSON if asked, and leaves the database as it was.
    """
    grow(home, 0, 9)
    before = home.database.read_bytes()

    done = python(*MODULE, "--json", str(home.directory))

    with open_ledger(home, KEYS) as ledger:
        expected = {"tree_size": 10, "root": ledger.head.root.hex()}
    assert expected == json.loads(done.stdout)
    assert before[:100] == home.database.read_bytes()[:100]


def test_entry_that_was_changed(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """
    When any entry was changed it prints another root than the ledger's.
    """
    grow(home, 0, 300)
    with open_ledger(home, KEYS) as ledger:
        root = ledger.head.root
    edit(home.database, "UPDATE entry SET entry = zeroblob(9) WHERE idx = 3")

    assert 0 == crosscheck.main([str(home.directory)])
    assert root.hex() not in capsys.readouterr().out


def test_more_than_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A ledger of more entries than one read gives is read slice by slice, to any size.
    """
    monkeypatch.setattr(crosscheck, "SLICE", 100)
    store = memory_store()
    ledger = ledger_over(store)
    ledger.append(entries(0, 350))

    for size in (1, 99, 100, 101, 200, 350):
        assert ledger.root_at(size) == crosscheck.root(store, size)
    assert EMPTY_ROOT == crosscheck.root(store, 0)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["nowhere"], "ledger-missing"),
        (["ledger", "2"], "unknown-entry"),
        (["ledger", "+1"], "bad-integer"),
        (["anchor"], "ledger-missing"),
    ],
)
def test_refusals(home: Home, tmp_path: Path, words: list[str], code: str) -> None:
    """
    What is not there is told by its code, with exit code 1 and no root.
    """
    done = python(*MODULE, str(tmp_path / words[0]), *words[1:])

    assert (1, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith(f"({code})\n")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], 2), (["a", "1", "2"], 2), (["--wrong"], 2), (["-h"], 0), (["--help"], 0)],
)
def test_usage(words: list[str], expected: int, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A wrong question gets the usage and exit code 2; a request for it gets 0.
    """
    assert expected == crosscheck.main(words)
    assert crosscheck.USAGE == capsys.readouterr().out


def test_nobody_else_imports_pymerkle() -> None:
    """
    The ledger itself loads neither pymerkle nor the program that asks it.
    """
    code = (
        "import sys, ledger.opening, ledger.sequencer\n"
        "print(sorted({'pymerkle', 'ledger.crosscheck'} & set(sys.modules)))"
    )

    assert "[]\n" == python("-c", code).stdout
