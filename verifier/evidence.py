"""Evidence that a log contradicts itself: both of its signed notes, for anyone to check.

    {"type":"urn:sealbook:evidence:v1","claim":"fork","first":"<signed note>",
     "second":"<signed note>","root":"<b64>","path":["<b64>","<b64>"],
     "seen":["2026-11-23T21:06:41Z","2026-11-23T21:07:01Z"]}

- `split-view`: two trees of one size with two roots.
- `fork`: `path` (RFC 9162, section 2.1.4) leads from a tree of the first one's
  size, whose root is `root` and not the first one's, to the second. So the
  second did not grow out of the first.
- `rollback`: the second is smaller, and came later. The log signed both; which
  came later is the reporter's word, unless the log's own lines of kind 6 say so.

`root` and `path` are a fork's alone. `seen` is when the reporter saw which, and
proves nothing. Whoever reads this needs no trust in who wrote it.
"""

from __future__ import annotations

import json
from typing import NamedTuple, Self

from verifier import cosignature, limits
from verifier import note as notes
from verifier._strict import Fields, b64, b64encode, json_object, rfc3339
from verifier.checkpoint import Checkpoint
from verifier.errors import (
    InclusionError,
    MalformedError,
    NoContradictionError,
    UnsupportedError,
    UntrustedLogError,
)
from verifier.merkle import Hash, verify_consistency
from verifier.note import ML_DSA, Note
from verifier.trust import TrustRoot

TYPE = "urn:sealbook:evidence:v1"
SPLIT_VIEW, FORK, ROLLBACK = "split-view", "fork", "rollback"


class Evidence(NamedTuple):
    """The claim that one log signed `first` and `second`, which cannot both be its history."""

    claim: str
    first: str
    second: str
    root: Hash | None
    path: tuple[Hash, ...]
    seen: tuple[str, str]  # RFC 3339

    @classmethod
    def split_view(cls, first: str, second: str, seen: tuple[str, str]) -> Self:
        """Claim that two notes give one size two roots."""
        return cls(SPLIT_VIEW, first, second, None, (), seen)

    @classmethod
    def fork(
        cls, first: str, second: str, root: Hash, path: tuple[Hash, ...], seen: tuple[str, str]
    ) -> Self:
        """Claim that `second` grew out of `root`, which has the size of `first`."""
        return cls(FORK, first, second, root, path, seen)

    @classmethod
    def rollback(cls, first: str, second: str, seen: tuple[str, str]) -> Self:
        """Claim that the smaller `second` came after `first`."""
        return cls(ROLLBACK, first, second, None, (), seen)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Parse a file; nothing in it is believed yet.

        Raises:
            LimitError: too large.
            UnsupportedError: another type of file, or an unknown claim.
            MalformedError: any other shape.
        """
        fields = Fields(json_object(data, limit=limits.EVIDENCE), "evidence")
        kind, claim = fields.text("type"), fields.text("claim")
        if kind != TYPE or claim not in (SPLIT_VIEW, FORK, ROLLBACK):
            raise UnsupportedError(f"expected {TYPE}, found {kind[:80]!r} about {claim[:40]!r}")
        first, second = fields.text("first"), fields.text("second")
        root, path = None, []
        if claim == FORK:
            root = Hash(b64(fields.text("root"), size=Hash.SIZE))
            path = fields.items("path", most=limits.PATH)
        seen = fields.items("seen", most=2)
        fields.done()
        if len(seen) != 2 or not all(isinstance(text, str) for text in (*path, *seen)):
            raise MalformedError("expected strings in the path, and two times when it was seen")
        for time in seen:
            rfc3339(time)
        hashes = tuple(Hash(b64(text, size=Hash.SIZE)) for text in path)
        return cls(claim, first, second, root, hashes, (seen[0], seen[1]))

    def json(self) -> bytes:
        """Render as the file that `parse` reads, indented for people."""
        value: dict[str, object] = {
            "type": TYPE,
            "claim": self.claim,
            "first": self.first,
            "second": self.second,
        }
        if self.root is not None:
            value["root"] = b64encode(self.root)
            value["path"] = [b64encode(h) for h in self.path]
        value["seen"] = list(self.seen)
        return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()

    def verify(self, trust: TrustRoot) -> str:
        """Return in one sentence what is proven.

        The expiry of `trust` is not asked: a contradiction does not become
        untrue. Nor are witnesses: the log's own signatures are the proof.

        Raises:
            UntrustedLogError: a note is not signed by a pinned key of its log.
            SignatureError: a line that names such a key does not verify.
            NoContradictionError: both notes can be true.
            MalformedError: a note is no checkpoint, or the path has another length.
        """
        first, first_time = _signed(self.first, trust)
        second, second_time = _signed(self.second, trust)
        if first.origin != second.origin:
            raise NoContradictionError(f"{first.origin} and {second.origin} are two logs")
        if self.claim == SPLIT_VIEW:
            return _split_view(first, second)
        if self.claim == FORK:
            assert self.root is not None
            return _fork(first, second, self.root, self.path)
        assert self.claim == ROLLBACK
        if second.tree_size >= first.tree_size:
            raise NoContradictionError(
                f"expected a smaller tree than {first.tree_size}, found {second.tree_size}"
            )
        if rfc3339(self.seen[1]) < rfc3339(self.seen[0]):
            raise NoContradictionError("the smaller tree was seen first")
        sizes = f"{first.origin} signed trees of {first.tree_size} and {second.tree_size} entries"
        if first_time and second_time > first_time:
            return f"{sizes}, and by its own dates the smaller one later"
        return (
            f"{sizes}; that the smaller one was served later, at {self.seen[1]}, "
            "is the word of whoever wrote this file"
        )


def _signed(text: str, trust: TrustRoot) -> tuple[Checkpoint, int]:
    """Return the checkpoint that a pinned log signed, and when it says that it did, or 0."""
    note = Note.parse(text)
    checkpoint = Checkpoint.parse(note.text)
    keys = trust.log_keys(checkpoint.origin)
    if not keys:
        raise UntrustedLogError(f"no log of the trust root is called {checkpoint.origin!r}")
    dated = {(key.name, key.key_id) for key in notes.verify(note, keys) if key.kind == ML_DSA}
    times = [
        cosignature.time_of(line) for line in note.signatures if (line.name, line.key_id) in dated
    ]
    return checkpoint, max(times, default=0)


def _split_view(first: Checkpoint, second: Checkpoint) -> str:
    if first.tree_size != second.tree_size or first.root == second.root:
        raise NoContradictionError("expected one size and two roots")
    return (
        f"{first.origin} signed two trees of {first.tree_size} entries, "
        f"with root {first.root.hex()} and with root {second.root.hex()}"
    )


def _fork(first: Checkpoint, second: Checkpoint, root: Hash, path: tuple[Hash, ...]) -> str:
    if not first.tree_size < second.tree_size:
        raise NoContradictionError(
            f"expected a larger tree than {first.tree_size}, found {second.tree_size}"
        )
    if root == first.root:
        raise NoContradictionError("the path starts at the first tree itself")
    try:
        verify_consistency(first.tree_size, second.tree_size, path, root, second.root)
    except InclusionError as e:
        raise NoContradictionError("the path does not lead to the second tree") from e
    return (
        f"{first.origin} signed a tree of {first.tree_size} entries with root "
        f"{first.root.hex()}, and one of {second.tree_size} entries whose first "
        f"{first.tree_size} have root {root.hex()}"
    )
