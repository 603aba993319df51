"""Checkpoints (c2sp.org/tlog-checkpoint): what a log says of itself.

    example.com/log
    15
    rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=

Three lines, each ended by a newline: origin, tree size, Base64 of the root.
Extension lines are refused: no cosignature of the post-quantum kind covers them.
"""

from __future__ import annotations

from typing import NamedTuple, Self

from verifier._strict import b64, b64encode, decimal, note_name
from verifier.errors import MalformedError
from verifier.merkle import EMPTY_ROOT, Hash


class Checkpoint(NamedTuple):
    """The tree of `tree_size` leaves of the log `origin` has this `root`."""

    origin: str
    tree_size: int
    root: Hash

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text of a note; its signature is another matter.

        Raises:
            MalformedError: any other form, or an empty tree with another root.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise MalformedError("a checkpoint has exactly three lines")
        checkpoint = cls(note_name(lines[0]), decimal(lines[1]), Hash(b64(lines[2], size=32)))
        if checkpoint.tree_size == 0 and checkpoint.root != EMPTY_ROOT:
            raise MalformedError("an empty tree has the root SHA-256('')")
        return checkpoint

    def __str__(self) -> str:
        """Print the text to be signed: the exact inverse of `parse`."""
        return f"{self.origin}\n{self.tree_size}\n{b64encode(self.root)}\n"
