"""Nothing but SQLite opens the database: what one `open` and `close` too many would lose."""

from __future__ import annotations

import ast
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.opening import Home, open_ledger
from tests.ledger.making import KEYS, ROOT, entry, prove_all, script, start

# Any process but the one that serves may do this: a backup tool, a hash, `file ledger.db`.
TOUCH = """
import os, sys
for line in sys.stdin:
    for name in sys.argv[1:]:
        try:
            fd = os.open(name, os.O_RDWR)
        except FileNotFoundError:
            continue
        os.read(fd, 4096)
        os.close(fd)
    print("touched")
"""

READ = """
import sys
from pathlib import Path
from ledger.store.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]), read_only=True)
print(store.head().tree_size, len(store.rows(0, 4096)))
store.close()
"""

LIVE = """
import os, sys
from pathlib import Path
from ledger import crosscheck, opening
from tests.ledger import making
opened = set()
def hook(event, args):
    if event == "open":
        opened.add(os.path.basename(os.fsdecode(args[0])) if not isinstance(args[0], int) else "")
home = making.home_in(Path(sys.argv[1]))
making.entries(0, 300)
sys.addaudithook(hook)
opening.create(home, making.KEYS, making.GENESIS)
with opening.open_ledger(home, making.KEYS) as ledger:
    making.prove_all(ledger.append(making.entries(0, 300)))
    making.prove_all(ledger.append(making.entries(0, 3)))
    ledger.prove_consistency(1, 301)
    crosscheck.main([str(home.directory)])
opening.adopt(home, making.KEYS, lambda done, total: None)
opening.migrate(home, lambda step: None)
crosscheck.main([str(home.directory)])
print(",".join(sorted(name for name in opened if name.startswith(("ledger", "anchor")))))
"""


def test_bystanders_and_readers(home: Home) -> None:
    """
    While others open and close the files and readers come and go, every answered entry stays.
    """
    files = [home.database.with_name("ledger.db" + end) for end in ("", "-wal", "-shm")]
    with start(TOUCH, *files) as bystander, open_ledger(home, KEYS) as ledger:
        for i in range(12):
            assert [i + 1] == prove_all(ledger.append([entry(i)]))
            bystander.stdin.write("\n")
            bystander.stdin.flush()
            assert "touched\n" == bystander.stdout.readline()

            assert [f"{i + 2} {i + 2}"] == script(READ, home.database)

        bystander.stdin.close()
        assert 0 == bystander.wait(60)
    assert ["13 13"] == script(READ, home.database)


def test_readers_that_overlap(home: Home) -> None:
    """
    Readers that open and close at any moment of many appends miss no answered entry.
    """
    dice = random.Random(7)
    with open_ledger(home, KEYS) as ledger:
        readers = []
        for i in range(60):
            ledger.append([entry(i)])
            if i % 10 == 5:
                readers.append((i + 2, start(READ, home.database)))
            time.sleep(dice.random() / 200)
        for least, reader in readers:
            with reader:
                size, rows = map(int, reader.stdout.readline().split())
                assert least <= size <= rows
        assert ["61 61"] == script(READ, home.database)


def test_life_of_a_ledger(tmp_path: Path) -> None:
    """
    From its making to its migration, Python itself opens lock and anchor, never the database.
    """
    *_, opened = script(LIVE, tmp_path)

    assert {"anchor", "ledger.lock"} <= set(opened.split(","))
    assert [] == [name for name in opened.split(",") if name.startswith("ledger.db")]


# What may be done with the path of the database outside the store: look, hand it to the store.
HARMLESS = {
    "Anchor",
    "Place.of",
    "Rebuilder",
    "SqliteReader",
    "SqliteStore",
    "SqliteStore.create",
    "_copy_bodies",
    "_copy_data_keys",
    "_data_keys",
    "_look",
    "back_up",
    "beside",
    "config.path",  # of the database of logins, which goes to the store as well
    "copy_database",
    "data_keys",
    "files",
    "give_name",
    "migrate_database",
    "open_to_read",  # of the book of data keys, which lies beside
    "os.lstat",
    "os.path.lexists",
    "sizes",
}
ONLY = {ROOT / "ledger/store" / name for name in ("connection.py", "files.py")}


def openings(source: str) -> Iterator[str]:
    """Yield each place where a path to the database is used for more than is harmless."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if _is_database(node) and not _is_harmless(node, parents):
            yield f"line {node.lineno}: {ast.unparse(parents[node])}"


def _is_database(node: ast.AST) -> bool:
    """Whether this expression is, or names, the path of the database or of SQLite's files."""
    if isinstance(node, ast.Constant):
        names = ("ledger.db", "-wal", "-shm")
        return isinstance(node.value, str) and node.value.endswith(names)
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return name == "database" and isinstance(getattr(node, "ctx", None), ast.Load)


def _is_harmless(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    while isinstance(parents[node], ast.BinOp):  # directory / "ledger.db"
        node = parents[node]
    parent = parents[node]
    if isinstance(parent, ast.Call) and node in parent.args:
        return ast.unparse(parent.func) in HARMLESS
    if isinstance(parent, ast.Return):  # only `Home.database` may hand it out
        while not isinstance(parent, ast.FunctionDef):
            parent = parents[parent]
        return parent.name == "database"
    if isinstance(parent, ast.Attribute):  # what lies beside it is not it
        return parent.attr == "parent"
    return isinstance(parent, ast.FormattedValue | ast.Compare)


def test_nobody_opens_the_database() -> None:
    """
    Outside the SQLite store no code does more with the database's path than look at it.
    """
    sources = [p for room in ("verifier", "ledger", "signer") for p in (ROOT / room).rglob("*.py")]
    assert set(sources) >= ONLY
    found = {
        str(path.relative_to(ROOT)): places
        for path in sources
        if path not in ONLY and (places := list(openings(path.read_text())))
    }

    assert {} == found


@pytest.mark.parametrize(
    "code",
    [
        "open(home.database)",
        "os.open(home.database, os.O_RDONLY)",
        "home.database.read_bytes()",
        "home.database.open()",
        "shutil.copyfile(home.database, backup)",
        "path = home.database",
        "hashlib.file_digest(Path(directory, 'ledger.db'))",
        "(directory / 'ledger.db').chmod(0o600)",
        "fcntl.flock(os.open(directory / 'ledger.db', 0), 2)",
        "os.stat(f'{directory}/ledger.db-wal')",
        "os.unlink(str(home.database) + '-shm')",
        "def peek(database): return database.read_bytes()",
        "def leak(home): return home.database",
        "sqlite3.connect(database)",
    ],
)
def test_an_opening_is_seen(code: str) -> None:
    """
    The test above sees each of the ways in which somebody might open the database.
    """
    assert [] != list(openings(code))
