"""Dedup keys: by what the ledger recognises a request that it has answered before.

    SHA-256("sealbook-dedup-v1" NUL form NUL SHA-256(SPKI) SHA-256(content))    what we signed
    SHA-256("rekor" NUL entry)                                  what others signed and uploaded

`content` is a function of the request, so that signature bytes never decide. It
is the signed message; but of a notation signature, whose message tells the time,
it is the payload. An upload is its entry, with each ECDSA signature in the one
of its two spellings that has the smaller s. The key of an entry follows from
entry and body alone: fsck, repair and a mirror derive it again.

What an idempotency key was used for is recognised likewise, by

    SHA-256("0" or "1" NUL SPKI JSON)

with "1" where a new approval was asked for in any case, and the content's JSON as
it would be without naming the one that it supersedes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from ledger import labels
from verifier import dsse, jws
from verifier._strict import canonical_json
from verifier.entry import Entry, parse_any
from verifier.publickey import PublicKey
from verifier.rekor_v1 import EnvelopeEntry, LegacyEntry
from verifier.statement import SUPERSEDES

BYTES = 32


def key(form: str, public: PublicKey, content: bytes) -> bytes:
    """Return the 32 bytes by which a request to sign `content` is recognised."""
    return key_of(form, public, hashlib.sha256(content).digest())


def key_of(form: str, public: PublicKey, content_sha256: bytes) -> bytes:
    """Return the same, for content of which only the SHA-256 is at hand."""
    return hashlib.sha256(
        b"sealbook-dedup-v1\0"
        + form.encode()
        + b"\0"
        + hashlib.sha256(public.spki).digest()
        + content_sha256
    ).digest()


def upload(entry: bytes) -> bytes:
    """Return the 32 bytes by which an entry that somebody else signed is recognised.

    Raises:
        VerificationError: it is no entry.
    """
    return upload_of(parse_any(entry))


def upload_of(logged: Entry | LegacyEntry | EnvelopeEntry) -> bytes:
    """Return the same of a parsed entry."""
    if isinstance(logged, EnvelopeEntry):
        lines = tuple((_low(public, made), public) for made, public in logged.signatures)
        same = logged._replace(signatures=lines).body()
    else:
        same = logged._replace(signature=_low(logged.key, logged.signature)).body()
    return hashlib.sha256(b"rekor\0" + same).digest()


def of(form: str, entry: bytes, body: bytes | None) -> bytes | None:
    """Return the dedup key of a record; `body` is None where it was deleted or lies in a file.

    None when the key does not follow from what is left: the entry names the body by
    another hash than SHA-256, or the content is not the whole body.

    Raises:
        VerificationError: entry or body are of no form that we keep.
    """
    if form == labels.OPAQUE:
        return upload(entry)
    logged = parse_any(entry)
    if isinstance(logged, EnvelopeEntry):
        return None
    if body:
        return key(form, logged.key, content(form, body))
    if form == labels.NOTATION or len(logged.data_digest) != BYTES:
        return None
    return key_of(form, logged.key, logged.data_digest)


def content(form: str, body: bytes) -> bytes:
    """Return the part of a signed message that is a function of the request.

    A notation signature that was asked of us by notation's own client is its own content:
    it brings the time with it.
    """
    if form != labels.NOTATION:
        return body
    signed = jws.parse(body)
    return signed.payload if labels.REPOSITORY in signed.target.annotations else body


def request(public: PublicKey, content: bytes, *, renew: bool) -> bytes:
    """Return the 32 bytes of a request for `content`, which supersedes nothing."""
    return hashlib.sha256(b"%d\0" % renew + public.spki + _asked(content)).digest()


def request_of(public: PublicKey, asked: Iterable[bytes], *, renew: bool) -> bytes:
    """Return the same for the JSON of content that comes in pieces."""
    hashed = hashlib.sha256(b"%d\0" % renew + public.spki)
    for piece in asked:
        hashed.update(piece)
    return hashed.digest()


def requests(public: PublicKey, content: bytes) -> set[bytes]:
    """Return all requests that may have been answered with this content of ours.

    It is a statement, encoded or not, a simple-signing payload or notation's.
    """
    asked = _asked(content)
    value = json.loads(asked)
    renewed = False
    for holder, name in _annotated(value):
        annotations = holder.get(name) or {}
        if annotations.pop(SUPERSEDES, None) is not None:
            renewed = True
            if not annotations:
                _empty(holder, name)
    first = canonical_json(value) if renewed else asked
    renewals = {request(public, first, renew=True)}
    return renewals if renewed else renewals | {request(public, first, renew=False)}


def _asked(content: bytes) -> bytes:
    """Return the JSON in `content`: a statement goes by its payload."""
    return dsse.parse_pae(content)[1] if content.startswith(dsse.PREFIX) else content


def _annotated(value: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Return where the content keeps annotations: objects, and the name of the field."""
    if "critical" in value:
        return [(value, "optional")]
    if "targetArtifact" in value:
        return [(value["targetArtifact"], "annotations")]
    return [(subject, "annotations") for subject in value["subject"]]


def _empty(holder: dict[str, Any], name: str) -> None:
    """Write no annotations as the content's format does."""
    if name == "optional":
        holder[name] = None
    else:
        del holder[name]


def _low(public: PublicKey, signature: bytes) -> bytes:
    """Return an ECDSA signature with the smaller s; any other as it is."""
    order = public.algorithm.order
    if not order:
        return signature
    from cryptography.hazmat.primitives.asymmetric import utils

    r, s = utils.decode_dss_signature(signature)
    return utils.encode_dss_signature(r, min(s, order - s))
