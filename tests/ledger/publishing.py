"""A ledger that asks before it publishes, and stand-ins for those whom it asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from ledger.errors import LedgerError, WitnessAheadError, WitnessError
from ledger.ledger import Ledger
from ledger.mirrored import Mirrored
from ledger.opening import Home, OpenLedger, open_ledger
from ledger.publisher import Patience, Publisher
from ledger.sequencer import Sequencer
from tests.ledger.making import KEYS, LogSigner
from verifier import cosignature
from verifier.errors import SealbookError
from verifier.merkle import Hash
from verifier.note import NoteKey, NoteSignature
from verifier.quorum import Quorum


class StandInWitness:
    """Cosigns with a real key whatever it is shown; can be told to fail, wait or object.

    What a real witness checks before it cosigns is in `ledger.witness`, with tests of its own.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = LogSigner(f"witness {name}".encode())
        self.note_key = NoteKey.witness(f"{name}.example", self.key.public)
        self.error: LedgerError | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[str] = []

    def cosign(
        self, note: str, _prove: Callable[[int, int], tuple[Hash, ...]]
    ) -> tuple[NoteSignature, ...]:
        """Wait for the gate, then fail or cosign."""
        self.asked.append(note)
        assert self.gate.wait(60)
        if self.error is not None:
            raise self.error
        text = note[: note.rindex("\n\n") + 1]
        return (cosignature.cosign(self.key, self.note_key.name, text, int(time.time())),)


def policy(witnesses: list[StandInWitness], least: int) -> Quorum:
    """Return the quorum of `least` of these."""
    lines = [f"witness {w.name} {w.note_key}" for w in witnesses]
    group = f"group enough {least} {' '.join(w.name for w in witnesses)}"
    return Quorum.parse("\n".join([*lines, group, "quorum enough", ""]))


class Asking:
    """A ledger in files with sequencer and publisher, as a service has them."""

    def __init__(
        self,
        home: Home,
        witnesses: list[StandInWitness],
        *,
        least: int = 0,
        deadline_s: float = 60.0,
        fail_open: bool = False,
        mirror: Mirrored | None = None,
    ) -> None:
        self.failures: list[SealbookError] = []
        self.alarms: list[WitnessAheadError] = []
        self._opened: OpenLedger = open_ledger(home, KEYS, asks=True, signs_late=mirror is not None)
        self.ledger: Ledger = self._opened.ledger
        self.quorum = policy(witnesses, least) if witnesses else Quorum.parse("quorum none\n")
        self.sequencer = Sequencer(
            self.ledger, self.failures.append, patience_s=deadline_s, on_commit=self.wake
        )
        self.publisher = Publisher(
            self.ledger,
            self.quorum,
            witnesses,
            mirror,
            patience=Patience(deadline_s, fail_open),
            release=self.sequencer.release,
            on_alarm=self.alarms.append,
            on_failure=self.failures.append,
        )
        self.publisher.start()

    def wake(self) -> None:
        """Wake the publisher."""
        self.publisher.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sequencer.stop()
        self.publisher.stop()
        self._opened.close()


def down(name: str = "down") -> StandInWitness:
    """Return a witness that does not answer."""
    witness = StandInWitness(name)
    witness.error = WitnessError("no answer")
    return witness


def eventually(true: Callable[[], bool], within_s: float = 60.0) -> bool:
    """Return whether `true` becomes so; looks often, and not for ever."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not true():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.005)
    return True


def published_file(home: Home) -> Path:
    """Return where the newest published note is kept."""
    return home.anchor / "published"
