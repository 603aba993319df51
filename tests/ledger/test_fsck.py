"""fsck: whatever is stored and was changed is a finding, and nothing else is."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2

from ledger import tree
from ledger.anchor import Anchor
from ledger.edge import advance
from ledger.errors import LedgerError
from ledger.fsck import Finding, Known, fsck
from ledger.fsck.hashing import TreeCheck
from ledger.opening import Home, create, open_ledger
from ledger.plan import NewEntry
from ledger.seal import empty_head
from ledger.store import Batch, Head, Row, scanning
from ledger.store.sqlite import SqliteStore
from ledger.tiles import Edge, TileId
from tests.ledger.making import (
    GENESIS,
    KEYS,
    NOW,
    ORIGIN,
    REPOSITORY,
    SIGNER,
    LogSigner,
    edit,
    entries,
    entry,
    grow,
    home_in,
    prove_all,
    signed,
)
from verifier import statement
from verifier._strict import canonical_json
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.merkle import Hash, hash_leaf
from verifier.note import Note, NoteKey, NoteSignature

LAST = 599  # of 600 entries: two full tiles, and 88 behind them
LOG = NoteKey.of(ORIGIN, KEYS.log.public)
STRANGER = LogSigner(b"stranger")
KNOWN = Known(ORIGIN, KEYS.seal, (LOG,))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A closed ledger of 600 entries that no test changes."""
    home = home_in(tmp_path_factory.mktemp("good"))
    create(home, KEYS, GENESIS)
    grow(home, 0, 300)
    grow(home, 300, LAST)
    return home


@pytest.fixture
def home(good: Home, tmp_path: Path) -> Home:
    """A copy of that ledger, for a test to change."""
    home = home_in(tmp_path)
    shutil.copytree(good.directory, home.directory)
    with closing(SqliteStore(home.database, read_only=True)) as store:
        head = store.head()
    with closing(Anchor(home.anchor, home.origin, home.database)) as anchor:
        anchor.create(head.tree_size, head.root)
    return home


def run(home: Home, sql: str) -> None:
    """Run statements on a closed database."""
    for statement_ in sql.split(";"):
        edit(home.database, statement_)


def check(home: Home, known: Known = KNOWN, **more: Any) -> list[Finding]:
    """Return what a check of the ledger finds."""
    store = SqliteStore(home.database, read_only=True)
    try:
        return list(fsck(store, known, **more))
    finally:
        store.close()


def codes(found: list[Finding]) -> set[tuple[str, int]]:
    """Return where is what."""
    return {(finding.code, finding.index) for finding in found}


def note(size: int, root: Hash, origin: str = ORIGIN, key: Any = KEYS.log) -> str:
    """Return a checkpoint as the ledger would keep it."""
    text = str(Checkpoint(origin, size, root))
    line = NoteSignature(origin, NoteKey.of(origin, key.public).key_id, key.sign(text.encode()))
    return str(Note(text, (line,)))


@pytest.mark.parametrize("processes", [None, 2])
def test_undamaged(good: Home, processes: int | None) -> None:
    """
    Nothing is wrong with an undamaged ledger, in one process or several.
    """
    assert [] == check(good, signatures=True, processes=processes)


