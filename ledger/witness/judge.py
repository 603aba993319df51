"""What a witness answers (c2sp.org/tlog-witness): the table of statuses, as code.

| status | to a checkpoint                                                           |
|--------|---------------------------------------------------------------------------|
| 400    | that cannot be read, or is smaller than the old size                      |
| 404    | of a log that was never added                                             |
| 403    | without a genuine signature of that log, or with one that fails           |
| 409    | whose old size is not the recorded one; the answer is the recorded one    |
| 422    | that did not grow from the recorded one, or does not prove it             |
| 200    | that did: recorded, and only then cosigned, with every key of the witness |

Only lines that verify are kept and shown: the log's under its trusted keys, and ours.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ledger.errors import ConflictError, StorageFullError
from ledger.witness.state import Recorded, Split, WitnessState
from ledger.witness.subtree import Subtree, is_subtree, verify_subtree
from ledger.witness.wire import SIZE_TYPE, Submission, SubtreeRequest, genuine
from verifier import cosignature, cosigned, note
from verifier._strict import b64, decimal, note_name
from verifier.checkpoint import Checkpoint
from verifier.errors import MalformedError, SignatureError, UntrustedLogError, VerificationError
from verifier.merkle import EMPTY_ROOT, Hash, verify_consistency
from verifier.note import ML_DSA, Note, NoteKey, NoteSignature
from verifier.publickey import Key

_TEXT = "text/plain; charset=utf-8"
_SKEW_S = 300  # how far our clock may fall behind a time that we have signed


class Answer(NamedTuple):
    """What goes back."""

    status: int
    body: bytes
    media_type: str = _TEXT


class _RefusedError(Exception):
    """Carries the answer that says no out of the step that found the reason."""

    def __init__(self, status: int, why: str, media_type: str = _TEXT) -> None:
        super().__init__(why)
        self.answer = Answer(status, f"{why}\n".encode(), media_type)


class Judge:
    """One witness: its state and its keys. Safe in many threads."""

    def __init__(
        self,
        state: WitnessState,
        name: str,
        keys: Sequence[Key],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Cosign as `name` with each of `keys`, which are Ed25519 or ML-DSA-44."""
        self._state = state
        self._own = tuple((NoteKey.witness(name, key.public), key) for key in keys)
        self._clock = clock
        self._turn = threading.Lock()
        note.refuse_ambiguous(self.keys)
        assert self._own

    @property
    def keys(self) -> tuple[NoteKey, ...]:
        """The public halves, as those who trust this witness pin them."""
        return tuple(named for named, _ in self._own)

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer the body of `POST /add-checkpoint`.

        Raises:
            LedgerError: the state could not be written, so nothing was promised.
        """
        try:
            return self._add_checkpoint(body)
        except _RefusedError as e:
            return e.answer
        except (MalformedError, UnicodeDecodeError) as e:
            return Answer(400, f"{e}\n".encode())

    def sign_subtree(self, body: bytes) -> Answer:
        """Answer the body of `POST /sign-subtree`: a part of a tree that we have cosigned."""
        try:
            return self._sign_subtree(body)
        except _RefusedError as e:
            return e.answer
        except (MalformedError, UnicodeDecodeError) as e:
            return Answer(400, f"{e}\n".encode())

    def checkpoint(self, origin_hash: bytes) -> Answer:
        """Answer `GET /<hex>/checkpoint`: the newest that we cosigned, with our lines."""
        row = self._state.recorded(origin_hash)
        if row is None or not row.note:
            return Answer(404, b"no checkpoint of this log was cosigned here\n")
        return Answer(200, row.note.encode())

    def _add_checkpoint(self, body: bytes) -> Answer:
        # 1. Read it.
        submission = Submission.parse(body.decode())
        new = _checkpoint(submission.note.text)
        # 2. Is it a log's that we know, and has that log signed it?
        trusted = self._state.keys(new.origin)
        if not trusted:
            raise _RefusedError(404, f"the log {new.origin} is not known here")
        try:
            note.verify(submission.note, trusted)
        except (SignatureError, UntrustedLogError) as e:
            raise _RefusedError(403, e.message) from e
        if submission.old > new.tree_size:
            raise _RefusedError(400, f"old {submission.old} is more than {new.tree_size}")
        # What else stands under the note is nobody's that we know: it ends here.
        signed = Note(submission.note.text, genuine(submission.note, trusted))
        with self._turn:
            return self._advance(submission, new, signed)

    def _advance(self, submission: Submission, new: Checkpoint, signed: Note) -> Answer:
        """Check `new` against what is recorded, record it, and only then cosign aloud."""
        # 3. Is it asked from what we have?
        row = self._state.recorded(hashlib.sha256(new.origin.encode()).digest())
        assert row is not None
        if submission.old != row.tree_size:
            raise _RefusedError(409, str(row.tree_size), SIZE_TYPE)
        # 4. Did the tree only grow?
        self._check_growth(row, submission, new, signed)
        # 5. Sign, record, and then let the signatures go.
        lines = self._cosign(signed.text, self._moment(row.time))
        kept = signed._replace(signatures=(*signed.signatures, *lines))
        moment = max(map(cosignature.time_of, lines))
        try:
            self._state.advance(row, Recorded(*new, str(kept), moment))
        except ConflictError as e:  # not by this process: its turns come one by one
            now = self._state.recorded(hashlib.sha256(new.origin.encode()).digest())
            assert now is not None
            raise _RefusedError(409, str(now.tree_size), SIZE_TYPE) from e
        return Answer(200, "".join(f"{line}\n" for line in lines).encode())

    def _check_growth(
        self, row: Recorded, submission: Submission, new: Checkpoint, signed: Note
    ) -> None:
        if new.tree_size == 0 and new.root != EMPTY_ROOT:
            raise _RefusedError(422, "an empty tree has the root SHA-256('')")
        if row.tree_size == 0:
            if submission.path:
                raise _RefusedError(
                    422, "nothing proves growth from the empty tree: send no hashes"
                )
            return
        if new.tree_size == row.tree_size and new.root != row.root:
            self._keep(row, signed)
            raise _RefusedError(422, f"another root was cosigned for {row.tree_size} entries")
        try:
            verify_consistency(row.tree_size, new.tree_size, submission.path, row.root, new.root)
        except VerificationError as e:
            raise _RefusedError(422, e.message) from e

    def _keep(self, row: Recorded, signed: Note) -> None:
        """Keep two genuine checkpoints that cannot both be true; the answer is no either way."""
        try:
            self._state.keep_split(row.origin, Split(row.note, str(signed), int(self._clock())))
        except StorageFullError:
            return  # evidence is worth less than an answer

    def _moment(self, last: int) -> int:
        """Return the time to sign: never before `last`, which we signed for this log."""
        now = int(self._clock())
        if now < last - _SKEW_S:
            raise _RefusedError(503, "the clock of this witness is behind what it signed before")
        return max(now, last, 1)

    def _cosign(self, text: str, moment: int) -> tuple[NoteSignature, ...]:
        lines = []
        for named, key in self._own:
            line = cosignature.cosign(key, named.name, text, moment)
            named.verify(text, line.signature)  # a fault in memory can make a bad one
            lines.append(line)
        return tuple(lines)

    def _sign_subtree(self, body: bytes) -> Answer:
        request = SubtreeRequest.parse(body.decode())
        checkpoint = Checkpoint.parse(request.note.text)
        if not is_subtree(request.start, request.stop) or request.stop > checkpoint.tree_size:
            raise _RefusedError(400, f"[{request.start}, {request.stop}) is no subtree")
        if not self._state.keys(checkpoint.origin):
            raise _RefusedError(404, f"the log {checkpoint.origin} is not known here")
        if not genuine(request.note, self.keys):
            raise _RefusedError(403, "this witness has not cosigned that checkpoint")
        subtree = Subtree(request.start, request.stop, request.root)
        try:
            verify_subtree(subtree, checkpoint.tree_size, request.path, checkpoint.root)
        except VerificationError as e:
            raise _RefusedError(422, e.message) from e
        lines = self._lines_of(subtree, checkpoint.origin)
        if not lines:
            raise _RefusedError(
                404, "this witness has no ML-DSA-44 key, and no other signs subtrees"
            )
        return Answer(200, "".join(f"{line}\n" for line in lines).encode())

    def _lines_of(self, subtree: Subtree, origin: str) -> list[NoteSignature]:
        """Return cosignatures of `subtree` with time 0, which claims nothing of the newest."""
        lines = []
        for named, key in self._own:
            if named.kind == ML_DSA:
                message = cosigned.subtree_message(named.name, 0, origin, *subtree)
                raw = key.sign(message)
                key.public.verify(raw, message)
                lines.append(NoteSignature(named.name, named.key_id, bytes(8) + raw))
        return lines


def _checkpoint(text: str) -> Checkpoint:
    """Parse like `Checkpoint.parse`, and an empty tree with a wrong root too: that is a 422."""
    match text.split("\n"):
        case [origin, "0", root, ""]:
            return Checkpoint(note_name(origin), decimal("0"), Hash(b64(root, size=32)))
    return Checkpoint.parse(text)
