"""An export that dies at every single step: no checkpoint is exposed before its tree is there."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ledger.opening import Home, open_ledger
from tests.ledger import foreign
from tests.ledger.making import KEYS, ORIGIN, grow, script
from verifier.note import NoteKey

OLD, NEW = 150, 300  # images; an unfinished tile, and a full one with an unfinished second
DIED = "9"

# One process forks for each step: starting an interpreter for each would take minutes.
DYING = """
import os, sys
from pathlib import Path
from ledger import static
from ledger.export import Export, newest_note
from ledger.static import StaticFiles
from ledger.store.sqlite import SqliteStore
from tests.ledger import making
from verifier.note import NoteKey

database, folder, half = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "half"
steps = {name: getattr(static, name) for name in ("_write", "_sync", "_rename", "_make_folder")}

def run(die_at, to, notes):
    left = die_at
    def mortal(name):
        def step(*args):
            nonlocal left
            if left == 0:
                if half and name == "_write":
                    steps[name](args[0], args[1], args[2][: len(args[2]) // 2])
                os._exit(9)
            left -= 1
            return steps[name](*args)
        return step
    for name in steps:
        setattr(static, name, mortal(name))
    store = SqliteStore(database, read_only=True)
    key = NoteKey.of(making.ORIGIN, making.KEYS.log.public)
    with StaticFiles(to) as files:
        for note in notes:
            Export(store, files, [key]).run(note, lambda *_: None)
    os._exit(0)

notes = [Path(path).read_text() for path in sys.argv[4:]]
die_at, code = 0, 9
while code == 9:
    pid = os.fork()
    if pid == 0:
        run(die_at, folder / str(die_at), notes)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(code)
    die_at += 1
if half:  # and the next export finishes all of them
    for n in range(die_at):
        pid = os.fork()
        if pid == 0:
            run(-1, folder / str(n), notes[-1:])
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


@pytest.fixture
def notes(home: Home, tmp_path: Path) -> list[Path]:
    """Two signed checkpoints of one ledger, in files."""
    files = []
    for stop in (OLD, NEW):
        grow(home, 0, stop)
        with open_ledger(home, KEYS) as ledger:
            files.append(tmp_path / f"{stop}.note")
            files[-1].write_text(ledger.published.note)
    return files


def tree_of(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".new")
    }


def judged(folder: Path) -> int:
    """Let a stranger's client judge what is exposed below `folder`, and return its size."""
    if not (folder / "checkpoint").exists():
        return 0

    def fetch(path: str) -> bytes | None:
        file = folder / path
        return file.read_bytes() if file.exists() else None

    log = foreign.Log(fetch, str(NoteKey.of(ORIGIN, KEYS.log.public)))
    return len(foreign.judge(log, random.Random(7)))


@pytest.mark.parametrize("how", ["whole", "half"])
def test_dies_at_every_step(home: Home, tmp_path: Path, notes: list[Path], how: str) -> None:
    """
    Wherever an export dies, whoever reads the directory finds all of a signed tree or none; the
    next export ends in the very files of one that never died.
    """
    exits = script(DYING, home.database, tmp_path / "www", how, *notes)
    steps = len(exits) - 1
    sizes = (
        [judged(tmp_path / "www" / str(step)) for step in range(steps)] if how == "whole" else []
    )

    assert [*[DIED] * steps, "0"] == exits
    assert steps > 40, "hardly any step: this proves little"
    if how == "whole":
        assert sorted(sizes) == sizes
        assert {0, 1 + OLD, 1 + NEW} == set(sizes)
        return
    expected = tree_of(tmp_path / "www" / str(steps))
    assert 1 + NEW == judged(tmp_path / "www" / str(steps))
    for step in range(steps):
        found = tree_of(tmp_path / "www" / str(step))
        # One that died early had no need of the widths that only the first checkpoint implies.
        assert found.items() <= expected.items()
        assert {path for path in expected if f".p/{(1 + OLD) % 256}" not in path} <= found.keys()
