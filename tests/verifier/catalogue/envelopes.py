"""What a signature covers, and what stands around it: rows E1 to E4, E7, E15 and E16."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import partial

from tests.verifier.catalogue.asking import (
    DOCUMENT,
    ENVELOPE,
    GOOD,
    MESSAGE,
    SIGNATURE,
    field,
    signed,
    text,
    world,
)
from tests.verifier.catalogue.case import Case
from tests.verifier.making import World
from tests.verifier.paths import GONE, get, put
from verifier._strict import b64encode
from verifier.dsse import IN_TOTO, pae, parse_pae
from verifier.entry import Entry

PAYLOAD, TYPE = GOOD.payload, (*ENVELOPE, "payloadType")

# E2: types that somebody takes for in-toto's, or that need no signature of ours.
TYPES = (
    *("", " ", "application/json", "text/plain", "application/vnd.in-toto", "in-toto"),
    *(IN_TOTO.upper(), IN_TOTO.capitalize(), f"{IN_TOTO} ", f" {IN_TOTO}", f"{IN_TOTO}\n"),
    *(f"{IN_TOTO};charset=utf-8", f"{IN_TOTO}; charset=utf-8", f"{IN_TOTO};", f"{IN_TOTO}\u200b"),
    *(
        "application/vnd.in-toto.bundle+json",
        "application/vnd.in-toto+dsse",
        f"{IN_TOTO}+{IN_TOTO}",
    ),
    *("application/vnd.in-tot\u043e+json", "application/vnd.in\u2010toto+json", "x" * 100_000),
    *("application/vnd.cncf.notary.payload.v1+json", "application/vnd.sealbook.trust+json"),
    "application/vnd.dev.cosign.simplesigning.v1+json",
)

KIND = IN_TOTO.encode()
HEAD = b"DSSEv1 28 " + KIND + b" "
SIZE = b"%d" % len(PAYLOAD)
assert HEAD + SIZE + b" " + PAYLOAD == MESSAGE

# E3: encodings of the good payload that are not the one. Its length in bytes is above 100.
ENCODINGS: dict[str, bytes] = {
    "length with a leading zero": HEAD + b"0" + SIZE + b" " + PAYLOAD,
    "length of the type with a leading zero": HEAD.replace(b"28", b"028") + SIZE + b" " + PAYLOAD,
    "length in hexadecimal": HEAD + b"%x " % len(PAYLOAD) + PAYLOAD,
    "length as 0x": HEAD + b"0x%x " % len(PAYLOAD) + PAYLOAD,
    "length with a sign": HEAD + b"+" + SIZE + b" " + PAYLOAD,
    "length in eight bytes": HEAD + len(PAYLOAD).to_bytes(8, "little") + b" " + PAYLOAD,
    "length and one": HEAD + b"%d " % (len(PAYLOAD) + 1) + PAYLOAD,
    "length of the Base64": HEAD + b"%d " % len(b64encode(PAYLOAD)) + PAYLOAD,
    "no space before the payload": HEAD + SIZE + PAYLOAD,
    "two spaces before the payload": HEAD + SIZE + b"  " + PAYLOAD,
    "no space before the length": HEAD[:-1] + SIZE + b" " + PAYLOAD,
    "tabs": MESSAGE.replace(b" ", b"\t", 3),
    "newlines": MESSAGE.replace(b" ", b"\n", 3),
    "space after": MESSAGE + b" ",
    "newline after": MESSAGE + b"\n",
    "NUL after": MESSAGE + b"\0",
    "space before": b" " + MESSAGE,
    "version 2": MESSAGE.replace(b"v1", b"v2", 1),
    "lower case": MESSAGE.replace(b"DSSE", b"dsse", 1),
    "no version": MESSAGE.removeprefix(b"DSSEv1 "),
    "no type": b"DSSEv1 " + SIZE + b" " + PAYLOAD,
    "type after the payload": b"DSSEv1 " + SIZE + b" " + PAYLOAD + b" 28 " + KIND,
    "payload in Base64": pae(IN_TOTO, b64encode(PAYLOAD).encode()),
    "of the encoding": pae(IN_TOTO, MESSAGE),
    "of no payload": pae(IN_TOTO, b""),
    "other payload": pae(IN_TOTO, PAYLOAD + b" "),
    "as JSON": json.dumps({"payloadType": IN_TOTO, "payload": PAYLOAD.decode()}).encode(),
    "as a JWS": b64encode(b"{}").encode() + b"." + b64encode(PAYLOAD).encode(),
}

HELLO = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"  # DSSE's protocol.md
UNREADABLE: list[tuple[str, bytes, str]] = [
    ("as published", HELLO, "yes"),
    ("nothing", b"", "malformed"),
    ("version 2", HELLO.replace(b"v1", b"v2"), "malformed"),
    ("lower case", HELLO.replace(b"DSSE", b"dsse"), "malformed"),
    ("space before", b" " + HELLO, "malformed"),
    ("byte after", HELLO + b"x", "malformed"),
    ("byte missing", HELLO[:-1], "malformed"),
    ("leading zero", HELLO.replace(b" 29 ", b" 029 "), "bad-integer"),
    ("leading zero, later", HELLO.replace(b" 11 ", b" 011 "), "malformed"),
    ("hexadecimal", HELLO.replace(b" 29 ", b" 1d "), "bad-integer"),
    ("sign", HELLO.replace(b" 29 ", b" +29 "), "bad-integer"),
    ("negative", HELLO.replace(b" 29 ", b" -29 "), "bad-integer"),
    ("underscore", HELLO.replace(b" 29 ", b" 2_9 "), "bad-integer"),
    ("full-width digits", HELLO.replace(b"29", "\uff12\uff19".encode()), "bad-integer"),
    ("length too small", HELLO.replace(b" 29 ", b" 28 "), "malformed"),
    ("length too large", HELLO.replace(b" 11 ", b" 12 "), "malformed"),
    ("length of 2**62", HELLO.replace(b" 29 ", b" 4611686018427387904 "), "malformed"),
    ("length of 2**64", HELLO.replace(b" 29 ", b" 18446744073709551616 "), "bad-integer"),
    ("length of 100,000 digits", HELLO.replace(b" 29 ", b" " + b"9" * 10**5 + b" "), "bad-integer"),
    ("two spaces", HELLO.replace(b" 29 ", b"  29 "), "bad-integer"),
    ("no space", HELLO.replace(b" 11 ", b"11 "), "malformed"),
    ("tab", HELLO.replace(b" 29 ", b"\t29 "), "malformed"),
    ("type of no UTF-8", b"DSSEv1 1 \xff 0 ", "malformed"),
    ("type in overlong UTF-8", b"DSSEv1 2 \xc0\xaf 0 ", "malformed"),
    ("length in characters", "DSSEv1 1 \u00e9 0 ".encode(), "malformed"),
    ("cut after the version", b"DSSEv1", "malformed"),
    ("cut after a length", b"DSSEv1 0", "malformed"),
    ("cut after the type", b"DSSEv1 0 ", "malformed"),
]


def _types() -> Iterator[Case]:
    """E1, E2: the type is signed with the payload, and is in-toto's, letter by letter."""
    for kind in TYPES:
        name = f"{kind[:60]!a}" + (f" of {len(kind)}" if len(kind) > 60 else "")
        code = "unsupported-version"
        yield field("E1", f"altered to {name}", TYPE, kind, code)
        # Whoever puts the right type back has no signature for it.
        other = GOOD.signer.sign(pae(kind, PAYLOAD))
        yield signed("E1", f"altered from {name}", other, "bad-signature")
        document = json.loads(World(signer=GOOD.signer, signature=other).bundle.json())
        yield text("E2", f"signed {name}", json.dumps(put(document, TYPE, kind)), code)
    values: tuple[object, ...] = (None, 0, [], {}, [IN_TOTO])
    for value in values:
        yield field("E2", f"{value!r}", TYPE, value, "malformed")
    yield field("E2", "missing", TYPE, GONE, "malformed")


