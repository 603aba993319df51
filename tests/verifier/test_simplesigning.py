"""Simple signing: one payload for a request, and what stands beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.making import IMAGE, REPOSITORY, refused, rows
from tests.verifier.paths import GONE, Path, inside, put
from tests.verifier.strategies import spoiled_bytes
from verifier import limits
from verifier.errors import VerificationError
from verifier.rekor_v1 import Promise
from verifier.simplesigning import SimpleSigning, layer_annotations, payload, sigstore_json

GOOD = payload(REPOSITORY, IMAGE, {"env": "prod"})
DOCUMENT = json.loads(GOOD)


def parse(document: object) -> SimpleSigning:
    return SimpleSigning.parse(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("annotations", "optional"),
    [({}, "null"), ({"b": "2", "a": "\u00e9"}, '{"a":"\u00e9","b":"2"}')],
)
def test_payload(annotations: dict[str, str], optional: str) -> None:
    """
    The payload has cosign's fields in canonical JSON, and null for no annotations.
    """
    expected = (
        '{"critical":{"identity":{"docker-reference":"registry.example/team/app"},'
        f'"image":{{"docker-manifest-digest":"{IMAGE}"}},'
        f'"type":"cosign container image signature"}},"optional":{optional}}}'
    )

    assert expected.encode() == payload(REPOSITORY, IMAGE, annotations)


def test_payload_of_cosign() -> None:
    """
    What cosign 3.1.1 writes is read.
    """
    written = (
        b'{"critical":{"identity":{"docker-reference":"127.0.0.1:5000/demo/legacy"},"image":'
        b'{"docker-manifest-digest":"%b"},"type":"cosign container image signature"},'
        b'"optional":null}' % IMAGE.encode()
    )

    assert ("127.0.0.1:5000/demo/legacy", IMAGE, {}) == SimpleSigning.parse(written)


@given(st.dictionaries(st.text("abc.", min_size=1), st.text('ab\u00e9"\\'), max_size=4))
def test_round_trip(annotations: dict[str, str]) -> None:
    """
    What was approved is read back from the payload.
    """
    parsed = SimpleSigning.parse(payload(REPOSITORY, IMAGE, annotations))

    assert (REPOSITORY, IMAGE, annotations) == (*parsed[:2], parsed.annotations)


def test_optional_values() -> None:
    """
    Optional values may be of any kind; those that are text are annotations.
    """
    parsed = parse(put(DOCUMENT, ("optional",), {"creator": "a", "timestamp": 1, "b": None}))

    assert {"creator": "a", "timestamp": 1, "b": None} == parsed.optional
    assert {"creator": "a"} == parsed.annotations


@pytest.mark.parametrize("value", [GONE, None, 1, "", "x", {}, []], ids=repr)
@pytest.mark.parametrize("path", inside(DOCUMENT["critical"], dict, str))
def test_critical(path: Path, value: object) -> None:
    """
    Each critical field is there, of its type, and what it says is what was approved.
    """
    try:
        parsed = parse(put(DOCUMENT, ("critical", *path), value))
    except VerificationError:
        return

    assert ("x", IMAGE) == parsed[:2]
    assert "docker-reference" in path


@pytest.mark.parametrize(
    ("path", "value", "code"),
    rows(
        ("more", ("a",), 1, "unknown-field"),
        ("more critical", ("critical", "a"), 1, "unknown-field"),
        ("more identity", ("critical", "identity", "a"), 1, "unknown-field"),
        ("more image", ("critical", "image", "a"), 1, "unknown-field"),
        ("no optional", ("optional",), GONE, "malformed"),
        ("optional list", ("optional",), [], "malformed"),
        ("no reference", ("critical", "identity", "docker-reference"), "", "malformed"),
        ("atomic", ("critical", "type"), "atomic container signature", "unsupported-version"),
        ("digest", ("critical", "image", "docker-manifest-digest"), "sha256:", "bad-digest"),
    ),
)
def test_refused(path: Path, value: object, code: str) -> None:
    """
    Another shape is no payload.
    """
    refused(code, lambda: parse(put(DOCUMENT, path, value)))


def test_spelling() -> None:
    """
    A payload is one object, has no key twice, and is not too long.
    """
    refused("duplicate-key", lambda: SimpleSigning.parse(GOOD.replace(b"{", b'{"optional":1,', 1)))
    refused("malformed", lambda: SimpleSigning.parse(GOOD + b"{}"))
    refused("over-limit", lambda: SimpleSigning.parse(GOOD + b" " * limits.PAYLOAD))


@given(spoiled_bytes(GOOD) | st.binary())
def test_spoiled(body: bytes) -> None:
    """
    A payload is refused with a code, or names a digest.
    """
    try:
        parsed = SimpleSigning.parse(body)
    except VerificationError:
        return

    # As JSON reads it: a letter may be written as its escape.
    assert parsed.digest == json.loads(body)["critical"]["image"]["docker-manifest-digest"]


ANNOTATIONS = layer_annotations(b"entry", b"signature", Promise(b"\1" * 32, b"set"), 7, 0)


def test_annotations() -> None:
    """
    Beside the payload stand the signature and the promise, in exactly the fields of cosign's.
    """
    said = (
        '{"SignedEntryTimestamp":"c2V0","Payload":{"body":"ZW50cnk=","integratedTime":7,'
        f'"logIndex":0,"logID":"{"01" * 32}"}}}}'
    )
    expected = {
        "dev.cosignproject.cosign/signature": "c2lnbmF0dXJl",
        "dev.sigstore.cosign/bundle": said,
    }

    assert expected == ANNOTATIONS


def test_sigstore_json() -> None:
    """
    Outside of registries, payload and annotations are one JSON object.
    """
    document: dict[str, Any] = json.loads(sigstore_json(b"{}", ANNOTATIONS))

    assert {
        "mimeType": "application/vnd.dev.cosign.simplesigning.v1+json",
        "payload": "e30=",
        "annotations": ANNOTATIONS,
    } == document
