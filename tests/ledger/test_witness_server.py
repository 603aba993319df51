"""Being a witness (c2sp.org/tlog-witness): every status of its table, and what it never forgets."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from ledger.errors import OutcomeUnknownError
from ledger.witness.judge import Answer, Judge
from ledger.witness.state import Recorded, WitnessState
from ledger.witness.wire import BODY, Submission
from tests.ledger.making import NOW, ORIGIN, Clock, LogSigner, python, refused
from tests.ledger.witnessing import (
    LOG_KEY,
    NEXT_LOG_KEY,
    OTHER_ROOT,
    WITNESS,
    WITNESS_KEY,
    WITNESS_PQ_KEY,
    Bench,
    line,
    lines_of,
    origin_hash,
    signed,
)
from verifier import cosignature
from verifier.checkpoint import Checkpoint
from verifier.evidence import Evidence
from verifier.merkle import EMPTY_ROOT, Hash
from verifier.note import Note, NoteKey, NoteSignature
from verifier.quorum import Quorum
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedLog

STRANGER = LogSigner(b"stranger")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A witness that knows one log, of one entry, and has cosigned nothing."""
    with Bench(tmp_path) as bench:
        yield bench


def test_first_checkpoint_is_cosigned(bench: Bench) -> None:
    """
    A log that is known and new is believed from old size 0, and recorded.
    """
    answer = bench.submit(0)

    [cosigned] = lines_of(answer, Note.parse(bench.log.notes[1]).text)
    assert WITNESS == cosigned.name
    assert 1 == bench.recorded.tree_size


def test_answers_verify_without_our_code(tmp_path: Path) -> None:
    """
    Both kinds of cosignature verify with nothing but cryptography and the specification.
    """
    with Bench(tmp_path, (WITNESS_KEY, WITNESS_PQ_KEY)) as bench:
        text = Note.parse(bench.log.notes[1]).text

        classic, post_quantum = lines_of(bench.submit(0), text)

    root = Checkpoint.parse(text).root
    time = classic.signature[:8]
    seconds = int.from_bytes(time, "big")
    Ed25519PublicKey.from_public_bytes(WITNESS_KEY.public.raw).verify(
        classic.signature[8:], b"cosignature/v1\ntime %d\n" % seconds + text.encode()
    )
    MLDSA44PublicKey.from_public_bytes(WITNESS_PQ_KEY.public.raw).verify(
        post_quantum.signature[8:],
        b"subtree/v1\n\0\x0fwitness.example"
        + post_quantum.signature[:8]
        + b"\x0eledger.example"
        + (0).to_bytes(8, "big")
        + (1).to_bytes(8, "big")
        + root,
    )
    assert time == post_quantum.signature[:8]


def test_a_log_grows_step_by_step(bench: Bench) -> None:
    """
    A log learns the recorded size, proves growth from it, and renews what it has.
    """
    assert 404 == bench.judge.checkpoint(origin_hash()).status
    assert 200 == bench.submit(0).status
    bench.log.grow(4)

    asked = bench.submit(0)
    grown = bench.submit(1, 3)
    stale = bench.submit(1, 5)
    renewed = bench.submit(3, 3)
    last = bench.submit(3, 5)
    shown = bench.judge.checkpoint(origin_hash())

    assert Answer(409, b"1\n", "text/x.tlog.size") == asked
    assert 200 == grown.status
    assert Answer(409, b"3\n", "text/x.tlog.size") == stale
    assert 200 == renewed.status
    assert 200 == last.status
    ours = Note.parse(bench.log.notes[5])
    assert Answer(200, f"{ours}{last.body.decode()}".encode()) == shown


