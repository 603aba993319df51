"""Every field of a good bundle, wrong in every way: rows B3, B4, B8, B9 and B14 to B16.

The cases are generated from the good bundle, so that a field that is added is spoiled too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.verifier.catalogue.asking import (
    DOCUMENT,
    ENTRY,
    ENVELOPE,
    HASHES,
    MATERIAL,
    PROOF,
    SIGNATURE,
    TEXT,
    field,
    text,
)
from tests.verifier.catalogue.case import Case
from tests.verifier.paths import GONE, Path, get, inside, named, put
from verifier._strict import b64encode

EVERYTHING: list[Path] = [p.values[0] for p in inside(DOCUMENT, dict, list, str)]
OBJECTS: list[Path] = [p.values[0] for p in inside(DOCUMENT, dict, top=True)]
TEXTS: list[Path] = [p.values[0] for p in inside(DOCUMENT, str)]
NUMBERS: list[Path] = [(*ENTRY, "logIndex"), (*PROOF, "logIndex"), (*PROOF, "treeSize")]
ENVELOPED: list[Path] = [(*ENVELOPE, "payload"), SIGNATURE]
BINARY: list[Path] = [
    *((*ENTRY, *rest) for rest in (("logId", "keyId"), ("canonicalizedBody",))),
    *((*PROOF, "rootHash"), (*HASHES, 0), (*HASHES, 2)),
]

# A value of each type, in JSON.
VALUES = {dict: {}, list: [], str: "", int: 4, float: 0.5, bool: True}

# B8: other spellings of a number, and numbers that no ledger reaches.
INTEGERS = (
    *("", "-1", "-0", "+4", "04", "00", " 4", "4 ", "4\n", "\t4", "4\x00", "4.0", "4.", "4e0"),
    *("0x4", "0o4", "0b100", "4L", "4n", "1_0", "1,000", "1 000", "4/1", "(4)", "null", "NaN"),
    *("four", "\uff14", "\u0664", "\u096a", "\u00b2", "\u2463", "4\u200b", "\ufeff4", "Infinity"),
    *(str(2**63), str(2**64), str(2**64 + 4), str(2**70), "9" * 19, "9" * 4301, "9" * 100_000),
)

# B9: what some decoder makes the same bytes of, or takes for none.
SPOILS: dict[str, Any] = {
    "newline after": lambda t: f"{t}\n",
    "newline inside": lambda t: f"{t[:4]}\n{t[4:]}",
    "lines of MIME": lambda t: "\r\n".join(re.findall(".{1,20}", t)),
    "space before": lambda t: f" {t}",
    "space inside": lambda t: f"{t[:8]} {t[8:]}",
    "tab after": lambda t: f"{t}\t",
    "junk before": lambda t: f"!!{t}",
    "junk inside": lambda t: f"{t[:4]}*{t[4:]}",
    "NUL after": lambda t: f"{t}\x01",
    "one character less": lambda t: t[:-1],
    "more padding": lambda t: f"{t}====",
    "one more =": lambda t: f"{t}=",
    "padding inside": lambda t: f"YQ=={t}",
    "spare bits": lambda t: f"{t.rstrip('=')[:-3]}YR==",
    "full-width letter": lambda t: f"\uff21{t[1:]}",
    "look-alike letter": lambda t: f"\u0410{t[1:]}",
    "both alphabets": lambda t: f"+_{t[2:]}",
    "percent signs": lambda t: f"%3D{t[3:]}",
    "hexadecimal": lambda t: "0x" + t.encode().hex(),
    "data URL": lambda t: f"data:;base64,{t}",
    "no Base64": lambda t: "?" * len(t),
}

# B14: no value of ours, whatever stands around it.
TOKENS = (
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1e999",
        "0.5",
        "4.0",
        "4e0",
        "1E400",
        "-0",
        "-0.0",
    ),
    *("9" * 100_000, "1" + "0" * 100_000 + ".5", "0." + "9" * 100_000, "-" + "9" * 100_000),
    *("04", "+4", ".5", "5.", "0x4", "1_0", "- 1", "True", "None", "undefined", "nan", "'4'", "1e"),
)
SMUGGLED = {
    "NUL": "\\u0000",
    "high surrogate": "\\ud800",
    "low surrogate": "\\udc00",
    "surrogates turned round": "\\udc00\\ud800",
}


def _token(row: str, path: Path, token: str, code: str) -> Case:
    """Write `token` as it is in the place of a value."""
    said = json.dumps(put(DOCUMENT, path, "zzz")).replace('"zzz"', token)
    short = token if len(token) < 20 else f"{token[:9]}… of {len(token)} digits"
    return text(row, f"{named(path)} is {short}", said, code)


def _with_key(path: Path, key: str, value: object) -> str:
    """Return the good bundle with one more member at `path`, whose key is written as it is."""
    return json.dumps(put(DOCUMENT, (*path, "zzz"), value)).replace('"zzz"', f'"{key}"')


def _repeated() -> Iterator[Case]:
    """B3: a key twice, with another value, with its own, and in a second spelling."""
    for path in OBJECTS:
        for key, value in get(DOCUMENT, path).items():
            name = named((*path, key))
            escaped = f"\\u{ord(key[0]):04x}{key[1:]}"
            yield text("B3", f"{name} and null", _with_key(path, key, None), "duplicate-key")
            yield text("B3", f"{name} twice", _with_key(path, key, value), "duplicate-key")
            yield text("B3", f"{name} escaped", _with_key(path, escaped, value), "duplicate-key")
        unknown = _with_key(path, 'zzz":1,"zzz', 2)
        yield text("B3", f"unknown field twice in {named(path)}", unknown, "duplicate-key")


def _unknown() -> Iterator[Case]:
    """B4: a field that nobody checks."""
    for path in OBJECTS:
        for key in ("zzz", "", "__proto__", "$schema", "_comment", "\u00e9"):
            yield field("B4", f"{key!a} in {named(path)}", (*path, key), "", "unknown-field")
        yield field("B4", f"null in {named(path)}", (*path, "zzz"), None, "unknown-field")


def _numbers() -> Iterator[Case]:
    """B8: a 64-bit number is text in its one spelling."""
    for path in NUMBERS:
        for said in INTEGERS:
            code = "malformed" if "\0" in said else "bad-integer"
            short = ascii(said[:24]) + (f" of {len(said)}" if len(said) > 24 else "")
            yield field("B8", f"{named(path)} is {short}", path, said, code)
        for number in ("4", "0", "-1", str(2**63), str(2**70), "true"):
            yield _token("B8", path, number, "malformed")


def _binary() -> Iterator[Case]:
    """B9: bytes have one spelling. Of which alphabet an envelope's may be, row E16 says."""
    for path in (*ENVELOPED, *BINARY):
        for name, spoil in SPOILS.items():
            spoiled = spoil(get(DOCUMENT, path))
            yield field("B9", f"{named(path)}, {name}", path, spoiled, "bad-base64")
    for path in BINARY:
        urlsafe = f"-_{get(DOCUMENT, path)[2:]}"
        yield field("B9", f"{named(path)}, url-safe", path, urlsafe, "bad-base64")
    for path in (BINARY[0], *BINARY[2:]):
        for size in (0, 1, 31, 33, 64, 4096):
            name = f"{named(path)} of {size} bytes"
            yield field("B9", name, path, b64encode(bytes(size)), "bad-base64")


