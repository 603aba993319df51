"""`python -m tests.bench.opening LEDGER KEYS`: open a ledger as a service does; say how it went.

Prints {"start_s": …, "peak_bytes": …}; proves 5,000 entries all over the ledger, so that the
memory is that of a ledger in use.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path

from ledger.opening import Home, open_ledger
from ledger.signatory import LogKeys
from signer.keys.memory import MemoryKey
from tests.bench.machine import peak_memory
from tests.bench.millions import ORIGIN

_PROOFS = 5000


def main(where: Path, keys: Path) -> int:
    """Open, prove, and print."""
    home = Home(where / "ledger", where / "anchor", ORIGIN)
    log_keys = LogKeys(MemoryKey.load(keys / "log.pem"), (keys / "seal").read_bytes())
    begun = time.perf_counter()
    opened = open_ledger(home, log_keys)
    start_s = time.perf_counter() - begun
    with opened as ledger:
        size = ledger.published.checkpoint.tree_size
        dice = random.Random(1)
        for _ in range(_PROOFS):
            ledger.prove(dice.randrange(size), size)
    print(json.dumps({"start_s": start_s, "peak_bytes": peak_memory(os.getpid())}))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