def test_smaller_tree_than_the_old_size_is_malformed(bench: Bench) -> None:
    """
    A checkpoint of one entry less than its old size is a 400, and nothing moves.
    """
    bench.log.grow(2)
    bench.submit(0, 2)

    answer = bench.send(2, (), bench.log.notes[1])
    past = bench.send(4, (), bench.log.notes[3])

    assert 400 == answer.status
    assert 400 == past.status  # although 4 is not what is recorded either
    assert 2 == bench.recorded.tree_size


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda body: body.replace(b"old 0", b"old 00"),
        lambda body: body.replace(b"old 0", b"old +0"),
        lambda body: body.replace(b"old 0", b"old"),
        lambda body: body.replace(b"old 0", b"old 0 "),
        lambda body: body.replace(b"old 0", b"new 0"),
        lambda body: body.replace(b"old 0", b"old 9223372036854775808"),
        lambda body: body.replace(b"old 0\n", b"old 0\r\n"),
        lambda body: body.replace(b"old 0\n", b"old 0\nAAAA\n"),
        lambda body: body.replace(b"old 0\n", b"old 0\n" + b"A" * 43 + b"\n"),
        lambda body: body.replace(b"\n\n", b"\n", 1),
        lambda body: body[:-1],
        lambda body: body + b"\n",
        lambda body: body.replace(b"\n1\n", b"\n01\n"),
        lambda body: body + b"\xff",
        lambda body: body.replace("\u2014".encode(), b"-"),
        lambda body: body * 70,
    ],
)
def test_malformed_request_is_refused(bench: Bench, spoil: object) -> None:
    """
    Whatever is spelled in another way than the specification's is a 400.
    """
    assert callable(spoil)

    answer = bench.judge.add_checkpoint(spoil(bench.body(0)))

    assert 400 == answer.status
    assert 0 == bench.recorded.tree_size


def test_proof_lines_are_counted(bench: Bench) -> None:
    """
    63 hashes are read, and found wrong; 64 are not read at all.
    """
    bench.submit(0)
    bench.log.grow(1)

    most = bench.send(1, (OTHER_ROOT,) * 63, bench.log.notes[2])
    more = bench.send(1, (OTHER_ROOT,) * 64, bench.log.notes[2])

    assert [422, 400] == [most.status, more.status]


def test_extension_lines_are_refused(bench: Bench) -> None:
    """
    A line that no post-quantum cosignature would cover is never cosigned.
    """
    answer = bench.send(0, (), signed(1, OTHER_ROOT, more="more\n"))

    assert 400 == answer.status


def test_unknown_log(bench: Bench) -> None:
    """
    A log that was never added is a 404, whatever signs for it.
    """
    answer = bench.send(0, (), signed(1, OTHER_ROOT, origin="other.example"))

    assert 404 == answer.status


def test_only_trusted_keys_sign(bench: Bench) -> None:
    """
    Without a signature by a trusted key it is a 403, also under the log's own name.
    """
    answer = bench.send(0, (), signed(1, OTHER_ROOT, STRANGER))

    assert 403 == answer.status
    assert 0 == bench.recorded.tree_size


def test_failing_line_of_a_trusted_key_condemns_the_note(tmp_path: Path) -> None:
    """
    One good signature does not help when another trusted key's fails.
    """
    keys = [NoteKey.of(ORIGIN, key.public) for key in (LOG_KEY, NEXT_LOG_KEY)]
    with Bench(tmp_path, log_keys=keys) as bench:
        note = Note.parse(signed(1, OTHER_ROOT, LOG_KEY, NEXT_LOG_KEY))
        good, bad = note.signatures
        flipped = bytes([bad.signature[0] ^ 1]) + bad.signature[1:]

        answer = bench.send(0, (), str(Note(note.text, (good, bad._replace(signature=flipped)))))

    assert 403 == answer.status


def test_log_may_sign_post_quantum_alone(tmp_path: Path) -> None:
    """
    A trusted ML-DSA-44 line of the log is a signature of the log.
    """
    key = NoteKey.of(ORIGIN, WITNESS_PQ_KEY.public)
    with Bench(tmp_path, log_keys=[key]) as bench:
        text = str(Checkpoint(ORIGIN, 1, OTHER_ROOT))
        made = cosignature.cosign(WITNESS_PQ_KEY, ORIGIN, text, NOW)

        answer = bench.send(0, (), str(Note(text, (made,))))

    assert 200 == answer.status


