"""Inclusion proofs as files (c2sp.org/tlog-proof), extension `.tlog-proof`.

    c2sp.org/tlog-proof@v1
    index 7
    2Q0P5jSR+TdkwdXWyx+GbBWX0KZbNZkWzCjyTPSozsw=
    ycRkkNklus5eMVRUvkD1pK321vMrA+jjOiZKU8aOcY4=

    example.com/log
    15
    rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=

    — example.com/log M9e0luh4jTG+…

The leaf is not in it: whoever checks computes it from their own data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

from verifier import limits
from verifier._strict import b64, b64encode, decimal
from verifier.checkpoint import Checkpoint
from verifier.errors import LimitError, MalformedError
from verifier.merkle import Hash, InclusionProof, verify_inclusion
from verifier.note import Note

if TYPE_CHECKING:
    from verifier.tlogpolicy import Endorsed, TlogPolicy

_HEADER = "c2sp.org/tlog-proof@v1"


class TlogProof(NamedTuple):
    """The claim that `note`'s tree has some leaf at `index`; `extra` proves nothing."""

    index: int  # type: ignore[assignment]  # tuple.index is not missed
    path: tuple[Hash, ...]
    note: Note
    extra: bytes | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a file; nothing in it is trusted yet.

        Raises:
            LimitError: too long.
            MalformedError: any other form than the specification's.
        """
        if len(text) > limits.NOTE:
            raise LimitError(f"expected at most {limits.NOTE} characters, found {len(text)}")
        head, empty, note = text.partition("\n\n")
        lines = head.split("\n")
        if not empty or lines.pop(0) != _HEADER:
            raise MalformedError(f"expected {_HEADER!r}, a proof, an empty line, a checkpoint")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = b64(lines.pop(0)[len("extra ") :])
        if not lines or not lines[0].startswith("index "):
            raise MalformedError("expected a line 'index <decimal>'")
        index = decimal(lines.pop(0)[len("index ") :])
        if len(lines) > limits.PATH:
            raise LimitError(f"expected at most {limits.PATH} hashes, found {len(lines)}")
        path = tuple(Hash(b64(line, size=Hash.SIZE)) for line in lines)
        return cls(index, path, Note.parse(note), extra)

    def judge(self, leaf: Hash, policy: TlogPolicy) -> Endorsed:
        """Return what stands behind `leaf`: who signed the checkpoint that it is proven under.

        `leaf` must come from the caller's own data, and `policy` from what the
        caller pinned (`TrustRoot.policy`).

        Raises:
            VerificationError: as `TlogPolicy.verify` and as `verify` do.
        """
        endorsed = policy.verify(self.note)
        self.verify(leaf)
        return endorsed

    def verify(self, leaf: Hash) -> Checkpoint:
        """Return the checkpoint that `leaf` is proven under; its signature is another matter.

        Raises:
            MalformedError: the note is no checkpoint, or the path has another length.
            InclusionError: `leaf` is not at `index`.
        """
        checkpoint = Checkpoint.parse(self.note.text)
        proof = InclusionProof(self.index, checkpoint.tree_size, self.path)
        verify_inclusion(leaf, proof, checkpoint.root)
        return checkpoint

    def __str__(self) -> str:
        """Print the file: the exact inverse of `parse`."""
        extra = "" if self.extra is None else f"extra {b64encode(self.extra)}\n"
        path = "".join(f"{b64encode(h)}\n" for h in self.path)
        return f"{_HEADER}\n{extra}index {self.index}\n{path}\n{self.note}"
