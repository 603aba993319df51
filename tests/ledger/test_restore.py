"""Restoring: all that was acknowledged is back at its index, or nothing is in place at all."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from ledger.anchor import failure_note
from ledger.copies import joining
from ledger.copies import restore as restoring
from ledger.copies.backup import back_up
from ledger.copies.restore import Restored, restore
from ledger.errors import IdempotencyError
from ledger.opening import Home, adopt, create, open_ledger
from ledger.signatory import LogKeys
from tests.ledger.making import (
    GENESIS,
    KEYS,
    LogSigner,
    edit,
    entries,
    entry,
    grow,
    home_in,
    prove_all,
    refused,
)
from tests.ledger.mirroring import content, follow, mirrored
from verifier.checkpoint import Checkpoint
from verifier.merkle import verify_consistency
from verifier.note import Note


class Lost(NamedTuple):
    """A ledger whose directory is gone, with what is left of it elsewhere."""

    home: Home
    backup: Path
    mirror: Path
    content: dict[str, list[object]]  # what the database held

    @property
    def mirror_database(self) -> Path:
        """The mirror's database."""
        return self.mirror / "ledger.db"

    def restore(
        self, *, mirror: bool = True, newest: bool = False, synchronous: bool = False
    ) -> Restored:
        """Bring it back."""
        return restore(
            self.home,
            KEYS,
            self.backup,
            self.mirror if mirror else None,
            lambda *_: None,
            newest=newest,
            synchronous=synchronous,
        )

    def nothing_is_in_place(self) -> None:
        """Check that no database is there, nor a part of one."""
        assert {"ledger.lock"} >= {path.name for path in self.home.directory.iterdir()}


def key(n: int) -> bytes:
    """Return 32 bytes that follow from `n`."""
    return hashlib.sha256(b"key %d" % n).digest()


def lose(home: Home, folder: Path, backed_up: int, mirrored_at: int, total: int) -> Lost:
    """Grow a ledger to `total` images, keep copies on the way, and lose it."""
    for size in sorted({backed_up, mirrored_at, total}):
        with open_ledger(home, KEYS) as ledger:
            have = ledger.head.tree_size - 1
            for low in range(have, size, 100):
                stop = min(size, low + 100)
                ledger.append([entry(i, (key(i), key(-i))) for i in range(low, stop)])
        if size == backed_up:
            back_up(home.database, folder / "backup.db", lambda *_: None)
        if size == mirrored_at:
            mirrored(home, folder / "mirror")
    held = content(home.database)
    shutil.rmtree(home.directory)
    return Lost(home, folder / "backup.db", folder / "mirror", held)


@pytest.fixture
def lost(home: Home, tmp_path: Path) -> Lost:
    """A ledger of 8 entries, backed up at 4, mirrored to its end."""
    return lose(home, tmp_path, 3, 7, 7)


@pytest.mark.parametrize(
    ("backed_up", "total"), [(0, 1), (1, 300), (254, 255), (255, 256), (256, 900), (700, 700)]
)
def test_everything_is_back(home: Home, tmp_path: Path, backed_up: int, total: int) -> None:
    """
    Backup and mirror together are what was lost, to the last byte, claim and checkpoint, and the
    ledger goes on from there: every earlier checkpoint is one that it grew out of.
    """
    lost = lose(home, tmp_path, backed_up, total, total)
    found = lost.restore()
    now = content(home.database)
    # The newest is from the mirror: here the next commit would have kept it.
    now["checkpoint"] = [row for row in now["checkpoint"] if row[0] <= total]

    assert (total + 1, total - backed_up) == (found.tree_size, found.from_mirror)
    assert lost.content == now
    with open_ledger(home, KEYS) as ledger:
        assert [*range(1, total + 1), total + 1] == prove_all(
            answer
            for low in range(0, total + 1, 300)
            for answer in ledger.append(entries(low, min(total + 1, low + 300)))
        )
        newest = ledger.published.checkpoint
        for size, note in lost.content["checkpoint"]:
            if size:
                old = Checkpoint.parse(Note.parse(str(note)).text)
                path = ledger.prove_consistency(size, newest.tree_size)
                verify_consistency(size, newest.tree_size, path, old.root, newest.root)