def test_growth_must_be_proven(bench: Bench) -> None:
    """
    A tree that does not prove that it grew from the recorded one is a 422.
    """
    bench.log.grow(6)
    bench.submit(0, 3)
    path = bench.log.ledger.path_between(3, 7)
    note = bench.log.notes[7]

    answers = [
        bench.send(3, (), note),
        bench.send(3, path[:-1], note),
        bench.send(3, (*path, OTHER_ROOT), note),
        bench.send(3, path[::-1], note),
        bench.send(3, (OTHER_ROOT, *path[1:]), note),
        bench.send(3, path, signed(7, OTHER_ROOT)),
        bench.send(3, (OTHER_ROOT,), bench.log.notes[3]),
    ]

    assert [422] * 7 == [answer.status for answer in answers]
    assert 3 == bench.recorded.tree_size
    assert 200 == bench.send(3, path, note).status


def test_nothing_is_proven_from_the_empty_tree(bench: Bench) -> None:
    """
    From old size 0 a proof has no hashes.
    """
    assert 422 == bench.send(0, (OTHER_ROOT,), bench.log.notes[1]).status


def test_empty_tree(bench: Bench) -> None:
    """
    An empty tree can be cosigned, again too, and has one root only; then it grows.
    """
    assert 200 == bench.send(0, (), signed(0, EMPTY_ROOT)).status
    assert 200 == bench.send(0, (), signed(0, EMPTY_ROOT)).status
    assert 422 == bench.send(0, (), signed(0, OTHER_ROOT)).status
    assert 422 == bench.send(0, (OTHER_ROOT,), signed(0, EMPTY_ROOT)).status
    assert 200 == bench.submit(0).status


def test_two_roots_of_one_size_are_kept_as_evidence(bench: Bench) -> None:
    """
    A log that signs a second root for a size is refused, and what it signed is kept.
    """
    bench.submit(0)
    second = signed(1, OTHER_ROOT)

    assert 422 == bench.send(1, (), second).status
    assert 422 == bench.send(1, (), second).status

    [split] = bench.state.splits(ORIGIN)
    evidence = Evidence.split_view(
        split.first, split.second, ("2026-11-23T21:06:41Z", "2026-11-23T21:06:42Z")
    )
    log = TrustedLog(ORIGIN, NoteKey.of(ORIGIN, LOG_KEY.public))
    trust = TrustRoot(1, 0, 2**40, (log,), {}, Quorum.parse("quorum none\n"))
    assert "two" in Evidence.parse(evidence.json()).verify(trust)
    assert bench.log.ledger.root_at(1) == bench.recorded.root


def test_evidence_does_not_fill_the_disk(bench: Bench) -> None:
    """
    Of each log so much evidence is kept and no more.
    """
    bench.submit(0)

    for i in range(20):
        bench.send(1, (), signed(1, Hash(bytes([i]) * 32)))

    assert 16 == len(bench.state.splits(ORIGIN))


def test_only_lines_that_verify_are_kept(bench: Bench) -> None:
    """
    What a stranger writes under a note is neither stored nor shown, also in our own name.
    """
    note = Note.parse(bench.log.notes[1])
    own = bench.judge.keys[0]
    forged = NoteSignature(WITNESS, own.key_id, NOW.to_bytes(8, "big") + bytes(64))
    foreign = line(STRANGER, ORIGIN, note.text)
    also = NoteSignature("other.example", b"1234", b"x" * 5000)

    answer = bench.send(0, (), str(Note(note.text, (forged, also, *note.signatures, foreign))))

    [cosigned] = lines_of(answer, note.text)
    shown = Note.parse(bench.judge.checkpoint(origin_hash()).body.decode())
    assert Note(note.text, (*note.signatures, cosigned)) == shown
    assert bench.recorded.note == str(shown)


