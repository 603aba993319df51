"""Rekor v1: what cosign before 3 uploads. How it is answered is in `signer.rekor.v1_answers`.

{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256",
"value":"<hex>"}},"signature":{"content":"<b64>","publicKey":{"content":"<b64 PEM>"}}}}
{"apiVersion":"0.0.1","kind":"dsse","spec":{"proposedContent":{"envelope":"<JSON text>",
"verifiers":["<b64 PEM>"]}}}
"""

from __future__ import annotations

import hashlib

from signer.rekor.protojson import raw
from signer.rekor.uploads import check_key
from verifier import dsse, limits
from verifier._strict import Fields, b64encode, hexadecimal, json_object
from verifier.errors import SignatureError, UnsupportedError
from verifier.publickey import PublicKey
from verifier.rekor_v1 import ENVELOPE, LEGACY, VERSION, EnvelopeEntry, LegacyEntry

_SHA256 = "sha256"
_PEM_LINE = 64


def parse(body: bytes, limit: int) -> LegacyEntry | EnvelopeEntry:
    """Return the entry that a proposal asks for, its signatures verified.

    Raises:
        LimitError, MalformedError, UnsupportedError: it is no proposal of ours to answer.
        UnsupportedKeyError: the key is of a kind that some client refuses.
        SignatureError: a signature does not fit.
    """
    return proposed(json_object(body, limit=limit), limit)


def proposed(proposal: object, limit: int) -> LegacyEntry | EnvelopeEntry:
    """Return the entry that a decoded proposal asks for; raises like `parse`."""
    fields = Fields(proposal, "proposal")
    kind, version = fields.text("kind"), fields.text("apiVersion")
    spec = fields.inside("spec")
    fields.done()
    if (kind, version) == (LEGACY, VERSION):
        return _hashedrekord(spec)
    if (kind, version) == (ENVELOPE, VERSION):
        return _dsse(spec, limit)
    raise UnsupportedError(
        f"expected {LEGACY} or {ENVELOPE} {VERSION}, found {kind[:40]!r} {version[:40]!r}"
    )


def _hashedrekord(spec: Fields) -> LegacyEntry:
    data, signature = spec.inside("data"), spec.inside("signature")
    hashed, public = data.inside("hash"), signature.inside("publicKey")
    algorithm = hashed.text("algorithm")
    if algorithm != _SHA256:
        raise UnsupportedError(f"expected {_SHA256}, found {algorithm[:40]!r}")
    digest = hexadecimal(hashed.text("value"), size=32)
    entry = LegacyEntry(digest, raw(signature, "content"), _key(raw(public, "content")))
    if data.has("url"):
        data.text("url")  # where the data may be; no part of the entry
    for part in (hashed, public, data, signature, spec):
        part.done()
    entry.key.verify_digest(entry.signature, entry.data_digest)
    return entry


def _dsse(spec: Fields, limit: int) -> EnvelopeEntry:
    content = spec.inside("proposedContent")
    filled = spec.nullable("signatures", list) if spec.has("signatures") else None
    if filled:  # the log's to fill in
        raise UnsupportedError("expected a proposal without signatures beside its envelope")
    spec.done()
    text = content.text("envelope").encode()
    pems = [
        Fields({"verifier": one}, f"verifiers[{i}]")
        for i, one in enumerate(content.items("verifiers", most=limits.TIMESTAMPS))
    ]
    keys = [_key(raw(one, "verifier")) for one in pems]
    content.done()
    envelope = Fields(json_object(text, limit=limit), "envelope")
    payload, payload_type = raw(envelope, "payload"), envelope.text("payloadType")
    lines = [
        Fields(one, f"envelope.signatures[{i}]")
        for i, one in enumerate(envelope.items("signatures", most=limits.TIMESTAMPS))
    ]
    envelope.done()
    message = dsse.pae(payload_type, payload)
    signatures = [_line(one, message, keys) for one in lines]
    if not signatures or {key for _, key in signatures} != set(keys):
        raise SignatureError("expected a signature by each verifier, and nobody else")
    return EnvelopeEntry(
        hashlib.sha256(text).digest(),
        hashlib.sha256(payload).digest(),
        tuple(sorted(signatures, key=lambda line: b64encode(line[0]))),
    )


def _line(line: Fields, message: bytes, keys: list[PublicKey]) -> tuple[bytes, PublicKey]:
    """Return a signature and the one of `keys` that it is by."""
    signature = raw(line, "sig")
    if line.has("keyid"):
        line.text("keyid")
    line.done()
    for key in keys:
        try:
            key.verify(signature, message)
        except SignatureError:
            continue
        return signature, key
    raise SignatureError("a signature of the envelope is by none of its verifiers")


def _key(pem: bytes) -> PublicKey:
    """Take a key in PEM as people write it: lines of any length, and an end of line or none."""
    lines = pem.replace(b"\r\n", b"\n").strip().split(b"\n")
    inner = b"".join(lines[1:-1])
    wrapped = [inner[i : i + _PEM_LINE] for i in range(0, len(inner), _PEM_LINE)]
    key = PublicKey.from_pem(b"\n".join((lines[0], *wrapped, lines[-1])) + b"\n")
    check_key(key)
    return key
