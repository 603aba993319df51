"""What was begun is finished: the caller may go, the signature gets its leaf."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ledger.sequencer import Sequencer
from signer.access import Caller
from signer.access.tokens import Tokens
from signer.approvals.control import Control
from signer.dating import Dating
from signer.forms.all import all_forms
from signer.gates import Gates
from signer.keys import SigningKey
from signer.keys.memory import MemoryKey
from signer.keys.ring import KeyRing
from signer.order import Item, Order
from signer.signing import Signing
from signer.status.in_force import InForce
from tests.ledger.making import ledger_over, memory_store
from tests.signer.asking import ORIGIN, REPOSITORY, digest
from tests.signer.spoiling import CountingKey
from tests.signer.trails import trail_over

TOKEN = "t" * 32
ITEMS = 100


def test_cancelled_between_two_signatures(tmp_path: Path) -> None:
    """
    A call that is cancelled when some of its batch is signed still has all of it logged.
    """
    ledger = ledger_over(memory_store())
    key = CountingKey(MemoryKey.generate("ecdsa-p256"))
    principal = Tokens(TOKEN).holder(TOKEN, Caller())
    assert principal is not None
    before = ledger.head.tree_size

    async def run() -> int:
        sequencer = Sequencer(ledger, print)
        signing = Signing(
            ledger,
            sequencer,
            KeyRing([SigningKey("k", key, ("bundle",))], "k"),
            forms=all_forms(ORIGIN, None),
            dating=Dating(None),
            in_force=InForce(ledger),
            gates=Gates.open(),
            control=Control.off(),
            trail=trail_over(ledger, tmp_path),
        )
        order = Order(REPOSITORY, [Item(digest(n)) for n in range(ITEMS)])
        call = asyncio.create_task(signing.sign(principal, order))
        while not key.signed:  # noqa: ASYNC110  turn by turn, as the event loop goes
            await asyncio.sleep(0)
        signed = len(key.signed)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await signing.drain()
        await asyncio.to_thread(sequencer.stop)
        return signed

    assert 0 < asyncio.run(run()) < ITEMS
    assert ITEMS == len(key.signed) == ledger.head.tree_size - before
