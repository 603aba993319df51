"""The bodies of requests to a witness (c2sp.org/tlog-witness).

    old 7                                subtree 8 13
    <Base64 hash>                        <Base64 of the subtree's hash>
    …                                    <Base64 hash>…
    <empty line>                         <empty line>
    <signed checkpoint>                  <signed checkpoint>

`parse` takes one spelling, and caps first: a path has at most 63 hashes.
"""

from __future__ import annotations

from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import b64, b64encode, decimal
from verifier.errors import LimitError, MalformedError, VerificationError
from verifier.merkle import Hash
from verifier.note import Note, NoteKey, NoteSignature

SIZE_TYPE = "text/x.tlog.size"
_LINE = 64  # characters; "subtree", two sizes, two spaces
BODY = limits.NOTE + 66 * _LINE  # bytes of the largest request


class Submission(NamedTuple):
    """`add-checkpoint`: this signed checkpoint, and the path to it from `old` entries."""

    old: int
    path: tuple[Hash, ...]
    note: Note

    @classmethod
    def parse(cls, body: str) -> Self:
        """Parse a request; nothing in it is trusted yet.

        Raises:
            MalformedError: any other form.
        """
        head, note = _split(body)
        word, _, old = head[0].partition(" ")
        if word != "old":
            raise MalformedError(f"expected 'old' and a size, found {head[0][:80]!r}")
        return cls(decimal(old), _path(head[1:]), note)

    def __str__(self) -> str:
        """Print the request: the exact inverse of `parse`."""
        return f"old {self.old}\n{_lines(self.path)}\n{self.note}"


class SubtreeRequest(NamedTuple):
    """`sign-subtree`: the leaves [start, stop) have this `root`, in the tree of that checkpoint."""

    start: int
    stop: int
    root: Hash
    path: tuple[Hash, ...]
    note: Note

    @classmethod
    def parse(cls, body: str) -> Self:
        """Parse a request; nothing in it is trusted yet.

        Raises:
            MalformedError: any other form.
        """
        head, note = _split(body)
        match head[0].split(" "):
            case ["subtree", start, stop] if len(head) > 1:
                root, path = Hash(b64(head[1], size=32)), _path(head[2:])
                return cls(decimal(start), decimal(stop), root, path, note)
        raise MalformedError(f"expected 'subtree', two sizes and a hash, found {head[0][:80]!r}")

    def __str__(self) -> str:
        """Print the request: the exact inverse of `parse`."""
        return f"subtree {self.start} {self.stop}\n{_lines((self.root, *self.path))}\n{self.note}"


def genuine(note: Note, keys: tuple[NoteKey, ...]) -> tuple[NoteSignature, ...]:
    """Return those lines of `note` that verify under one of `keys`, one a key."""
    found: dict[NoteKey, NoteSignature] = {}
    for line in note.signatures:
        for key in keys:
            if (line.name, line.key_id) == (key.name, key.key_id) and key not in found:
                try:
                    key.verify(note.text, line.signature)
                except VerificationError:
                    continue
                found[key] = line
    return tuple(found.values())


def _split(body: str) -> tuple[list[str], Note]:
    """Split `body` at its first empty line: what is before, and the note behind."""
    if len(body) > BODY:
        raise LimitError(f"expected at most {BODY} characters, found {len(body)}")
    head, empty, note = body.partition("\n\n")
    if not empty:
        raise MalformedError("expected lines, an empty line and a checkpoint")
    return head.split("\n"), Note.parse(note)


def _path(lines: list[str]) -> tuple[Hash, ...]:
    if len(lines) > limits.PATH:
        raise LimitError(f"expected at most {limits.PATH} hashes, found {len(lines)}")
    return tuple(Hash(b64(line, size=32)) for line in lines)


def _lines(hashes: tuple[Hash, ...]) -> str:
    return "".join(f"{b64encode(node)}\n" for node in hashes)
