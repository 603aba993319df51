"""`python -m tests.bench.judge DIR SECONDS`: how many bundles one core verifies in a second.

DIR holds trust.json, and the folders `distinct` and `shared` of bundles, each
named by its digest: in the one every bundle has a checkpoint of its own, in the
other all have the same. Each bundle was verified once before the clock starts.
Prints JSON, bundles a second by folder.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from pathlib import Path

from verifier import Digest, Repository, TrustRoot, Verifier

REPOSITORY = Repository("registry.example/team/app")
MOST_REMEMBERED = 256  # checkpoints; more distinct ones than this are never remembered


def rate(trust: TrustRoot, folder: Path, seconds: float) -> float:
    """Verify the bundles in `folder`, over and over, and return how many a second."""
    bundles = [(Digest(path.name), path.read_bytes()) for path in sorted(folder.iterdir())]
    verifier = Verifier(trust)
    for digest, bundle in bundles:
        verifier.verify(bundle, digest, REPOSITORY)
    start = time.perf_counter()
    for count, (digest, bundle) in enumerate(itertools.cycle(bundles), 1):
        verifier.verify(bundle, digest, REPOSITORY)
        taken = time.perf_counter() - start
        if taken >= seconds and count >= len(bundles):
            return count / taken
    raise AssertionError("no bundles")


def main(directory: Path, seconds: float) -> None:
    """Print the rates."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    trust = TrustRoot.parse((directory / "trust.json").read_bytes())
    print(json.dumps({n: rate(trust, directory / n, seconds) for n in ("distinct", "shared")}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