def test_backup_alone(home: Home, tmp_path: Path) -> None:
    """
    A backup that reaches the anchor needs no mirror.
    """
    lost = lose(home, tmp_path, 5, 5, 5)
    found = lost.restore(mirror=False)
    assert (6, 0) == (found.tree_size, found.from_mirror)
    with open_ledger(home, KEYS) as ledger:
        assert [6] == prove_all(ledger.append(entries(5, 6)))


def test_mirror_alone(lost: Lost) -> None:
    """
    The database of a mirror is a backup too.
    """
    assert 8 == lost._replace(backup=lost.mirror_database).restore(mirror=False).tree_size
    assert 8 == open_and_count(lost.home)


def open_and_count(home: Home) -> int:
    """Open a ledger as a service does, and return its size."""
    with open_ledger(home, KEYS) as ledger:
        return ledger.head.tree_size


def test_not_up_to_the_anchor(home: Home, tmp_path: Path) -> None:
    """
    Entries that were acknowledged and are in neither backup nor mirror: refused, nothing in place.
    """
    lost = lose(home, tmp_path, 3, 5, 7)

    for mirror in (False, True):
        error = refused("ledger-rollback", lambda mirror=mirror: lost.restore(mirror=mirror))
        assert "the anchor has seen 8 entries" in error.message
        lost.nothing_is_in_place()
    assert "the mirror 6" in error.message


def test_mirror_behind_the_backup(home: Home, tmp_path: Path) -> None:
    """
    A mirror that has less than the backup does no harm, unless it is of another history.
    """
    lost = lose(home, tmp_path, 7, 3, 7)
    other = lost._replace(mirror=tmp_path / "other-mirror")
    fork = home_in(tmp_path / "fork")
    create(fork, KEYS, GENESIS)
    grow(fork, 20, 22)
    mirrored(fork, other.mirror)

    assert "another history" in refused("ledger-damaged", other.restore).hint
    lost.nothing_is_in_place()
    assert 8 == lost.restore().tree_size


def test_never_over_a_database(home: Home, tmp_path: Path) -> None:
    """
    What is in the place of the database stays there, whatever it is, also when it is in use.
    """
    grow(home, 0, 2)
    back_up(home.database, tmp_path / "backup.db", lambda *_: None)
    lost = Lost(home, tmp_path / "backup.db", tmp_path / "none", {})
    before = home.database.read_bytes()

    with open_ledger(home, KEYS):
        refused("ledger-busy", lambda: lost.restore(mirror=False))
    refused("transfer", lambda: lost.restore(mirror=False))
    assert before == home.database.read_bytes()
    home.database.unlink()
    wal = home.database.with_name("ledger.db-wal")
    wal.write_bytes(b"acknowledged entries")
    refused("transfer", lambda: lost.restore(mirror=False))
    assert b"acknowledged entries" == wal.read_bytes()
    wal.unlink()

    def appear(_: int, __: int) -> None:
        home.database.write_bytes(b"another")

    refused("transfer", lambda: restore(home, KEYS, lost.backup, None, appear))
    assert b"another" == home.database.read_bytes()


def test_another_origin(lost: Lost, tmp_path: Path) -> None:
    """
    Backup, mirror and anchor must all be of the ledger that is configured.
    """
    other = home_in(tmp_path / "other", "other.example")
    create(other, KEYS, GENESIS)
    back_up(other.database, tmp_path / "other.db", lambda *_: None)
    mirrored(other, tmp_path / "other-mirror")

    refused("foreign-ledger", lost._replace(backup=tmp_path / "other.db").restore)
    refused("foreign-ledger", lost._replace(mirror=tmp_path / "other-mirror").restore)
    renamed = lost._replace(home=lost.home._replace(origin="other.example"))
    refused("foreign-ledger", renamed.restore)
    lost.nothing_is_in_place()