def test_log_changes_its_key(tmp_path: Path) -> None:
    """
    While two keys overlap both lines are kept, and the old one may go; the record stays.
    """
    old, new = (NoteKey.of(ORIGIN, key.public) for key in (LOG_KEY, NEXT_LOG_KEY))
    with Bench(tmp_path, log_keys=[old]) as bench:
        root = bench.log.ledger.root_at(1)
        assert 403 == bench.send(0, (), signed(1, root, NEXT_LOG_KEY)).status
        assert 200 == bench.send(0, (), signed(1, root, LOG_KEY, NEXT_LOG_KEY)).status
        assert 2 == len(Note.parse(bench.recorded.note).signatures)

        assert not bench.state.add(new)

        assert 1 == bench.recorded.tree_size
        assert 200 == bench.send(1, (), signed(1, root, LOG_KEY, NEXT_LOG_KEY)).status
        assert 3 == len(Note.parse(bench.recorded.note).signatures)
        assert 200 == bench.send(1, (), signed(1, root, NEXT_LOG_KEY)).status


def test_two_logs_do_not_meet(bench: Bench) -> None:
    """
    Each log has a record of its own, and adding one again changes nothing.
    """
    other = NoteKey.of("other.example", LOG_KEY.public)
    assert bench.state.add(other)
    bench.log.grow(1)
    bench.submit(0)

    assert 200 == bench.send(0, (), signed(1, OTHER_ROOT, origin="other.example")).status
    assert not bench.state.add(other)
    assert not bench.state.add(bench.log.ledger.log_key)

    assert ["ledger.example", "other.example"] == bench.state.origins()
    assert 2 == bench.recorded.tree_size
    row = bench.state.recorded(origin_hash("other.example"))
    assert row is not None
    assert 1 == row.tree_size


def test_time_never_goes_back(tmp_path: Path) -> None:
    """
    A clock that fell behind a little signs the last time again; far behind it signs nothing.
    """
    clock = Clock()
    with Bench(tmp_path, clock=clock) as bench:
        times = []
        for old, now in [(0, NOW), (1, NOW - 300), (1, NOW + 5)]:
            clock.now = now
            [cosigned] = lines_of(bench.submit(old), Note.parse(bench.log.notes[1]).text)
            times.append(cosignature.time_of(cosigned))
        before = bench.recorded
        clock.now = NOW + 5 - 301

        answer = bench.submit(1)

        assert 503 == answer.status
        assert [NOW, NOW, NOW + 5] == times
        assert before == bench.recorded


def test_time_is_never_zero(tmp_path: Path) -> None:
    """
    A machine that believes it is 1970 signs a time nevertheless: 0 would claim nothing.
    """
    with Bench(tmp_path, clock=lambda: 0) as bench:
        [cosigned] = lines_of(bench.submit(0), Note.parse(bench.log.notes[1]).text)

    assert 1 == cosignature.time_of(cosigned)


def test_one_of_twenty_wins(bench: Bench) -> None:
    """
    Twenty growths from one old size at once: one is cosigned, the others are told its size.
    """
    bench.submit(0)
    bench.log.grow(20)

    answers = at_once([bench.body(1, size) for size in range(2, 22)], [bench.judge])

    assert [200] + [409] * 19 == sorted(answer.status for answer in answers)
    told = {answer.body for answer in answers if answer.status == 409}
    assert {b"%d\n" % bench.recorded.tree_size} == told


def test_the_state_decides_between_two_judges(bench: Bench) -> None:
    """
    Also judges that do not wait for each other cosign one growth only from one size.
    """
    bench.submit(0)
    bench.log.grow(20)
    judges = [Judge(bench.state, WITNESS, (WITNESS_KEY,)) for _ in range(20)]

    answers = at_once([bench.body(1, size) for size in range(2, 22)], judges)

    assert [200] + [409] * 19 == sorted(answer.status for answer in answers)


def test_late_request_cannot_roll_back(bench: Bench) -> None:
    """
    The race that the specification describes: what was read before is not what is there.
    """
    bench.log.grow(2)
    bench.submit(0, 1)
    stale = bench.recorded
    bench.submit(1, 3)
    late = Recorded(ORIGIN, 2, bench.log.ledger.root_at(2), bench.log.notes[2], stale.time)

    refused("head-moved", lambda: bench.state.advance(stale, late))

    assert 3 == bench.recorded.tree_size


