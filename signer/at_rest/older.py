"""Encrypting what was stored before there was a key: in the background, a slice at a time."""

from __future__ import annotations

import asyncio
from typing import cast

import structlog

from ledger import deleting
from ledger.encrypting import SLICE, encrypt_older
from ledger.ledger import Ledger
from ledger.store.reading import SqliteReader
from signer.at_rest.keeping import AtRest
from verifier.errors import SealbookError

_REMEMBERED = 64  # slices: what a restart looks at again
_PAUSE_S = 0.01
_AGAIN_S = 60.0

log = structlog.get_logger()


async def keep_older(at_rest: AtRest, ledger: Ledger) -> None:
    """Have all bodies of before encrypted; whatever keeps us from it is tried again.

    What is stored from now on is encrypted as it comes, if it is to be.
    """
    stop = ledger.head.tree_size
    while True:
        try:
            await _encrypt(at_rest, ledger, stop)
        except SealbookError as e:
            log.warning("bodies of before are not encrypted yet", code=e.code, error=e.message)
            await asyncio.sleep(_AGAIN_S)
        else:
            return


async def _encrypt(at_rest: AtRest, ledger: Ledger, stop: int) -> None:
    begun, total = at_rest.older_below, 0
    if not at_rest.encrypts_bodies:
        if begun:  # what comes now is not encrypted: who turns it on again looks at all of it
            await asyncio.to_thread(at_rest.set_older_below, 0)
        return
    store = cast("SqliteReader", ledger.store)  # what a service is opened on
    for number, start in enumerate(range(begun, stop, SLICE), 1):
        end = min(start + SLICE, stop)
        total += await asyncio.to_thread(
            encrypt_older, store, ledger.bodies, at_rest.bodies, start, end
        )
        if number % _REMEMBERED == 0:
            await asyncio.to_thread(at_rest.set_older_below, end)
        await asyncio.sleep(_PAUSE_S)
    if stop > begun:
        await asyncio.to_thread(deleting.scrub, store)
        await asyncio.to_thread(at_rest.set_older_below, stop)
    if total:
        log.info("encrypted bodies of before", count=total)
