"""Large bodies and all that lies beside an entry: through crashes, checks, copies and exports."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger import dedup, labels, orphans
from ledger.bodies import Bodies
from ledger.copies.backup import back_up
from ledger.copies.mirror import Mirror
from ledger.copies.restore import Restored, restore
from ledger.export import Export
from ledger.fsck.repair import repair
from ledger.ledger import Ledger
from ledger.opening import Home, open_ledger
from ledger.resources import Resources, body_path
from ledger.spooling import PIECE
from ledger.static import StaticFiles
from ledger.store import Row
from ledger.store.reading import SqliteReader
from ledger.store.sqlite import SqliteStore
from signer.keys.memory import MemoryKey
from signer.v1 import ledger_pb2
from tests.ledger.large import (
    PROMISING,
    SIZE,
    append,
    check,
    expected,
    files,
    grow,
    large,
    legacy,
)
from tests.ledger.making import KEYS, edit, prove_all, refused, script
from tests.ledger.mirroring import answer, content, feed, follow
from verifier.entry import Entry
from verifier.note import NoteKey

Messages = list[ledger_pb2.PullResponse]

DIE = """
import os, sys
from pathlib import Path
from ledger import bodies
from ledger.anchor import Anchor
from ledger.opening import open_ledger
from ledger.store.sqlite import SqliteStore
from tests.ledger import large, making
ledger = open_ledger(making.home_in(Path(sys.argv[1])), large.PROMISING).ledger
def die(*args):
    print("died")
    sys.stdout.flush()
    os._exit(0)
