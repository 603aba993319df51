"""JSON with what no dictionary can hold, and texts that are JSON to some readers only."""

from __future__ import annotations

import json
from collections.abc import Iterator

TWICE = "\ue000"  # after a key: it is written without, as if it were there twice


def rendered(value: object) -> bytes:
    """Render as the service does: compact, in the order that the fields have."""
    return json.dumps(value, separators=(",", ":")).replace("\\ue000", "").encode()


def sorted_anew(value: object) -> bytes:
    """Render in the shape of RFC 8785, for the ASCII that these documents hold."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    return text.replace("\\ue000", "").encode()


def document_changes(good: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what can be done to the text of a JSON object as a whole."""
    text = good.decode()
    value = json.loads(text)
    yield "spaces around", b" \t\r\n" + good + b" \t\r\n"
    yield "indented", json.dumps(value, indent=2).encode()
    yield "escaped", text.replace('"payloadType"', '"\\u0070ayloadType"').encode()
    yield "escaped slashes", text.replace("/", "\\/").encode()
    yield "BOM before", b"\xef\xbb\xbf" + good
    yield "NUL after", good + b"\0"
    yield "text after", good + b"x"
    yield "an object after", good + b"{}"
    yield "twice", good * 2
    yield "in a list", b"[" + good + b"]"
    yield "in a text", json.dumps(text).encode()
    yield "empty", b""
    yield "null", b"null"
    yield "an object", b"{}"
    yield "a list", b"[]"
    yield "UTF-16", text.encode("utf-16")
    yield "no UTF-8", good.replace(b'"payloadType":"', b'"payloadType":"\xff', 1)
    yield "no UTF-8 in an unknown field", good[:-1] + b',"other":"\xff"}'
    yield "lone surrogate in an unknown field", good[:-1] + b',"other":"\\ud800"}'
    yield "comma after", good[:-1] + b",}"
    yield "comment", b"/* */" + good
    yield "single quotes", good.replace(b'"', b"'")
    yield "NaN in an unknown field", good[:-1] + b',"other":NaN}'
    yield "huge number in an unknown field", good[:-1] + b',"other":1e999}'
    yield "deep unknown field", good[:-1] + b',"other":' + b"[" * 500 + b"]" * 500 + b"}"
    yield "control character", good.replace(b'"payloadType":"', b'"payloadType":"\x01', 1)
    for part in range(1, 20):
        yield f"cut: part {part}", good[: part * len(good) // 20]
    yield "cut: last byte", good[:-1]