def test_missing_pieces(lost: Lost, tmp_path: Path) -> None:
    """
    A backup or a mirror that is not there is named.
    """
    refused("ledger-missing", lost._replace(backup=tmp_path / "none.db").restore)
    refused("ledger-missing", lost._replace(mirror=tmp_path / "none").restore)
    lost.nothing_is_in_place()


DAMAGE = {
    "entry": "UPDATE entry SET entry = zeroblob(300) WHERE idx = {}",
    "body": "UPDATE entry SET body = zeroblob(300) WHERE idx = {}",
    "gone": "DELETE FROM entry WHERE idx = {}",
    "root": "UPDATE head SET root = zeroblob(32)",
    "compact": "UPDATE head SET compact = zeroblob(32 * 9)",
    "size": "UPDATE head SET tree_size = tree_size + 1",
    "smaller": "UPDATE head SET tree_size = tree_size - 1",
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_backup(lost: Lost, what: str) -> None:
    """
    A damaged row anywhere in the backup is found, and nothing put in place.
    """
    edit(lost.backup, DAMAGE[what].format(1))

    refused("ledger-damaged", lost.restore)
    lost.nothing_is_in_place()


def test_damaged_tile_in_the_backup(home: Home, tmp_path: Path) -> None:
    """
    A tile that is not that of its entries is found.
    """
    lost = lose(home, tmp_path, 300, 310, 310)
    edit(lost.backup, "UPDATE tile SET hashes = zeroblob(8192)")

    refused("ledger-damaged", lost.restore)
    lost.nothing_is_in_place()


def test_damage_below_a_tile(home: Home, tmp_path: Path) -> None:
    """
    An entry that no proof reads any more, because a tile covers it, is hashed nevertheless.
    """
    lost = lose(home, tmp_path, 300, 310, 310)
    other = entry(999)
    edit(
        lost.backup,
        "UPDATE entry SET entry = ?, body = ? WHERE idx = 5",
        other.entry,
        other.body,
    )

    assert "tile 0/0 is not that" in refused("ledger-damaged", lost.restore).message
    lost.nothing_is_in_place()


def test_claims_that_came_after_the_backup(home: Home, tmp_path: Path) -> None:
    """
    An idempotency key that was used again for an entry of the backup is known afterwards.
    """
    grow(home, 0, 3)
    back_up(home.database, tmp_path / "backup.db", lambda *_: None)
    with open_ledger(home, KEYS) as ledger:
        ledger.append([entry(1, (key(1), key(2)))])
    mirrored(home, tmp_path / "mirror")
    shutil.rmtree(home.directory)
    Lost(home, tmp_path / "backup.db", tmp_path / "mirror", {}).restore()

    with open_ledger(home, KEYS) as ledger:
        [answer] = ledger.append([entry(7, (key(1), key(3)))])
        assert isinstance(answer, IdempotencyError)


MIRROR_DAMAGE = {
    **DAMAGE,
    "labels": 'UPDATE entry SET labels = CAST(\'{{"form":["bundle"]}}\' AS BLOB) WHERE idx = {}',
    "time": "UPDATE entry SET time = 5 WHERE idx = {}",
}


@pytest.mark.parametrize("what", MIRROR_DAMAGE)
def test_damaged_mirror(lost: Lost, what: str) -> None:
    """
    A row of the mirror that is not as it was logged is found, and nothing put in place.
    """
    edit(lost.mirror_database, MIRROR_DAMAGE[what].format(5))

    refused("ledger-damaged", lost.restore)
    lost.nothing_is_in_place()


def test_mirror_of_a_fork(lost: Lost, tmp_path: Path) -> None:
    """
    A mirror of another history is refused, though each of its rows is genuine and it is sealed.
    """
    fork = home_in(tmp_path / "fork")
    create(fork, KEYS, GENESIS)
    grow(fork, 0, 3)
    grow(fork, 40, 49)
    mirrored(fork, tmp_path / "fork-mirror")

    refused("ledger-damaged", lost._replace(mirror=tmp_path / "fork-mirror").restore)
    lost.nothing_is_in_place()


def beyond(home: Home, folder: Path) -> Lost:
    """Return a lost ledger whose anchor is at 6 and whose mirror has 8."""
    grow(home, 0, 3)
    back_up(home.database, folder / "backup.db", lambda *_: None)
    grow(home, 3, 5)
    anchor = (home.anchor / "anchor").read_bytes()
    grow(home, 5, 6)
    grow(home, 6, 7)
    mirrored(home, folder / "mirror")
    held = content(home.database)
    (home.anchor / "anchor").write_bytes(anchor)
    shutil.rmtree(home.directory)
    return Lost(home, folder / "backup.db", folder / "mirror", held)


def test_beyond_the_anchor(home: Home, tmp_path: Path) -> None:
    """
    What the mirror has beyond the anchor was durable, and is taken: the mirror stays level.
    """
    lost = beyond(home, tmp_path)

    found = lost.restore()
    assert (8, 4, 0) == (found.tree_size, found.from_mirror, found.left_out)
    assert 8 == open_and_count(home)
    grow(home, 9, 10)
    assert 9 == mirrored(home, lost.mirror)


def test_beyond_the_anchor_by_signature(home: Home, tmp_path: Path) -> None:
    """
    Where no seal covers what is beyond the anchor, a checkpoint that we signed does; the rest is
    left out and said to be.
    """
    lost = beyond(home, tmp_path)
    edit(lost.mirror_database, "UPDATE head SET seal = x''")
    edit(lost.mirror_database, "DELETE FROM checkpoint WHERE tree_size = 8")
    found = lost.restore()

    assert (7, 1) == (found.tree_size, found.left_out)
    assert 7 == open_and_count(home)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM checkpoint WHERE tree_size > 6",
        "UPDATE checkpoint SET note = replace(note, 'ledger', 'larger') WHERE tree_size > 6",
        "UPDATE checkpoint SET note = 'nothing' WHERE tree_size > 6",
    ],
)
def test_beyond_the_anchor_by_nothing(home: Home, tmp_path: Path, sql: str) -> None:
    """
    What nothing of ours vouches for is not taken beyond the anchor.
    """
    lost = beyond(home, tmp_path)
    edit(lost.mirror_database, "UPDATE head SET seal = x''")
    edit(lost.mirror_database, sql)
    found = lost.restore()

    assert (6, 2) == (found.tree_size, found.left_out)
    assert 6 == open_and_count(home)


