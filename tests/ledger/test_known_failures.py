"""What broke other logs and witnesses, and does not break ours.

Each test is named after the published failure. Those of verifiers are in
tests/verifier/test_known_failures.py, which has the list of all.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from ledger import dedup
from ledger.fsck import Known, fsck
from ledger.opening import Home
from ledger.store.sqlite import SqliteStore
from ledger.witness.state import Recorded
from tests.ledger.making import (
    KEYS,
    NOW,
    ORIGIN,
    SIGNER,
    LogSigner,
    edit,
    entry,
    grow,
    prove_all,
    refused,
)
from tests.ledger.sequencing import Service, soon
from tests.ledger.witnessing import (
    WITNESS,
    Bench,
    line,
    lines_of,
)
from verifier.note import Note, NoteKey, NoteSignature


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A witness that knows one log, of one entry, and has cosigned nothing."""
    with Bench(tmp_path) as bench:
        yield bench


def test_sunlight_88ewbs43_a_request_is_known_by_a_whole_hash() -> None:
    """
    What recognises a request again has all 32 bytes of SHA-256, and each of them decides.
    """
    one = dedup.key("sigstore", SIGNER.public, b"content")
    digest = hashlib.sha256(b"content").digest()

    assert 32 == len(one) == dedup.BYTES
    assert one == dedup.key_of("sigstore", SIGNER.public, digest)
    for at in range(32):
        other = digest[:at] + bytes([digest[at] ^ 1]) + digest[at + 1 :]
        assert one != dedup.key_of("sigstore", SIGNER.public, other)


def test_sunlight_88ewbs43_keys_that_share_half_are_two(gated: Service) -> None:
    """
    Two requests whose keys have 128 bits in common get two entries.
    """
    first, second = entry(0), entry(1)
    half = first.dedup[:16] + second.dedup[16:]
    gated.store.gate.set()

    async def run() -> list[object]:
        return await soon(
            gated.sequencer.append([first]),
            gated.sequencer.append([second._replace(dedup=half)]),
        )

    assert [0, 1] == sorted(prove_all(asyncio.run(run())))


def test_sunlight_sapgr4d6_a_forged_line_in_our_name_is_not_kept(bench: Bench) -> None:
    """
    A checkpoint with a forged line of the witness itself is cosigned as if the line were not
    there, and the next one too.
    """
    note = Note.parse(bench.log.notes[1])
    own = bench.judge.keys[0]
    forged = NoteSignature(WITNESS, own.key_id, NOW.to_bytes(8, "big") + bytes(64))
    answer = bench.send(0, (), str(Note(note.text, (forged, *note.signatures))))

    [cosigned] = lines_of(answer, note.text)
    own.verify(note.text, cosigned.signature)
    assert forged not in Note.parse(bench.recorded.note).signatures
    bench.log.grow(2)
    assert 200 == bench.submit(1).status
    assert 3 == bench.recorded.tree_size


def test_sunlight_a_log_with_our_own_name(tmp_path: Path) -> None:
    """
    A stranger's line under the log's own name makes a witness sign nothing.
    """
    with Bench(tmp_path) as bench:
        text = Note.parse(bench.log.notes[1]).text
        stranger = line(LogSigner(b"stranger"), ORIGIN, text)

        assert 403 == bench.send(0, (), str(Note(text, (stranger,)))).status
        assert 0 == bench.recorded.tree_size


def test_tlog_witness_race_a_late_request_rolls_nothing_back(bench: Bench) -> None:
    """
    What was decided on an older record is not written over a newer one.
    """
    bench.log.grow(8)
    bench.submit(0, 1)
    for size in (3, 5, 7, 9):
        stale = bench.recorded
        bench.submit(size - 2, size)
        root = bench.log.ledger.root_at(size - 1)
        late = Recorded(ORIGIN, size - 1, root, bench.log.notes[size - 1], stale.time)
        refused("head-moved", partial(bench.state.advance, stale, late))
        assert size == bench.recorded.tree_size


@pytest.mark.parametrize("gone", range(6))
def test_tessera_885_one_caller_leaves_and_the_others_are_answered(
    gated: Service, gone: int
) -> None:
    """
    Of callers that share a commit, one that goes away takes no other's answer with it.
    """

    async def run() -> list[object]:
        futures = [gated.sequencer.append([entry(i)]) for i in range(3)]
        await gated.wait_for_commit()
        futures += [gated.sequencer.append([entry(i)]) for i in range(3, 6)]
        assert futures[gone].cancel()
        gated.store.gate.set()
        return await soon(*(future for i, future in enumerate(futures) if i != gone))

    assert [i for i in range(6) if i != gone] == prove_all(asyncio.run(run()))
    assert gone == gated.ledger.store.find(entry(gone).dedup)


def test_ct_yeti_2022_a_flipped_bit_is_found_before_it_is_served(home: Home) -> None:
    """
    One bit of one stored entry that flips is named by a check of the whole ledger.
    """
    grow(home, 0, 20)
    known = Known(ORIGIN, KEYS.seal, (NoteKey.of(ORIGIN, KEYS.log.public),))
    with closing(SqliteStore(home.database, read_only=True)) as store:
        assert [] == list(fsck(store, known))
    [(entry_, *_)] = edit(home.database, "SELECT entry FROM entry WHERE idx = 7")
    flipped = entry_[:-1] + bytes([entry_[-1] ^ 1])
    edit(home.database, "UPDATE entry SET entry = ? WHERE idx = 7", flipped)
    with closing(SqliteStore(home.database, read_only=True)) as store:
        found = list(fsck(store, known))

    assert 7 in {finding.index for finding in found}
