"""DSSE: the bytes under a signature, and the envelopes that we read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.verifier.making import Signer, refused, rows
from verifier import limits
from verifier._strict import Fields, b64encode
from verifier.dsse import IN_TOTO, Envelope, pae, pae_prefix, parse_pae, payload_of

HELLO = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def good() -> dict[str, Any]:
    return {"payloadType": IN_TOTO, "payload": b64encode(b"{}"), "signatures": [{"sig": "c2ln"}]}


@pytest.mark.parametrize(
    ("payload_type", "payload", "message"),
    [
        ("http://example.com/HelloWorld", b"hello world", HELLO),
        ("", b"", b"DSSEv1 0  0 "),
        ("\u00e9", b"\xc3\xa9 ", b"DSSEv1 2 \xc3\xa9 3 \xc3\xa9 "),
        ("a 1 b", b" 1 c", b"DSSEv1 5 a 1 b 4  1 c"),
        ("x", b"\xff\0\n", b"DSSEv1 1 x 3 \xff\0\n"),
    ],
)
def test_pae(payload_type: str, payload: bytes, message: bytes) -> None:
    """
    The encoding is that of DSSE's protocol.md, lengths count bytes, and it is read back.
    """
    assert message == pae(payload_type, payload)
    assert (payload_type, payload) == parse_pae(message)


@pytest.mark.parametrize(
    ("message", "code"),
    rows(
        ("nothing", b"", "malformed"),
        ("other version", HELLO.replace(b"v1", b"v2"), "malformed"),
        ("lower case", HELLO.replace(b"DSSE", b"dsse"), "malformed"),
        ("only a version", b"DSSEv1", "malformed"),
        ("only a length", b"DSSEv1 0", "malformed"),
        ("leading space", b" " + HELLO, "malformed"),
        ("trailing byte", HELLO + b"x", "malformed"),
        ("missing byte", HELLO[:-1], "malformed"),
        ("leading zero", HELLO.replace(b" 29 ", b" 029 "), "bad-integer"),
        ("leading zero, later", HELLO.replace(b" 11 ", b" 011 "), "malformed"),
        ("hexadecimal", HELLO.replace(b" 29 ", b" 1d "), "bad-integer"),
        ("sign", HELLO.replace(b" 29 ", b" +29 "), "bad-integer"),
        ("full-width digits", HELLO.replace(b"29", "\uff12\uff19".encode()), "bad-integer"),
        ("other length", HELLO.replace(b" 29 ", b" 28 "), "malformed"),
        ("other length, later", HELLO.replace(b" 11 ", b" 10 "), "malformed"),
        ("huge length", HELLO.replace(b" 29 ", b" 9000000000000000000 "), "malformed"),
        ("two spaces", HELLO.replace(b" 29 ", b"  29 "), "bad-integer"),
        ("no space", HELLO.replace(b" 11 ", b"11 "), "malformed"),
        ("tab", HELLO.replace(b" 29 ", b"\t29 "), "malformed"),
        ("type that is no UTF-8", b"DSSEv1 1 \xff 0 ", "malformed"),
        ("length in characters", "DSSEv1 1 \u00e9 0 ".encode(), "malformed"),
    ),
)
def test_bad_pae(message: bytes, code: str) -> None:
    """
    What the encoding would not print is no encoding.
    """
    refused(code, lambda: parse_pae(message))


@pytest.mark.parametrize("payload", [b"", b"x", b"0 {} 1" * 9], ids=repr)
@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_payload_in_pieces(payload: bytes, size: int) -> None:
    """
    A payload that comes in pieces is passed on in them, wherever they end.
    """
    head, rest = pae_prefix(len(payload)), payload
    assert head + rest == pae(IN_TOTO, payload)

    for first in (head, head + rest[:1]):
        left = rest[len(first) - len(head) :]
        pieces = [first, *(left[i : i + size] for i in range(0, len(left), size)), b""]
        assert payload == b"".join(payload_of(pieces))


MESSAGE = pae(IN_TOTO, b"{}")


@pytest.mark.parametrize(
    ("pieces", "code"),
    rows(
        ("nothing", [], "malformed"),
        ("other type", [pae("text/plain", b"{}")], "malformed"),
        ("other version", [MESSAGE.replace(b"v1", b"v2")], "malformed"),
        ("cut off", [MESSAGE[:-1]], "malformed"),
        ("cut off in a piece", [MESSAGE[:-2], b"{"], "malformed"),
        ("too long", [MESSAGE, b"x"], "malformed"),
        ("too long at once", [MESSAGE + b"x"], "malformed"),
        ("no size", [MESSAGE[:-4]], "malformed"),
        ("leading zero", [MESSAGE[:-4] + b"02 {}"], "bad-integer"),
        ("sign", [MESSAGE[:-4] + b"+2 {}"], "bad-integer"),
    ),
)
def test_bad_pieces(pieces: list[bytes], code: str) -> None:
    """
    Pieces that are no encoding of an in-toto payload are refused, in the end at the latest.
    """
    refused(code, lambda: list(payload_of(pieces)))


def test_no_piece_too_many() -> None:
    """
    What is longer than it says is not read to its end, nor passed on.
    """
    pieces = iter([MESSAGE, b"x", b"y"])
    passed: list[bytes] = []

    refused("malformed", lambda: passed.extend(payload_of(pieces)))
    assert [b"{}"] == passed
    assert [b"y"] == list(pieces)


def test_no_two_payloads_share_a_message() -> None:
    """
    Moving the border between type and payload gives other bytes to sign.
    """
    messages = {pae("a", b"1 b 1 c"), pae("a 7 1", b"b 1 c"), pae("a 1 b", b"1 c"), pae("a", b"")}
    expected = 4

    assert expected == len(messages)


def test_envelope() -> None:
    """
    An envelope holds payload and signature; its message is what the signature covers.
    """
    envelope = Envelope.parse(Fields(good(), "envelope"))

    assert Envelope(b"{}", b"sig") == envelope
    assert pae(IN_TOTO, b"{}") == envelope.message
    assert good() == envelope.json()


@pytest.mark.parametrize(
    ("text", "raw"), [("-_-_", b"\xfb\xff\xbf"), ("+/+/", b"\xfb\xff\xbf"), ("YQ==", b"a")]
)
def test_alphabets(text: str, raw: bytes) -> None:
    """
    Payload and signature are read in either alphabet of Base64, as the specification demands.
    """
    lines = [{"sig": text}]
    found = Envelope.parse(Fields(good() | {"payload": text, "signatures": lines}, "envelope"))

    assert (raw, raw) == (found.payload, found.signature)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    rows(
        # E2: the type is compared as it is.
        *(
            (f"type {text!r}", "payloadType", text, "unsupported-version")
            for text in (
                *("", IN_TOTO.upper(), f"{IN_TOTO} ", f" {IN_TOTO}", f"{IN_TOTO}; charset=utf-8"),
                *("application/json", "application/vnd.in-toto.bundle+json"),
            )
        ),
        ("type null", "payloadType", None, "malformed"),
        # E16: either alphabet is read, no mixture of them.
        ("payload, both alphabets", "payload", "-_+_", "bad-base64"),
        ("payload, no padding", "payload", "e30", "bad-base64"),
        ("payload null", "payload", None, "malformed"),
        ("payload not Base64", "payload", {}, "malformed"),
        # E5, B10: one signature.
        ("no signature", "signatures", [], "malformed"),
        ("two signatures", "signatures", [{"sig": "c2ln"}] * 2, "over-limit"),
        ("1,000 junk signatures", "signatures", [None] * 1000, "over-limit"),
        ("signatures null", "signatures", None, "malformed"),
        ("signature null", "signatures", [None], "malformed"),
        ("signature text", "signatures", ["c2ln"], "malformed"),
        ("signature without sig", "signatures", [{"keyid": ""}], "malformed"),
        ("empty signature", "signatures", [{"sig": ""}], "malformed"),
        ("bad Base64", "signatures", [{"sig": "c2ln\n"}], "bad-base64"),
        ("long signature", "signatures", [{"sig": "AAAA" * 2731}], "over-limit"),
        # E6: the keyid is a hint, but no place to hide a megabyte.
        ("long keyid", "signatures", [{"sig": "c2ln", "keyid": "x" * 129}], "over-limit"),
        ("keyid null", "signatures", [{"sig": "c2ln", "keyid": None}], "malformed"),
        ("certificate", "signatures", [{"sig": "c2ln", "cert": ""}], "unknown-field"),
        ("unknown field", "other", "", "unknown-field"),
    ),
)
def test_bad_envelopes(field: str, value: object, code: str) -> None:
    """
    An envelope has an in-toto payload and one signature, in the one form that we write.
    """
    refused(code, lambda: Envelope.parse(Fields(good() | {field: value}, "envelope")))


def test_keyid_proves_nothing() -> None:
    """
    A keyid is kept apart from what is signed, and not printed again.
    """
    keyid = "x" * limits.ANNOTATION_KEY
    fields = good() | {"signatures": [{"sig": "c2ln", "keyid": keyid}]}
    envelope = Envelope.parse(Fields(fields, "envelope"))

    assert (keyid, good()) == (envelope.keyid, envelope.json())


def test_signature_binds_the_type() -> None:
    """
    A signature over the same payload of another type does not verify (E1).
    """
    signer = Signer()
    envelope = Envelope(b"{}", signer.sign(pae("application/json", b"{}")))

    refused("bad-signature", lambda: signer.public.verify(envelope.signature, envelope.message))
