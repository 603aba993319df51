"""The entry, its path, the log that signed, the key's window, and the expiry of trust."""

from __future__ import annotations

import json

import pytest

from tests.verifier import twin
from tests.verifier.making import (
    EXPIRES,
    ISSUED,
    ORIGIN,
    REPOSITORY,
    NoteSigner,
    Signer,
    World,
    policy,
    refused,
    rows,
    verdict,
    witnesses,
)
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.merkle import Hash
from verifier.note import Note
from verifier.statement import approval
from verifier.trust.listed import TrustedLog


@pytest.mark.parametrize("field", ["digest", "signature", "key"])
def test_entry_with_one_field_swapped(field: str) -> None:
    """
    A logged entry that differs in one field is refused, and the message names the field.
    """
    world = World()
    entry = Entry.parse(world.entry)
    swapped = {
        "digest": entry._replace(data_digest=bytes(32)),
        "signature": entry._replace(signature=world.signer.sign(b"x")),
        "key": entry._replace(key=Signer().public),
    }
    world.logged = swapped[field].body()
    message = refused("entry-mismatch", world.verify).message

    assert [field] == [f for f in swapped if f in message]


def test_entry_of_another_approval() -> None:
    """
    The good entry of another approval by the same key is not this approval's entry.
    """
    other = World()
    other.payload = approval(REPOSITORY, Digest.of(b"other"), {})
    world = World(signer=other.signer, log=other.log, logged=other.entry)
    other.verifier.verify(other.bundle.json(), Digest.of(b"other"), REPOSITORY)

    refused("entry-mismatch", world.verify)


@pytest.mark.parametrize(
    "logged", rows(("nothing", b""), ("text", b"x"), ("object", b"{}"), ("no UTF-8", b"\xff"))
)
def test_entry_that_is_none(logged: bytes) -> None:
    """
    Broken bytes in the place of the entry are refused, though they are in the ledger.
    """
    refused("entry-mismatch", World(logged=logged).verify)


def test_entry_in_another_spelling() -> None:
    """
    The entry is rebuilt and not believed: the same JSON written otherwise is not it.
    """
    world = World()
    world.logged = json.dumps(json.loads(world.entry)).encode()

    refused("entry-mismatch", world.verify)


@pytest.mark.parametrize(
    ("index", "leaves", "length", "code"),
    rows(
        ("path of a neighbour", 5, 7, 3, "not-included"),
        ("path cut off", 4, 7, 2, "malformed"),
        ("path too long", 4, 7, 4, "malformed"),
        ("no path", 4, 7, 0, "malformed"),
    ),
)
def test_path_of_something_else(index: int, leaves: int, length: int, code: str) -> None:
    """
    A path that does not lead from this entry to this root proves nothing.
    """
    world = World(leaves=leaves)
    path = [Hash(h) for h in twin.inclusion(index, world.entries)]
    world.path = tuple([*path, *path][:length])

    refused(code, world.verify)


def test_checkpoint_before_the_entry() -> None:
    """
    A checkpoint of the ledger as it was before the entry does not prove it.
    """
    world = World()
    before = World(log=world.log, leaves=4, index=0, logged=b"entry 0")
    proof = world.bundle.proof._replace(tree_size=4)
    bad = world.bundle._replace(note=before.note, proof=proof)

    refused("malformed", lambda: world.verify(bad.json()))


def test_log_that_is_not_trusted() -> None:
    """
    A log that nobody pinned is not believed, and the message says which it is.
    """
    world = World(origin="other.example")
    world.log = NoteSigner("other.example")

    assert "other.example" in refused("untrusted-log", world.verify).message


def test_log_that_signs_for_another() -> None:
    """
    A trusted log cannot speak for another trusted log, under either name.
    """
    world = World()
    other = NoteSigner("other.example")
    world.logs = (*world.logs, TrustedLog("other.example", other.key))
    world.log = other
    refused("untrusted-log", world.verify)

    text = str(world.checkpoint)
    line = other.sign(text)._replace(name=ORIGIN)
    bad = world.bundle._replace(note=str(Note(text, (line,))))
    refused("untrusted-log", lambda: world.verify(bad.json()))


def test_witness_that_signs_for_the_log() -> None:
    """
    A checkpoint that witnesses signed, and its log did not, is not believed.
    """
    world = World(witnesses=witnesses(3))
    world.quorum = policy(1, world.witnesses)
    world.log = NoteSigner(ORIGIN)

    refused("untrusted-log", world.verify)


def test_bad_line_of_the_log_beside_a_good_one() -> None:
    """
    A failing signature that names the log's key condemns the checkpoint.
    """
    world = World()
    world.lines = (world.log.sign("another text\n"),)

    refused("bad-signature", world.verify)


def test_unknown_lines_are_ignored() -> None:
    """
    Signatures of keys that nobody pinned change nothing.
    """
    world = World()
    before = world.verify()
    world.lines = tuple(NoteSigner(f"x{i}.example").sign("") for i in range(20))

    assert before == world.verify()


def test_refusal_of_strange_names_is_safe_to_print() -> None:
    """
    A name under a checkpoint cannot move the cursor of whoever reads that it is unknown.
    """
    world = World()
    world.log = NoteSigner("\x9b2K\u202eyes")

    assert refused("untrusted-log", world.verify).message.isprintable()


def test_another_instance() -> None:
    """
    A good bundle of another service is refused: first for its key, else for its log.
    """
    world, other = World(), World()
    refused("unknown-key", lambda: world.verify(other.bundle.json()))

    other = World(signer=world.signer)
    refused("untrusted-log", lambda: world.verify(other.bundle.json()))


def test_log_id_of_another_trusted_log() -> None:
    """
    The entry must name the log whose checkpoint proves it, even among trusted ones.
    """
    world = World()
    other = NoteSigner("other.example")
    world.logs = (*world.logs, TrustedLog("other.example", other.key))
    world.log_id = other.key.log_id

    refused("checkpoint-mismatch", world.verify)


def test_log_with_two_keys() -> None:
    """
    While a log changes its key, a checkpoint by either counts, and so does either log id.
    """
    world = World()
    new = NoteSigner(ORIGIN)
    world.logs = (*world.logs, TrustedLog(ORIGIN, new.key))
    expected = world.verify()

    for signer in (world.log, new):
        for log_id in (world.log.key.log_id, new.key.log_id):
            world.log, world.log_id = signer, log_id
            assert expected == world.verify()


@pytest.mark.parametrize(
    ("start", "through", "expected"),
    [
        (0, None, "yes"),
        (4, None, "yes"),
        (5, None, "key-window"),
        (0, 5, "yes"),
        (4, 5, "yes"),
        (0, 4, "key-window"),
        (0, 0, "key-window"),
        (4, 4, "key-window"),
        (5, 9, "key-window"),
    ],
)
def test_window(start: int, through: int | None, expected: str) -> None:
    """
    A key counts for entries from its first position to before its last: the entry is at 4.
    """
    world = World()
    world.key = world.key._replace(valid_from_tree_size=start, valid_through_tree_size=through)

    assert expected == verdict(world.verify)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (ISSUED - 60.001, "not-yet-valid"),  # a clock may be a minute behind
        (ISSUED - 60, "yes"),
        (EXPIRES - 0.001, "yes"),
        (EXPIRES, "trust-expired"),
        (EXPIRES + 1e9, "trust-expired"),
    ],
)
def test_expiry(now: float, expected: str) -> None:
    """
    A trust root counts from when it was issued until the second of its expiry, and no longer.
    """
    assert expected == verdict(World(now=now).verify)
