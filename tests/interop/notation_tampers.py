"""Every way to spoil a good notation signature by one field, without any key.

For JWS envelopes of two certificates under an ECDSA P-256 key. Named as in tampers.py.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator

from tests.interop.edits import (
    GONE,
    P256_ORDER,
    edited,
    encoded,
    flip,
    insideurl,
    rawurl,
    to,
)
from tests.interop.tampers import Tamper

SCHEME, TIME = "io.cncf.notary.signingScheme", "io.cncf.notary.signingTime"


def notation_tampers(envelope: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a name and a copy with exactly one field changed, for each tamper.

    Raises:
        AssertionError: a tamper changed nothing, so it would prove nothing.
    """
    good = json.loads(envelope)
    for name, path, change in (*_payload(), *_protected(), *_signature(), *_chain()):
        bad = edited(copy.deepcopy(good), path, change)
        assert bad != good, f"{name} changed nothing"
        yield name, json.dumps(bad, separators=(",", ":")).encode()


def _payload() -> Iterator[Tamper]:
    """What was signed about the image."""
    payload = ("payload",)
    yield "payload: gone", payload, to(GONE)
    yield "payload: last bit", payload, rawurl(_flip)
    yield "payload: trailing space", payload, rawurl(lambda text: text + b" ")
    target = ("targetArtifact",)
    yield "payload.digest: other", payload, insideurl((*target, "digest"), to(f"sha256:{'0' * 64}"))
    yield "payload.size: next", payload, insideurl((*target, "size"), lambda size: size + 1)
    yield "payload.mediaType: other", payload, insideurl((*target, "mediaType"), to("text/plain"))
    yield "payload.annotations: gone", payload, insideurl((*target, "annotations"), to(GONE))


def _protected() -> Iterator[Tamper]:
    """What was signed about the signature."""
    protected = ("protected",)
    yield "protected: gone", protected, to(GONE)
    yield "protected: trailing space", protected, rawurl(lambda text: text + b" ")
    for name, field, value in (
        ("alg: other", "alg", "ES384"),
        ("alg: none", "alg", "none"),
        ("cty: other", "cty", "application/json"),
        ("crit: other", "crit", [SCHEME, TIME]),
        ("signingScheme: other", SCHEME, "notary.x509.signingAuthority"),
        ("signingTime: other", TIME, "2026-01-01T00:00:00Z"),
        ("signingTime: gone", TIME, GONE),
    ):
        yield f"protected.{name}", protected, insideurl((field,), to(value))


def _signature() -> Iterator[Tamper]:
    signature = ("signature",)
    yield "signature: gone", signature, to(GONE)
    yield "signature: empty", signature, to("")
    yield "signature: last bit", signature, rawurl(_flip)
    yield "signature: valid twin", signature, rawurl(_twin)
    yield "envelope: unknown field", (), lambda one: {**one, "other": "1"}


def _chain() -> Iterator[Tamper]:
    """The certificates, which the signature does not cover."""
    header = ("header",)
    yield "header: gone", header, to(GONE)
    yield "header: unknown field", header, lambda one: {**one, "other": "1"}
    chain = (*header, "x5c")
    yield "chain: none", chain, to([])
    yield "chain: leaf only", chain, lambda one: one[:1]
    yield "chain: root only", chain, lambda one: one[1:]
    yield "chain: other way round", chain, lambda one: one[::-1]
    yield "chain: root twice", chain, lambda one: [*one, one[-1]]
    yield "chain.leaf: last bit", (*chain, 0), flip
    yield "chain.root: last bit", (*chain, 1), flip
    yield "chain.leaf: no certificate", (*chain, 0), to(encoded(b"leaf"))


def _flip(good: bytes) -> bytes:
    return good[:-1] + bytes([good[-1] ^ 1])


def _twin(signature: bytes) -> bytes:
    """Return the other valid signature of the same message, as JWS writes it."""
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + (P256_ORDER - s).to_bytes(32, "big")
