"""Exports: the tree as files, put in place once, finished by the next run, and never wrong."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import static
from ledger.errors import StorageFullError
from ledger.export import Export, Exported, newest_note, root_at
from ledger.opening import Home, create, open_ledger
from ledger.resources import Resources, body_path, parse_body_path
from ledger.static import StaticFiles
from ledger.store import SLICE, Store
from ledger.store.memory import MemoryStore
from ledger.store.sqlite import SqliteStore
from ledger.tiles import TileId, parse_path
from tests.ledger.making import (
    GENESIS,
    KEYS,
    ORIGIN,
    ROOT,
    LogSigner,
    entries,
    grow,
    home_in,
    ledger_over,
    memory_store,
    refused,
    script,
)
from tests.ledger.planted import empty, plant
from verifier.checkpoint import Checkpoint
from verifier.merkle import Hash
from verifier.note import Note, NoteKey, NoteSignature

KEY = NoteKey.of(ORIGIN, KEYS.log.public)
EXIT_CODE = 9
SIZE = 600  # two full tiles and a part of one


def signed(store: Store, size: int, root: Hash | None = None, origin: str = ORIGIN) -> str:
    """The signed checkpoint of the store's tree at a size, or of another root."""
    text = str(Checkpoint(origin, size, root or root_at(store, size)))
    key = NoteKey.of(origin, KEYS.log.public)
    line = NoteSignature(key.name, key.key_id, KEYS.log.sign(text.encode()))
    return str(Note(text, (line,)))


def planted(size: int, seed: str = "entry") -> MemoryStore:
    """A store of entries that nobody signed."""
    store = empty(ORIGIN)
    plant(store, [f"{seed} {i}".encode() for i in range(size)])
    return store


def export(store: Store, to: Path, note: str | None = None, *, bodies: bool = False) -> Exported:
    """Export a store, by default up to all that it has."""
    with StaticFiles(to) as files:
        note = note or signed(store, store.head().tree_size)
        return Export(store, files, [KEY]).run(note, lambda *_: None, bodies=bodies)


def tree_of(directory: Path) -> dict[str, bytes]:
    """Every file below a directory, by its path."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def check(directory: Path, store: Store, size: int) -> None:
    """Check that each file is what the service would serve, and that all of the tree is there."""
    files = tree_of(directory)
    resources = Resources(store, lambda: "", lambda: size)
    for path, content in files.items():
        if path.startswith("tile/"):
            found = resources.tile(parse_path(path))
        elif path.startswith("bodies/"):
            found = resources.body(parse_body_path(path))
        else:
            assert "checkpoint" == path
            assert size == Checkpoint.parse(Note.parse(content.decode()).text).tree_size
            continue
        assert found is not None, path
        assert content == found.body, path
    for level in range(8):
        there = size // 256**level
        kinds = [str(level)] + (["entries"] if level == 0 else [])
        for kind in kinds:
            for n in range(there // 256):
                assert f"tile/{kind}/{n:03}" in files
            if there % 256:
                assert f"tile/{kind}/{there // 256:03}.p/{there % 256}" in files


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 600, SLICE, SLICE + 1, 65_537])
def test_export(tmp_path: Path, size: int) -> None:
    """
    An export holds what the service would serve, and all that its checkpoint implies.
    """
    store = planted(size)
    done = export(store, tmp_path / "www")
    files = tree_of(tmp_path / "www")

    check(tmp_path / "www", store, size)
    assert (size, len(files) - 1) == done
    assert signed(store, size).encode() == files["checkpoint"]


def test_what_a_web_server_reads(tmp_path: Path) -> None:
    """
    Everybody may read the files, and nobody but us may change them, whatever the umask.
    """
    before = os.umask(0o077)
    try:
        export(planted(257), tmp_path / "www")
    finally:
        os.umask(before)
    within = list((tmp_path / "www" / "tile").rglob("*"))

    assert {0o644} == {path.stat().st_mode & 0o777 for path in within if path.is_file()}
    assert {0o755} == {path.stat().st_mode & 0o777 for path in within if path.is_dir()}
    assert 0o644 == (tmp_path / "www" / "checkpoint").stat().st_mode & 0o777


def test_next_export(tmp_path: Path) -> None:
    """
    The next export writes what is new, leaves the rest alone, and keeps old widths.
    """
    store, www = planted(300), tmp_path / "www"
    export(store, www)
    old = {path: (www / path).stat().st_mtime_ns for path in tree_of(www) if path != "checkpoint"}
    plant(store, [b"new %d" % i for i in range(300)])
    done = export(store, www)

    check(www, store, 600)
    assert old == {path: (www / path).stat().st_mtime_ns for path in old}
    # One tile and one bundle are full now; one of each is begun, and so is the level above.
    assert (600, 5) == done
    assert (600, 0) == export(store, www)


def test_bodies(tmp_path: Path) -> None:
    """
    Bodies are exported when they are asked for, and go when the ledger gave them up.
    """
    store, www = memory_store(), tmp_path / "www"
    ledger_over(store).append([GENESIS, *entries(0, 5)])
    export(store, www)
    assert not (www / "bodies").exists()

    export(store, www, bodies=True)
    check(www, store, 6)
    bodies = [row.body or b"" for row in store.rows(0, 6)]
    paths = [body_path(f"sha256:{hashlib.sha256(body).hexdigest()}") for body in bodies]
    assert bodies == [(www / path).read_bytes() for path in paths]

    store._rows[3] = store._rows[3]._replace(body=None)
    export(store, www, bodies=True)
    export(store, www, bodies=True)
    assert [i != 3 for i in range(6)] == [(www / path).exists() for path in paths]


DYING = """
import os, sys
from pathlib import Path
from ledger import static
from ledger.export import Export
from tests.ledger import test_export as t

