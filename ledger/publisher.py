"""The publisher: lets readers see a tree once everybody who must have it does.

One thread takes the newest tree, and

1. waits until the mirror holds it, where the mirror is synchronous, and only then signs
   it: a disk that dies takes no signed tree with it that nobody else has;
2. asks every witness at the same time for its cosignature, until the quorum is there;
3. publishes the checkpoint with the cosignatures, and lets callers have their answers.

Without the quorum in time, nothing is published (or, failing open, without it);
callers are refused, their entries stay, and the next round asks again. A witness
that has seen a tree of ours that we do not have means that we were rolled back or
cloned: that is an alarm, and nothing is published from here any more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import NamedTuple, Protocol

from ledger.errors import (
    LedgerError,
    MirrorBehindError,
    QuorumError,
    StorageFailedError,
    WitnessAheadError,
)
from ledger.ledger import Ledger
from ledger.publication import Published
from verifier.errors import SealbookError
from verifier.merkle import Hash
from verifier.note import Note, NoteSignature
from verifier.quorum import Quorum

_REFRESH_S = 300.0  # a cosignature says "newest that I saw at that time": it must not get old
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.1, 5.0

Prove = Callable[[int, int], tuple[Hash, ...]]


class Asked(Protocol):
    """A witness, as `ledger.witness.client` asks it."""

    @property
    def name(self) -> str:
        """Its name in the quorum."""

    def cosign(self, note: str, prove: Prove) -> tuple[NoteSignature, ...]:
        """Return its verified cosignatures of `note`; raises `LedgerError`."""


class MirrorGauge(Protocol):
    """How far the mirror is, as `ledger.mirrored` hears it."""

    def wait_for(self, tree_size: int, timeout_s: float) -> bool:
        """Return whether the mirror holds `tree_size` entries, at the latest after `timeout_s`."""


class Release(Protocol):
    """Answers callers; `ledger.sequencer.Sequencer.release`."""

    def __call__(self, why: SealbookError | None = None, *, hopeless: bool = False) -> None:
        """Answer what is published; refuse with `why` who has waited too long, or everybody."""


class Patience(NamedTuple):
    """How long a round may take, and whether the tree is published when it took longer."""

    deadline_s: float = 5.0
    fail_open: bool = False


class Publisher:
    """Owns the thread that publishes. `alarm` is set once, and for good."""

    def __init__(
        self,
        ledger: Ledger,
        quorum: Quorum,
        witnesses: Sequence[Asked],
        mirror: MirrorGauge | None,
        *,
        patience: Patience,
        release: Release,
        on_alarm: Callable[[WitnessAheadError], None],
        on_failure: Callable[[SealbookError], None],
    ) -> None:
        """Publish for `ledger`; `start` begins.

        `mirror` is None when nobody waits for it. `release` is told after every
        round, and why when it came to nothing. `on_alarm` is told once, and so is
        `on_failure` when nothing can be published any more because a disk failed.
        """
        self._ledger = ledger
        self._quorum = quorum
        self._witnesses = witnesses
        self._mirror = mirror
        self._patience = patience
        self._release = release
        self._on_alarm = on_alarm
        self._on_failure = on_failure
        self._wake = threading.Condition()
        self._woken = False
        self._stopping = False
        self._published_at = float("-inf")
        self._busy: dict[Asked, Future[tuple[NoteSignature, ...]]] = {}
        self._ended: LedgerError | None = None
        self.alarm: WitnessAheadError | None = None
        self._pool = ThreadPoolExecutor(max(1, len(witnesses)), thread_name_prefix="witness")
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Publish from now on."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something to publish."""
        with self._wake:
            self._woken = True
            self._wake.notify()

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        retry_s = _FIRST_RETRY_S
        pause_s = 0.0  # what a crash left unpublished is published first
        while self._pause(pause_s):
            pause_s = _REFRESH_S
            if self._ended is not None:
                self._release(self._ended, hopeless=True)
                continue
            try:
                self._round()
                retry_s = _FIRST_RETRY_S
                self._release()
            except WitnessAheadError as e:
                self.alarm = e
                self._on_alarm(e)
                self._end(e)
            except StorageFailedError as e:
                self._on_failure(e)
                self._end(e)
            except SealbookError as e:  # a key that does not answer is no LedgerError
                self._release(e)
                pause_s, retry_s = retry_s, min(2 * retry_s, _LONGEST_RETRY_S)
            except Exception as e:  # noqa: BLE001  a bug must not leave everybody waiting in silence
                failure = StorageFailedError(f"publishing failed: {type(e).__name__}: {e}")
                self._on_failure(failure)
                self._end(failure)

    def _end(self, why: LedgerError) -> None:
        """Publish nothing more: whoever waits, and whoever comes, is told why."""
        self._ended = why
        self._release(why, hopeless=True)

    def _pause(self, seconds: float) -> bool:
        """Wait until woken, or for `seconds`; return whether to go on."""
        with self._wake:
            if not self._woken and not self._stopping and seconds:
                self._wake.wait(seconds)
            self._woken = False
            return not self._stopping

    def _round(self) -> None:
        """Publish the newest tree; raises `LedgerError` when it may not be."""
        head = self._ledger.head
        grown = head.tree_size > self._ledger.published.checkpoint.tree_size
        if not grown and (
            not self._witnesses or time.monotonic() - self._published_at < _REFRESH_S
        ):
            return
        # 1.
        size = head.tree_size
        if self._mirror and not self._mirror.wait_for(size, self._patience.deadline_s):
            raise MirrorBehindError(f"the mirror does not hold {size} entries yet")
        signed = self._ledger.sign(head)
        deadline = time.monotonic() + self._patience.deadline_s
        # 2.
        lines = self._cosignatures(signed, deadline)
        # 3.
        note = Note.parse(signed.note)
        self._ledger.publish(note._replace(signatures=(*note.signatures, *lines)))
        self._published_at = time.monotonic()

    def _cosignatures(self, signed: Published, deadline: float) -> list[NoteSignature]:
        """Return the lines of those who cosigned, once they are enough."""
        idle = [w for w in self._witnesses if w not in self._busy or self._busy[w].done()]
        for witness in idle:
            self._busy[witness] = self._pool.submit(
                witness.cosign, signed.note, self._ledger.path_between
            )
        asked = {self._busy[witness]: witness for witness in idle}
        lines: list[NoteSignature] = []
        names: set[str] = set()
        waiting = set(asked)
        while waiting and not (names and self._quorum.satisfied_by(names)):
            left = deadline - time.monotonic()
            done, waiting = wait(waiting, max(0.0, left), return_when=FIRST_COMPLETED)
            for future in done:
                try:
                    lines += future.result()
                    names.add(asked[future].name)
                except WitnessAheadError:
                    raise
                except LedgerError:
                    continue  # its own client tells why, to whoever runs the service
            if not done and left <= 0:
                break
        if not self._quorum.satisfied_by(names) and not self._patience.fail_open:
            raise QuorumError(
                f"witnesses {len(names)} of {len(self._witnesses)}, "
                f"expected the quorum {self._quorum.name}"
            )
        return lines
