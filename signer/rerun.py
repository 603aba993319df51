"""A re-run is answered as before: found by its idempotency key, or by what it comes to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from ledger.errors import IdempotencyError, QuorumError
from ledger.ledger import Ledger
from signer.errors import RequestError
from signer.keys import SigningKey
from verifier.errors import RevokedError
from verifier.publickey import PublicKey

_MOST_RENEWALS = 64


class Claim(NamedTuple):
    """An idempotency key, if there is one, and what it stands for when this key signs."""

    key: bytes
    request: Callable[[PublicKey], bytes]

    def by(self, public: PublicKey) -> tuple[bytes, bytes] | None:
        """Return it as the ledger keeps it."""
        return (self.key, self.request(public)) if self.key else None


class Fresh(NamedTuple):
    """Nothing answers the request yet; a renewal of it supersedes the entry at this index."""

    supersedes: int | None


def place(
    ledger: Ledger,
    key: SigningKey,
    claim: Claim,
    *,
    renew: bool,
    known_by: Callable[[int | None], bytes],
    check: Callable[[int, PublicKey], None],
) -> int | Fresh:
    """Return where the answer by `key` to a request is, or that it has to be made.

    `known_by` returns the dedup key of the request when it supersedes an entry, or nothing;
    `check` raises `RevokedError` for the index of an entry, by a key, that is revoked. What is
    committed but not yet published has to be made again: the append waits for it.

    Who sends an idempotency key again after the key has rotated is answered as before.

    A revoked answer is none; one that was renewed is answered by its renewal.

    Raises:
        IdempotencyError: the idempotency key belongs to another request.
        RequestError: it was renewed too often.
        RevokedError: the answer was revoked, and nobody renewed it.
        QuorumError: an earlier version of the key signed it, and it is not published yet.
    """
    claimed = _claimed(ledger, key, claim, check) if claim.key else None
    if claimed is not None:
        return claimed
    published = ledger.published.checkpoint.tree_size
    supersedes: int | None = None
    revoked: RevokedError | None = None
    for _ in range(_MOST_RENEWALS):
        index = ledger.store.find(known_by(supersedes))
        if index is None:
            if revoked:
                raise revoked
            return Fresh(supersedes)
        if not renew:
            try:
                check(index, key.public)
            except RevokedError as e:
                revoked = e
            else:
                return index if index < published and not claim.key else Fresh(supersedes)
        supersedes = index
    if revoked:
        raise revoked
    raise RequestError(f"expected at most {_MOST_RENEWALS} renewals of one request")


def _claimed(
    ledger: Ledger, key: SigningKey, claim: Claim, check: Callable[[int, PublicKey], None]
) -> int | None:
    """Return where the answer is that an idempotency key stands for, if it is published."""
    known = ledger.store.claim(claim.key)
    if known is None:
        return None
    versions = (key.public, *key.earlier)
    by = next((one for one in versions if claim.request(one) == known.request), None)
    if by is None:
        raise IdempotencyError("the idempotency key belongs to another request")
    if known.index < ledger.published.checkpoint.tree_size:
        check(known.index, by)
        return known.index
    if by != key.public:
        raise QuorumError(f"entry {known.index} is durable, and not published")
    return None


def claim_key(principal: str, form: str, idempotency_key: str) -> bytes:
    """Return the 32 bytes of an idempotency key, per principal and form."""
    owner = f"{principal}\0{form}\0{idempotency_key}"
    return hashlib.sha256(b"sealbook-idempotency-v1\0" + owner.encode()).digest()
