"""Once a day: hand the checkpoint to whatever outside record is configured."""

from __future__ import annotations

import asyncio

import structlog

from ledger.ledger import Ledger
from ledger.receipts import ReceiptError, Receipts

log = structlog.get_logger()

_LOOK_S = 60.0
_RETRY_S = 600.0


async def keep_receipts(ledger: Ledger, receipts: Receipts) -> None:
    """Take a receipt for each day (UTC) without one, until cancelled; failures are tried again."""
    while True:
        pause_s = _LOOK_S
        now = ledger.clock.now()
        if receipts.due(now):
            try:
                path = await asyncio.to_thread(receipts.take, ledger.published.note, now)
                log.info("receipt", path=str(path))
            except ReceiptError as e:
                log.warning("no receipt for today", code=e.code, error=e.message)
                pause_s = _RETRY_S
        await asyncio.sleep(pause_s)
