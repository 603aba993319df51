"""Dedup keys: by what the ledger recognises a request that it has answered before.

    SHA-256("sealbook-dedup-v1" NUL form NUL SHA-256(SPKI) SHA-256(message))

`message` is what is signed, and a function of the request, so that signature
bytes never decide. The key of an entry follows from entry and body alone: fsck,
repair and a mirror derive it again.

What an idempotency key was used for is recognised likewise, by

    SHA-256("0" or "1" NUL SPKI payload)

with "1" where a new approval was asked for in any case, and the statement's
payload as it would be without naming the one that it supersedes.
"""

from __future__ import annotations

import hashlib
import json

from verifier._strict import canonical_json
from verifier.publickey import PublicKey
from verifier.statement import SUPERSEDES

BYTES = 32


def key(form: str, public: PublicKey, message: bytes) -> bytes:
    """Return the 32 bytes by which a request to sign `message` is recognised."""
    return key_of(form, public, hashlib.sha256(message).digest())


def key_of(form: str, public: PublicKey, message_sha256: bytes) -> bytes:
    """Return the same, for a message of which only the SHA-256 is left."""
    return hashlib.sha256(
        b"sealbook-dedup-v1\0"
        + form.encode()
        + b"\0"
        + hashlib.sha256(public.spki).digest()
        + message_sha256
    ).digest()


def request(public: PublicKey, payload: bytes, *, renew: bool) -> bytes:
    """Return the 32 bytes of a request for `payload`, which supersedes nothing."""
    return hashlib.sha256(b"%d\0" % renew + public.spki + payload).digest()


def requests(public: PublicKey, payload: bytes) -> set[bytes]:
    """Return all requests that may have been answered with this statement of ours."""
    statement = json.loads(payload)
    first = payload
    for subject in statement["subject"]:
        annotations = subject.get("annotations", {})
        if annotations.pop(SUPERSEDES, None) is not None:
            if not annotations:
                del subject["annotations"]
            first = canonical_json(statement)
    renewals = {request(public, first, renew=True)}
    return renewals if first is not payload else renewals | {request(public, first, renew=False)}
