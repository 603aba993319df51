"""One webhook, from its settings to its last answer.

Told to stop, it says that it is not ready and goes on answering for a while, since the cluster
takes some time to ask others; then it takes no more connections, and ends those that it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from signer.admission.alerting import Alerts
from signer.admission.keeping import Keeper
from signer.admission.settings import Settings
from signer.admission.tls import Callers, Tls
from signer.http.serving import Http
from signer.transport import HttpTransport
from verifier.pull.admission.asgi import Admission
from verifier.pull.admission.judging import Judged
from verifier.pull.admission.metrics import Counted, Metrics
from verifier.pull.admission.opening import open_core
from verifier.pull.gate import Gate
from verifier.pull.registry.reading import read_registries
from verifier.pull.reporting import Reporter
from verifier.pull.sources import Late

_GRACE_S = 15
_SAYING_S = 1.0  # what the answer may take, once the judge has used up its time


class Webhook:
    """All that runs beside the loop; closed when it is left."""

    def __init__(self, settings: Settings) -> None:
        """Open what `settings` name.

        Raises:
            SealbookError: the TLS files or the pinned trust files cannot be used.
        """
        self._settings = settings
        self._ends = contextlib.ExitStack()
        self.metrics = Metrics()
        self.tls = Tls.of(settings.listen)
        with contextlib.ExitStack() as ends:
            self.app = self._open(ends)
            self._ends = ends.pop_all()

    def _open(self, ends: contextlib.ExitStack) -> Admission:
        settings, metrics, tls = self._settings, self.metrics, self.tls
        pull = settings.pull
        sources = [Counted(Late(name, pull), metrics) for name in pull.sources]
        gate = Gate(pull, sources)
        core = open_core(
            gate,
            settings.admission,
            lambda: read_registries(Path(pull.registries) if pull.registries else None),
            counted=lambda source: Counted(source, metrics),
        )
        stopped = threading.Event()
        ends.callback(stopped.set)
        keeper = Keeper(
            settings.keep,
            Path(pull.trust),
            HttpTransport(settings.keep.ca) if settings.keep.service else None,
            example_keys=pull.example_keys,
        )
        keeper.begin()
        _beside("trust", keeper.run, stopped)
        if tls is not None:
            _beside("tls", tls.keep, stopped)
            metrics.watch(
                "certificate_end_timestamp_seconds",
                "When our own certificate ends",
                lambda: tls.ends,
            )
        alerts = None if settings.alert is None else self._alerts(ends)
        reporter = Reporter(pull)
        ends.callback(reporter.close)

        def told(judged: Judged, mutating: bool) -> None:
            if alerts is not None:
                alerts.tell(judged)
            if is_pull(judged, mutating=mutating):
                for decision in judged.decisions:
                    reporter.note(decision)

        app = Admission(
            core,
            gate.ready,
            metrics,
            told=told,
            admits=Callers(settings.listen).admits,
            deadline_s=settings.admission.deadline_s + _SAYING_S,
        )
        ends.callback(app.close)
        return app

    def _alerts(self, ends: contextlib.ExitStack) -> Alerts:
        said = self._settings.alert
        assert said is not None
        transport = HttpTransport(said.ca)
        alerts = Alerts(transport, said.url, said.repeat_s, self.metrics.alerted)
        ends.callback(transport.close)
        ends.callback(alerts.close)
        return alerts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()


def is_pull(judged: Judged, *, mutating: bool) -> bool:
    """Whether this is the one answer about an image that says what becomes of it.

    A pod comes by twice, and so does what it was made of; each refusal is the last answer.
    """
    if judged.dry_run:
        return False
    return not judged.allowed or (not mutating and judged.what.startswith("Pod "))


async def serve(
    webhook: Webhook, settings: Settings, listener: socket.socket, began: Callable[[], None]
) -> None:
    """Answer on `listener` until the process is told to stop; `began` is called once it does."""
    listen, stop = settings.listen, asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = Http(
        webhook.app,
        lambda: webhook.tls.context if webhook.tls else None,
        listen.most_connections,
        _GRACE_S,
    )
    serving = asyncio.create_task(server.serve([listener]))
    stopped = asyncio.create_task(stop.wait())
    began()
    await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
    webhook.app.stopping = True
    if stopped.done():
        stop.clear()  # told once more, we wait no longer
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), listen.drain_s)
    stopped.cancel()
    server.should_exit = True
    await serving


def _beside(name: str, run: Callable[[threading.Event], None], stopped: threading.Event) -> None:
    threading.Thread(target=run, args=(stopped,), name=name, daemon=True).start()
