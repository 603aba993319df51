"""A re-run is answered as before: found by its idempotency key, or by what it comes to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from ledger.errors import IdempotencyError
from ledger.ledger import Ledger
from signer.errors import RequestError
from verifier.errors import RevokedError

_MOST_RENEWALS = 64


class Fresh(NamedTuple):
    """Nothing answers the request yet; a renewal of it supersedes the entry at this index."""

    supersedes: int | None


def place(
    ledger: Ledger,
    claim: tuple[bytes, bytes] | None,
    *,
    renew: bool,
    known_by: Callable[[int | None], bytes],
    check: Callable[[int], None],
) -> int | Fresh:
    """Return where the answer to a request is, or that it has to be made.

    `claim` is an idempotency key and the request that it stands for; `known_by` returns
    the dedup key of the request when it supersedes an entry, or nothing; `check` raises
    `RevokedError` for the index of an entry that is revoked. What is committed but not
    yet published has to be made again: the append waits for it.

    A revoked answer is none; one that was renewed is answered by its renewal.

    Raises:
        IdempotencyError: the idempotency key belongs to another request.
        RequestError: it was renewed too often.
        RevokedError: the answer was revoked, and nobody renewed it.
    """
    known = ledger.store.claim(claim[0]) if claim else None
    if known and claim and known.request != claim[1]:
        raise IdempotencyError("the idempotency key belongs to another request")
    published = ledger.published.checkpoint.tree_size
    if known and known.index < published:
        check(known.index)
        return known.index
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
                check(index)
            except RevokedError as e:
                revoked = e
            else:
                return index if index < published and not claim else Fresh(supersedes)
        supersedes = index
    if revoked:
        raise revoked
    raise RequestError(f"expected at most {_MOST_RENEWALS} renewals of one request")


def claim_key(principal: str, form: str, idempotency_key: str) -> bytes:
    """Return the 32 bytes of an idempotency key, per principal and form."""
    owner = f"{principal}\0{form}\0{idempotency_key}"
    return hashlib.sha256(b"sealbook-idempotency-v1\0" + owner.encode()).digest()
