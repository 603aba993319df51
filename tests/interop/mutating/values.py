"""What can be put in the place of one JSON value, by what the value is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.interop.edits import GONE, decoded, encoded, twin
from tests.interop.mutating.documents import TWICE

Changes: TypeAlias = Iterator[tuple[str, object]]

FLIPS = 12  # bits of one value, spread over it
_BASE64 = frozenset(
    (
        *("canonicalizedBody", "content", "hint", "keyId", "payload", "rawBytes", "rootHash"),
        *("sig", "signature", "signedTimestamp"),
    )
)
# What other kinds of bundle have in an object like this, and nobody asked for here.
_FURTHER: dict[str, dict[str, object]] = {
    "": {
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": "AAAA"},
            "signature": "AAAA",
        },
        "dsseEnvelope": None,
    },
    "verificationMaterial": {
        "certificate": {"rawBytes": "AAAA"},
        "x509CertificateChain": {"certificates": []},
        "publicKey": {"hint": "AAAA"},
        "content": {},
        "timestampVerificationData": {},
    },
    "tlogEntries": {
        "integratedTime": "1700000000",
        "inclusionPromise": {"signedEntryTimestamp": "AAAA"},
    },
    "signatures": {"keyid": "other"},
    "publicKey": {"keyid": "other"},
}


def changes(name: str, value: object) -> Changes:
    """Yield a name and a new value for each change to `value`, which is `name` or in it.

    The document as a whole has no name.
    """
    if name:
        yield "gone", GONE
    yield "null", None
    yield "a number", 1
    yield "true", True
    yield "an object", {}
    yield "a list", []
    yield "in a list", [value]
    yield "in an object", {"value": value}
    if isinstance(value, dict):
        yield from _object(name, value)
    elif isinstance(value, list):
        yield from _list(value)
    elif isinstance(value, str):
        yield from text_changes(value)
        if value.isdecimal() and len(value) < 20:
            yield from decimal_changes(value)
        elif name in _BASE64 or _is_hash(value):
            yield from base64_changes(value)
        if name in {"sig", "signature"}:
            yield from signature_changes(value)


def text_changes(value: str) -> Changes:
    """Yield what can be done to any text."""
    yield "text: empty", ""
    yield "text: other", "other"
    yield "text: space before", f" {value}"
    yield "text: space after", f"{value} "
    yield "text: line end after", f"{value}\n"
    yield "text: NUL after", f"{value}\0"
    yield "text: BOM before", f"\ufeff{value}"
    yield "text: one less", value[:-1]
    yield "text: one more", f"{value}A"
    yield "text: first gone", value[1:]
    yield "text: half", value[: len(value) // 2]
    yield "text: twice", value * 2
    yield "text: upper case", value.upper()
    yield "text: lower case", value.lower()


def decimal_changes(value: str) -> Changes:
    """Yield other numbers, and other spellings of this one."""
    n = int(value)
    yield "number: next", str(n + 1)
    yield "number: last", str(n - 1)
    yield "number: zero", "0"
    yield "number: double", str(2 * n)
    yield "number: negative", f"-{n}"
    yield "number: 2**32 more", str(n + 2**32)
    yield "number: 2**63", str(2**63)
    yield "number: 2**64 more", str(n + 2**64)
    yield "number: of JSON", n
    yield "number: of JSON, next", n + 1
    yield "number: float", n + 0.5
    yield "spelling: plus", f"+{n}"
    yield "spelling: zero before", f"0{n}"
    yield "spelling: fraction", f"{n}.0"
    yield "spelling: exponent", f"{n}e0"
    yield "spelling: hexadecimal", f"{n:#x}"
    yield "spelling: octal", f"{n:#o}"
    yield "spelling: underscore", f"{n // 10}_{n % 10}"
    yield "spelling: other digits", value.translate({48 + i: 0x660 + i for i in range(10)})


def base64_changes(value: str) -> Changes:
    """Yield other bytes, and other spellings of these."""
    raw = decoded(value)
    for i in sorted({i * len(raw) // FLIPS for i in range(FLIPS)} | {len(raw) - 1}):
        spoiled = bytearray(raw)
        spoiled[i] ^= 1 << i % 8
        yield f"flip: byte {i}", encoded(bytes(spoiled))
    yield "bytes: one less", encoded(raw[:-1])
    yield "bytes: first gone", encoded(raw[1:])
    yield "bytes: half", encoded(raw[: len(raw) // 2])
    yield "bytes: zero after", encoded(raw + b"\0")
    yield "bytes: zero before", encoded(b"\0" + raw)
    yield "bytes: twice", encoded(raw * 2)
    yield "bytes: zeros", encoded(bytes(len(raw)))
    yield "bytes: reversed", encoded(raw[::-1])
    yield "Base64: no padding", value.rstrip("=")
    yield "Base64: more padding", value + "===="[: 4 - value.count("=")]
    yield "Base64: of URLs", value.translate({ord("+"): "-", ord("/"): "_"})
    yield "Base64: line end inside", f"{value[:4]}\n{value[4:]}"
    yield "Base64: space inside", f"{value[:4]} {value[4:]}"
    yield "Base64: foreign character inside", f"{value[:4]}!{value[4:]}"
    yield "Base64: of Base64", encoded(value.encode())
    yield "Base64: hexadecimal instead", raw.hex()
    if value.endswith("="):  # the bits that nothing reads
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        head, pad = value.rstrip("="), value.count("=")
        yield "Base64: stray bits", head[:-1] + alphabet[alphabet.index(head[-1]) ^ 1] + "=" * pad


def signature_changes(value: str) -> Changes:
    """Yield what else an ECDSA signature can be written as, and its twin; nothing of another."""
    raw = decoded(value)
    if raw[:1] != b"\x30" or len(raw) > 72:  # RSA
        return
    yield "DER: twin", encoded(twin(raw))
    r, s = decode_dss_signature(raw)
    plain = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    yield "DER: r and s alone", encoded(plain)
    yield "DER: trailing NULL", encoded(raw + b"\x05\x00")
    yield "DER: long length", encoded(b"\x30\x81" + raw[1:])
    size = raw[3]
    padded = b"\x02" + bytes([size + 1]) + b"\0" + raw[4 : 4 + size] + raw[4 + size :]
    yield "DER: zero before r", encoded(bytes([0x30, len(padded)]) + padded)
    yield "DER: indefinite length", encoded(b"\x30\x80" + raw[2:] + b"\0\0")
    yield "DER: r and s are 0", encoded(bytes.fromhex("3006020100020100"))
    yield "DER: r and s are 1", encoded(bytes.fromhex("3006020101020101"))


def _object(name: str, value: dict[str, Any]) -> Changes:
    yield "field: unknown", {**value, "other": "1"}
    yield "field: unknown, null", {**value, "other": None}
    yield "field: unknown, first", {"other": {}, **value}
    yield "field: __proto__", {**value, "__proto__": {"other": "1"}}
    yield "fields: reversed", dict(reversed(value.items()))
    for key, more in _FURTHER.get(name, {}).items():
        if key not in value:
            yield f"field: {key}", {**value, key: more}
    for key, item in value.items():
        rest = {k: v for k, v in value.items() if k != key}
        yield f"twice: {key}", {**value, key + TWICE: item}
        yield f"twice, other first: {key}", {key + TWICE: "other", **value}
        yield f"twice, other last: {key}", {**value, key + TWICE: "other"}
        yield f"renamed: {key} to snake case", {**rest, _snake(key): item}
        yield f"renamed: {key} to upper case", {**rest, key.upper(): item}


def _list(value: list[Any]) -> Changes:
    yield "list: twice", value * 2
    yield "list: reversed", value[::-1]
    yield "list: first gone", value[1:]
    yield "list: last gone", value[:-1]
    for name, item in (("null", None), ("text", ""), ("an object", {}), ("a list", [])):
        yield f"list: {name} after", [*value, item]
        yield f"list: {name} before", [item, *value]
    yield "list: zeros after", [*value, encoded(bytes(32))]
    yield "list: first of it", value[0] if value else None
    yield "list: as an object", {str(i): item for i, item in enumerate(value)}


def _is_hash(value: str) -> bool:
    return len(value) == 44 and value.endswith("=")


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
