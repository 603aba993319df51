"""A running service hands each day's checkpoint to an outside record, and keeps the receipt."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from signer.v1 import operator_pb2
from tests.signer.asking import eventually
from tests.signer.running import InProcess, running
from tests.signer.world import World
from verifier import note as notes
from verifier.note import Note

STAMP = "import sys; print('stamped', len(sys.stdin.read()))"


def hand_over(world: World, code: str) -> None:
    """Configure a program of these Python words."""
    with world.config.open("a") as file:
        file.write(f"\n[anchor]\nexec = {json.dumps([sys.executable, '-c', code])}\n")


def receipt_day(service: InProcess) -> str:
    """Return the newest day with a receipt, as the status tells it."""
    raw = service.operate("/sealbook.v1.Operator/GetStatus")
    return str(operator_pb2.GetStatusResponse.FromString(raw).receipt_day)


def test_receipt_of_the_day(world: World) -> None:
    """
    A service that starts on a day without a receipt takes one: for a checkpoint that it signed.
    """
    hand_over(world, STAMP)
    kept = world.directory / "anchor" / "receipts"
    with running(world) as service:
        eventually(lambda: receipt_day(service))
        day = receipt_day(service)
        note = (kept / f"{day}.checkpoint").read_text()
        notes.verify(Note.parse(note), [service.ledger.log_key])

        assert f"{datetime.now(UTC):%Y-%m-%d}" == day
        assert f"stamped {len(note)}\n" == (kept / f"{day}.receipt").read_text()


def test_record_that_is_out_of_reach(world: World) -> None:
    """
    A program that fails leaves the day without a receipt, and the service serves on.
    """
    tried = world.directory / "tried"
    hand_over(world, f"open({str(tried)!r}, 'w').close(); import sys; sys.exit(1)")
    with running(world) as service:
        before = service.tree_size
        eventually(tried.exists)

        assert "" == receipt_day(service)
        assert before == service.tree_size
