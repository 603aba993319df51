"""The trail of a running service: a decision before it is acted upon, an outcome once it is known.

1. `decided` writes the decision at once, by write(2): a disk that is full or failed is seen
   before anything is signed.
2. `sync`, which the sequencer calls before each commit, has the decisions on the disk by
   fdatasync, one for all that wait.
3. The outcome says which entries came of it. It may wait in memory for the next write: the start
   finds what was lost by the dedup keys of the decision.

Refusals are told too, and counted when they are too many to be told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self

import structlog

from ledger.answer import Appended
from ledger.errors import ConflictError, StorageFailedError
from ledger.ledger import Ledger
from signer.access import Caller, Principal
from signer.audit_trail import tail as tails
from signer.audit_trail.course import Course
from signer.audit_trail.folder import Folder
from signer.audit_trail.landed import Landed
from signer.audit_trail.lines import Place, cleaned, print_json
from signer.audit_trail.pen import MOST_WAITING, Pen
from signer.audit_trail.refusals import Refusals
from signer.audit_trail.tail import Closed, Decision, Tail
from signer.errors import TrailError
from verifier._strict import b64encode
from verifier.errors import SealbookError
from verifier.merkle import hash_leaf

log = structlog.get_logger()

_MOST_CLAIMED = 4096
_MOST_DECIDED = 4096
_UNKNOWN = (StorageFailedError, ConflictError)  # whether it landed, the next start finds out


class Trail:
    """One open trail. Any thread tells it something; each line is whole, and in order."""

    def __init__(self, folder: Folder, found: Tail, ledger: Ledger, pen: Pen) -> None:
        """Write with `pen` where `found` says, in `folder`, about what comes into `ledger`."""
        self.folder = folder
        self._ledger = ledger
        self._landed = Landed(ledger)
        self._pen = pen
        self._open = {decision.seq: decision for decision in found.open}
        self._claimed = set(found.claimed)
        self._decided: dict[str, None] = {}  # references of calls that came to a decision
        self._refusals = Refusals()
        self.unlogged = list(found.unlogged)

    @classmethod
    def open(
        cls,
        folder: Folder,
        ledger: Ledger,
        logged: Closed | None,
        *,
        version: str = "",
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
        forward: Callable[[bytes], None] = lambda _: None,
    ) -> Self:
        """Open the trail in `folder`, new or not, and say what became of what was left open.

        `logged` is the newest segment that `ledger` tells of.

        Raises:
            TrailError: it cannot be read or written.
        """
        try:
            folder.make()
            found = tails.find(folder, logged)
        except OSError as e:
            raise TrailError(f"cannot read the trail in {folder.path}: {e.strerror}") from e
        trail = cls(
            folder, found, ledger, Pen(folder, found, clock=clock, timer=timer, forward=forward)
        )
        trail._begin(found, version)
        return trail

    # What flows and guards use.

    @property
    def writable(self) -> bool:
        """Whether a decision can be written, as far as is known."""
        return not self._pen.failure and not self._pen.is_full

    def decide(
        self,
        principal: Principal,
        what: str,
        content: Mapping[str, Any],
        wanted: Sequence[bytes] = (),
    ) -> Decision:
        """Return the decision that `principal` gets `what` done; its line is written.

        `content` says more of it, and holds no secret; `wanted` are the dedup keys of what is
        to be signed.

        Raises:
            TrailError: it is not written, and nothing must be done.
        """
        tree_size = self._ledger.head.tree_size
        told = cleaned({**content, "what": what}) | _who(principal) | {"tree_size": tree_size}
        if wanted:
            told["wanted"] = [b64encode(known_by) for known_by in wanted]
        printed = print_json(told)
        reference = principal.caller.reference
        with self._pen.lock:
            self._pen.check()
            seq = self._pen.add("decision", printed)
            try:
                self._pen.write()
            except TrailError:
                if not self._pen.failure:
                    self._pen.take_back()
                raise
            decision = Decision(seq, self._pen.segment, tree_size, tuple(wanted))
            self._open[seq] = decision
            if reference:
                self._decided[reference] = None
                if len(self._decided) > _MOST_DECIDED:
                    del self._decided[next(iter(self._decided))]
        return decision

    def came_of(
        self,
        decision: Decision,
        places: Sequence[Place],
        again: Sequence[int] = (),
        code: str = "",
        *,
        recovered: bool = False,
    ) -> None:
        """Say what came of `decision`: entries that are new, and those that were there.

        An entry is one decision's alone: whoever else got it, got it `again`. Never raises: what
        cannot be written now waits.
        """
        told: dict[str, Any] = {"code": code} if code else {}
        if recovered:
            told["recovered"] = True
        with self._pen.lock:
            if self._pen.failure or self._open.pop(decision.seq, None) is None:
                return
            fresh = {i: leaf for i, leaf in places if self._is_free(decision, i)}
            others = [*again, *(i for i, _ in places if i not in fresh)]
            self._claimed.update(fresh)
            self._forget()
            if others:
                told["again"] = sorted(set(others))
            entries = tuple(sorted(fresh.items()))
            self._pen.add("outcome", print_json(told), decision.seq, entries)

    @contextmanager
    def decided(
        self,
        principal: Principal,
        what: str,
        content: Mapping[str, Any],
        wanted: Sequence[bytes] = (),
    ) -> Iterator[Course]:
        """Do the block as decided; its outcome is told when it ends, however it does.

        Raises:
            TrailError: the decision cannot be written, and the block is not done.
        """
        decision = self.decide(principal, what, content, wanted)
        course = Course()
        try:
            yield course
        except SealbookError as e:
            self._end(decision, course, e.code, unknown=isinstance(e, _UNKNOWN))
            raise
        except Exception:
            self._end(decision, course, "internal-error")
            raise
        self._end(decision, course, course.code)

    def denied(self, caller: Caller, who: str, what: str, code: str) -> None:
        """Say that `who`, from where `caller` says, did not get `what`, and why. Never raises.

        What is refused after a decision is told as its outcome. A flood is counted.
        """
        if caller.reference and caller.reference in self._decided:
            return
        told = print_json(cleaned({"code": code, "what": what, "who": who}) | _from(caller))
        with self._pen.lock:
            if self._pen.failure:
                return
            if self._pen.waiting_bytes > MOST_WAITING or not self._refusals.take(time.monotonic()):
                self._refusals.count(code)
            else:
                self._pen.add("denied", told)

    def sync(self) -> None:
        """Return when every decision is on the disk.

        Raises:
            TrailError: nobody knows, and nothing must be committed.
        """
        self._pen.sync()

    # What keeps it.

    def flush(self) -> None:
        """Write what waits, if the disk takes it; and how many refusals were only counted."""
        with self._pen.lock:
            if self._pen.failure:
                return
            counted = self._refusals.counted()
            if counted:
                self._pen.add("suppressed", print_json({"codes": dict(counted)}))
            with suppress(TrailError):  # told once, by the pen
                self._pen.write()

    def due(self, segment_s: float) -> bool:
        """Whether the open segment is to be finished."""
        return self._pen.due(segment_s)

    def finish_segment(self) -> Closed:
        """Finish the open segment, durably, and return it.

        Raises:
            TrailError: it could not be finished.
        """

        def content() -> str:
            open_in = sorted({decision.segment for decision in self._open.values()})
            return print_json({"open": open_in} if open_in else {})

        closed = self._pen.finish(content)
        self.unlogged.append(closed)
        return closed

    def purged(self, before: int, lines: int, event: int) -> None:
        """Say that what `lines` from before that second held is taken away, durably.

        The ledger says so too, at `event`.

        Raises:
            TrailError: it is not said.
        """
        with self._pen.lock:
            self._pen.add("purged", print_json({"before": before, "event": event, "lines": lines}))
        self._pen.sync()

    @property
    def open_segment(self) -> int:
        """The number of the segment that is written to."""
        return self._pen.segment

    def close(self) -> None:
        """Have everything on the disk that can be; nothing is told any more."""
        self._pen.close()

    def _begin(self, found: Tail, version: str) -> None:
        """Say that the service started, and what became of what was under way before."""
        told: dict[str, Any] = {}
        if found.cut:
            told["cut"] = found.cut
        if found.lost:
            told["lost"] = True
            log.critical("segments of the audit trail are missing, or were altered")
        with self._pen.lock:
            if told:
                self._pen.add("recovered", print_json(told))
            opened = {"tree_size": self._ledger.head.tree_size, "version": version}
            self._pen.add("opened", print_json(opened))
        for decision in list(self._open.values()):
            there = self._landed.known_by(decision.wanted) or self._landed.raw(
                decision, self._claimed
            )
            places = [
                (index, self._landed.leaf(index)) for index in there if index >= decision.tree_size
            ]
            again = [index for index in there if index < decision.tree_size]
            logged = decision.wanted or decision.sought
            code = "" if there else "not-logged" if logged else "unknown"
            self.came_of(decision, places, again, code, recovered=True)
        self._pen.sync()

    def _end(self, decision: Decision, course: Course, code: str, *, unknown: bool = False) -> None:
        places: list[Place] = []
        again = list(course.again)
        lost = list(decision.wanted) if code and not course.answers else []
        for known_by, answer in course.answers:
            if isinstance(answer, Appended):
                index = answer.record.index
                if answer.fresh:
                    places.append((index, hash_leaf(answer.record.entry)))
                else:
                    again.append(index)
            else:
                unknown = unknown or isinstance(answer, _UNKNOWN)
                code = code or answer.code
                lost.append(known_by)
        if unknown:
            return
        try:
            # Refused, and in the ledger all the same: it is not published in time.
            places += [(index, self._landed.leaf(index)) for index in self._landed.known_by(lost)]
        except SealbookError as e:
            log.warning("what came of a decision is not known yet", error=e.message)
            return
        self.came_of(decision, places, again, code)

    def _is_free(self, decision: Decision, index: int) -> bool:
        return index >= decision.tree_size and index not in self._claimed

    def _forget(self) -> None:
        """Forget whose entries are, once no decision can ask for them any more."""
        if len(self._claimed) > _MOST_CLAIMED:
            sizes = (decision.tree_size for decision in self._open.values())
            floor = min(sizes, default=self._ledger.head.tree_size)
            self._claimed = {index for index in self._claimed if index >= floor}


def _who(principal: Principal) -> dict[str, Any]:
    """Return who asks, how that was proved, and from where."""
    told: dict[str, Any] = {"who": cleaned(principal.name), "proof": principal.proof}
    if principal.pipeline:
        told["pipeline"] = True
    if principal.claims:
        told["claims"] = cleaned(principal.claims)
    return told | _from(principal.caller)


def _from(caller: Caller) -> dict[str, Any]:
    """Return from where somebody calls, and the reference of the call."""
    told = {"address": caller.address, "certificate": caller.certificate}
    shown = {name: cleaned(value) for name, value in told.items() if value}
    reference = {"reference": cleaned(caller.reference)} if caller.reference else {}
    return reference | ({"from": shown} if shown else {})
