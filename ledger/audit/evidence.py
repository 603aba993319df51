"""Evidence files: both signed notes of a contradiction, for anyone to check.

    python -m verifier evidence --trust trust.json fork-6e340b9cffb37a98.json

A file is named after what contradicts what, so the same contradiction met again
makes no second file, and another one never overwrites it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ledger.audit.bounds import utc
from ledger.audit.tiles import Grown
from ledger.durable import write_durably
from ledger.errors import SourceError
from verifier.evidence import Evidence
from verifier.merkle import Hash
from verifier.note import Note


class EvidenceFolder:
    """Where evidence is written to."""

    def __init__(self, folder: Path) -> None:
        """Write into `folder`, which is made when it is needed."""
        self._folder = folder

    def write(
        self,
        claim: str,
        first: tuple[str, int],
        second: tuple[str, int],
        grown: Grown | None = None,
    ) -> str:
        """Write that the note `second` contradicts `first`, each with when we saw it.

        For a fork, `grown` is what the second tree was at the first one's size.
        Returns the name of the file, which is durable.
        """
        root: Hash | None = grown.root if grown else None
        path = grown.path if grown else ()
        seen = (utc(first[1]), utc(second[1]))
        evidence = Evidence(claim, first[0], second[0], root, path, seen)
        texts = (Note.parse(note).text for note, _ in (first, second))  # lines have times
        known = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        target = self._folder / f"{claim}-{known[:16]}.json"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                write_durably(target, evidence.json(), 0o644)
        except OSError as e:
            raise SourceError(f"{target}: {e.strerror}", hint="name another --evidence") from e
        return target.name
