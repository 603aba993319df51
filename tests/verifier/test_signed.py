"""Signed files: one payload, its type, and who signed both."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.verifier.making import Signer, refused, rows
from tests.verifier.paths import GONE, Path, put
from verifier import limits
from verifier._strict import b64encode
from verifier.trust.signed import SignedFile, is_envelope

TYPE, OTHER_TYPE = "application/vnd.example.a+json", "application/vnd.example.b+json"
ALICE, BOB, CAROL = (Signer(kind) for kind in ("ed25519", "ecdsa-p256", "rsa-2048"))
KEYS = {"alice": ALICE.public, "bob": BOB.public, "carol": CAROL.public}
FILE = SignedFile.sign(TYPE, b'{"a":1}', [ALICE, BOB])
DOCUMENT = json.loads(FILE.json())
LIMIT = 4096


def parse(document: object, limit: int = LIMIT) -> SignedFile:
    """Read an envelope from JSON values."""
    return SignedFile.parse(json.dumps(document).encode(), TYPE, limit)


def test_round_trip() -> None:
    """
    A signed file that is written and read again is the same file.
    """
    assert FILE == SignedFile.parse(FILE.json(), TYPE, LIMIT)
    assert set(DOCUMENT) == {"payload", "payloadType", "signatures"}


def test_signers() -> None:
    """
    Who signed is told by the names of the keys that are asked for, in their order.
    """
    assert ("alice", "bob") == FILE.signers(KEYS)
    assert ("bob",) == FILE.signers({"bob": BOB.public, "carol": CAROL.public})
    assert () == FILE.signers({"carol": CAROL.public})
    assert () == FILE.signers({})


@pytest.mark.parametrize("signer", [ALICE, BOB, CAROL])
def test_signed_by_one_more(signer: Signer) -> None:
    """
    One more signature leaves the others, and one more of the same key is one signature.
    """
    more = FILE.signed_by([signer])

    assert more.payload == FILE.payload
    assert len({ALICE, BOB, signer}) == len(more.signatures)
    assert {"alice", "bob"} <= set(more.signers(KEYS))
    assert more == SignedFile.parse(more.json(), TYPE, LIMIT)


def test_strangers_do_no_harm() -> None:
    """
    A signature of a key that nobody asks for is no matter, good or bad.
    """
    file = FILE._replace(
        signatures={**FILE.signatures, "stranger": b"\x00", CAROL.public.hint: b"x"}
    )

    assert ("alice", "bob") == file.signers({"alice": ALICE.public, "bob": BOB.public})


@pytest.mark.parametrize(
    "spoil",
    rows(
        ("payload", lambda: FILE._replace(payload=b'{"a":2}')),
        ("payload type", lambda: FILE._replace(payload_type=OTHER_TYPE)),
        ("the other's signature",
         lambda: FILE._replace(signatures={ALICE.public.hint: FILE.signatures[BOB.public.hint]})),
        ("over the payload alone",
         lambda: FILE._replace(signatures={ALICE.public.hint: ALICE.sign(FILE.payload)})),
        ("one bad of two", lambda: FILE._replace(
            signatures={**FILE.signatures, BOB.public.hint: ALICE.sign(FILE.message)})),
    ),
)  # fmt: skip
def test_a_signature_that_does_not_fit(spoil: Callable[[], SignedFile]) -> None:
    """
    A signature in the name of a key that is asked for fits, or the file is refused.
    """
    refused("bad-signature", lambda: spoil().signers(KEYS))


@pytest.mark.parametrize("types", [(TYPE, OTHER_TYPE), (OTHER_TYPE, TYPE), (TYPE, TYPE + "x")])
def test_types_are_kept_apart(types: tuple[str, str]) -> None:
    """
    What was signed as one type of file is not read as another.
    """
    signed_as, read_as = types
    data = SignedFile.sign(signed_as, b"{}", [ALICE]).json()

    error = refused("unsupported-version", lambda: SignedFile.parse(data, read_as, LIMIT))
    assert signed_as in error.message
    assert read_as in error.message


SIGNATURE = DOCUMENT["signatures"][0]


@pytest.mark.parametrize(
    ("path", "value", "code"),
    rows(
        ("unknown field", ("critical",), "yes", "unknown-field"),
        ("unknown field of a signature", ("signatures", 0, "cert"), "", "unknown-field"),
        ("no payload", ("payload",), GONE, "malformed"),
        ("payload as an object", ("payload",), {}, "malformed"),
        ("payload that is no Base64", ("payload",), "e30", "bad-base64"),
        ("payload in the other alphabet", ("payload",), "-_8=", "bad-base64"),
        ("no type", ("payloadType",), GONE, "malformed"),
        ("type null", ("payloadType",), None, "malformed"),
        ("no signatures", ("signatures",), GONE, "malformed"),
        ("signatures as an object", ("signatures",), {}, "malformed"),
        ("a signature as text", ("signatures", 0), "x", "malformed"),
        ("no keyid", ("signatures", 0, "keyid"), GONE, "malformed"),
        ("keyid null", ("signatures", 0, "keyid"), None, "malformed"),
        ("no sig", ("signatures", 0, "sig"), GONE, "malformed"),
        ("an empty sig", ("signatures", 0, "sig"), "", "malformed"),
        ("sig that is no Base64", ("signatures", 0, "sig"), "AAA", "bad-base64"),
        ("one key twice", ("signatures",), [SIGNATURE, SIGNATURE], "malformed"),
        ("one keyid, two signatures",
         ("signatures",), [SIGNATURE, SIGNATURE | {"sig": "AAAA"}], "malformed"),
        ("a long keyid", ("signatures", 0, "keyid"), "k" * (limits.ANNOTATION_KEY + 1),
         "over-limit"),
        ("a long sig", ("signatures", 0, "sig"), b64encode(bytes(limits.SIGNATURE + 1)),
         "over-limit"),
        ("many signatures", ("signatures",), [SIGNATURE] * (limits.ROOTS + 1), "over-limit"),
    ),
)  # fmt: skip
def test_other_shapes(path: Path, value: Any, code: str) -> None:
    """
    An envelope has one shape, and nothing in it that nobody knows.
    """
    refused(code, partial(parse, put(DOCUMENT, path, value), 1 << 20))


def test_as_much_as_may_be() -> None:
    """
    As many and as long signatures as the table of limits says are read.
    """
    longest = b64encode(bytes(limits.SIGNATURE))
    lines = [
        {"keyid": str(i).rjust(limits.ANNOTATION_KEY, "k"), "sig": longest}
        for i in range(limits.ROOTS)
    ]

    assert limits.ROOTS == len(parse(DOCUMENT | {"signatures": lines}, 1 << 20).signatures)
    assert not parse(DOCUMENT | {"signatures": []}).signatures


def test_too_large() -> None:
    """
    An envelope may be as large as whoever reads it says, and not one byte more.
    """
    data = FILE.json()

    assert FILE == SignedFile.parse(data, TYPE, len(data))
    refused("over-limit", lambda: SignedFile.parse(data, TYPE, len(data) - 1))


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"{", b"\xff", b'{"payload":"","payload":""}']
)
def test_no_json_object(data: bytes) -> None:
    """
    What is no JSON object is no envelope.
    """
    code = "duplicate-key" if b"payload" in data else "malformed"

    refused(code, lambda: SignedFile.parse(data, TYPE, LIMIT))


def test_is_envelope() -> None:
    """
    An envelope is told from a bare payload by what it claims to be.
    """
    assert is_envelope(FILE.json())
    assert not is_envelope(FILE.payload)
