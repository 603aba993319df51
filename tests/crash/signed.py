"""Every signed tree in the files of a service: rows, free pages, write-ahead log, whatever.

Two trees of one size under our own signature are a fork, wherever they are found.
Only while no process has the files open: nobody but SQLite may open them otherwise.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.errors import VerificationError
from verifier.merkle import Hash
from verifier.note import Note, NoteKey


def signed_trees(folders: Iterable[Path], key: NoteKey) -> dict[int, set[Hash]]:
    """Return the roots by tree size that `key` has signed, in any file below `folders`."""
    origin = re.escape(key.name)
    note = re.compile(
        rf"{origin}\n[0-9]+\n[0-9A-Za-z+/]+=\n\n(?:— [^ \n]+ [0-9A-Za-z+/=]+\n)+".encode()
    )
    trees: dict[int, set[Hash]] = defaultdict(set)
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        for found in note.findall(path.read_bytes()):
            try:
                signed = Note.parse(found.decode())
                notes.verify(signed, [key])
            except (UnicodeDecodeError, VerificationError):  # torn: it proves nothing to anybody
                continue
            checkpoint = Checkpoint.parse(signed.text)
            trees[checkpoint.tree_size].add(checkpoint.root)
    return dict(trees)


def check_never_twice(trees: dict[int, set[Hash]]) -> None:
    """Check that no tree size was signed with two roots."""
    split = {
        size: [root.hex() for root in roots] for size, roots in trees.items() if len(roots) > 1
    }
    assert {} == split
