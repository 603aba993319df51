"""Dedup keys: by what the ledger recognises a request that it has answered before.

    SHA-256("sealbook-dedup-v1" NUL form NUL SHA-256(SPKI) SHA-256(message))

`message` is what is signed, and a function of the request, so that signature
bytes never decide. The key of an entry follows from entry and body alone: fsck,
repair and a mirror derive it again.
"""

from __future__ import annotations

import hashlib

from verifier.publickey import PublicKey

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
