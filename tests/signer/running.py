"""Services to test with, in this process or in one of their own, and what to ask them.

    with running(found_in(tmp_path)) as service:
        signed = service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        assert 1 == service.verify(signed).index

A service in this process runs on a thread with an event loop of its own: it can
be looked into and spoiled, and coroutines of a test run on that loop too.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import grpc
from google.protobuf.message import Message

import signer.server
from ledger.store import SLICE
from signer.audit_trail.anchoring import EVENT as SEGMENT
from signer.audit_trail.anchoring import Anchoring
from signer.client import AsyncClient, Client
from signer.config import Config
from signer.listening import Addresses
from signer.server import Server
from tests.signer.asking import PATIENCE_S, SIGN, refused
from tests.signer.commands import SEALBOOK
from tests.signer.world import World
from verifier.statement import EVENT_PREFIX

_MINUTE_S = 60.0

T = TypeVar("T")
M = TypeVar("M", bound=Message)


class Answer(NamedTuple):
    """What came back from a raw call: messages, or the status and code that refused it."""

    messages: tuple[bytes, ...] = ()
    status: str = "OK"
    code: str = ""
    details: str = ""
    metadata: tuple[tuple[str, str | bytes], ...] = ()

    def message(self, kind: type[M]) -> M:
        """Return the only message."""
        assert "OK" == self.status, self
        [message] = self.messages
        return kind.FromString(message)


class Running(World):
    """A service that listens at `addresses`."""

    addresses: Addresses

    def client(self, **more: Any) -> Client:
        """Return a client for threads, to be closed."""
        return Client(self.addresses.grpc, self.token, **more)

    @property
    def metadata(self) -> list[tuple[str, str]]:
        """The metadata of a caller who has the token."""
        return [("authorization", f"Bearer {self.token}")]

    def operate(self, method: str, request: bytes = b"") -> bytes:
        """Call a method on the admin socket, without a token."""
        path = self.directory / "run" / "operator.sock"
        with grpc.insecure_channel(f"unix:{path}") as channel:
            answer: bytes = channel.unary_unary(method)(request, timeout=PATIENCE_S)
            return answer

    def raw(self, request: bytes, method: str = SIGN, metadata: list[Any] | None = None) -> Answer:
        """Send these bytes to a method, with the token unless other metadata is given."""
        metadata = self.metadata if metadata is None else metadata
        with grpc.insecure_channel(self.addresses.grpc) as channel:
            # A unary answer is a stream of one message, so that this fits every method.
            call = channel.unary_stream(method)(request, metadata=metadata, timeout=PATIENCE_S)
            try:
                return Answer(tuple(call))
            except grpc.RpcError:
                trailing = tuple(call.trailing_metadata() or ())
                code = str(dict(trailing).get("sealbook-code", ""))
                return Answer((), call.code().name, code, call.details(), trailing)


class _Loop(asyncio.SelectorEventLoop):
    """An event loop for a thread: keeps what the main thread's would do on a signal."""

    def __init__(self) -> None:
        super().__init__()
        self.on_signal: dict[int, Callable[..., object]] = {}

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *_: Any) -> None:
        self.on_signal[sig] = callback


class _Rarely(Anchoring):
    """Finishes no segment because a minute is over: it is an entry, and tests count entries."""

    def __init__(self, *known: Any) -> None:
        *rest, segment_s = known
        super().__init__(*rest, segment_s if segment_s < _MINUTE_S else 60 * _MINUTE_S)


signer.server.Anchoring = _Rarely


class InProcess(Running):
    """A service on a thread of this process; `spoil` may change it before it listens."""

    def __init__(self, world: World, spoil: Callable[[InProcess], object]) -> None:
        super().__init__(world.directory)
        self.server = Server(Config.load(self.config))
        self.ledger = self.server._opened.ledger
        self._segments = self._logged_segments()
        spoil(self)
        self._loop = _Loop()
        self._started = threading.Event()
        self._exit_code: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        while not self._started.wait(0.01):
            if self._exit_code.done():
                self._exit_code.result()

    @property
    def tree_size(self) -> int:
        """How many entries are durable, besides segments of the trail that ended meanwhile."""
        return self.ledger.head.tree_size - (self._logged_segments() - self._segments)

    def _logged_segments(self) -> int:
        return len(self.ledger.store.search("predicate_type", EVENT_PREFIX + SEGMENT, -1, SLICE))

    def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the service's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def asking(self, work: Callable[[AsyncClient], Coroutine[Any, Any, T]]) -> T:
        """Run `work` with a client of its own on the service's loop."""

        async def do() -> T:
            async with AsyncClient(self.addresses.grpc, self.token) as client:
                return await work(client)

        return self.ask(do())

    def terminate(self) -> None:
        """Do what the process does on SIGTERM."""
        self._loop.call_soon_threadsafe(self._loop.on_signal[signal.SIGTERM])

    def stop(self) -> int:
        """Wait until it has ended, terminating it if nobody did, and return its exit code."""
        if not self._exit_code.done():
            self.terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended by itself, and return its exit code."""
        code = self._exit_code.result(PATIENCE_S)
        self._thread.join()
        return code

    def _serve(self) -> None:
        try:
            self._exit_code.set_result(self._loop.run_until_complete(self.server.run(self._say)))
        except BaseException as e:  # noqa: BLE001  whoever waits gets it
            self._exit_code.set_exception(e)
        finally:
            self._loop.close()

    def _say(self, addresses: Addresses) -> None:
        self.addresses = addresses
        self._started.set()


class Process(Running):
    """A service in a process of its own, as an operator starts it."""

    def __init__(self, world: World, *options: str) -> None:
        super().__init__(world.directory)
        self.log = world.directory / "log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [SEALBOOK, "serve", *options],
                cwd=world.directory,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"gRPC on (\S+), HTTP on (\S+)$", line)
        assert found, self.log.read_text()
        self.addresses = Addresses(found[1], found[2])

    def stop(self) -> int:
        """Send SIGTERM, and return the exit code."""
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode


@contextmanager
def running(
    world: World, spoil: Callable[[InProcess], object] = lambda _: None
) -> Iterator[InProcess]:
    """Run a service in this process."""
    service = InProcess(world, spoil)
    try:
        yield service
    finally:
        service.stop()


@contextmanager
def serving(world: World, *options: str) -> Iterator[Process]:
    """Run a service in a process of its own."""
    service = Process(world, *options)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.stop()
        assert service.process.stdout is not None
        service.process.stdout.close()


def start_refused(world: World, code: str) -> str:
    """Check that a service with this configuration does not start, and return what it says."""

    def start() -> None:
        with running(world):
            pass

    return refused(code, start).message
