"""Small changes to one field of a document, to be applied by path.

A `Change` takes the field's value and returns another, or `GONE` to remove the
field. Some reach inside a value: the JSON or the bytes that a Base64 text
stands for, one line of a text, one word of a line.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

Path: TypeAlias = tuple[str | int, ...]
Change: TypeAlias = Callable[[Any], Any]

GONE = object()
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def edited(value: Any, path: Path, change: Change) -> Any:
    """Return `value` with the field at `path` changed, or removed if that gives GONE."""
    if not path:
        return change(value)
    here, rest = path[0], path[1:]
    field = edited(value[here], rest, change)
    if field is GONE:
        del value[here]
    else:
        value[here] = field
    return value


def to(value: object) -> Change:
    """Put `value` there, whatever was."""
    return lambda _: value


def increment(decimal: str) -> str:
    """Return the next number: Sigstore's JSON writes 64-bit numbers as text."""
    return str(int(decimal) + 1)


def twice(values: list[object]) -> list[object]:
    """Repeat a list."""
    return [*values, *values]


def encoded(data: bytes) -> str:
    """Return `data` in standard Base64."""
    return base64.b64encode(data).decode()


def decoded(text: str) -> bytes:
    """Return what a text in standard Base64 stands for."""
    return base64.b64decode(text)


def raw(change: Callable[[bytes], bytes]) -> Change:
    """Change the bytes that a Base64 text stands for."""
    return lambda text: encoded(change(decoded(text)))


def flip_at(index: int) -> Change:
    """Flip the lowest bit of one byte of what a Base64 text stands for."""

    def spoil(good: bytes) -> bytes:
        spoiled = bytearray(good)
        spoiled[index] ^= 1
        return bytes(spoiled)

    return raw(spoil)


flip = flip_at(-1)


def twin(signature: bytes) -> bytes:
    """Return the other valid ECDSA P-256 signature of the same message: (r, n - s)."""
    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, P256_ORDER - s)


def inside(path: Path, change: Change) -> Change:
    """Change one field of the JSON that a Base64 text stands for.

    The JSON is written anew, in the shape of RFC 8785 for the ASCII that it holds.
    """

    def edit(text: bytes) -> bytes:
        document = edited(json.loads(text), path, change)
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    return raw(edit)


def within(path: Path, change: Change) -> Change:
    """Change one field of the JSON that a text holds, written anew like by `inside`."""

    def edit(text: str) -> str:
        document = edited(json.loads(text), path, change)
        return json.dumps(document, sort_keys=True, separators=(",", ":"))

    return edit


def rawurl(change: Callable[[bytes], bytes]) -> Change:
    """Change the bytes that a text in unpadded base64url stands for."""

    def edit(text: str) -> str:
        good = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return base64.urlsafe_b64encode(change(good)).rstrip(b"=").decode()

    return edit


def insideurl(path: Path, change: Change) -> Change:
    """Change one field of the JSON that a text in unpadded base64url stands for."""
    document = within(path, change)
    return rawurl(lambda text: document(text.decode()).encode())


def line(number: int, change: Change) -> Change:
    """Change or remove one line of a text; lines count from 0."""

    def edit(text: str) -> str:
        return "\n".join(edited(text.split("\n"), (number,), change))

    return edit


def word(number: int, change: Change) -> Change:
    """Change one word of a line; words are parted by one space and count from 0."""

    def edit(text: str) -> str:
        return " ".join(edited(text.split(" "), (number,), change))

    return edit
