"""`python -m tests.crash.cloned FILE serve …`: a service on a clone of a machine.

It is `sealbook serve`, on a copy whose database has the very device and inode number
that the original FILE has: as on a virtual machine that was cloned, disk and all.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ledger.anchor import Place
from signer.cli import main

if __name__ == "__main__":
    original = Place.of(Path(sys.argv[1]))
    Place.of = lambda _: original  # type: ignore[assignment,method-assign]
    sys.exit(main(sys.argv[2:]))
