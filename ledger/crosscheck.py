"""`python -m ledger.crosscheck DIRECTORY`: the same root, by an implementation that is not ours.

Reads every entry of a ledger and prints the tree size and the root that
pymerkle gets. It runs beside a live service and changes nothing.

pymerkle is GPL-3.0-or-later, so this is a program of its own that nothing else
imports; install it with the extra `crosscheck`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pymerkle import InmemoryTree

from ledger.errors import UnknownEntryError
from ledger.store import SLICE, Store
from ledger.store.files import path_in
from ledger.store.sqlite import SqliteStore
from verifier._strict import decimal
from verifier.errors import SealbookError

USAGE = """\
usage: python -m ledger.crosscheck [--json] DIRECTORY [TREE_SIZE]

Prints the tree size and the hex root that pymerkle computes from the entries of
the ledger in DIRECTORY; of the first TREE_SIZE of them, if given.

example:
  python -m ledger.crosscheck /var/lib/sealbook/ledger
"""


def root(store: Store, tree_size: int) -> bytes:
    """Return the root over the first `tree_size` entries, as pymerkle computes it."""
    tree = InmemoryTree(algorithm="sha256")
    for start in range(0, tree_size, SLICE):
        for entry in store.entries(start, min(tree_size, start + SLICE)):
            tree.append_entry(entry)
    found: bytes = tree.get_root()
    return found


def main(argv: list[str]) -> int:
    """Print the root; exit code 0 only when there is one."""
    words = [arg for arg in argv if arg != "--json"]
    if not 1 <= len(words) <= 2 or words[0].startswith("-"):
        print(USAGE, end="")
        return 0 if words in (["-h"], ["--help"]) else 2
    try:
        store = SqliteStore(path_in(Path(words[0])), read_only=True)
        try:
            head = store.head()
            tree_size = decimal(words[1]) if len(words) == 2 else head.tree_size
            if tree_size > head.tree_size:
                raise UnknownEntryError(f"the ledger has {head.tree_size} entries, not {tree_size}")
            found = root(store, tree_size).hex()
        finally:
            store.close()
    except SealbookError as e:
        print(f"error: {e.message} ({e.code})", file=sys.stderr)
        return 1
    if "--json" in argv:
        print(json.dumps({"tree_size": tree_size, "root": found}))
    else:
        print(tree_size, found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