def at_once(bodies: list[bytes], judges: list[Judge]) -> list[Answer]:
    """Submit each body on a thread of its own, all at one moment."""
    answers: list[Answer] = []
    start = threading.Barrier(len(bodies))

    def submit(body: bytes, judge: Judge) -> None:
        start.wait(30)
        answers.append(judge.add_checkpoint(body))

    threads = [
        threading.Thread(target=submit, args=(body, judges[i % len(judges)]))
        for i, body in enumerate(bodies)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


KILLED = """
import os, signal, sys
from pathlib import Path
from ledger.witness.judge import Judge
from ledger.witness.state import WitnessState
from tests.ledger.witnessing import WITNESS, WITNESS_KEY

directory, when, body = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).read_bytes()
advance = WitnessState.advance

def dying(self, old, new):
    if when == "after":
        advance(self, old, new)
    os.kill(os.getpid(), signal.SIGKILL)

WitnessState.advance = dying
Judge(WitnessState(directory), WITNESS, (WITNESS_KEY,)).add_checkpoint(body)
print("survived")
"""


@pytest.mark.parametrize(("when", "size"), [("before", 1), ("after", 3)])
def test_killed_between_record_and_answer(tmp_path: Path, when: str, size: int) -> None:
    """
    A witness killed at the record knows after its restart what it may have promised.
    """
    with Bench(tmp_path) as bench:
        bench.submit(0)
        bench.log.grow(2)
        (tmp_path / "body").write_bytes(bench.body(1))

    done = python("-c", KILLED, str(tmp_path), when, str(tmp_path / "body"))

    assert (-signal.SIGKILL, "") == (done.returncode, done.stdout), done.stderr
    with Bench(tmp_path) as bench:
        bench.log.grow(2)
        assert Answer(409, b"%d\n" % size, "text/x.tlog.size") == bench.submit(0)
        assert 200 == bench.submit(size).status


@pytest.mark.parametrize("landed", [False, True])
def test_failed_write_releases_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, landed: bool
) -> None:
    """
    When recording fails, nothing is answered; if it landed, the next request learns so.
    """
    advance = WitnessState.advance

    def failing(state: WitnessState, old: Recorded, new: Recorded) -> None:
        if landed:
            advance(state, old, new)
        raise OutcomeUnknownError("commit: interrupted")

    with monkeypatch.context() as patched:
        patched.setattr(WitnessState, "advance", failing)
        refused("outcome-unknown", lambda: bench.submit(0))

    assert (409 if landed else 200) == bench.submit(0).status
    assert 1 == bench.recorded.tree_size


def test_bad_signature_of_our_own_never_leaves(tmp_path: Path) -> None:
    """
    A key that makes a signature that does not verify is noticed before anything is recorded.
    """

    class FaultyKey:
        public = WITNESS_KEY.public

        def sign(self, _message: bytes) -> bytes:
            return bytes(64)

    with Bench(tmp_path, (FaultyKey(),)) as bench:
        refused("bad-signature", lambda: bench.submit(0))

        assert 0 == bench.recorded.tree_size


def test_sizes_survive_a_restart(tmp_path: Path) -> None:
    """
    What was recorded is there when the witness opens again, and is shown.
    """
    with Bench(tmp_path) as bench:
        bench.submit(0)
        shown = bench.judge.checkpoint(origin_hash())

    with Bench(tmp_path) as again:
        assert shown == again.judge.checkpoint(origin_hash())
        assert 409 == again.submit(0).status


def test_body_limit_fits_the_largest_request() -> None:
    """
    63 hashes and the largest checkpoint are within what a witness reads.
    """
    most = Submission(2**63 - 1, (OTHER_ROOT,) * 63, Note("", ()))

    assert len(str(most)) + (256 << 10) <= BODY
