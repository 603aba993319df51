"""Asking a witness for its cosignature (c2sp.org/tlog-witness, `add-checkpoint`).

    POST <url>/add-checkpoint

    old 7
    <Base64 hash>…                       the consistency path from 7 to 15

    ledger.example
    15
    rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=

    — ledger.example M9e0luh4jTG+…A

A witness is trusted for nothing but its cosignatures, which are checked. What it
says against us is believed when it shows our own signature under it: a checkpoint
that we have signed and do not have is how a rollback or a second copy is noticed.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import NoReturn

from ledger.errors import WitnessAheadError, WitnessError
from ledger.transport import Request, Response, Transport, TransportError
from ledger.witness.wire import SIZE_TYPE, Submission, genuine
from verifier import cosignature, limits
from verifier._strict import decimal
from verifier.checkpoint import Checkpoint
from verifier.errors import MalformedError, VerificationError
from verifier.merkle import Hash
from verifier.note import Note, NoteKey, NoteSignature

_TRIES = 3  # a witness that names another size each time is given up on
_SKEW_S = 300  # how far its clock may be ahead of ours

_MEANINGS = {
    400: "it calls the request malformed",
    403: "it does not trust the key that signed: has its operator added our newest one?",
    404: "it does not know this log: has its operator added it?",
}

Prove = Callable[[int, int], tuple[Hash, ...]]


class WitnessClient:
    """One witness of one log. `cosign` is called by one thread at a time."""

    def __init__(  # noqa: PLR0917  the first six are what a policy and a configuration say
        self,
        name: str,
        keys: NoteKey | tuple[NoteKey, ...],
        url: str,
        monitoring: str,
        transport: Transport,
        timeout_s: float,
        *,
        log_keys: tuple[NoteKey, ...],
        root_at: Callable[[int], Hash],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Ask the witness at the prefix `url`, whose `monitoring` prefix is the same if empty.

        `name` is what the quorum calls it. The first of `keys` is the one that the
        quorum counts, and must cosign; others of the same witness may. `log_keys`
        are all that ever signed for the log, `root_at` is its tree up to the
        largest note that it is asked about. `timeout_s` is for all tries together.
        """
        self.name = name
        self.tree_size = 0
        self.cosigned_at: int | None = None
        self.error = ""
        self._keys = (keys,) if isinstance(keys, NoteKey) else keys
        self._url = url.rstrip("/")
        self._monitoring = (monitoring or url).rstrip("/")
        self._transport = transport
        self._timeout_s = timeout_s
        self._log_keys = log_keys
        self._root_at = root_at
        self._clock = clock

    def cosign(self, note: str, prove: Prove) -> tuple[NoteSignature, ...]:
        """Return the verified cosignatures of `note`, the log's signed checkpoint.

        `prove` gives the consistency path between two sizes, and nothing from 0.
        `tree_size`, `cosigned_at` (POSIX seconds) and `error` tell how it went.

        Raises:
            WitnessAheadError: it has seen a tree of ours that we do not have.
            WitnessError: no cosignature, for any other reason.
        """
        try:
            lines = self._cosign(Note.parse(note), prove)
        except (WitnessError, WitnessAheadError) as e:
            self.error = e.message
            raise
        self.error = ""
        return lines

    def _cosign(self, note: Note, prove: Prove) -> tuple[NoteSignature, ...]:
        ours = Checkpoint.parse(note.text)
        if self.tree_size > ours.tree_size:  # it has cosigned more of ours meanwhile
            raise WitnessError(f"it cosigned {self.tree_size} entries before, asked about fewer")
        deadline = time.monotonic() + self._timeout_s
        for _ in range(_TRIES):
            old = self.tree_size
            path = prove(old, ours.tree_size) if old else ()
            body = str(Submission(old, path, note)).encode()
            url = f"{self._url}/add-checkpoint"
            left = max(0.001, deadline - time.monotonic())
            answer = self._send(Request("POST", url, body, limit=limits.NOTE, timeout_s=left))
            if answer.status == 200:
                lines = self._verified(note.text, answer.body)
                self.tree_size = ours.tree_size
                return lines
            if answer.status not in (409, 422):
                _refused(answer)
            size = _size(answer)
            if size is None or size == old:  # it refuses what we have proven
                self._check_against(ours)
                raise WitnessError(f"it refuses a proven tree of {ours.tree_size} entries")
            if size > ours.tree_size:
                self._check_against(ours)
                raise WitnessAheadError(
                    f"it names {size} entries and shows no such checkpoint, we have "
                    f"{ours.tree_size}"
                )
            self.tree_size = size
        raise WitnessError(
            f"it named another size each time, after {_TRIES} tries {self.tree_size}"
        )

    def _verified(self, text: str, body: bytes) -> tuple[NoteSignature, ...]:
        """Return the lines in `body` that are cosignatures by our witness's keys, one a key."""
        try:
            lines = Note.parse(f"{text}\n{body.decode()}").signatures
        except (MalformedError, UnicodeDecodeError) as e:
            raise WitnessError("expected signature lines, found something else") from e
        found: dict[NoteKey, NoteSignature] = {}
        for line in lines:
            for key in self._keys:
                if (line.name, line.key_id) == (key.name, key.key_id) and key not in found:
                    self._check(key, text, line)
                    found[key] = line
        if self._keys[0] not in found:
            names = ", ".join(sorted({line.name for line in lines}))[:200]
            raise WitnessError(f"expected a cosignature by the pinned key, found only {names}")
        self.cosigned_at = max(map(cosignature.time_of, found.values()))
        return tuple(found.values())

    def _check(self, key: NoteKey, text: str, line: NoteSignature) -> None:
        try:
            key.verify(text, line.signature)
        except VerificationError as e:
            raise WitnessError(f"its cosignature does not verify: {e.message}") from e
        moment = cosignature.time_of(line)
        if not 0 < moment <= self._clock() + _SKEW_S:
            raise WitnessError(f"its cosignature is of the time {moment}, which is not now")

    def _check_against(self, ours: Checkpoint) -> None:
        """Raise `WitnessAheadError` if the witness shows a checkpoint of ours that we lack."""
        shown = self._shown(ours.origin)
        if shown is None:
            return
        theirs = Checkpoint.parse(shown.text)
        if theirs.tree_size > ours.tree_size:
            raise WitnessAheadError(
                f"it has a checkpoint of ours of {theirs.tree_size} entries, we have "
                f"{ours.tree_size}",
                note=str(shown),
            )
        if theirs.root != self._root_at(theirs.tree_size):
            raise WitnessAheadError(
                f"it has a checkpoint of ours of {theirs.tree_size} entries with another root",
                note=str(shown),
            )

    def _shown(self, origin: str) -> Note | None:
        """Return the witness's checkpoint of `origin` with its genuine lines, if it shows one.

        Only a checkpoint with a signature of our own counts: whatever else it says
        could be made up.
        """
        url = f"{self._monitoring}/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"
        try:
            answer = self._send(Request("GET", url, limit=limits.NOTE, timeout_s=self._timeout_s))
            if answer.status != 200:
                return None
            note = Note.parse(answer.body.decode())
            if Checkpoint.parse(note.text).origin != origin:
                return None
        except (WitnessError, MalformedError, UnicodeDecodeError):
            return None
        own = genuine(note, self._log_keys)
        return note._replace(signatures=own + genuine(note, self._keys)) if own else None

    def _send(self, request: Request) -> Response:
        try:
            return self._transport(request)
        except TransportError as e:
            raise WitnessError(e.message) from e


def _size(answer: Response) -> int | None:
    """Return the size that a 409 names, or None when it names none."""
    if answer.status != 409 or answer.media_type.partition(";")[0].strip() != SIZE_TYPE:
        return None
    text = answer.body.decode("ascii", "replace")
    try:
        return decimal(text.removesuffix("\n"))
    except MalformedError as e:
        raise WitnessError(f"expected a tree size, found {text[:40]!r}") from e


def _refused(answer: Response) -> NoReturn:
    if 300 <= answer.status < 400:
        raise WitnessError(f"it redirects ({answer.status}): configure its own address")
    meaning = _MEANINGS.get(answer.status, "")
    raise WitnessError(f"it answered {answer.status}" + (f": {meaning}" if meaning else ""))
