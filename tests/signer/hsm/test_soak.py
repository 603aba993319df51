"""A service signs on and on by a token that comes and goes: nothing piles up in it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import pkcs11
import pytest

from signer.client import AsyncClient
from signer.errors import ServiceError
from tests.signer.asking import REPOSITORY, digest, eventually
from tests.signer.hsm.softhsm import NEEDS_SOFTHSM, SoftToken
from tests.signer.running import InProcess, running
from tests.signer.world import World
from verifier.errors import SealbookError
from verifier.repository import Scope
from verifier.trust.listed import TrustedKey, keys_by_hint

pytestmark = NEEDS_SOFTHSM

CALLERS = 8
PRESENT_S, ABSENT_S = 1.0, 0.3


class Held(NamedTuple):
    """What a process holds that could grow."""

    threads: list[str]
    sessions: int
    files: int

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        return cls(
            sorted(thread.name for thread in threading.enumerate()),
            sum(isinstance(one, pkcs11.Session) for one in gc.get_objects()),
            len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        )


@pytest.fixture
def service(world: World, token: SoftToken) -> Iterator[InProcess]:
    """A service whose release key is in a token."""
    token.make("EC:prime256v1", "release", "01")
    with token.key("object=release") as key:
        public = key.public
    world.edit("file:keys/release.pem", token.uri("id=%01"))
    world.edit('certificate = "certificates/release.pem"\n', "")
    others = [key for key in world.trust.keys.values() if key.name != "release"]
    release = TrustedKey("release", "approve", public, (Scope("*"),))
    keys = keys_by_hint([*others, release])
    world._trust_file.write_bytes(world.trust._replace(keys=keys).json())
    with running(world) as service:
        yield service


def works(service: InProcess, image: int) -> bool:
    """Say whether an image is approved now, by all sessions that there are to be."""
    with contextlib.suppress(ServiceError):  # as long as the token is away
        service.asking(lambda client: client.sign(digest(image), REPOSITORY))
    workers = service.server.keys.keys["release"].workers
    return workers is not None and 4 == workers._serving  # type: ignore[attr-defined]


async def signing(service: InProcess, until: float) -> dict[str, int]:
    """Have images approved all the time, and return what came of it, by code."""
    found: dict[str, int] = {}
    images = iter(range(1_000_000, 10_000_000))

    async def caller(client: AsyncClient) -> None:
        while time.monotonic() < until:
            code = ""
            try:
                await client.sign(digest(next(images)), REPOSITORY)
            except SealbookError as e:
                code = e.code
                await asyncio.sleep(0.05)
            found[code] = found.get(code, 0) + 1

    async with AsyncClient(service.addresses.grpc, service.token) as client:
        await asyncio.gather(*(caller(client) for _ in range(CALLERS)))
    return found


@pytest.mark.parametrize(
    "seconds", [6, pytest.param(3600, marks=[pytest.mark.soak, pytest.mark.timeout(4500)])]
)
def test_nothing_piles_up(service: InProcess, token: SoftToken, seconds: int) -> None:
    """
    After signing for a while, and losing the token again and again, a service has as many threads,
    sessions and open files as before.
    """
    eventually(lambda: works(service, 1))
    asyncio.run(signing(service, time.monotonic() + PRESENT_S))  # whatever is made once
    eventually(lambda: works(service, 2))
    before = Held.now()
    end = time.monotonic() + seconds
    found: list[dict[str, int]] = []
    load = threading.Thread(target=lambda: found.append(asyncio.run(signing(service, end))))
    load.start()
    while time.monotonic() + PRESENT_S + ABSENT_S < end:
        time.sleep(PRESENT_S)
        token.vanish()
        time.sleep(ABSENT_S)
        token.come_back()
    load.join()
    eventually(lambda: works(service, 3))

    assert {"", "key-unavailable"} == set(found[0])
    assert before == Held.now()
