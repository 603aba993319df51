"""Takes from a scanner's JSON what is wanted, and is strict about nothing else in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from signer.errors import ReportError
from verifier._strict import rfc3339
from verifier.errors import MalformedError

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d{1,9})?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
# The one table. What a scanner calls otherwise is refused.
_SEVERITIES = {
    "critical": "critical",
    "high": "high",
    "medium": "medium",
    "low": "low",
    "negligible": "negligible",
    "unknown": "unknown",
    "": "unknown",
}


class Part:
    """An object in a report. What is missing or null is empty; of another type, refused."""

    __slots__ = ("_value", "_where")

    def __init__(self, value: object, where: str) -> None:
        """Open `value`, or raise `ReportError` if it is not an object."""
        if value is not None and not isinstance(value, dict):
            raise ReportError(f"{where}: expected an object, found {type(value).__name__}")
        self._value: dict[str, Any] = value or {}
        self._where = where

    def text(self, field: str) -> str:
        """Return a string."""
        value = self._value.get(field)
        if value is not None and not isinstance(value, str):
            raise ReportError(
                f"{self._where}.{field}: expected a string, found {type(value).__name__}"
            )
        return value or ""

    def part(self, field: str) -> Part:
        """Return an object."""
        return Part(self._value.get(field), f"{self._where}.{field}")

    def parts(self, field: str) -> Iterator[Part]:
        """Yield the objects of an array."""
        for i, value in enumerate(self._array(field)):
            yield Part(value, f"{self._where}.{field}[{i}]")

    def texts(self, field: str) -> list[str]:
        """Return the strings of an array."""
        found = self._array(field)
        if not all(isinstance(value, str) for value in found):
            raise ReportError(f"{self._where}.{field}: expected only strings")
        return found

    def names(self) -> list[str]:
        """Return the names of the fields."""
        return list(self._value)

    def _array(self, field: str) -> list[Any]:
        value = self._value.get(field)
        if value is not None and not isinstance(value, list):
            raise ReportError(
                f"{self._where}.{field}: expected an array, found {type(value).__name__}"
            )
        return value or []


def severity(text: str) -> str:
    """Return a severity by its one name.

    Raises:
        ReportError: a scanner's word that is not in the table.
    """
    found = _SEVERITIES.get(text.lower())
    if found is None:
        raise ReportError(f"expected a severity that is known, found {text[:40]!r}")
    return found


def moment(text: str) -> int:
    """Parse a time of RFC 3339 with any offset into POSIX seconds; parts of seconds are cut.

    Raises:
        ReportError: it has another form, or is no moment.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ReportError(f"expected a time like 2026-11-23T21:06:41Z, found {text[:40]!r}")
    day, time, sign, hours, minutes = match.groups()
    try:
        local = rfc3339(f"{day}T{time}Z")
    except MalformedError as e:
        raise ReportError(e.message) from e
    offset = (int(hours) * 60 + int(minutes)) * 60 if sign else 0
    return local + offset if sign == "-" else local - offset
