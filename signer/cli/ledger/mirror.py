"""`sealbook ledger mirror`: keep a second copy of a ledger, on another disk or host."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ledger.copies.mirror import Mirror
from ledger.errors import StorageBusyError, StorageFullError
from signer.cli.arguments import add_service, parser, service_of
from signer.client import AsyncClient
from signer.client.pulling import Puller, parse
from signer.errors import ServiceError, ServiceUnreachableError
from verifier.errors import SealbookError
from verifier.trust import TrustRoot

_WAIT_MS = 25_000
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.1, 10.0
_SAY_S = 1.0  # how often progress is told at the most
# Refusals that pass by themselves. Any other needs somebody to look.
_PASSING = frozenset(("stopping", "storage-busy", "queue-full", "internal-error", "cancelled"))


def main(argv: list[str]) -> int:
    """Copy what is new, once or for as long as the process runs."""
    made = parser(
        "ledger mirror",
        "Copy entries, bodies and checkpoints of a running service into DIR, each hashed and\n"
        "judged before it is stored. With `[mirror] synchronous = true` the service answers a\n"
        "Sign only when its mirror holds the entry. A large ledger is quicker to begin from a\n"
        "backup, as DIR/ledger.db, with the bodies beside it as DIR/bodies.",
        "sealbook ledger mirror /mirror --follow --service ledger.example:8640 \\\n"
        "      --token-file token --ca ca.pem --trust trust.json",
    )
    add_service(made)
    made.add_argument("directory", type=Path, metavar="DIR", help="where the mirror lies")
    made.add_argument("--follow", action="store_true", help="go on until SIGTERM")
    made.add_argument(
        "--trust", type=Path, metavar="FILE", help="checkpoints must be signed by its log keys"
    )
    args = made.parse_args(argv)
    trust = TrustRoot.parse(args.trust.read_bytes()) if args.trust else None
    mirror = Mirror(args.directory, trust)
    try:
        return asyncio.run(_Run(mirror, args).run())
    finally:
        mirror.close()


class _Run:
    """One run of the command, on one event loop; the mirror has a thread of its own."""

    def __init__(self, mirror: Mirror, args: argparse.Namespace) -> None:
        self._mirror = mirror
        self._follow: bool = args.follow
        self._json: bool = args.json
        self._service = service_of(args)
        self._thread = ThreadPoolExecutor(1, "mirror")
        self._said_at = float("-inf")
        self._said: dict[str, object] = {}

    async def run(self) -> int:
        """Work until it is done, or until told to stop, and return the exit code."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        work = asyncio.create_task(self._forever() if self._follow else self._once())
        told = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([work, told], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            else:
                self._mirror.stop()
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
        finally:
            told.cancel()
            self._thread.shutdown(wait=True)  # the commit that is under way ends first
        self._say(final=True)
        return 0

    async def _once(self) -> None:
        puller, client = Puller(*self._service), self._client()
        try:
            async with client:
                await self._do(self._mirror.meet, await client.checkpoint())
                await self._pull(puller, 0)
                await self._pull(puller, 0)  # which says what is held now
        finally:
            await puller.close()

    async def _forever(self) -> None:
        retry_s = _FIRST_RETRY_S
        while True:
            try:
                puller, client = Puller(*self._service), self._client()
                try:
                    async with client:
                        await self._do(self._mirror.meet, await client.checkpoint())
                        while True:
                            await self._pull(puller, _WAIT_MS)
                            retry_s = _FIRST_RETRY_S
                finally:
                    await puller.close()
            except (ServiceUnreachableError, StorageFullError, StorageBusyError) as e:
                self._lost(e)
            except ServiceError as e:
                if e.code not in _PASSING:
                    raise
                self._lost(e)
            await asyncio.sleep(retry_s * random.uniform(0.5, 1.0))  # noqa: S311  no secret
            retry_s = min(2 * retry_s, _LONGEST_RETRY_S)

    async def _pull(self, puller: Puller, wait_ms: int) -> None:
        incoming = self._mirror.incoming(parse)
        try:
            async for raw in puller.pull(self._mirror.tree_size, wait_ms):
                await self._do(incoming.add, raw)
            await self._do(incoming.apply, self._progress)
        finally:
            self._thread.submit(incoming.close)
        self._say()

    async def _do(self, work: object, *args: object) -> object:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, work, *args)  # type: ignore[arg-type]

    def _client(self) -> AsyncClient:
        target, credentials = self._service
        return AsyncClient(target, **credentials._asdict())

    def _progress(self, done: int, total: int) -> None:
        if done < total:
            self._tell({"tree_size": done, "of": total}, f"{done} of {total} entries")

    def _say(self, *, final: bool = False) -> None:
        head = self._mirror.head
        size, root = (head.tree_size, head.root.hex()) if head else (0, "")
        value: dict[str, object] = {"tree_size": size, "root": root}
        self._tell(value, f"{size} entries, root {root}", always=final)

    def _lost(self, error: SealbookError) -> None:
        value: dict[str, object] = {"error": error.code, "message": error.message}
        self._tell(value, f"waiting: {error.message} ({error.code})")

    def _tell(self, value: dict[str, object], text: str, *, always: bool = False) -> None:
        now = time.monotonic()
        if value != self._said and (always or now - self._said_at >= _SAY_S):
            self._said_at, self._said = now, value
            if self._json:
                print(json.dumps(value), flush=True)
            else:
                print(text, file=sys.stderr, flush=True)
