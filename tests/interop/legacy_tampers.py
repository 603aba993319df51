"""Every way to spoil a good legacy signature by one field, without any key.

For signatures as containers/image writes them outside of registries: payload,
and as annotations the signature and Rekor's promise. Named as in tampers.py.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator

from tests.interop.edits import (
    GONE,
    Path,
    edited,
    encoded,
    flip,
    inside,
    raw,
    to,
    twin,
    within,
)
from tests.interop.tampers import Tamper

SIGNATURE: Path = ("annotations", "dev.cosignproject.cosign/signature")
BUNDLE: Path = ("annotations", "dev.sigstore.cosign/bundle")


def legacy_tampers(sigstore_json: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a name and a copy with exactly one field changed, for each tamper.

    Raises:
        AssertionError: a tamper changed nothing, so it would prove nothing.
    """
    good = json.loads(sigstore_json)
    for name, path, change in (*_payload(), *_signature(), *_promise(), *_body()):
        bad = edited(copy.deepcopy(good), path, change)
        assert bad != good, f"{name} changed nothing"
        yield name, json.dumps(bad, separators=(",", ":")).encode()


def _payload() -> Iterator[Tamper]:
    """What was signed."""
    yield "mimeType: other", ("mimeType",), to("application/json")
    payload = ("payload",)
    yield "payload: empty", payload, to("")
    yield "payload: last bit", payload, flip
    yield "payload: trailing space", payload, raw(lambda text: text + b" ")
    critical = ("critical",)
    identity = (*critical, "identity", "docker-reference")
    yield "payload.repository: other", payload, inside(identity, to("other.example/app"))
    digest = (*critical, "image", "docker-manifest-digest")
    yield "payload.digest: other", payload, inside(digest, to(f"sha256:{'0' * 64}"))
    yield "payload.type: other", payload, inside((*critical, "type"), to("other"))
    yield "payload.critical: unknown field", payload, inside(critical, lambda c: {**c, "x": "1"})
    yield "payload.optional: other", payload, inside(("optional",), to({"env": "dev"}))


def _signature() -> Iterator[Tamper]:
    yield "signature: gone", SIGNATURE, to(GONE)
    yield "signature: empty", SIGNATURE, to("")
    yield "signature: last bit", SIGNATURE, flip
    yield "signature: valid twin", SIGNATURE, raw(twin)


def _promise() -> Iterator[Tamper]:
    """The log's promise, which signs entry, time, index and log."""
    yield "bundle: gone", BUNDLE, to(GONE)
    yield "bundle: empty", BUNDLE, to("")
    yield "bundle: unknown field", BUNDLE, within((), lambda one: {**one, "x": "1"})
    promise = ("SignedEntryTimestamp",)
    yield "promise: gone", BUNDLE, within(promise, to(GONE))
    yield "promise: empty", BUNDLE, within(promise, to(""))
    yield "promise: last bit", BUNDLE, within(promise, flip)
    yield "promise: valid twin", BUNDLE, within(promise, raw(twin))
    said = ("Payload",)
    yield "promised: gone", BUNDLE, within(said, to(GONE))
    yield "promised: unknown field", BUNDLE, within(said, lambda one: {**one, "x": "1"})
    for field in ("integratedTime", "logIndex"):
        yield f"promised.{field}: next", BUNDLE, within((*said, field), lambda n: n + 1)
        yield f"promised.{field}: gone", BUNDLE, within((*said, field), to(GONE))
    log = (*said, "logID")
    yield "promised.logID: other", BUNDLE, within(log, to("0" * 64))
    yield "promised.logID: gone", BUNDLE, within(log, to(GONE))


def _body() -> Iterator[Tamper]:
    """The entry that is promised."""
    body = ("Payload", "body")
    yield "body: gone", BUNDLE, within(body, to(GONE))
    yield "body: trailing space", BUNDLE, within(body, raw(lambda text: text + b" "))
    for name, path, change in (
        ("apiVersion: other", ("apiVersion",), to("0.0.2")),
        ("kind: other", ("kind",), to("dsse")),
        ("algorithm: other", ("spec", "data", "hash", "algorithm"), to("sha512")),
        ("digest: other", ("spec", "data", "hash", "value"), to("0" * 64)),
        ("signature: last bit", ("spec", "signature", "content"), flip),
        ("signature: empty", ("spec", "signature", "content"), to(encoded(b""))),
        ("key: last bit", ("spec", "signature", "publicKey", "content"), flip),
    ):
        yield f"body.{name}", BUNDLE, within(body, inside(path, change))
