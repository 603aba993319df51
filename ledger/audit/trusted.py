"""Whom an auditor believes, and what a signed checkpoint then says.

Either a trust root, which also names the keys whose entries are ours, or a
tlog-policy, which names logs and witnesses alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

from verifier import cosignature
from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.errors import (
    MalformedError,
    TrustExpiredError,
    UntrustedLogError,
    WitnessQuorumError,
)
from verifier.note import ML_DSA, Note, NoteKey, NoteSignature
from verifier.quorum import NONE, Quorum
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey

if TYPE_CHECKING:
    from verifier.tlogpolicy import TlogPolicy


class Head(NamedTuple):
    """A checkpoint that is signed as it should be.

    `note` holds only the lines that were verified; times are POSIX seconds.
    `signed_at` is the log's own word, and None when its signature has no time.
    """

    checkpoint: Checkpoint
    note: str
    witnesses: Mapping[str, int]  # by name in the quorum: when it cosigned
    signed_at: int | None


class Trusted(NamedTuple):
    """One log's keys, its witnesses, and the keys that sign its entries, if those are known."""

    origin: str
    log_keys: tuple[NoteKey, ...]
    quorum: Quorum
    keys: Mapping[str, TrustedKey] | None

    @classmethod
    def root(cls, trust: TrustRoot, origin: str, now: float) -> Self:
        """Believe a trust root about the log `origin`, or about its only one.

        Raises:
            TrustExpiredError: nobody should, any more.
            MalformedError: it names several logs, and `origin` none of them.
        """
        if now >= trust.expires:
            raise TrustExpiredError(f"trust file version {trust.version} has expired")
        origin = _only(origin, (log.origin for log in trust.logs))
        return cls(origin, trust.log_keys(origin), trust.quorum, trust.keys)

    @classmethod
    def policy(cls, policy: TlogPolicy, origin: str) -> Self:
        """Believe a tlog-policy about the log `origin`, or about its only one."""
        origin = _only(origin, (key.name for key, _ in policy.logs))
        keys = tuple(key for key, _ in policy.logs if key.name == origin)
        return cls(origin, keys, policy.quorum, None)

    def head(self, text: str) -> Head:
        """Return what the note `text` says.

        Raises:
            VerificationError: no pinned key of this log signed it, a line by a
                known key does not verify, or the quorum did not sign.
        """
        note = Note.parse(text)
        checkpoint = Checkpoint.parse(note.text)
        if checkpoint.origin != self.origin:
            raise UntrustedLogError(
                f"expected the log {self.origin!r}, found {checkpoint.origin!r}"
            )
        notes.verify(note, self.log_keys)
        log_lines = _lines(note, self.log_keys)
        times: dict[str, int] = {}
        lines = [line for _, line in log_lines]
        for name, key in self.quorum.witnesses.items():
            for _, line in _lines(note, [key]):
                key.verify(note.text, line.signature)
                times[name] = max(times.get(name, 0), cosignature.time_of(line))
                lines.append(line)
        if not self.quorum.satisfied_by(set(times)):
            raise WitnessQuorumError(
                f"witnesses {len(times)} of {len(self.quorum.witnesses)}, "
                f"expected {self.quorum.name}"
            )
        signed = [cosignature.time_of(line) for key, line in log_lines if key.kind == ML_DSA]
        verified = str(Note(note.text, tuple(lines)))
        return Head(checkpoint, verified, times, max(signed) if signed else None)

    def fresh(self, head: Head, since: float) -> bool:
        """Whether `head` was seen at `since` or later, by those who are to see it.

        By the quorum, if there is one; else by any witness; and by the log's own
        word only where the trust root names no witness at all.
        """
        if not self.quorum.witnesses:
            return head.signed_at is not None and head.signed_at >= since
        recent = {name for name, time in head.witnesses.items() if time >= since}
        return bool(recent) and (self.quorum.name == NONE or self.quorum.satisfied_by(recent))


def _lines(note: Note, keys: Sequence[NoteKey]) -> list[tuple[NoteKey, NoteSignature]]:
    """Return the lines of `note` that name one of `keys`, with it."""
    known = {(key.name, key.key_id): key for key in keys}
    return [
        (known[line.name, line.key_id], line)
        for line in note.signatures
        if (line.name, line.key_id) in known
    ]


def _only(origin: str, origins: Iterable[str]) -> str:
    names = sorted(set(origins))
    if origin in names:
        return origin
    if origin or len(names) != 1:
        raise MalformedError(
            f"expected the origin of one log of the trust file, found {origin!r}",
            hint=f"--origin takes one of: {', '.join(names)}",
        )
    return names[0]
