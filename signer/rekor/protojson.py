"""Reading protobuf's JSON mapping as strictly as it can be read.

A field has two spellings, lowerCamelCase and snake_case, and may stand there once.
Base64 is the standard alphabet or the URL one, padded or not; what it decodes to
has one spelling again in everything that we print.
"""

from __future__ import annotations

import binascii
import re
from functools import cache

from verifier._strict import Fields
from verifier.errors import Base64Error, MalformedError

_HUMP = re.compile(r"(?<!^)([A-Z])")
_TO_STANDARD = str.maketrans("-_", "+/")


def spelled(fields: Fields, name: str) -> str | None:
    """Return how `name`, in lowerCamelCase, is spelled in `fields`; None when it is not there.

    Raises:
        MalformedError: it is there twice.
    """
    other = snake(name)
    if not fields.has(name):
        return other if fields.has(other) else None
    if other != name and fields.has(other):
        raise MalformedError(f"expected {name} once, found it in both spellings")
    return name


def inside(fields: Fields, name: str) -> Fields:
    """Open the object `name`."""
    return fields.inside(spelled(fields, name) or name)


def text(fields: Fields, name: str) -> str:
    """Take the string `name`."""
    return fields.text(spelled(fields, name) or name)


def raw(fields: Fields, name: str) -> bytes:
    """Take the bytes `name`.

    Raises:
        Base64Error: they are not in Base64, or empty.
    """
    value = text(fields, name)
    if "-" in value or "_" in value:
        if "+" in value or "/" in value:
            raise Base64Error(f"{name}: expected one alphabet of Base64, found both")
        value = value.translate(_TO_STANDARD)
    missing = -len(value) % 4
    if missing and "=" in value:
        raise Base64Error(f"{name}: expected Base64 with all of its padding, or none")
    try:
        found = binascii.a2b_base64(value + "=" * missing, strict_mode=True)
    except ValueError as e:  # also what is no ASCII
        raise Base64Error(f"{name}: expected Base64") from e
    if not found:
        raise Base64Error(f"{name}: expected bytes, found none")
    return found


@cache
def snake(name: str) -> str:
    """Return a lowerCamelCase name in snake_case."""
    return _HUMP.sub(r"_\1", name).lower()