def _values() -> Iterator[Case]:
    """B14: numbers and characters that one reader keeps, and another drops or turns."""
    for path in (("mediaType",), NUMBERS[0], NUMBERS[2], (*HASHES, 0), (*MATERIAL, "zzz")):
        for token in TOKENS:
            yield _token("B14", path, token, "malformed")
    for name, escape in SMUGGLED.items():
        for path in TEXTS:
            said = json.dumps(put(DOCUMENT, path, f"{get(DOCUMENT, path)}zzz"))
            said = said.replace("zzz", escape)
            yield text("B14", f"{name} in {named(path)}", said, "malformed")
        for path in OBJECTS:
            said = _with_key(path, escape, "")
            yield text("B14", f"{name} in a key of {named(path)}", said, "malformed")
    yield text("B14", "NUL as it is", TEXT.replace("ledger", "led\0ger", 1), "malformed")
    yield text("B14", "half a pair as it is", TEXT.replace("ledger", "\ud800", 1), "malformed")


def _types() -> Iterator[Case]:
    """B15: null, another type, or nothing at all, at every position."""
    gone = dict.fromkeys((ENVELOPE, ENTRY), "unsupported-version")
    for path in EVERYTHING:
        name, good = named(path), get(DOCUMENT, path)
        yield field("B15", f"{name} is null", path, None, "malformed")
        yield field("B15", f"{name} is missing", path, GONE, gone.get(path, "malformed"))
        for kind, value in VALUES.items():
            if kind is not type(good):
                yield field("B15", f"{name} is a {kind.__name__}", path, value, "malformed")
        # What lax readers take for the value itself.
        yield field("B15", f"{name} is in a list", path, [good], "malformed")
        yield field("B15", f"{name} is in an object", path, {"value": good}, "malformed")


def _spellings() -> Iterator[Case]:
    """B16: the names of fields as protobuf's other JSON has them."""
    for path in EVERYTHING:
        key = path[-1]
        if not isinstance(key, str):
            continue
        snake = re.sub("[A-Z]", lambda m: "_" + m[0].lower(), key)
        parent = get(DOCUMENT, path[:-1])
        for other in sorted({snake, key.upper(), key.capitalize(), f"{key} ", f"@{key}"} - {key}):
            renamed = {other if k == key else k: v for k, v in parent.items()}
            said = put(DOCUMENT, path[:-1], renamed) if path[:-1] else renamed
            code = "unsupported-version" if path == ENVELOPE else "malformed"
            name = f"{named(path)} is called {other!r}"
            yield text("B16", name, json.dumps(said), code)
            name = f"{named(path)} is called {other!r} as well"
            yield field("B16", name, (*path[:-1], other), parent[key], "unknown-field")


def cases() -> Iterator[Case]:
    """Return the cases of these rows."""
    yield from _repeated()
    yield from _unknown()
    yield from _numbers()
    yield from _binary()
    yield from _values()
    yield from _types()
    yield from _spellings()
