"""One target in a process of its own, which ends with the time or with the first finding.

    python -m tests.fuzz.child TARGET SECONDS FOLDER SEED [FAULT]

Only the verifier and the readers of tokens are instrumented: their branches are what the fuzzer
sees. `FOLDER` gets the input that was found, in a file. `SEED` 0 is another one each time.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["verifier", "signer.access.oidc", "signer.access.templates"],
    enable_loader_override=False,
):
    import verifier

    for module in pkgutil.walk_packages(verifier.__path__, "verifier."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("templates", "oidc.prechecks", "oidc.claims", "oidc.jwks", "oidc.presets"):
        importlib.import_module(f"signer.access.{name}")

from tests.fuzz import mutating
from tests.fuzz.planted import FAULTS
from tests.fuzz.running import MOST_BYTES, MOST_SECONDS
from tests.fuzz.table import TARGETS
from tests.fuzz.target import Target

_LONGEST = 4096  # bytes of an input, or twice those of the longest seed
_HANGS = 60  # seconds by the clock


class SlowError(Exception):
    """An input took longer than any may."""


class LargeError(Exception):
    """An input took more memory than any may."""


class _Watch:
    """Tries inputs, and looks at what each took."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def __call__(self, data: bytes) -> None:
        start = time.process_time()
        self._target(data)
        took = time.process_time() - start
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        if held > MOST_BYTES:
            raise LargeError(f"{held >> 20} MB")
        if took > MOST_SECONDS:
            raise SlowError(f"{took:.1f} s of CPU")


def _mutate(data: bytes, most: int, seed: int) -> bytes:
    """Change a value of a document, or, as often, any bytes."""
    rng = random.Random(seed)

    def change(part: bytes) -> bytes:
        mutated: bytes = atheris.Mutate(part, max(len(part) + 16, 64))
        return mutated

    if rng.random() < 0.5:
        return mutating.mutate(data, rng, change)[:most]
    raw: bytes = atheris.Mutate(data, most)
    return raw


def main(argv: list[str]) -> None:
    """Fuzz; the process ends here."""
    name, seconds, folder, start, *fault = argv
    target = TARGETS[name]
    if fault:
        FAULTS[fault[0]].plant()
    else:
        target.check_seeds()
    longest = max(_LONGEST, 2 * max(map(len, target.seeds)))
    with tempfile.TemporaryDirectory(prefix="sealbook-fuzz-") as corpus:
        for i, seed in enumerate(target.seeds):
            Path(corpus, f"seed-{i}").write_bytes(seed)
        options = {
            "max_total_time": max(1, int(seconds) - 1),  # it counts whole seconds, and one more
            "max_len": longest,
            "timeout": _HANGS,
            "rss_limit_mb": 2 * MOST_BYTES >> 20,
            "seed": int(start),
            "artifact_prefix": f"{folder}/{name}-",
            "print_final_stats": 1,
        }
        words = [sys.argv[0], *(f"-{key}={value}" for key, value in options.items()), corpus]
        atheris.Setup(words, _Watch(target), custom_mutator=_mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