def test_seal_of_another_key(home: Home, tmp_path: Path) -> None:
    """
    Entries beyond the anchor under a head that somebody else sealed are not ours.
    """
    lost = beyond(home, tmp_path)
    other = LogKeys(LogSigner(b"other"), bytes(32))
    found = restore(home, other, lost.backup, lost.mirror, lambda *_: None)

    assert (6, 2) == (found.tree_size, found.left_out)


def test_unsealed_backup_beyond_the_anchor(home: Home, tmp_path: Path) -> None:
    """
    A half-stored mirror is no backup: what nothing vouches for cannot be left out of a backup.
    """
    lost = beyond(home, tmp_path)
    edit(lost.mirror_database, "UPDATE head SET seal = x''")
    edit(lost.mirror_database, "DELETE FROM checkpoint WHERE tree_size > 6")
    swapped = lost._replace(backup=lost.mirror_database)

    refused("ledger-damaged", lambda: swapped.restore(mirror=False))
    lost.nothing_is_in_place()


def under_way(home: Home, folder: Path, published: int, at_mirror: int) -> Lost:
    """Return a lost ledger of 8 that asks its mirror: what each of them had come to."""
    back_up(home.database, folder / "backup.db", lambda *_: None)
    with open_ledger(home, KEYS, asks=True) as ledger:
        for size in range(2, 9):
            ledger.commit(entries(size, size + 1))
            if size == at_mirror:
                follow(ledger, folder / "mirror")
            if size == published:
                ledger.publish(Note.parse(ledger.signed.note))
    shutil.rmtree(home.directory)
    return Lost(home, folder / "backup.db", folder / "mirror", {})