owner, name = {
    "write": (bodies.Spool, "keep"), "rename": (bodies.Bodies, "take"),
    "commit": (SqliteStore, "commit"), "anchor": (Anchor, "write"),
}[sys.argv[2]]
setattr(owner, name, die)
large.append(ledger, 2)
"""


def swept(home: Home) -> int:
    """Sweep as a service does when it starts."""
    with open_ledger(home, PROMISING) as ledger:
        assert isinstance(ledger.store, SqliteReader)
        return orphans.sweep(ledger.store, ledger.bodies)


@pytest.mark.parametrize(
    ("step", "whole"), [("write", False), ("rename", False), ("commit", False), ("anchor", True)]
)
def test_killed(home: Home, tmp_path: Path, step: str, whole: bool) -> None:
    """
    Whoever dies between the first byte of a body and the commit that names it leaves a file that
    is no finding and is swept; after the commit the body is there, and stays.
    """
    grow(home, 1)
    assert ["died"] == script(DIE, tmp_path, step)

    left = files(home.directory)
    assert 2 == len(left)
    assert [] == check(home.database)
    assert (0 if whole else 1) == swept(home)
    assert expected(1, 2) if whole else expected(1) == files(home.directory)
    grow(home, 2)
    assert expected(1, 2) == files(home.directory)
    assert [] == check(home.database)


def test_swept_by_the_rows(home: Home) -> None:
    """
    A body that a row names is not swept when the index of bodies has lost it.
    """
    grow(home, 1)
    with open_ledger(home, PROMISING) as ledger:
        large(3).keep(ledger)
    edit(home.database, "DELETE FROM label")

    assert 1 == swept(home)
    assert expected(1) == files(home.directory)


def test_two_rows_name_one_body(home: Home) -> None:
    """
    A body that two rows name is one file, and is whole for both.
    """
    found, other = large(1), MemoryKey.generate("ecdsa-p256")
    logged = Entry.of(found.body, other.sign(found.body), other.public).body()
    again = found.new._replace(
        entry=logged,
        labels=labels.of(logged, found.body),
        dedup=dedup.key(labels.BUNDLE, other.public, found.body),
    )
    with open_ledger(home, KEYS) as ledger:
        prove_all(ledger.append([found.keep(ledger), again]))

    assert expected(1) == files(home.directory)
    assert [] == check(home.database)


def test_rows_are_read_back(home: Home) -> None:
    """
    Promise, timestamp, certificates and the size of a body in a file come back as they were.
    """
    with open_ledger(home, PROMISING) as ledger:
        append(ledger, 1)
        _, promised, attested = ledger.store.rows(1, 4)

    made = large(1)
    assert (
        Row(
            made.new.entry,
            None,
            attested.labels,
            attested.time,
            None,
            b"stamp",
            b"chain",
            len(made.body),
        )
        == attested
    )
    assert promised.promise is not None
    assert (None, None, 0, legacy(1).body) == (
        promised.timestamp,
        promised.chain,
        promised.body_size,
        promised.body,
    )


# The check.


@pytest.mark.parametrize(
    ("spoil", "index"),
    [
        ("UPDATE entry SET body_size = body_size - 1 WHERE idx = 3", 3),
        ("UPDATE entry SET body_size = 1 << 62 WHERE idx = 3", 3),
        ("UPDATE entry SET body = x'00' WHERE idx = 3", 3),
        ("UPDATE entry SET body_size = 5 WHERE idx = 1", 1),
    ],
)
def test_damaged_row(home: Home, spoil: str, index: int) -> None:
    """
    A row whose body is not where the row says is found, whatever the row says of its size.
    """
    grow(home, 1)
    edit(home.database, spoil)

    assert ("body-altered", index) in check(home.database)
    refused("ledger-damaged", lambda: repair(home, KEYS.seal, lambda *_: None))


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        ("UPDATE entry SET promise = NULL WHERE idx = 2", [("promise-missing", 2)]),
        ("UPDATE entry SET promise = x'00' WHERE idx = 2", [("promise-altered", 2)]),
        (
            "UPDATE entry SET promise = CAST(promise || x'00' AS BLOB) WHERE idx = 2",
            [("promise-altered", 2)],
        ),
        (
            "UPDATE entry SET promise = (SELECT promise FROM entry WHERE idx = 5) WHERE idx = 2",
            [("promise-altered", 2)],
        ),
        ("UPDATE entry SET time = time - 1 WHERE idx = 2", [("promise-altered", 2), ("time", 2)]),
    ],
)
def test_promise(home: Home, spoil: str, found: list[tuple[str, int]]) -> None:
    """
    A promise that is gone, altered, of another entry or of another time is found.
    """
    grow(home, 1, 2)
    assert [] == check(home.database)
    edit(home.database, spoil)

    assert found == sorted(check(home.database))


def test_orphan_is_no_finding(home: Home) -> None:
    """
    A file that nobody names harms nobody: somebody may be about to name it.
    """
    grow(home, 1)
    with open_ledger(home, KEYS) as ledger:
        large(2).keep(ledger)

    assert [] == check(home.database)
    assert expected(1, 2) == files(home.directory)


def test_repair_derives_from_files(home: Home) -> None:
    """
    Labels and keys of a large attestation and of a legacy signature are made again from their
    bodies.
    """
    grow(home, 1, 2)
    before = content(home.database)
    edit(home.database, "UPDATE entry SET labels = x'7b7d' WHERE idx IN (2, 3)")
    edit(home.database, "DELETE FROM dedup WHERE idx IN (2, 3, 5, 6)")
    edit(home.database, "DELETE FROM label WHERE idx IN (2, 3)")
    repair(home, KEYS.seal, lambda *_: None)

    assert before == content(home.database)
    assert [] == check(home.database)


# The mirror.


@pytest.fixture
def ledger(home: Home) -> Iterator[Ledger]:
    """An open ledger with everything of one image."""
    with open_ledger(home, PROMISING) as ledger:
        append(ledger, 1)
        yield ledger


def test_mirror(home: Home, ledger: Ledger, tmp_path: Path) -> None:
    """
    A mirror holds what the source does, to the last byte of each body, and gets that in small
    messages, each body before its row.
    """
    mirror = tmp_path / "mirror"
    follow(ledger, mirror)
    append(ledger, 2, 3)
    messages = answer(ledger, 4)
    follow(ledger, mirror)
    theirs = content(mirror / "ledger.db")
    theirs["checkpoint"].pop()

    assert content(home.database) == theirs
    assert expected(1, 2, 3) == files(mirror)
    assert all(len(piece.data) <= PIECE for m in messages for piece in m.bodies)
    assert all(message.ByteSize() < 2 * PIECE for message in messages)
    come: set[str] = set()
    for message in messages:
        come.update(piece.name for piece in message.bodies)
        assert all(
            large(i).name in come
            for i in (2, 3)
            if large(i).new.entry in [row.entry for row in message.rows]
        )


def pieces(messages: Messages) -> list[ledger_pb2.PullResponse.BodyPiece]:
    return [piece for message in messages for piece in message.bodies]


def without(n: int) -> Callable[[Messages], object]:
    """Return what leaves out the message with this piece."""

    def change(messages: Messages) -> None:
        messages.remove([message for message in messages if message.bodies][n])

    return change


def piece(n: int, **values: object) -> Callable[[Messages], object]:
    """Return what changes fields of a piece."""

    def change(messages: Messages) -> None:
        for name, value in values.items():
            setattr(pieces(messages)[n], name, value)

    return change


def flipped(messages: Messages) -> None:
    found = pieces(messages)[1]
    found.data = bytes([found.data[0] ^ 1]) + found.data[1:]


def swapped(messages: Messages) -> None:
    at = [i for i, message in enumerate(messages) if message.bodies][:2]
    messages[at[0]], messages[at[1]] = messages[at[1]], messages[at[0]]


def misnamed(messages: Messages) -> None:
    """Send the body under another name as well."""
    for i, message in enumerate([message for message in messages if message.bodies]):
        other = ledger_pb2.PullResponse.FromString(message.SerializeToString())
        other.bodies[0].name = "sha256:" + "0" * 64
        messages.insert(i, other)


def none(messages: Messages) -> None:
    messages[:] = [message for message in messages if not message.bodies]


def row(**values: object) -> Callable[[Messages], object]:
    """Return what changes fields of the last row."""

    def change(messages: Messages) -> None:
        for name, value in values.items():
            setattr([r for m in messages for r in m.rows][-1], name, value)

    return change


LIES: dict[str, Callable[[Messages], object]] = {
    "altered": flipped,
    "none": none,
    "no beginning": without(0),
    "gap": without(1),
    "no end": without(-1),
    "order": swapped,
    "another name": piece(0, name="sha256:" + "0" * 64),
    "another name within": piece(1, name="sha256:" + "0" * 64),
    "under two names": misnamed,
    "no hash": piece(1, name="../../ledger.db"),
    "another offset": piece(1, offset=7),
    "another size": row(body_size=SIZE),
    "huge": row(body_size=2**62),
    "in the row too": row(body=large(2).body),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_to_a_mirror(ledger: Ledger, tmp_path: Path, lie: str) -> None:
    """
    A body that does not come as its row says is refused, and so is all that came with it; the
    mirror takes the truth afterwards.
    """
    mirror = Mirror(tmp_path / "mirror")
    try:
        mirror.meet(ledger.published.note)
        assert feed(mirror, answer(ledger))
        before = mirror.head
        append(ledger, 2)
        messages = answer(ledger, 4)
        LIES[lie](messages)

        refused("ledger-damaged", lambda: feed(mirror, messages))
        assert before == mirror.head
        assert feed(mirror, answer(ledger, 4))
        assert ledger.head == mirror.head
    finally:
        mirror.close()
    assert [] == check(tmp_path / "mirror" / "ledger.db")


def test_mirror_sweeps(ledger: Ledger, tmp_path: Path) -> None:
    """
    Bodies that came before the mirror was cut off are swept when it is opened again.
    """
    mirror = tmp_path / "mirror"
    follow(ledger, mirror)
    append(ledger, 2)
    messages = answer(ledger, 4)
    opened = Mirror(mirror)
    refused("ledger-damaged", lambda: feed(opened, messages[:-1]))
    opened.close()
    (mirror / "bodies" / "half.new").write_bytes(b"half")
    assert {**expected(1, 2), "half.new": b"half"} == files(mirror)
    Mirror(mirror).close()

    assert expected(1) == files(mirror)
    follow(ledger, mirror)
    assert expected(1, 2) == files(mirror)


# Backup and restore.


class Lost:
    """A ledger whose directory is gone; image 1 is in the backup, and all in the mirror."""

    def __init__(self, home: Home, folder: Path) -> None:
        self.home = home
        self.backup, self.mirror = folder / "backup" / "b.db", folder / "mirror"
        self.backup.parent.mkdir()
        grow(home, 1)
        back_up(home.database, self.backup, lambda *_: None)
        grow(home, 2)
        with open_ledger(home, PROMISING) as ledger:
            follow(ledger, self.mirror)
        self.content = content(home.database)
        shutil.rmtree(home.directory)

    def restore(self) -> Restored:
        """Bring it back."""
        return restore(self.home, PROMISING, self.backup, self.mirror, lambda *_: None)


@pytest.fixture
def lost(home: Home, tmp_path: Path) -> Lost:
    """A lost ledger."""
    return Lost(home, tmp_path)


def nothing(_: Lost) -> None:
    """Leave everything as it is."""


def moved_alone(lost: Lost) -> None:
    """Take the backup elsewhere, without the bodies beside it."""
    shutil.rmtree(lost.backup.parent / "bodies")


def spoilt_backup(lost: Lost) -> None:
    path = Bodies(lost.backup.parent / "bodies").path(large(1).name)
    path.write_bytes(b"?" + path.read_bytes()[1:])


def spoilt_here(lost: Lost) -> None:
    """Have a spoilt file where the ledger was."""
    path = Bodies(lost.home.bodies).path(large(1).name)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"spoilt")


@pytest.mark.parametrize("spoil", [nothing, moved_alone, spoilt_backup, spoilt_here])
def test_restored(lost: Lost, spoil: Callable[[Lost], object]) -> None:
    """
    Everything is back, rows and bodies, from wherever each body still is.
    """
    spoil(lost)
    found = lost.restore()
    now = content(lost.home.database)
    now["checkpoint"] = [row for row in now["checkpoint"] if row[0] < found.tree_size]

    assert (7, 3) == (found.tree_size, found.from_mirror)
    assert lost.content == now
    assert expected(1, 2) == files(lost.home.directory)
    assert [] == check(lost.home.database)


@pytest.mark.parametrize("image", [1, 2])
def test_nobody_has_the_body(lost: Lost, image: int) -> None:
    """
    Without a body nothing is put in place, whether the backup names it or the mirror.
    """
    for folder in (lost.backup.parent, lost.mirror):
        path = Bodies(folder / "bodies").path(large(image).name)
        path.unlink(missing_ok=True)

    refused("ledger-damaged", lost.restore)
    assert not lost.home.database.exists()


def test_backups_share_bodies(home: Home, tmp_path: Path) -> None:
    """
    A later backup into the same directory adds what is new, and each is whole for itself.
    """
    (tmp_path / "backups").mkdir()
    for n in (1, 2):
        grow(home, n)
        back_up(home.database, tmp_path / "backups" / f"{n}.db", lambda *_: None)

    assert expected(1, 2) == files(tmp_path / "backups")
    assert [[], []] == [check(tmp_path / "backups" / f"{n}.db") for n in (1, 2)]


def test_backup_of_a_spoilt_ledger(home: Home, tmp_path: Path) -> None:
    """
    A backup that would lack a body is not made.
    """
    grow(home, 1)
    Bodies(home.bodies).path(large(1).name).unlink()

    refused("ledger-damaged", lambda: back_up(home.database, tmp_path / "b.db", lambda *_: None))
    assert not (tmp_path / "b.db").exists()


# What readers get.


def test_export(home: Home, tmp_path: Path) -> None:
    """
    An export with bodies has the large ones too, and none that is spoilt.
    """
    grow(home, 1)
    store = SqliteStore(home.database, read_only=True)
    keys = [NoteKey.of(store.origin, KEYS.log.public)]
    with open_ledger(home, PROMISING) as opened:
        note = opened.published.note
    try:
        with StaticFiles(tmp_path / "export") as to:
            Export(store, to, keys, Bodies(home.bodies)).run(note, lambda *_: None, bodies=True)
        assert large(1).body == (tmp_path / "export" / body_path(large(1).name)).read_bytes()
        Bodies(home.bodies).path(large(1).name).write_bytes(b"spoilt")
        with StaticFiles(tmp_path / "another") as to:
            export = Export(store, to, keys, Bodies(home.bodies))
            refused("ledger-damaged", lambda: export.run(note, lambda *_: None, bodies=True))
        assert not (tmp_path / "another" / "checkpoint").exists()
    finally:
        store.close()


def test_served(ledger: Ledger) -> None:
    """
    A large body is served in pieces once its entry is published; a small one is not large.
    """
    made = large(1)
    size = 3
    resources = Resources(ledger.store, lambda: "", lambda: size, ledger.bodies)
    assert resources.large(made.name) is None
    size = 4
    found = resources.large(made.name)
    assert found is not None
    assert (len(made.body), "application/octet-stream", "private, no-store") == (
        found.size,
        found.media_type,
        found.cache_control,
    )
    assert made.body == b"".join(found.pieces)
    small = "sha256:" + hashlib.sha256(legacy(1).body).hexdigest()
    assert (None, legacy(1).body) == (resources.large(small), (resources.body(small) or b"")[0])
