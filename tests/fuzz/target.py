"""What is fuzzed: a function of bytes that says yes, or raises a `VerificationError`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from verifier.errors import InternalError, VerificationError

Run = Callable[[bytes], None]


class Target(NamedTuple):
    """One parser, with what must be true of what it takes. Anything else raised is a finding."""

    name: str
    run: Run
    seeds: tuple[bytes, ...]

    def check_seeds(self) -> None:
        """Check that every seed is good; otherwise the fuzzer starts before the first check.

        Raises:
            VerificationError: one is not.
        """
        for seed in self.seeds:
            self.run(seed)

    def __call__(self, data: bytes) -> None:
        """Try `data`; raises nothing but what is a finding."""
        try:
            self.run(data)
        except InternalError:
            raise  # a no, and a bug behind it
        except VerificationError:
            return


class Targets(dict[str, Target]):
    """Targets by name, each added by a decorator."""

    def add(self, *seeds: bytes) -> Callable[[Run], Run]:
        """Add the decorated function under its own name, with these seeds."""

        def added(run: Run) -> Run:
            name = run.__name__.replace("_", "-")
            assert name not in self
            self[name] = Target(name, run, seeds)
            return run

        return added


def text(data: bytes) -> str:
    """Return any bytes as text: what is no UTF-8 becomes lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def same(expected: object, found: object) -> None:
    """Check that what was accepted is what it should be."""
    assert expected == found, (expected, found)