def test_what_nobody_was_told_of(home: Home, tmp_path: Path) -> None:
    """
    A service that answers when its mirror has the entry is restored up to what was published:
    what had reached the anchor alone is gone, and nobody was told of it.
    """
    lost = under_way(home, tmp_path, 5, 6)

    assert "the anchor has seen 8" in refused("ledger-rollback", lost.restore).message
    found = lost.restore(synchronous=True)
    assert (6, 2, 0) == (found.tree_size, found.unanswered, found.left_out)
    with open_ledger(home, KEYS, asks=True) as ledger:
        assert 5 == ledger.published.checkpoint.tree_size
        ledger.commit(entries(20, 21))
        assert 7 == follow(ledger, lost.mirror)


def test_what_was_published(home: Home, tmp_path: Path) -> None:
    """
    What was published is never given up, nor taken for less because nothing says what it was.
    """
    lost = under_way(home, tmp_path, 5, 4)
    refused("ledger-rollback", lambda: lost.restore(synchronous=True))
    lost.nothing_is_in_place()
    (home.anchor / "published").unlink()
    refused("ledger-rollback", lambda: lost.restore(synchronous=True))


def test_published_in_another_tree(home: Home, tmp_path: Path) -> None:
    """
    A tree without the root that was published is refused, though it is sealed and long enough.
    """
    lost = under_way(home, tmp_path, 5, 6)
    fork = home_in(tmp_path / "fork")
    create(fork, KEYS, GENESIS)
    grow(fork, 40, 46)
    mirrored(fork, tmp_path / "fork-mirror")
    other = lost._replace(mirror=tmp_path / "fork-mirror")

    refused("ledger-damaged", lambda: other.restore(synchronous=True))
    lost.nothing_is_in_place()


def test_published_is_not_outlived(home: Home, tmp_path: Path) -> None:
    """
    When a service stops asking, what it had published before says nothing any more.
    """
    with open_ledger(home, KEYS, asks=True) as ledger:
        ledger.commit(entries(2, 3))
        ledger.publish(Note.parse(ledger.signed.note))
    back_up(home.database, tmp_path / "backup.db", lambda *_: None)
    grow(home, 3, 6)
    shutil.rmtree(home.directory)
    lost = Lost(home, tmp_path / "backup.db", tmp_path / "none", {})

    refused("ledger-rollback", lambda: lost.restore(mirror=False, synchronous=True))


def test_without_the_anchor(lost: Lost) -> None:
    """
    With the anchor lost too nothing here says how far the ledger was: only who says so gets it.
    """
    shutil.rmtree(lost.home.anchor)

    assert "--newest" in refused("anchor-missing", lost.restore).hint
    lost.nothing_is_in_place()
    assert 8 == lost.restore(newest=True).tree_size
    assert 8 == open_and_count(lost.home)


def test_newest_does_not_pass_an_anchor_by(home: Home, tmp_path: Path) -> None:
    """
    An anchor that is there counts, whatever was said.
    """
    lost = lose(home, tmp_path, 3, 5, 7)
    refused("ledger-rollback", lambda: lost.restore(newest=True))
    (home.anchor / "anchor").write_bytes(bytes(1024))
    refused("ledger-damaged", lambda: lost.restore(newest=True))


