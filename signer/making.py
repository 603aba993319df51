"""Signing what is wanted: each form of each item, where its key signs.

A few at a time, so that other callers get a turn; where keys are in devices, in their
threads, and at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from ledger import labels
from ledger.plan import NewEntry
from signer.forms import Form, Made
from signer.keys import SigningKey
from signer.keys.messages import Approving
from verifier.errors import SealbookError

_AT_ONCE = 16


class Fresh(NamedTuple):
    """What was signed just now, and waits to be dated and appended."""

    made: Made
    entry: NewEntry


class Signer(NamedTuple):
    """Who signs each item in what form; `name` keeps idempotency keys of the same form apart."""

    form: Form
    key: SigningKey
    name: str


class Wanted(NamedTuple):
    """What is to be signed: a form of one item."""

    form: Form
    key: SigningKey
    content: Approving
    labels: labels.Labels
    known_by: bytes
    claim: tuple[bytes, bytes] | None
    supersedes: int | None

    def sign(self) -> Fresh | SealbookError:
        """Return it, signed, or why it is not."""
        try:
            made = self.form.sign(self.content, self.key)
        except SealbookError as e:
            return e
        return Fresh(made, made.new_entry(self.labels, self.known_by, self.claim))


Signed = int | Fresh | SealbookError
Place = Signed | Wanted


async def signed(items: Sequence[Sequence[Place]]) -> list[list[Signed]]:
    """Return the places of each item, with everything signed that is wanted."""
    wanted = [place for places in items for place in places if isinstance(place, Wanted)]
    starts = range(0, len(wanted), _AT_ONCE)
    groups = [wanted[start : start + _AT_ONCE] for start in starts]
    signed: list[Fresh | SealbookError] = []
    if any(one.key.workers or one.form.waits for one in wanted):
        if len(groups) == 1:  # as mostly: a task of its own would cost as much as the device
            signed += await _waited_for(groups[0])
        else:
            for answers in await asyncio.gather(*map(_waited_for, groups)):
                signed += answers
    else:
        for n, group in enumerate(groups):
            if n:
                await asyncio.sleep(0)
            signed += [one.sign() for one in group]
    rest = iter(signed)
    return [[next(rest) if isinstance(p, Wanted) else p for p in places] for places in items]


async def _waited_for(group: Sequence[Wanted]) -> list[Fresh | SealbookError]:
    def sign() -> list[Fresh | SealbookError]:
        return [one.sign() for one in group]

    key = group[0].key
    try:
        return await (key.run(sign) if key.workers else asyncio.to_thread(sign))
    except SealbookError as e:
        return [e] * len(group)
