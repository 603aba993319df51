"""Mutations of JSON: a good document with one value changed, moved or taken out.

Most bytes of a document, changed at random, make it no JSON. These stay JSON, also inside
of Base64 and of JSON in Base64, so that the checks behind the parser are reached.
"""

from __future__ import annotations

import json
import random
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

Bytes = Callable[[bytes], bytes]

_ODD = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63 - 1, 2**63, 2**64, 10**40, 1.5, 1e300, -0.0),
    *("", "\0", "\n", "\n\n", "\ud800", "\u2028", "\u00e9", "*", ".", "/", "a" * 300, "=", "AA=="),
    *([], {}, [[]], [None], {"": {}}, "0", "01", "-1", "1e1", "true", "null", "sha256:"),
)
_DEEP = 40  # levels that are walked


def mutate(data: bytes, rng: random.Random, change: Bytes) -> bytes:
    """Return `data` with one value changed; `change` is for bytes and texts in it.

    What is no JSON is handed to `change` whole.
    """
    try:
        value = json.loads(data)
        places = list(_places(value, 0))
        if not places:
            return change(data)
        _edit(places, rng, change)
        indent = rng.choice((None, None, None, 1))
        text = json.dumps(
            value, separators=(",", ":"), indent=indent, ensure_ascii=rng.random() < 0.5
        )
        return text.encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError, MemoryError):
        return change(data)


def _places(value: Any, depth: int) -> Any:
    """Yield each container with each of its keys or indices."""
    if depth > _DEEP or not isinstance(value, dict | list):
        return
    for key in value if isinstance(value, dict) else range(len(value)):
        yield value, key
        yield from _places(value[key], depth + 1)


def _edit(places: list[tuple[Any, Any]], rng: random.Random, change: Bytes) -> None:
    holder, key = rng.choice(places)
    other, at = rng.choice(places)
    match rng.randrange(7):
        case 0:
            del holder[key]
        case 1:
            holder[key] = rng.choice(_ODD)
        case 2:
            holder[key] = json.loads(json.dumps(other[at]))
        case 3 if isinstance(holder, list):
            holder.insert(key, json.loads(json.dumps(other[at])))
        case 3:
            holder[rng.choice(("", "x", str(key) + " ", str(key).upper()))] = rng.choice(_ODD)
        case 4 if isinstance(holder, list):
            rng.shuffle(holder)
        case _ if isinstance(holder[key], str):
            holder[key] = _text(holder[key], rng, change)
        case _ if type(holder[key]) is int:
            holder[key] += rng.choice((-1, 1, 2**32, -holder[key], 10**6))
        case _:
            holder[key] = rng.choice(_ODD)


def _text(text: str, rng: random.Random, change: Bytes) -> str:
    """Return `text` changed; what is Base64 is mostly changed on the inside."""
    raw = text.encode("utf-8", "surrogatepass")
    if len(text) >= 8 and len(text) % 4 == 0 and rng.random() < 0.7:
        inner = b64decode(raw, validate=True)  # a ValueError: then the bytes are changed
        return b64encode(mutate(inner, rng, change)).decode()
    return change(raw).decode("utf-8", "replace")