def test_anchor_of_another_history(lost: Lost, tmp_path: Path) -> None:
    """
    A tree that does not have the root that the anchor knows is refused.
    """
    fork = home_in(tmp_path / "fork")
    create(fork, KEYS, GENESIS)
    grow(fork, 30, 36)
    shutil.copy(fork.anchor / "anchor", lost.home.anchor / "anchor")

    assert "the anchor knows root" in refused("ledger-damaged", lost.restore).message
    lost.nothing_is_in_place()


def test_a_frozen_ledger(home: Home, tmp_path: Path) -> None:
    """
    A ledger that was frozen stays so.
    """
    back_up(home.database, tmp_path / "backup.db", lambda *_: None)
    with open_ledger(home, KEYS) as ledger:
        ledger.commit(entries(0, 1), freeze=True)
    mirrored(home, tmp_path / "mirror")
    shutil.rmtree(home.directory)
    Lost(home, tmp_path / "backup.db", tmp_path / "mirror", {}).restore()

    with open_ledger(home, KEYS) as ledger:
        refused("ledger-frozen", lambda: ledger.append(entries(1, 2)))


CUTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "copying": lambda patch: patch.setattr(restoring, "migrate_database", interrupted),
    "hashing": lambda patch: patch.setattr(joining, "_rehash", interrupted),
    "joining": lambda patch: patch.setattr(joining, "derive", interrupted),
    "sealing": lambda patch: patch.setattr(joining.Joining, "_final", interrupted),
    "naming": lambda patch: patch.setattr(Path, "rename", interrupted),
}


def interrupted(*_: object, **__: object) -> None:
    """Do what Ctrl-C does."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", CUTS)
def test_cut_off(lost: Lost, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """
    A restore that is cut off has put nothing in place, and can be run again.
    """
    anchor = (lost.home.anchor / "anchor").read_bytes()
    with monkeypatch.context() as patch:
        CUTS[where](patch)
        with pytest.raises(KeyboardInterrupt):
            lost.restore()

    lost.nothing_is_in_place()
    assert anchor == (lost.home.anchor / "anchor").read_bytes()
    assert 8 == lost.restore().tree_size


def test_killed_before_the_anchor(lost: Lost, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A restore that was killed just before it moved the anchor is finished by `adopt`.
    """
    with monkeypatch.context() as patch:
        patch.setattr("ledger.anchor.Anchor.create", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lost.restore()

    assert 8 == adopt(lost.home, KEYS, print)
    assert 8 == open_and_count(lost.home)


def test_left_by_a_kill(lost: Lost) -> None:
    """
    What a killed restore left beside the place is in nobody's way.
    """
    lost.home.directory.mkdir()
    for name in ("ledger.db.restoring", "ledger.db.restoring-wal", "ledger.db.restoring-shm"):
        (lost.home.directory / name).write_bytes(b"what was left")

    assert 8 == lost.restore().tree_size
    assert ["ledger.db", "ledger.lock"] == sorted(
        path.name for path in lost.home.directory.iterdir()
    )


def test_after_a_disk_failed(lost: Lost) -> None:
    """
    Word of a failed disk stays: the next start demands a check.
    """
    failure_note(lost.home.anchor).write_text("commit: disk I/O error")

    assert lost.restore().check_needed
    refused("fsck-needed", lambda: open_ledger(lost.home, KEYS))


def test_progress(home: Home, tmp_path: Path) -> None:
    """
    Progress is told in entries, up to the last.
    """
    lost = lose(home, tmp_path, 600, 1200, 1200)
    told: list[tuple[int, int]] = []
    restore(home, KEYS, lost.backup, lost.mirror, lambda *done: told.append(done))  # type: ignore[arg-type]

    assert [(512, 1201), (601, 1201), (1113, 1201), (1201, 1201)] == told
