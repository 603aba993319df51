"""Spans of time, as people say them."""

from __future__ import annotations

_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60))


def span(seconds: float) -> str:
    """Print a span of time for people, cut to its largest unit."""
    for unit, size in _UNITS:
        count = int(seconds // size)
        if count > 0:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"