def test_time_between_parts(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Time does not go back where one part of the check ends and the next begins either.
    """
    monkeypatch.setattr("ledger.fsck.SLICE", 100)
    assert [] == check(home)
    edit(home.database, "UPDATE entry SET time = 5 WHERE idx >= 300")

    assert {("time", start) for start in (300, 400, 500)} == codes(check(home))


def test_little_known(good: Home) -> None:
    """
    Without seal and keys an undamaged ledger has nothing wrong with it either.
    """
    assert [] == check(good, Known())


def test_empty(tmp_path: Path) -> None:
    """
    A ledger without entries has nothing wrong with it.
    """
    store = SqliteStore.create(tmp_path / "ledger.db", ORIGIN, empty_head(ORIGIN, KEYS.seal))
    try:
        assert [] == list(fsck(store, KNOWN))
    finally:
        store.close()


# What is done to a ledger of 600, and the codes and indices that a check finds.
DAMAGE = [
    ("UPDATE entry SET entry = x'00' WHERE idx = 7", {("entry-altered", 7)}),
    ("UPDATE entry SET entry = x'00' WHERE idx = 300", {("entry-altered", 300)}),
    ("UPDATE entry SET entry = x'00' WHERE idx = 550", {("root", 600), ("range", 512)}),
    ("UPDATE entry SET entry = x'00' WHERE idx = 599", {("root", 600), ("range", 592)}),
    ("DELETE FROM entry WHERE idx = 7", {("entry-missing", 7)}),
    (
        "DELETE FROM entry WHERE idx IN (7, 8, 9, 550)",
        {("entry-missing", 7), ("entry-missing", 550)},
    ),
    ("DELETE FROM entry WHERE idx > 590", {("entry-missing", 591)}),
    ("DELETE FROM entry", {("entry-missing", 0)}),
    (
        (
            "UPDATE entry SET idx = -8 WHERE idx = 8; UPDATE entry SET idx = 8 WHERE idx = 9;"
            " UPDATE entry SET idx = 9 WHERE idx = -8"
        ),
        {("entry-altered", 8), ("entry-altered", 9), ("dedup", 8), ("dedup", 9)},
    ),
    (
        (
            "INSERT INTO entry SELECT idx + 1, entry, body, labels, time, promise,"
            " timestamp, chain, body_size"
            " FROM entry WHERE idx = 599"
        ),
        {("entry-extra", 600)},
    ),
    (
        (
            "INSERT INTO entry SELECT -1, entry, body, labels, time, promise,"
            " timestamp, chain, body_size"
            " FROM entry WHERE idx = 599"
        ),
        {("entry-extra", -1)},
    ),
    ("DELETE FROM tile WHERE id = 1", {("tile-missing", 256)}),
    ("UPDATE tile SET hashes = zeroblob(8192) WHERE id = 0", {("tile-altered", 0)}),
    ("UPDATE tile SET hashes = zeroblob(8191) WHERE id = 0", {("tile-altered", 0)}),
    ("UPDATE tile SET id = 2 - id", {("tile-extra", 512), ("tile-missing", 0)}),
    ("INSERT INTO tile SELECT 2, hashes FROM tile WHERE id = 0", {("tile-extra", 512)}),
    ("INSERT INTO tile SELECT 1 << 56, hashes FROM tile WHERE id = 0", {("tile-extra", 0)}),
    ("INSERT INTO tile SELECT -1, hashes FROM tile WHERE id = 0", {("tile-extra", 0)}),
    ("UPDATE head SET tree_size = 300", {("seal", 300), ("entry-extra", 300), ("root", 300)}),
    ("UPDATE head SET tree_size = 1 << 60", {("seal", 2**60), ("entry-missing", 600)}),
    ("UPDATE head SET root = zeroblob(32)", {("seal", 600), ("root", 600)}),
    ("UPDATE head SET compact = zeroblob(32 * 4)", {("seal", 600), ("compact-range", 600)}),
    ("UPDATE head SET compact = x''", {("seal", 600), ("compact-range", 600)}),
    ("UPDATE head SET frozen = 1", {("seal", 600)}),
    ("UPDATE head SET frozen = 2", {("head-unreadable", 0)}),
    ("UPDATE head SET root = zeroblob(31)", {("head-unreadable", 0)}),
    ("DELETE FROM head", {("head-unreadable", 0)}),
    ("UPDATE head SET time = 5", {("seal", 600), ("time", 0)}),
    ("UPDATE ledger SET origin = 'other.example'", {("origin", 0)}),
    ("UPDATE entry SET time = time + 9999 WHERE idx = 7", {("time", 7)}),
    ("UPDATE entry SET time = 5 WHERE idx = 7", {("time", 7)}),
    ("UPDATE entry SET body = x'00' WHERE idx = 7", {("body-altered", 7)}),
    ("UPDATE entry SET body = NULL WHERE idx = 7", {("body-missing", 7)}),
    ("UPDATE entry SET labels = cast('{}' AS BLOB) WHERE idx = 7", {("labels-altered", 7)}),
    ("UPDATE entry SET labels = zeroblob(9) WHERE idx = 7", {("labels-altered", 7)}),
    ("DELETE FROM dedup WHERE idx = 7", {("dedup", 7)}),
    ("UPDATE dedup SET idx = 8 WHERE idx = 7", {("dedup", 7), ("dedup-extra", 8)}),
    ("UPDATE dedup SET key = zeroblob(32) WHERE idx = 7", {("dedup", 7), ("dedup-extra", 7)}),
    ("UPDATE dedup SET idx = 700 WHERE idx = 7", {("dedup", 7)}),
    ("INSERT INTO dedup VALUES (zeroblob(32), 7)", {("dedup-extra", 7)}),
    ("DELETE FROM label WHERE idx = 7", {("label-missing", 7)}),
    ("INSERT INTO dedup VALUES (zeroblob(32), 600)", {("dedup-extra", 600)}),
    ("INSERT INTO dedup VALUES (zeroblob(32), -1)", {("dedup-extra", -1)}),
    ("INSERT INTO label VALUES (12345, 600)", {("label-extra", 600)}),
    ("INSERT INTO label VALUES (12345, -1)", {("label-extra", -1)}),
    (
        "UPDATE entry SET entry = x'00' WHERE idx IN (7, 599)",
        {("entry-altered", 7), ("range", 592)},
    ),
    ("INSERT INTO label VALUES (12345, 7)", {("label-extra", 7)}),
    ("INSERT INTO claim VALUES (zeroblob(32), zeroblob(32), 600)", {("claim-extra", 600)}),
    ("UPDATE checkpoint SET note = 'x' WHERE tree_size = 301", {("checkpoint", 301)}),
    ("UPDATE checkpoint SET tree_size = 302 WHERE tree_size = 301", {("checkpoint", 302)}),
    ("UPDATE checkpoint SET tree_size = 601 WHERE tree_size = 301", {("checkpoint-extra", 601)}),
    (
        (
            "UPDATE checkpoint SET note = cast(x'ff' || cast(note AS BLOB) AS TEXT)"
            " WHERE tree_size = 301"
        ),
        {("checkpoint-unreadable", 301)},
    ),
]


@pytest.mark.parametrize(("sql", "expected"), DAMAGE)
def test_damage(home: Home, sql: str, expected: set[tuple[str, int]]) -> None:
    """
    Each way in which a row can be lost, changed, moved or added is found, by code and index.
    """
    run(home, sql)

    found = check(home)

    assert expected <= codes(found), found
    assert all("\n" not in str(finding) for finding in found)


@pytest.mark.parametrize(
    ("sql", "code", "count"),
    [
        ("UPDATE tile SET hashes = zeroblob(8192) WHERE id = 0", "tile-altered", 1),
        ("DELETE FROM label WHERE idx = 7", "label-missing", 6),
        ("INSERT INTO label VALUES (12345, 7)", "label-extra", 1),
        ("INSERT INTO dedup VALUES (zeroblob(32), 7)", "dedup-extra", 1),
        ("UPDATE entry SET labels = cast('{}' AS BLOB) WHERE idx = 7", "labels-altered", 1),
        ("DELETE FROM tile", "tile-missing", 2),
    ],
)
def test_nothing_else_is_told(home: Home, sql: str, code: str, count: int) -> None:
    """
    Damage to an index is told as that, and blames nothing else.
    """
    edit(home.database, sql)

    assert [code] * count == [finding.code for finding in check(home)]


def test_entry_and_tile_are_told_apart(home: Home) -> None:
    """
    Of a changed entry and a changed tile in one ledger, each is blamed for its own.
    """
    edit(home.database, "UPDATE entry SET entry = x'00' WHERE idx = 7")
    edit(home.database, "UPDATE tile SET hashes = zeroblob(8192) WHERE id = 1")

    found = [
        finding for finding in check(home) if finding.code in ("entry-altered", "tile-altered")
    ]

    assert {("entry-altered", 7), ("tile-altered", 256)} == codes(found)


def test_swapped_tiles(home: Home) -> None:
    """
    Two tiles in each other's place are told as that.
    """
    edit(home.database, "UPDATE tile SET id = id + 10")
    edit(home.database, "UPDATE tile SET id = 11 - id")

    found = check(home)

    assert {("tile-altered", 0), ("tile-altered", 256)} == codes(found)
    assert ["tile 0/1, swapped", "tile 0/0, swapped"] == [finding.found for finding in found]


def test_both_values_are_shown(home: Home) -> None:
    """
    A finding shows what should be there and what is, on one line, with control characters escaped.
    """
    text = '{"form":["a\\u001b[2J\u2028\x1b"]}'
    edit(home.database, "UPDATE entry SET labels = cast(? AS BLOB) WHERE idx = 7", text)

    [line] = {str(f) for f in check(home) if f.code == "labels-altered"}

    assert line.startswith("labels-altered at 7: expected {")
    assert line.isprintable()
    assert "bundle" in line
    assert "u001b[2J" in line


@pytest.mark.parametrize("seed", [random.SystemRandom().randrange(2**32)])
def test_a_hundred_flipped_bits(tmp_path: Path, seed: int) -> None:
    """
    Whichever bit of what is stored flips, it is found: a hundred at random, one at a time.
    """
    print(f"seed {seed}")
    chance = random.Random(seed)
    home = home_in(tmp_path)
    create(home, KEYS, GENESIS)
    grow(home, 0, 130)
    grow(home, 130, 260)
    places = [
        ("entry", "entry", "idx"),
        ("entry", "body", "idx"),
        ("entry", "labels", "idx"),
        ("tile", "hashes", "id"),
        ("head", "root", "one"),
        ("head", "compact", "one"),
        ("head", "seal", "one"),
        ("head", "tree_size", "one"),
        ("head", "frozen", "one"),
        ("dedup", "key", "key"),
        ("dedup", "idx", "key"),
        ("label", "key", "key, idx"),
        ("label", "idx", "key, idx"),
        ("checkpoint", "note", "tree_size"),
    ]
    connection = dbapi2.connect(str(home.database), isolation_level=None)
    store = SqliteStore(home.database, read_only=True)
    try:
        found = 0
        while found < 100:
            table, column, key = chance.choice(places)
            [(count,)] = connection.execute(f"SELECT count(*) FROM {table}")
            row = (chance.randrange(count),)
            sql = f"SELECT {key} FROM {table} ORDER BY {key} LIMIT 1 OFFSET ?"
            names = connection.execute(sql, row).fetchone()
            parts = key.split(", ")
            where = " AND ".join(f"{part} = ?" for part in parts)
            sql = f"SELECT cast({column} AS BLOB), {column} FROM {table} WHERE {where}"
            raw, value = connection.execute(sql, names).fetchone()
            if isinstance(value, int):
                changed: object = value ^ 1 << chance.randrange(63)
            else:
                bits = int.from_bytes(raw, "big") ^ 1 << chance.randrange(8 * len(raw))
                changed = bits.to_bytes(len(raw), "big")
            kind = "TEXT" if isinstance(value, str) else "BLOB"
            new = "?" if isinstance(value, int) else f"cast(? AS {kind})"
            sql = f"UPDATE {table} SET {column} = {new} WHERE {where}"
            try:
                connection.execute(sql, (changed, *names))
            except dbapi2.IntegrityError:
                continue  # such a row is there already
            found += 1

            assert [] != list(fsck(store, KNOWN)), (table, column, names, changed)

            # Back, under the name that the row has now.
            moved = [changed if part == column else n for part, n in zip(parts, names, strict=True)]
            sql = f"UPDATE {table} SET {column} = {new} WHERE {where}"
            connection.execute(sql, (raw if kind == "TEXT" else value, *moved))
        assert [] == list(fsck(store, KNOWN))
    finally:
        store.close()
        connection.close()


@pytest.mark.parametrize("table", ["entry", "tile", "dedup", "label", "head", "checkpoint"])
def test_malformed_page(home: Home, table: str) -> None:
    """
    A page that SQLite cannot read is told of, and what lies on the others is checked all the same.
    """
    edit(home.database, "INSERT INTO claim VALUES (zeroblob(32), zeroblob(32), 600)")
    pages = leaves(home, table)
    with home.database.open("r+b") as file:
        file.seek((pages[len(pages) // 2] - 1) * 4096)
        file.write(b"\xff" * 4096)

    found = check(home)

    assert any("unreadable" in finding.code for finding in found), found
    assert table == "head" or ("claim-extra", 600) in codes(found)


def leaves(home: Home, table: str) -> list[int]:
    """Return the pages of a table that hold rows, by walking its tree in the file."""
    [(root,)] = edit(home.database, "SELECT rootpage FROM sqlite_schema WHERE name = ?", table)
    data = home.database.read_bytes()
    found, waiting = [], [root]
    while waiting:
        page = waiting.pop()
        body = data[(page - 1) * 4096 : page * 4096]
        if body[0] not in (2, 5):
            found.append(page)
            continue
        for i in range(int.from_bytes(body[3:5], "big")):
            cell = int.from_bytes(body[12 + 2 * i : 14 + 2 * i], "big")
            waiting.append(int.from_bytes(body[cell : cell + 4], "big"))
        waiting.append(int.from_bytes(body[8:12], "big"))
    return sorted(found)


def test_entries_around_a_malformed_page(home: Home) -> None:
    """
    The entries on a malformed page are named as one range, and a changed one elsewhere is found.
    """
    edit(home.database, "UPDATE entry SET entry = x'00' WHERE idx = 3")
    page = leaves(home, "entry")[50]
    with home.database.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)

    found = check(home)

    assert 1 == sum(finding.code == "entry-unreadable" for finding in found)
    assert ("entry-altered", 3) in codes(found)
    assert not any(finding.code == "row-unreadable" for finding in found)


@pytest.mark.parametrize("rounds", [40, pytest.param(5000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("seed", [random.SystemRandom().randrange(2**32)])
def test_flipped_bits_of_the_file(home: Home, seed: int, rounds: int) -> None:
    """
    Whatever happens to the bytes of the file, the answer is findings or a refusal by its code.
    """
    print(f"seed {seed}")
    chance = random.Random(seed)
    data = home.database.read_bytes()
    for _ in range(rounds):
        broken = bytearray(data)
        for _ in range(8):
            broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        home.database.write_bytes(broken)
        with suppress(LedgerError):
            assert all(str(finding).isprintable() for finding in check(home))


def test_beside_a_writer(home: Home) -> None:
    """
    A check of a ledger that is being written to finds nothing, and never holds its log back.
    """
    with open_ledger(home, KEYS) as ledger:
        store = SqliteStore(home.database, read_only=True)
        seen: list[tuple[int, ...]] = []

        def write(_done: int, _total: int) -> None:
            start = ledger.head.tree_size - 1
            prove_all(ledger.append(entries(start, start + 50)))
            # All of the log is copied back and the log cut: no reader needs any of it.
            fold = ledger.store._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            seen.append(fold.fetchone())

        assert [] == list(fsck(store, KNOWN, write, signatures=True))
        assert [] == list(fsck(store, KNOWN, write))
        store.close()

        assert {(0, 0, 0)} == set(seen)
        assert 4 <= len(seen)
        assert ledger.head.tree_size == LAST + 1 + 50 * len(seen)


@pytest.mark.parametrize("asked", ["head", "top", "outside", "count_dedup", "count_labels"])
def test_entry_that_lands_between_two_reads(
    home: Home, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """
    An entry that lands right before any of the looks at the whole ledger is no finding.
    """
    with open_ledger(home, KEYS) as ledger:
        store = SqliteStore(home.database, read_only=True)
        place = store if asked == "head" else scanning
        ask = getattr(place, asked)
        landed: list[int] = []

        def land_first(*args: Any) -> Any:
            start = ledger.head.tree_size - 1
            landed.extend(prove_all(ledger.append(entries(start, start + 300))))
            return ask(*args)

        monkeypatch.setattr(place, asked, land_first)
        try:
            assert [] == list(fsck(store, KNOWN))
        finally:
            store.close()
        assert landed


def test_last_page_of_entries(home: Home) -> None:
    """
    When the page with the newest entries cannot be read, the others are checked all the same.
    """
    edit(home.database, "UPDATE entry SET entry = x'00' WHERE idx = 3")
    page = leaves(home, "entry")[-1]
    with home.database.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)

    found = check(home)

    assert ("entry-altered", 3) in codes(found)
    assert "entry-unreadable" in {finding.code for finding in found}


def test_wrong_signature(home: Home) -> None:
    """
    A signature that is not by the entry's key is found when signatures are asked for.
    """
    good = entry(LAST)
    logged = Entry.of(good.body, SIGNER.sign(b"something else"), SIGNER.public).body()
    with open_ledger(home, KEYS) as ledger:
        ledger.append([good._replace(entry=logged)])

    assert [] == check(home)
    assert [("signature", LAST + 1)] == [f[:2] for f in check(home, signatures=True)]


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (lambda root: note(300, root), None),
        (lambda _: note(300, Hash(bytes(32))), "checkpoint-root"),
        (lambda root: note(300, root, "other.example"), "checkpoint"),
        (lambda root: note(300, root, key=STRANGER), "checkpoint"),
        (lambda root: note(299, root), "checkpoint"),
        (lambda root: note(300, root).replace("300", "0300"), "checkpoint"),
        (
            lambda root: note(300, root) + note(300, root, key=STRANGER).split("\n\n")[1],
            "checkpoint",
        ),
    ],
)
def test_kept_checkpoint(home: Home, made: Any, code: str | None) -> None:
    """
    A kept checkpoint is of its size, our origin and root, and signed by our key alone.
    """
    with open_ledger(home, KEYS) as ledger:
        root = ledger.root_at(300)
    edit(home.database, "INSERT INTO checkpoint VALUES (300, ?)", made(root))

    assert ({(code, 300)} if code else set()) == codes(check(home))


def test_key_that_was_rotated_away(home: Home) -> None:
    """
    A checkpoint by an older log key is ours when that key is known.
    """
    old = LogSigner(b"old")
    with open_ledger(home, KEYS) as ledger:
        made = note(300, ledger.root_at(300), key=old)
    edit(home.database, "INSERT INTO checkpoint VALUES (300, ?)", made)
    both = (LOG, NoteKey.of(ORIGIN, old.public))

    assert ({("checkpoint", 300)}, []) == (
        codes(check(home)),
        check(home, KNOWN._replace(log_keys=both)),
    )


def attestation() -> NewEntry:
    """An entry whose body may be deleted."""
    digest = {"sha256": Digest.of(b"image").hex}
    return signed(
        canonical_json(
            {
                "_type": statement.STATEMENT_TYPE,
                "predicate": {},
                "predicateType": "https://spdx.dev/Document",
                "subject": [{"digest": digest, "name": REPOSITORY}],
            }
        )
    )


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        (None, {("body-missing", LAST + 1)}),
        ({"index": LAST + 1, "digest": "its own"}, set()),
        ({"index": LAST, "digest": "its own"}, {("body-missing", LAST + 1)}),
        ({"index": LAST + 1, "digest": "sha256:" + 64 * "0"}, {("body-missing", LAST + 1)}),
        ({"index": str(LAST + 1), "digest": "its own"}, {("body-missing", LAST + 1)}),
    ],
)
def test_deleted_body(
    home: Home, logged: dict[str, Any] | None, expected: set[tuple[str, int]]
) -> None:
    """
    A body may be gone when a logged statement says of this entry and this body that it is.
    """
    made = attestation()
    with open_ledger(home, KEYS) as ledger:
        ledger.append([made])
        if logged is not None:
            digest = (
                str(Digest.of(made.body)) if logged["digest"] == "its own" else logged["digest"]
            )
            predicate = {"index": logged["index"], "digest": digest}
            ledger.append([signed(statement.event("body-deleted", ORIGIN, predicate))])
    edit(home.database, f"UPDATE entry SET body = NULL WHERE idx = {LAST + 1}")

    assert expected == codes(check(home))


def test_approval_that_was_deleted(home: Home) -> None:
    """
    No statement excuses that the body of an approval is gone.
    """
    digest = str(Digest.of(entry(6).body))
    with open_ledger(home, KEYS) as ledger:
        logged = statement.event("body-deleted", ORIGIN, {"index": 7, "digest": digest})
        ledger.append([signed(logged)])
    edit(home.database, "UPDATE entry SET body = NULL WHERE idx = 7")

    assert {("body-missing", 7)} == codes(check(home))


SIZE = 65_536 + 300


@pytest.fixture(scope="module")
def tall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    """A tree with a full tile on level 1, of entries without anything beside them."""
    path = tmp_path_factory.mktemp("tall") / "ledger.db"
    store = SqliteStore.create(path, ORIGIN, empty_head(ORIGIN, KEYS.seal))
    edge: Edge = ()
    for start in range(0, SIZE, 512):
        rows = [Row(b"entry %d" % i, b"", b"{}", NOW) for i in range(start, min(start + 512, SIZE))]
        old = store.head()
        extension = tree.extend(start, old.compact, [hash_leaf(row.entry) for row in rows])
        edge, tiles = advance(edge, extension)
        head = Head(extension.tree_size, extension.root, extension.compact, NOW, False, b"")  # noqa: FBT003
        kept = [(start, note(start, old.root))] if start else []
        store.commit(Batch(start, head, rows, [], [], tiles, (), kept))
    yield store
    store.close()


def hashed(store: SqliteStore) -> list[Finding]:
    """Return what hashing the entries again finds."""
    head = store.head()
    return list(TreeCheck(store, head, head.tree_size, lambda _: None).findings())


# What a changed entry 5 comes to: the first of the checkpoints says when it was still right.
TOLD_OF_5 = {("entry-altered", 5), ("root", SIZE), ("checkpoint-root", 512)}
UPPER = 1 << 56  # the id of tile 1/0


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", set()),
        (
            "UPDATE entry SET entry = x'00' WHERE idx = 5",
            {("entry-altered", 5), ("root", SIZE), ("checkpoint-root", 512)},
        ),
        ("UPDATE tile SET hashes = zeroblob(8192) WHERE id = 3", {("tile-altered", 768)}),
        (f"UPDATE tile SET hashes = zeroblob(8192) WHERE id = {UPPER}", {("tile-altered", 0)}),
        (f"DELETE FROM tile WHERE id = {UPPER}", {("tile-missing", 0)}),
        (
            "DELETE FROM entry WHERE idx BETWEEN 4000 AND 4200",
            {("entry-missing", 4000), ("entry-missing", 4096)},
        ),
        (
            (
                "UPDATE tile SET id = -4 WHERE id = 4; UPDATE tile SET id = 4 WHERE id = 5;"
                " UPDATE tile SET id = 5 WHERE id = -4"
            ),
            {("tile-altered", 1024), ("tile-altered", 1280)},
        ),
    ],
)
def test_upper_levels(tall: SqliteStore, sql: str, expected: set[tuple[str, int]]) -> None:
    """
    In a tree with tiles on two levels what was changed is told, and not what lies above it.
    """
    for statement_ in sql.split(";"):
        tall._writer.execute(statement_)
    try:
        assert expected == codes(hashed(tall))
    finally:
        restore(tall)


def restore(store: SqliteStore) -> None:
    """Make entries and tiles again, as they were."""
    writer = store._writer
    writer.execute("BEGIN IMMEDIATE")
    writer.executemany(
        "INSERT OR REPLACE INTO entry"
        " VALUES (?, ?, x'', cast('{}' AS BLOB), ?, NULL, NULL, NULL, 0)",
        [(i, b"entry %d" % i, NOW) for i in [*range(10), *range(3990, 4210)]],
    )
    writer.execute("DELETE FROM tile")
    compact: tuple[Hash, ...] = ()
    edge: Edge = ()
    for start in range(0, SIZE, 4096):
        leaves = [hash_leaf(b"entry %d" % i) for i in range(start, min(start + 4096, SIZE))]
        extension = tree.extend(start, compact, leaves)
        edge, tiles = advance(edge, extension)
        compact = extension.compact
        rows = [(tile.id.level << 56 | tile.id.n, tile.hashes) for tile in tiles]
        writer.executemany("INSERT INTO tile VALUES (?, ?)", rows)
    writer.execute("COMMIT")
    assert 8192 == len(store.tile(TileId(1, 0)))


def test_roots_of_old_checkpoints(tall: SqliteStore) -> None:
    """
    A checkpoint of any size, on or off a slice's border, is compared with the entries' own root.
    """
    sizes = (1, 255, 256, 4095, 4096, 4097, 5000, 65535, 65537, SIZE)
    for size in sizes:
        wrong = note(size, Hash(bytes(32)))
        tall._writer.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?)", (size, wrong))
    try:
        assert {("checkpoint-root", size) for size in sizes} == codes(hashed(tall))
    finally:
        marks = ",".join(map(str, sizes))
        tall._writer.execute(f"DELETE FROM checkpoint WHERE tree_size IN ({marks})")
