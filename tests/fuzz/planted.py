"""Faults that are put into the verifier on purpose: a fuzzer that misses them finds nothing.

Each is made in the fuzzing process alone, and by name.
"""

from __future__ import annotations

import binascii
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.fuzz.running import MOST_BYTES, MOST_SECONDS
from verifier import checkpoint, jws, note, vulnerabilities
from verifier.errors import MalformedError


class Fault(NamedTuple):
    """What is broken, the target that must notice, and a word of what it must say."""

    plant: Callable[[], None]
    target: str
    says: str


def _leak() -> None:
    strict = note.b64

    def leak(text: str, **options: Any) -> bytes:
        try:
            return strict(text, **options)
        except MalformedError as e:
            raise binascii.Error("leaked") from e

    note.b64 = leak


def _lax() -> None:
    def lax(text: str) -> int:
        try:
            return int(text)
        except ValueError as e:
            raise MalformedError(text) from e

    checkpoint.decimal = lax  # type: ignore[assignment]


def _slow() -> None:
    strict = jws.rfc3339

    def slow(text: str) -> int:
        if not text.endswith("Z"):
            end = time.process_time() + MOST_SECONDS + 0.2
            while time.process_time() < end:
                pass
        return strict(text)

    jws.rfc3339 = slow


def _large() -> None:
    strict = vulnerabilities.rfc3339
    held: list[Any] = []

    def large(text: str) -> int:
        if "Z" not in text:
            held.append(b"x" * (MOST_BYTES + 1))
        return strict(text)

    vulnerabilities.rfc3339 = large


FAULTS = {
    "an error of a library leaks": Fault(_leak, "note", "Error: leaked"),
    "a number has two spellings": Fault(_lax, "checkpoint", "AssertionError"),
    "a reader takes its time": Fault(_slow, "notation", "SlowError"),
    "a reader takes much memory": Fault(_large, "scan", "LargeError"),
}