def _encodings() -> Iterator[Case]:
    """E3, E4: the bytes under the signature, and where type and payload meet in them."""
    for name, message in ENCODINGS.items():
        yield signed("E3", f"signed: {name}", GOOD.signer.sign(message), "bad-signature")
    # A payload that is longer in bytes than in characters.
    payload = PAYLOAD.replace(b"prod", "pr\u00f6d".encode())
    short = HEAD + b"%d " % len(payload.decode()) + payload
    made = World(payload=payload)
    made.signature = made.signer.sign(short)
    yield world("E3", "signed: length in characters", made, "bad-signature")
    yield world("E3", "signed: length in bytes, of the same payload", World(payload=payload), "yes")
    for name, message, code in UNREADABLE:
        yield Case("E3", f"read: {name}", partial(parse_pae, message), code)
    borders = {
        "type takes the length": (f"{IN_TOTO} {len(PAYLOAD)}", PAYLOAD),
        "type takes a part of the payload": (f"{IN_TOTO} 1 {{", PAYLOAD[1:]),
        "payload takes the type": ("", KIND + b" " + SIZE + b" " + PAYLOAD),
        "payload takes a part of the type": (IN_TOTO[:-1], IN_TOTO[-1:].encode() + PAYLOAD),
        "payload takes the length": (IN_TOTO, SIZE + b" " + PAYLOAD),
        "swapped": (PAYLOAD.decode(), KIND),
    }
    for name, (kind, rest) in borders.items():
        yield signed("E4", name, GOOD.signer.sign(pae(kind, rest)), "bad-signature")