step, count, to = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
owner = static if hasattr(static, step) else Export
real, left = getattr(owner, step), count

def mortal(*args):
    global left
    left -= 1
    if left == 0:
        if step == "_write":  # half of it is on the disk
            real(args[0], args[1], args[2][: len(args[2]) // 2])
        os._exit(t.EXIT_CODE)
    return real(*args)

setattr(owner, step, mortal)
old = t.planted(300)
t.export(old, to)
t.plant(old, [b"new %d" % i for i in range(300)])
t.export(old, to)
"""


def dying(step: str, count: int, to: Path) -> int:
    """Export a tree of 300 and one of 600, dying the `count`-th time that `step` is reached."""
    done = subprocess.run(
        [sys.executable, "-c", DYING, step, str(count), str(to)], cwd=ROOT, check=False, timeout=60
    )
    return done.returncode


def implied(directory: Path) -> None:
    """Check that all that the exposed checkpoint implies is there, if one is exposed."""
    if (directory / "checkpoint").exists():
        text = Note.parse((directory / "checkpoint").read_text()).text
        size = Checkpoint.parse(text).tree_size
        assert size in (300, 600)
        for kind, count in (("0", size), ("entries", size), ("1", size // 256)):
            for n in range(count // 256):
                assert (directory / f"tile/{kind}/{n:03}").exists()
            assert (directory / f"tile/{kind}/{count // 256:03}.p/{count % 256}").exists()


@pytest.mark.parametrize(
    ("step", "counts"),
    [
        ("_write", (1, 5, 6, 10)),
        ("_rename", (3, 6, 7)),
        ("_sync", (1, 9)),
        ("_make_folder", (2,)),
        ("_keep_bundles", (2,)),
        ("_keep_tiles", (2,)),
        ("_keep_unfinished", (2,)),
        ("_expose", (1, 2)),
    ],
)
def test_dies_and_resumes(tmp_path: Path, step: str, counts: tuple[int, ...]) -> None:
    """
    An export that dies at any step exposes nothing half done, and the next one finishes it.
    """
    store = planted(300)
    plant(store, [b"new %d" % i for i in range(300)])
    for count in counts:
        www = tmp_path / str(count)
        assert EXIT_CODE == dying(step, count, www), "it was to die"
        implied(www)
        export(store, www)
        # Half of a width that no later checkpoint implies; no path is spelled like it.
        left = [path for path in tree_of(www) if path.endswith(".new")]
        assert len(left) <= 1
        for path in left:
            assert ".p/" in path
            (www / path).unlink()
        check(www, store, 600)


def test_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Each file is synced before it gets its name, its directory after; the checkpoint comes last.
    """
    done: list[str] = []
    for step in ("_write", "_sync", "_rename", "_make_folder"):
        real = getattr(static, step)

        def noted(*args: object, step: str = step, real: object = real) -> None:
            done.append(f"{step} {args[-1]}" if step == "_rename" else step)
            real(*args)  # type: ignore[operator]

        monkeypatch.setattr(static, step, noted)
    export(planted(1), tmp_path)

    file = ["_write", "_sync"]
    folder = ["_make_folder", "_sync"]
    assert done == [
        *folder * 3,  # tile, tile/entries, tile/entries/000.p
        *file,
        "_rename 1",
        "_sync",
        *folder * 2,  # tile/0, tile/0/000.p
        *file,
        "_rename 1",
        "_sync",
        *file,
        "_rename checkpoint",
        "_sync",
    ]


@pytest.mark.parametrize(
    "path", ["tile/0/000", "tile/entries/001", "tile/0/002.p/88", "tile/1/000.p/2"]
)
@pytest.mark.parametrize("change", ["flip", "cut", "add", "empty"])
def test_differing_file(tmp_path: Path, path: str, change: str) -> None:
    """
    A file that is not what the ledger has is refused and stays, and no checkpoint vouches for it.
    """
    store, file = planted(SIZE), tmp_path / path
    export(store, tmp_path)
    (tmp_path / "checkpoint").unlink()
    content = file.read_bytes()
    flipped = bytes([content[0] ^ 1]) + content[1:]
    altered = {"flip": flipped, "cut": content[:-1], "add": content + b"\0", "empty": b""}[change]
    file.write_bytes(altered)

    assert path in refused("transfer", lambda: export(store, tmp_path)).message
    assert altered == file.read_bytes()
    assert not (tmp_path / "checkpoint").exists()


def test_other_ledger_there(tmp_path: Path) -> None:
    """
    A directory with another ledger's export is refused, and nothing is written to it.
    """
    store = planted(SIZE)
    export(planted(10, "other"), tmp_path)
    before = tree_of(tmp_path)
    told = refused("transfer", lambda: export(store, tmp_path))

    assert "contradicts" in told.message
    assert before == tree_of(tmp_path)


def test_older_checkpoint(tmp_path: Path) -> None:
    """
    An export never goes back, and says that a rolled-back ledger shows here.
    """
    store = planted(SIZE)
    export(store, tmp_path)
    before = tree_of(tmp_path)
    told = refused("transfer", lambda: export(store, tmp_path, signed(store, 500)))

    assert "newer than 500" in told.message
    assert "evidence" in told.hint
    assert before == tree_of(tmp_path)


def test_contradicting_checkpoint(tmp_path: Path) -> None:
    """
    A checkpoint of the same size or a smaller one that another tree has is never replaced.
    """
    store = planted(SIZE)
    for size in (SIZE, SIZE - 1, 1):
        forked = signed(store, size, Hash(bytes(32))).encode()
        (tmp_path / "checkpoint").write_bytes(forked)

        assert "contradicts" in refused("transfer", lambda: export(store, tmp_path)).message
        assert {"checkpoint": forked} == tree_of(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff", b"x" * (1 << 20), b"not a note\n\n"])
def test_foreign_checkpoint(tmp_path: Path, content: bytes) -> None:
    """
    What is no checkpoint of this ledger is not replaced either.
    """
    (tmp_path / "checkpoint").write_bytes(content)

    refused("transfer", lambda: export(planted(1), tmp_path))
    assert {"checkpoint": content} == tree_of(tmp_path)


def test_cosigned_checkpoint_stays(tmp_path: Path) -> None:
    """
    Of one tree, a checkpoint with more signatures replaces one with fewer, and not the reverse.
    """
    store = planted(5)
    bare = signed(store, 5)
    note = Note.parse(bare)
    other = LogSigner(b"other")
    key = NoteKey.of("witness.example", other.public)
    more = NoteSignature(key.name, key.key_id, other.sign(note.text.encode()))
    cosigned = str(note._replace(signatures=(*note.signatures, more)))
    for exported, there in ((bare, bare), (cosigned, cosigned), (bare, cosigned)):
        export(store, tmp_path, exported)
        assert there == (tmp_path / "checkpoint").read_text()


def test_notes_that_are_refused(tmp_path: Path) -> None:
    """
    Only a checkpoint of this ledger, signed, of this tree, and not beyond it is exported.
    """
    store = planted(SIZE)
    other = LogSigner(b"other")
    key = NoteKey.of(ORIGIN, other.public)
    text = str(Checkpoint(ORIGIN, 5, root_at(store, 5)))
    unsigned = str(Note(text, (NoteSignature(key.name, key.key_id, other.sign(text.encode())),)))
    forged = signed(store, 5).replace("\n5\n", "\n6\n")
    beyond = signed(store, SIZE + 1, Hash(bytes(32)))
    wrong = signed(store, 5, Hash(bytes(32)))
    foreign = signed(store, 5, origin="other.example")

    def code(note: str) -> str:
        with StaticFiles(tmp_path) as files:
            keys = [KEY, NoteKey.of("other.example", KEYS.log.public)]
            try:
                Export(store, files, keys).run(note, lambda *_: None)
            except Exception as e:  # noqa: BLE001  which one is the question
                return str(getattr(e, "code", e))
        return "exported"

    assert [
        "untrusted-log",
        "bad-signature",
        "transfer",
        "ledger-damaged",
        "transfer",
        "malformed",
    ] == [code(note) for note in (unsigned, forged, beyond, wrong, foreign, "")]
    assert {} == tree_of(tmp_path)


@pytest.mark.parametrize("damage", ["entry", "tile", "gone", "last"])
def test_damaged_ledger(tmp_path: Path, damage: str) -> None:
    """
    A ledger whose entries or tiles were altered is not exported beyond the damage.
    """
    store = planted(2 * SLICE + 5)
    note = signed(store, 2 * SLICE + 5)
    at = {"entry": SLICE + 3, "gone": SLICE + 3, "last": 2 * SLICE + 1, "tile": 0}[damage]
    if damage == "tile":
        tile = store._tiles[TileId(0, 17)]
        store._tiles[TileId(0, 17)] = bytes(32) + tile[32:]
    elif damage == "gone":
        del store._rows[at]
    else:
        store._rows[at] = store._rows[at]._replace(entry=b"altered")

    refused("ledger-damaged", lambda: export(store, tmp_path, note))
    assert not (tmp_path / "checkpoint").exists()
    assert not (tmp_path / "tile/0/017").exists()
    assert not (tmp_path / "tile/entries/017").exists()


@pytest.mark.parametrize("where", ["tile", "tile/0", "tile/0/000", "tile/0/001.p", "checkpoint"])
def test_links_are_not_followed(tmp_path: Path, where: str) -> None:
    """
    A link within the directory leads us nowhere, whatever it points at.
    """
    www, elsewhere = tmp_path / "www", tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = www / where
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere / "file" if where in ("tile/0/000", "checkpoint") else elsewhere)

    refused("transfer", lambda: export(planted(300), www))
    assert [] == list(elsewhere.iterdir())


def test_fresh_file_is_a_link(tmp_path: Path) -> None:
    """
    A link under the name that a file has before it is whole is not written through.
    """
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "www/tile/entries/000.p").mkdir(parents=True)
    (tmp_path / "www/tile/entries/000.p/1.new").symlink_to(tmp_path / "victim")

    refused("transfer", lambda: export(planted(1), tmp_path / "www"))
    assert "mine" == (tmp_path / "victim").read_text()


def test_longer_leftover(tmp_path: Path) -> None:
    """
    Nothing of what a kill left half written gets into the file that is written next.
    """
    (tmp_path / "checkpoint.new").write_bytes(b"x" * 10_000)
    store = planted(1)
    export(store, tmp_path)

    assert signed(store, 1) == (tmp_path / "checkpoint").read_text()


@pytest.mark.parametrize("thing", ["file", "folder", "pipe"])
def test_things_in_the_way(tmp_path: Path, thing: str) -> None:
    """
    What is no file where one belongs, or no folder, is refused, and nothing hangs on it.
    """
    if thing == "file":
        (tmp_path / "tile").write_text("")
    elif thing == "folder":
        (tmp_path / "tile/0/000").mkdir(parents=True)
    else:
        os.mkfifo(tmp_path / "checkpoint")

    refused("transfer", lambda: export(planted(300), tmp_path))


def test_two_exports(tmp_path: Path) -> None:
    """
    Two exports into one directory at a time are one too many.
    """
    with StaticFiles(tmp_path):
        assert "another" in refused("transfer", lambda: StaticFiles(tmp_path)).message
    export(planted(1), tmp_path)


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A full disk says so, and exposes nothing.
    """

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(static, "_sync", full)
        told = refused("storage-full", lambda: export(planted(1), tmp_path))

    assert isinstance(told, StorageFullError)
    assert not (tmp_path / "checkpoint").exists()
    export(planted(1), tmp_path)
    check(tmp_path, planted(1), 1)


def test_many_folders(tmp_path: Path) -> None:
    """
    However many folders a tree has, few are open at a time.
    """
    fds = Path("/proc/self/fd")
    before = len(list(fds.iterdir()))
    with StaticFiles(tmp_path) as files:
        for i in range(100):
            files.put(f"a/b{i % 3}/c{i}/d", b"x")
            assert len(list(fds.iterdir())) < before + 70
        assert b"x" == files.read("a/b0/c0/d", 10)
    assert before == len(list(fds.iterdir()))
    assert 100 == len(tree_of(tmp_path))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteStore]:
    """The database of a real ledger with 40 entries, opened beside it."""
    home = home_in(tmp_path)
    make(home, 40)
    store = SqliteStore(home.database, read_only=True)
    yield store
    store.close()


def make(home: Home, size: int) -> None:
    """Make a ledger of `size` entries in several batches."""
    create(home, KEYS, GENESIS)
    for start in range(0, size - 1, 13):
        grow(home, start, min(start + 13, size - 1))


def test_database(tmp_path: Path, database: SqliteStore) -> None:
    """
    A database is exported up to the newest checkpoint that it keeps, with its bodies.
    """
    note = newest_note(database)
    size = Checkpoint.parse(Note.parse(note).text).tree_size
    done = export(database, tmp_path / "www", note, bodies=True)

    check(tmp_path / "www", database, size)
    assert size == done.tree_size
    assert 40 - 13 <= size <= 40
    assert size == len(list((tmp_path / "www/bodies/sha256").iterdir()))


def test_newest_note_of_none() -> None:
    """
    A store that keeps no checkpoint has nothing to export.
    """
    refused("transfer", lambda: newest_note(planted(2 * SLICE)))


@pytest.mark.parametrize("size", [0, 1, SLICE, SLICE + 1, 3 * SLICE + 5])
def test_newest_note(size: int) -> None:
    """
    The newest note is found, however long ago it was kept.
    """
    store = planted(3 * SLICE + 10)
    plant(store, [b"one more"], [(0, "none"), (1, "one"), (size, "newest")])
    if size <= 1:
        store._notes = {size: "newest"}

    assert "newest" == newest_note(store)


def test_lock_is_let_go(tmp_path: Path) -> None:
    """
    The directory can be exported into again, also after an export that failed.
    """
    refused("malformed", lambda: export(planted(1), tmp_path, "nothing"))
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(fd)


def test_live_ledger(tmp_path: Path) -> None:
    """
    A ledger is exported while another process appends to it.
    """
    home = home_in(tmp_path)
    make(home, 3)
    code = """
import sys
from pathlib import Path
from ledger.store.sqlite import SqliteStore
from ledger.export import newest_note
from tests.ledger.test_export import export
store = SqliteStore(Path(sys.argv[1]), read_only=True)
print(export(store, Path(sys.argv[2]), newest_note(store)).tree_size)
store.close()
"""
    with open_ledger(home, KEYS) as ledger:
        for i in range(2, 12, 3):
            ledger.append(entries(i, i + 3))
            [size] = script(code, home.database, tmp_path / "www")
            assert int(size) <= ledger.head.tree_size
            check(tmp_path / "www", ledger.store, int(size))
        assert int(size) >= 9
