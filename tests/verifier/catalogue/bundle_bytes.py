"""Bundles that are no JSON object of ours from the first byte on: rows B1, B2, B12 and B13."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from tests.verifier.catalogue.asking import JSON, TEXT, data, text
from tests.verifier.catalogue.case import Case
from verifier import limits

# B1: what some reader takes for JSON, or for a bundle.
NO_JSON: list[tuple[str, bytes]] = [
    ("nothing", b""),
    ("spaces", b" \n\t"),
    ("a word", b"bundle"),
    ("null", b"null"),
    ("true", b"true"),
    ("number", b"4"),
    ("text", b'"' + TEXT.replace('"', "'").encode() + b'"'),
    ("list", b"[" + JSON + b"]"),
    ("only braces", b"{}"),
    ("byte-order mark", b"\xef\xbb\xbf" + JSON),
    ("byte-order mark inside", b"{\xef\xbb\xbf" + JSON[1:]),
    *((f"in {name}", TEXT.encode(name)) for name in ("utf-16", "utf-16-le", "utf-16-be")),
    *((f"in {name}", TEXT.encode(name)) for name in ("utf-32", "utf-32-le", "utf-32-be")),
    ("in EBCDIC", TEXT.replace("\u2014", "-").encode("cp500")),
    ("in Latin-1", TEXT.replace("\u2014", "\xe9").encode("latin-1")),
    ("in Windows-1252", TEXT.encode("cp1252")),
    ("overlong UTF-8", JSON.replace(b"/", b"\xc0\xaf")),
    ("UTF-8 of a surrogate", JSON.replace("\u2014".encode(), b"\xed\xa0\x94")),
    ("UTF-8 beyond Unicode", JSON.replace("\u2014".encode(), b"\xf5\x80\x80\x80")),
    ("UTF-8 cut off", JSON.replace("\u2014".encode(), b"\xe2\x80")),
    ("packed", gzip.compress(JSON, mtime=0)),
    ("protobuf", b"\x0a\x2eapplication/vnd.dev.sigstore.bundle.v0.3+json"),
    ("certificate", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
    ("page of a proxy", b"<!DOCTYPE html><title>502 Bad Gateway</title>"),
    ("a line of JSON Lines before", b"{}\n" + JSON),
    ("prefix against scripts", b")]}'\n" + JSON),
    ("single quotes", TEXT.replace('"', "'").encode()),
    ("keys without quotes", JSON.replace(b'"mediaType"', b"mediaType", 1)),
    ("comma after the last", JSON[:-1] + b",}"),
    ("two commas", JSON.replace(b",", b",,", 1)),
    ("no comma", JSON.replace(b",", b" ", 1)),
    ("no colon", JSON.replace(b":", b" ", 1)),
    ("comment", JSON.replace(b",", b",/* yes */", 1)),
    ("line comment", JSON.replace(b",", b",// yes\n", 1)),
    ("hash comment", b"# yes\n" + JSON),
    ("no-break space between", JSON.replace(b",", ",\u00a0".encode(), 1)),
    ("form feed between", JSON.replace(b",", b",\x0c", 1)),
    ("NUL between", JSON.replace(b",", b",\0", 1)),
    ("line break in a text", JSON.replace(b"\\n", b"\n", 1)),
    ("tab in a text", JSON.replace(b"\\n", b"\t", 1)),
    ("escape that is none", JSON.replace(b"\\n", b"\\x0a", 1)),
    ("escape of two digits", JSON.replace(b"\\n", b"\\u0a", 1)),
    ("escape of wide digits", JSON.replace(b"\\n", "\\u000\uff21".encode(), 1)),
    ("brackets crossed", JSON.replace(b"]", b"}", 1)),
    ("sigstore's name for numbers", JSON.replace(b'"logIndex":"4"', b'"logIndex":4n')),
]

# B2: what stands after the object; JSON allows only four kinds of space there.
AFTER: list[tuple[str, bytes]] = [
    ("the same bundle", JSON),
    ("the same bundle, next line", b"\n" + JSON),
    ("another object", b"{}"),
    ("comma and object", b",{}"),
    ("null", b"null"),
    ("number", b" 1"),
    ("letter", b"x"),
    ("NUL", b"\0"),
    ("many NULs", bytes(512)),
    ("brace", b"}"),
    ("bracket", b"]"),
    ("comma", b","),
    ("comment", b"// yes"),
    ("end of file of DOS", b"\x1a"),
    ("vertical tab", b"\x0b"),
    ("form feed", b"\x0c"),
    ("no-break space", "\u00a0".encode()),
    ("line separator", "\u2028".encode()),
    ("byte-order mark", b"\xef\xbb\xbf"),
    ("half a character", b"\xe2\x80"),
]


def _nested(opening: str, closing: str, depth: int, code: str) -> Iterator[Case]:
    deep = opening * depth + "1" + closing * depth
    yield text("B12", f"{depth} of {opening}", deep, code)
    yield text("B12", f"{depth} of {opening}, none closed", opening * depth, code)
    inside = f'{{"zzz":{deep},{TEXT[1:]}'
    yield text("B12", f"{depth} of {opening} beside a good bundle", inside, code)
    late = TEXT.replace('"payloadType":', f'"zzz":{deep},"payloadType":')
    yield text("B12", f"{depth} of {opening} in the envelope", late, code)


def _deep() -> Iterator[Case]:
    """B12: more levels than there may be, wherever they stand."""
    for opening, closing in (("[", "]"), ('{"":', "}"), ('[{"a":', "}]"), ("\n[", "]\r\n")):
        for depth in (100, 1000, 100_000):
            yield from _nested(opening, closing, depth, "over-limit")
    # One level deeper than allowed: the bundle itself is the first.
    levels = limits.JSON_DEPTH
    text_ = f'{{"zzz":{"[" * levels}{"]" * levels},{TEXT[1:]}'
    yield text("B12", "one level more than may be", text_, "over-limit")
    deepest = f'{{"zzz":{"[" * (levels - 1)}{"]" * (levels - 1)},{TEXT[1:]}'
    yield text("B12", "as many levels as may be", deepest, "unknown-field")
    # Quotes and escapes that a counter of brackets could stumble over.
    for name, before in (
        ("quote", r"\""),
        ("backslash", r"\\"),
        ("both", r"\\\""),
        ("u", r"\u0022"),
    ):
        deep = f'{{"{before}":{"[" * levels}{"]" * levels},{TEXT[1:]}'
        yield text("B12", f"deep after an escaped {name}", deep, "over-limit")


def _large() -> Iterator[Case]:
    """B13: more bytes than there may be, or more values in them."""
    for name, filling in (("spaces", b" "), ("junk", b"x"), ("NULs", b"\0"), ("brackets", b"[")):
        for size in (limits.BUNDLE + 1, 2 * limits.BUNDLE):
            content = JSON + filling * (size - len(JSON))
            yield data("B13", f"{size} bytes, {name} after", content, "over-limit")
            yield data("B13", f"{size} bytes of {name}", filling * size, "over-limit")
    for what, item in (("lists", ",[]"), ("objects", ",{}")):
        many = item * ((limits.BUNDLE - 10_000) // len(item))
        crowded = f'{{"zzz":[0{many}],{TEXT[1:]}'
        yield text("B13", f"a megabyte of empty {what}", crowded, "over-limit")
    opened = TEXT.count("[") + TEXT.count("{")
    for what, item, most in (
        ("lists", ",[]", (limits.BUNDLE >> 4) - opened - 1),
        ("numbers", ",0", (limits.BUNDLE >> 2) - TEXT.count(",") - 1),
    ):
        for more, code in ((0, "unknown-field"), (1, "over-limit")):
            crowded = f'{{"zzz":[0{item * (most + more)}],{TEXT[1:]}'
            yield text("B13", f"as many {what} as may be, and {more}", crowded, code)
    yield data("B13", "just a megabyte", JSON + b" " * (limits.BUNDLE - len(JSON)), "yes")
    note = TEXT.replace("\\n\\n", "\\n" + "\\n" * limits.BUNDLE + "\\n")
    yield text("B13", "a megabyte within a text", note, "over-limit")


def cases() -> Iterator[Case]:
    """Return the cases of these rows."""
    for name, content in NO_JSON:
        yield data("B1", name, content, "malformed")
    # Every cut, for no reader may see a whole bundle in a part of one.
    for size in range(1, len(JSON), 37):
        yield data("B1", f"cut off at byte {size}", JSON[:size], "malformed")
        yield data("B1", f"without its first {size} bytes", JSON[size:], "malformed")
    for name, content in AFTER:
        yield data("B2", f"{name} after", JSON + content, "malformed")
    yield from _deep()
    yield from _large()