def _rewritten() -> Iterator[Case]:
    """E7: the same meaning in other bytes has no signature."""
    said = json.loads(PAYLOAD)
    again = {
        "indented": json.dumps(said, indent=1).encode(),
        "with spaces": json.dumps(said).encode(),
        "keys turned round": json.dumps(
            dict(reversed(said.items())), separators=(",", ":")
        ).encode(),
        "escaped letter": PAYLOAD.replace(b"prod", b"p\\u0072od"),
        "escaped slash": PAYLOAD.replace(b"/", b"\\/", 1),
        "newline after": PAYLOAD + b"\n",
        "space before": b" " + PAYLOAD,
        "byte-order mark": b"\xef\xbb\xbf" + PAYLOAD,
        "UTF-16": PAYLOAD.decode().encode("utf-16"),
        "lines of DOS": PAYLOAD.replace(b",", b",\r\n"),
        "a field more": PAYLOAD[:-1] + b',"zzz":null}',
        "a subject more": PAYLOAD.replace(b"}]}", b"},{}]}"),
        "packed": hashlib.sha256(PAYLOAD).digest(),
    }
    for name, payload in again.items():
        made = World(signer=GOOD.signer, payload=payload, signature=GOOD.envelope.signature)
        yield world("E7", name, made, "bad-signature")
        yield field("E7", f"{name}, logged as it was", (*ENVELOPE, "payload"), b64encode(payload),
                    "bad-signature")  # fmt: skip


def _logged() -> Iterator[Case]:
    """E15: the ledger keeps the hash of what was signed, and of nothing else."""
    signature, key = GOOD.envelope.signature, GOOD.signer.public
    for name, message in (
        ("payload", PAYLOAD),
        ("payload in Base64", b64encode(PAYLOAD).encode()),
        ("hash of the message", hashlib.sha256(MESSAGE).digest()),
        ("digits of the hash", hashlib.sha256(MESSAGE).hexdigest().encode()),
        ("envelope", json.dumps(get(DOCUMENT, ENVELOPE)).encode()),
        ("encoding of another type", pae("application/json", PAYLOAD)),
        ("nothing", b""),
    ):
        body = Entry.of(message, signature, key).body()
        yield world("E15", name, World(signer=GOOD.signer, logged=body), "entry-mismatch")


def _alphabets() -> Iterator[Case]:
    """E16: DSSE has two alphabets, and a reader must take either, one at a time."""
    url = str.maketrans("+/", "-_")
    # Three bytes that make one of the letters in question each.
    payload = PAYLOAD.replace(b'"prod"', '"\u00fb\u00ff\u00fe\u00be~~>>??\u00ff"'.encode())
    made = World(payload=payload)
    while not {"+", "/", "="} <= {*b64encode(made.envelope.signature)}:
        made = World(payload=payload)
    good = json.loads(made.bundle.json())
    ask = partial(made.verifier.verify, digest=made.digest, repository=made.repository)
    for path in ((*ENVELOPE, "payload"), SIGNATURE):
        here = get(good, path)
        assert {"+", "/", "="} <= {*here}
        last = max(here.rindex("+"), here.rindex("/"))
        for name, spelling, code in (
            ("standard", here, "yes"),
            ("url-safe", here.translate(url), "yes"),
            ("mixed", here.replace("+", "-"), "bad-base64"),
            ("mixed the other way", here.replace("/", "_"), "bad-base64"),
            ("url-safe in the end", here[:last] + here[last:].translate(url), "bad-base64"),
            ("url-safe without padding", here.translate(url).rstrip("="), "bad-base64"),
            ("url-safe, newline after", here.translate(url) + "\n", "bad-base64"),
            ("url-safe, more padding", here.translate(url) + "=", "bad-base64"),
            ("letters of IMAP", here.replace("/", ","), "bad-base64"),
        ):
            data = json.dumps(put(good, path, spelling)).encode()
            yield Case("E16", f"{path[-1]}, {name}", partial(ask, data), code)


def cases() -> Iterator[Case]:
    """Return the cases of these rows."""
    yield from _types()
    yield from _encodings()
    yield from _rewritten()
    yield from _logged()
    yield from _alphabets()
