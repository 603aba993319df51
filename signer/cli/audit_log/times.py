"""Times as people type them: a day, or a moment."""

from __future__ import annotations

import argparse

from verifier._strict import rfc3339
from verifier.errors import MalformedError

_DAY = len("2026-11-26")


def second(text: str) -> int:
    """Return POSIX seconds of a UTC day's begin, or of an RFC 3339 time, for argparse."""
    try:
        return rfc3339(f"{text}T00:00:00Z" if len(text) == _DAY else text)
    except MalformedError as e:
        raise argparse.ArgumentTypeError(e.message) from e
