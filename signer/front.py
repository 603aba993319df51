"""The front: what listens for callers. gRPC, HTTP and the admin socket, behind a guard each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from grpc_health.v1 import health, health_pb2

from signer import listening
from signer.access.admitting import Admitting, AtSocket
from signer.address import listen
from signer.config import Config
from signer.guard import Guard, Method
from signer.http.guard import HttpGuard
from signer.http.serving import Http
from signer.refusal import Refusals
from signer.rekor.messages import Application
from signer.tls import Tls


class Front:
    """Listens from `start` to `stop` and `end`, and is to be closed."""

    def __init__(
        self,
        config: Config,
        tls: Tls,
        admitting: Admitting,
        refusals: Refusals,
        *,
        calls: Mapping[str, Method],
        admins: Mapping[str, Method],
        site: Callable[[str], Application],
        grace_s: int,
    ) -> None:
        """Take the addresses of `config`: for `calls`, for `admins`, and for what `site` makes.

        `site` is told the address of HTTP. Going down, calls under way have `grace_s`.

        Raises:
            ListenError: an address is taken.
        """
        most = listening.most_connections()
        self._socket, http = listen(config.listen.http)
        try:
            self._healthy = health.aio.HealthServicer()
            self._guard = Guard(calls, admitting, refusals)
            self._calls, grpc = listening.calls(
                config, self._guard, self._healthy, tls.credentials, most
            )
            self._operator = listening.operator(config, Guard(admins, AtSocket(), refusals))
            guarded = HttpGuard(site(http), admitting, refusals)
            self._http = Http(guarded, lambda: tls.context, most, grace_s)
        except BaseException:
            self._socket.close()
            raise
        self.addresses = listening.Addresses(grpc, http)
        self._grace_s = grace_s

    async def start(self) -> None:
        """Answer from now on."""
        await asyncio.gather(self._calls.start(), self._operator.start())
        self._serving = asyncio.create_task(self._http.serve([self._socket]))
        await self._healthy.set("", health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, *, at_once: bool) -> None:
        """Take no more calls, and return when those under way have ended, or their time has."""
        await self._healthy.enter_graceful_shutdown()
        grace_s = 0 if at_once else self._grace_s
        await asyncio.gather(self._calls.stop(grace_s), self._operator.stop(grace_s))

    async def end(self) -> None:
        """Answer nothing over HTTP either."""
        self._http.should_exit = True
        await self._serving

    def close(self) -> None:
        """Give the address of HTTP back."""
        self._socket.close()
