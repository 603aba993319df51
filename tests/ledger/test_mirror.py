"""The mirror: byte for byte what the service has, and nothing that does not belong to it."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.copies.backup import back_up
from ledger.copies.mirror import Mirror
from ledger.ledger import Ledger
from ledger.mirrored import Mirrored
from ledger.opening import Home, adopt, create, open_ledger
from ledger.signatory import LogKeys
from ledger.store import Head
from ledger.store.sqlite import SqliteStore
from signer.client.pulling import parse
from signer.service import PullService
from signer.v1 import ledger_pb2
from tests.ledger.making import (
    GENESIS,
    KEYS,
    ORIGIN,
    REPOSITORY,
    LogSigner,
    edit,
    entries,
    entry,
    grow,
    home_in,
    prove_all,
    refused,
)
from tests.ledger.mirroring import SOMEBODY, answer, content, feed, follow, mirrored
from verifier import dsse, statement
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.note import Note, NoteKey
from verifier.quorum import Quorum
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedLog

Messages = list[ledger_pb2.PullResponse]


def key(n: int) -> bytes:
    """Return 32 bytes that follow from `n`."""
    return hashlib.sha256(b"key %d" % n).digest()


def trusting(keys: LogKeys) -> TrustRoot:
    """Return a trust root that lists this log key alone."""
    log = TrustedLog(ORIGIN, NoteKey.of(ORIGIN, keys.log.public))
    return TrustRoot(1, 0, 2**40, (log,), {}, Quorum.parse("quorum none\n"))


@pytest.fixture
def ledger(home: Home) -> Iterator[Ledger]:
    """An open ledger with its genesis entry."""
    with open_ledger(home, KEYS) as ledger:
        yield ledger


@pytest.fixture
def mirror(ledger: Ledger, tmp_path: Path) -> Iterator[Mirror]:
    """An open mirror of three entries."""
    prove_all(ledger.append(entries(0, 2)))
    mirror = Mirror(tmp_path / "mirror")
    mirror.meet(ledger.published.note)
    assert feed(mirror, answer(ledger))
    yield mirror
    mirror.close()


def test_byte_for_byte(home: Home, ledger: Ledger, tmp_path: Path) -> None:
    """
    After every step the mirror holds exactly what the source does: entries, bodies, labels,
    times, claims, keys, tiles, head with its seal; and the newest checkpoint besides.
    """
    start = 0
    for step in (1, 2, 253, 512, 1, 300):
        for low in range(start, start + step, 512):
            stop = min(low + 512, start + step)
            claimed = [
                entry(i, (key(i), key(-i)) if i % 7 == 0 else None) for i in range(low, stop)
            ]
            prove_all(ledger.append(claimed))
        start += step
        size = follow(ledger, tmp_path / "mirror", trusting(KEYS))
        ours, theirs = content(home.database), content(tmp_path / "mirror" / "ledger.db")
        newest = theirs["checkpoint"].pop()

        assert 1 + start == size
        assert ours == theirs
        assert (size, ledger.signed.note) == newest


def test_a_large_answer(home: Home, ledger: Ledger, tmp_path: Path) -> None:
    """
    What takes many messages and commits is the same in the end.
    """
    for low in range(0, 1536, 512):
        ledger.append(entries(low, low + 512))
    messages = answer(ledger)
    follow(ledger, tmp_path / "mirror")
    theirs = content(tmp_path / "mirror" / "ledger.db")
    theirs["checkpoint"].pop()

    assert len(messages) > 5
    assert all(message.ByteSize() < 1 << 20 for message in messages)
    assert content(home.database) == theirs


def test_many_claims_on_one_entry(ledger: Ledger, tmp_path: Path) -> None:
    """
    However many idempotency keys one entry has answered, the messages stay small.
    """
    for low in range(0, 5000, 500):
        ledger.append([entry(1, (key(i), key(0))) for i in range(low, low + 500)])
    messages = answer(ledger)
    follow(ledger, tmp_path / "mirror")

    assert all(message.ByteSize() < 1 << 20 for message in messages)
    assert 5000 == len(content(tmp_path / "mirror" / "ledger.db")["claim"])


def test_nothing_is_stored_before_the_head(ledger: Ledger, mirror: Mirror) -> None:
    """
    An answer that breaks off leaves the mirror as it was.
    """
    before = mirror.head
    ledger.append(entries(2, 502))
    messages = answer(ledger, 3)

    refused("ledger-damaged", lambda: feed(mirror, messages[:-1]))
    assert before == mirror.head
    assert feed(mirror, messages)
    assert 503 == mirror.tree_size


def rows(change: Callable[[ledger_pb2.PullResponse.Row], object]) -> Callable[[Messages], object]:
    """Return what does `change` to the second row of an answer."""
    return lambda messages: change(messages[0].rows[1])


def flip(field: str) -> Callable[[Messages], object]:
    """Return what flips one bit in the middle of a bytes field of a row."""

    def change(row: ledger_pb2.PullResponse.Row) -> None:
        value = bytearray(getattr(row, field))
        value[len(value) // 2] ^= 1
        setattr(row, field, bytes(value))

    return rows(change)


def head(**values: object) -> Callable[[Messages], object]:
    """Return what changes fields of the head."""

    def change(messages: Messages) -> None:
        for name, value in values.items():
            setattr(messages[-1].head, name, value)

    return change


def swap(messages: Messages) -> None:
    """Change the order of two rows."""
    first, second = (
        ledger_pb2.PullResponse.Row.FromString(r.SerializeToString()) for r in messages[0].rows[:2]
    )
    messages[0].rows[0].CopyFrom(second)
    messages[0].rows[1].CopyFrom(first)


def another_body(messages: Messages) -> None:
    """Send a body that another entry could have, with the same labels."""
    row = messages[0].rows[1]
    payload = statement.approval(REPOSITORY, Digest.of(b"3"), {"env": "prod"})
    row.body = dsse.pae(dsse.IN_TOTO, payload)
    row.ClearField("dedup")


def another_root(messages: Messages) -> None:
    """Send a checkpoint with another root."""
    text = str(Checkpoint(ORIGIN, 5, entry(0) and GENESIS_ROOT))
    messages[0].notes[-1] = str(Note.parse(messages[0].notes[-1])._replace(text=text))


GENESIS_ROOT = Checkpoint.parse(
    "ledger.example\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
).root


def another_origin(messages: Messages) -> None:
    """Send a checkpoint of another ledger."""
    note = Note.parse(messages[0].notes[-1])
    messages[0].notes[-1] = str(note._replace(text=note.text.replace(ORIGIN, "other.example")))


LIES: dict[str, tuple[str, Callable[[Messages], object]]] = {
    "entry": ("ledger-damaged", flip("entry")),
    "body": ("ledger-damaged", flip("body")),
    "another body": ("ledger-damaged", another_body),
    "labels": ("ledger-damaged", flip("labels")),
    "dedup": ("ledger-damaged", flip("dedup")),
    "no body": ("ledger-damaged", rows(lambda row: row.ClearField("body"))),
    "time": ("ledger-damaged", rows(lambda row: setattr(row, "committed_at", 5))),
    "order": ("ledger-damaged", swap),
    "gap": ("ledger-damaged", lambda messages: messages[0].rows.pop(1)),
    "twice": ("ledger-damaged", lambda messages: messages[0].rows.append(messages[0].rows[1])),
    "empty entry": ("malformed", rows(lambda row: setattr(row, "entry", b""))),
    "checkpoint of another root": ("ledger-damaged", another_root),
    "checkpoint of another ledger": ("foreign-ledger", another_origin),
    "no checkpoint": ("malformed", lambda messages: messages[0].notes.append("nothing")),
    "claim": (
        "ledger-damaged",
        lambda messages: messages[0].claims.add(key=key(1), request=key(2), index=99),
    ),
    "short key": ("malformed", lambda messages: messages[0].claims.add(key=b"1", request=key(2))),
    "root": ("ledger-damaged", head(root=bytes(32))),
    "short root": ("malformed", head(root=bytes(31))),
    "tree size": ("ledger-damaged", head(tree_size=6)),
    "huge": ("malformed", head(tree_size=2**63)),
    "compact": ("ledger-damaged", lambda messages: messages[-1].head.compact.pop()),
    "head's time": ("ledger-damaged", head(committed_at=5)),
    "seal": ("malformed", head(seal=b"")),
    "two heads": ("ledger-damaged", lambda messages: messages.append(messages[-1])),
    "smaller": (
        "ledger-rollback",
        lambda messages: (messages[0].Clear(), head(tree_size=2)(messages)),
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies(ledger: Ledger, mirror: Mirror, lie: str) -> None:
    """
    Whatever in an answer does not belong to what is mirrored is refused, and nothing of it kept.
    """
    code, change = LIES[lie]
    before = mirror.head
    ledger.append(entries(2, 4))
    messages = answer(ledger, 3)
    change(messages)

    refused(code, lambda: feed(mirror, messages))
    assert before == mirror.head
    assert feed(mirror, answer(ledger, 3))
    assert ledger.head == mirror.head


def test_no_message(mirror: Mirror) -> None:
    """
    Bytes that are no message are refused.
    """
    incoming = mirror.incoming(parse)
    refused("malformed", lambda: incoming.add(b"\xff\xff\xff"))
    incoming.close()


def test_a_fork(home: Home, tmp_path: Path) -> None:
    """
    A ledger that went on from an old copy is refused by the mirror that saw the other one.
    """
    grow(home, 0, 2)
    shutil.copytree(tmp_path / "ledger", tmp_path / "fork" / "ledger")
    grow(home, 2, 4)
    assert 5 == mirrored(home, tmp_path / "mirror")
    fork = home_in(tmp_path / "fork")
    adopt(fork, KEYS, print)

    error = refused("ledger-rollback", lambda: mirrored(fork, tmp_path / "mirror"))
    assert "the mirror holds 5 entries, this ledger 3" in error.message
    grow(fork, 10, 14)
    error = refused("ledger-damaged", lambda: mirrored(fork, tmp_path / "mirror"))
    assert "forked" in error.hint
    grow(home, 4, 5)
    assert 6 == mirrored(home, tmp_path / "mirror")


def test_a_fork_within_what_is_published(home: Home, tmp_path: Path) -> None:
    """
    A service whose checkpoint contradicts the mirror's tree is refused at once.
    """
    grow(home, 0, 4)
    mirrored(home, tmp_path / "mirror")
    other = home_in(tmp_path / "other")
    create(other, KEYS, GENESIS)
    grow(other, 7, 9)
    mirror = Mirror(tmp_path / "mirror")
    with open_ledger(other, KEYS) as ledger:
        refused("ledger-damaged", lambda: mirror.meet(ledger.published.note))
    mirror.close()


def test_another_ledger(home: Home, tmp_path: Path) -> None:
    """
    A mirror stays with the ledger that it began with.
    """
    mirrored(home, tmp_path / "mirror")
    other = home_in(tmp_path / "other", "other.example")
    create(other, KEYS, GENESIS)

    refused("foreign-ledger", lambda: mirrored(other, tmp_path / "mirror"))


def test_checkpoints_are_signed(home: Home, tmp_path: Path) -> None:
    """
    With a trust file every checkpoint must bear the signature of a log key in it.
    """
    others = LogKeys(LogSigner(b"other"), KEYS.seal)
    mirror = Mirror(tmp_path / "mirror", trusting(KEYS))
    with open_ledger(home, others) as ledger:
        ledger.append(entries(0, 2))
        refused("untrusted-log", lambda: mirror.meet(ledger.published.note))
        assert not (tmp_path / "mirror" / "ledger.db").exists()
        messages = answer(ledger)
    with open_ledger(home, KEYS) as ledger:
        mirror.meet(ledger.published.note)
        refused("untrusted-log", lambda: feed(mirror, messages))
    mirror.close()
    nobody = Mirror(tmp_path / "mirror", trusting(KEYS)._replace(logs=()))
    refused("untrusted-log", lambda: nobody.meet(ledger.published.note))
    nobody.close()


def test_one_mirror_to_a_directory(mirror: Mirror, tmp_path: Path) -> None:
    """
    Two processes cannot keep one mirror, and nobody serves from one that is kept.
    """
    refused("ledger-busy", lambda: Mirror(tmp_path / "mirror"))
    home = Home(tmp_path / "mirror", tmp_path / "other-anchor", ORIGIN)
    refused("ledger-busy", lambda: adopt(home, KEYS, print))


def test_cut_off_between_commits(home: Home, ledger: Ledger, tmp_path: Path) -> None:
    """
    A mirror that is stopped between two commits goes on from the last of them.
    """
    for low in range(0, 1536, 512):
        ledger.append(entries(low, low + 512))
    mirror = Mirror(tmp_path / "mirror")
    mirror.meet(ledger.published.note)
    mirror.stop()
    sizes = []
    for commits in (1, 2):
        mirror.close()
        mirror = Mirror(tmp_path / "mirror")
        incoming = mirror.incoming(parse)
        for message in answer(ledger, mirror.tree_size):
            incoming.add(message.SerializeToString())
        left = iter(range(commits - 1))

        def stop(_: int, __: int, mirror: Mirror = mirror, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                mirror.stop()

        assert not incoming.apply(stop)
        incoming.close()
        sizes.append(mirror.tree_size)
        assert mirror.head is not None
        assert b"" == mirror.head.seal
    mirror.close()

    assert [512, 1536] == sizes
    assert 1537 == follow(ledger, tmp_path / "mirror")
    theirs = content(tmp_path / "mirror" / "ledger.db")
    theirs["checkpoint"].pop()
    assert content(home.database) == theirs


def test_cut_off_at_the_beginning(ledger: Ledger, tmp_path: Path) -> None:
    """
    What was left of a database that was being made is in nobody's way.
    """
    (tmp_path / "mirror").mkdir()
    for name in ("ledger.db.new", "ledger.db.new-wal"):
        (tmp_path / "mirror" / name).write_bytes(b"what was left")

    assert 1 == follow(ledger, tmp_path / "mirror")


def test_begun_from_a_backup(home: Home, tmp_path: Path) -> None:
    """
    A backup can be what a mirror begins with.
    """
    grow(home, 0, 5)
    (tmp_path / "mirror").mkdir()
    back_up(home.database, tmp_path / "mirror" / "ledger.db", lambda *_: None)
    grow(home, 5, 9)

    assert 10 == mirrored(home, tmp_path / "mirror")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE head SET root = zeroblob(32)",
        "UPDATE head SET tree_size = tree_size - 1",
        "UPDATE entry SET entry = zeroblob(9) WHERE idx = 2",
        "DELETE FROM entry WHERE idx = 2",
    ],
)
def test_a_damaged_mirror(home: Home, tmp_path: Path, sql: str) -> None:
    """
    A mirror whose newest entries do not hash to its root goes on from nowhere.
    """
    grow(home, 0, 4)
    mirrored(home, tmp_path / "mirror")
    edit(tmp_path / "mirror" / "ledger.db", sql)

    refused("ledger-damaged", lambda: Mirror(tmp_path / "mirror"))


def test_a_frozen_ledger(ledger: Ledger, mirror: Mirror) -> None:
    """
    The mirror of a frozen ledger is frozen, and takes nothing that comes after.
    """
    ledger.commit(entries(2, 3), freeze=True)
    assert feed(mirror, answer(ledger, 3))
    assert mirror.head is not None
    assert mirror.head.frozen
    messages = answer(ledger, 4)
    messages[0].head.frozen = False

    refused("ledger-damaged", lambda: feed(mirror, messages))


def test_promotion(home: Home, tmp_path: Path) -> None:
    """
    A mirror that is level with the anchor can be served from, once it is adopted.
    """
    grow(home, 0, 4)
    mirrored(home, tmp_path / "mirror")
    home = home._replace(directory=tmp_path / "mirror")
    refused("ledger-copied", lambda: open_ledger(home, KEYS))

    assert 5 == adopt(home, KEYS, print)
    with open_ledger(home, KEYS) as ledger:
        assert [1, 5] == prove_all(ledger.append([entry(0), entry(9)]))


def test_mirror_ahead(ledger: Ledger) -> None:
    """
    A mirror that holds more than the service is not answered: the service has lost entries.
    """
    heard = Mirrored()
    refused("ledger-rollback", lambda: answer(ledger, 2, heard))
    assert 0 == heard.tree_size
    answer(ledger, 1, heard)
    assert 1 == heard.tree_size


def test_waiting(ledger: Ledger) -> None:
    """
    A mirror that has everything is answered when there is more, or when the service goes down,
    however many wait.
    """

    async def wait() -> list[int]:
        service = PullService(ledger, Mirrored())
        request = ledger_pb2.PullRequest(tree_size=1, wait_ms=30_000)

        async def one(request: ledger_pb2.PullRequest) -> int:
            sizes = [m.head.tree_size async for m in service.pull(SOMEBODY, request) if m.rows]
            return len(sizes)

        first = [asyncio.create_task(one(request)) for _ in range(20)]
        await asyncio.sleep(0)
        await asyncio.to_thread(ledger.append, entries(0, 1))
        got = await asyncio.gather(*first)
        request.tree_size = 2
        rest = [asyncio.create_task(one(request)) for _ in range(20)]
        await asyncio.sleep(0)
        service.stop()
        return [*got, *await asyncio.gather(*rest)]

    assert [1] * 20 + [0] * 20 == asyncio.run(wait())


def test_waiting_too_long(ledger: Ledger) -> None:
    """
    Nobody waits longer than the contract says.
    """

    async def wait() -> None:
        request = ledger_pb2.PullRequest(wait_ms=30_001)
        async for _ in PullService(ledger, Mirrored()).pull(SOMEBODY, request):
            pass

    refused("bad-request", lambda: asyncio.run(wait()))


def test_what_is_not_published_yet(home: Home, tmp_path: Path) -> None:
    """
    The mirror gets what is durable and waits for it to be published.
    """
    with open_ledger(home, KEYS, asks=True) as ledger:
        ledger.commit(entries(0, 3))
        mirror = Mirror(tmp_path / "mirror")
        mirror.meet(ledger.published.note)
        assert feed(mirror, answer(ledger))

        assert (1, 4) == (ledger.published.checkpoint.tree_size, mirror.tree_size)
        mirror.close()


def test_a_body_that_was_deleted(home: Home, tmp_path: Path) -> None:
    """
    An entry whose body may be deleted is mirrored without it, under its labels and key.
    """
    grow(home, 0, 3)
    labels = b'{"form":["bundle"],"predicate_type":["https://spdx.dev/Document"]}'
    edit(home.database, "UPDATE entry SET body = NULL, labels = ? WHERE idx = 2", labels)
    mirrored(home, tmp_path / "mirror")

    store = SqliteStore(tmp_path / "mirror" / "ledger.db")
    row = store.rows(2, 3)[0]
    assert (None, labels, 2) == (row.body, row.labels, store.find(entry(1).dedup))
    assert isinstance(store.head(), Head)
    store.close()
