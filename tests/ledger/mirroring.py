"""Mirrors to test with: fed by the service's own Pull, in this process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from ledger.copies.mirror import Mirror
from ledger.ledger import Ledger
from ledger.mirrored import Mirrored
from ledger.opening import Home, open_ledger
from ledger.store.sqlite import SqliteStore
from signer.access import Principal
from signer.client.pulling import parse
from signer.service import PullService
from signer.v1 import ledger_pb2
from tests.ledger.making import KEYS
from verifier.trust import TrustRoot

SOMEBODY = Principal("urn:test", "mirror", {"mirror": ()})


def answer(
    ledger: Ledger, tree_size: int = 0, mirrored: Mirrored | None = None
) -> list[ledger_pb2.PullResponse]:
    """Return what the service answers to a mirror that holds `tree_size` entries."""

    async def pull() -> list[ledger_pb2.PullResponse]:
        service = PullService(ledger, mirrored or Mirrored())
        request = ledger_pb2.PullRequest(tree_size=tree_size)
        try:
            return [message async for message in service.pull(SOMEBODY, request)]
        finally:
            service.stop()

    return asyncio.run(pull())


def feed(mirror: Mirror, messages: list[ledger_pb2.PullResponse]) -> bool:
    """Let `mirror` take an answer, and return whether it stored all of it."""
    incoming = mirror.incoming(parse)
    try:
        for message in messages:
            incoming.add(message.SerializeToString())
        return incoming.apply(lambda *_: None)
    finally:
        incoming.close()


def follow(ledger: Ledger, directory: Path, trust: TrustRoot | None = None) -> int:
    """Bring the mirror in `directory` up to `ledger`, and return its size."""
    mirror = Mirror(directory, trust)
    try:
        mirror.meet(ledger.published.note)
        assert feed(mirror, answer(ledger, mirror.tree_size))
        return mirror.tree_size
    finally:
        mirror.close()


def mirrored(home: Home, directory: Path) -> int:
    """Bring the mirror in `directory` up to a ledger that nobody serves."""
    with open_ledger(home, KEYS) as ledger:
        return follow(ledger, directory)


def content(database: Path) -> dict[str, list[Any]]:
    """Return all that a database holds, by table."""
    store = SqliteStore(database, read_only=True)
    try:
        tables = ("entry", "dedup", "label", "claim", "tile", "head", "ledger", "checkpoint")
        return {table: sorted(store.all(f"SELECT * FROM {table}")) for table in tables}
    finally:
        store.close()
