"""`python -m tests.crash.folding serve …`: a service that copies its -wal file after a few pages.

It is `sealbook serve` otherwise. Usually that happens once in thousands of commits.
"""

from __future__ import annotations

import sys

from ledger.store import sqlite
from signer.cli import main

PAGES = 12  # two commits or so

if __name__ == "__main__":
    sqlite._CHECKPOINT_PAGES = PAGES  # type: ignore[misc]
    sys.exit(main(sys.argv[1:]))
