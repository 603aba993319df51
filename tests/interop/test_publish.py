"""Publishing survives: a registry that is down, a service that is killed; and nobody is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from signer.client import AsyncClient, Client, Item
from signer.client.publishing import Publication
from tests.interop import peers
from tests.interop.conftest import _program
from tests.interop.outage import Outage
from tests.interop.registry import serving_registry
from tests.interop.test_registry_rules import HTPASSWD
from tests.signer.asking import eventually
from tests.signer.publish.publishing import (
    Pushed,
    configure,
    place_of,
    publish,
    publishing,
    push,
    sign,
)
from tests.signer.running import InProcess, Process, serving
from tests.signer.world import found_in, init
from verifier.pull.images import IMAGE

IMAGES, REPOSITORIES = 100, 5
FORMS = ("bundle", "simplesigning")
LONG = (pytest.mark.soak, pytest.mark.timeout(1200))


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[Outage]:
    with Outage(_program(peers.docker_registry), tmp_path) as outage:
        yield outage


def pushed(outage: Outage, count: int, repositories: int = REPOSITORIES) -> list[Pushed]:
    """Put so many images into the registry."""
    with ThreadPoolExecutor(8) as pool:
        return list(
            pool.map(
                lambda n: push(outage.address, f"team/app-{n % repositories}", n), range(count)
            )
        )


async def signed(client: AsyncClient, images: list[Pushed]) -> dict[Pushed, list[int]]:
    """Have all of them approved, and return where."""
    answers = await asyncio.gather(
        *(
            client.sign(one.digest, one.repository, media_type=IMAGE, size=one.size)
            for one in images
        )
    )
    return {
        image: sorted(made.record.index for made in (answer, *answer.more))
        for image, answer in zip(images, answers, strict=True)
    }


def attached(images: list[Pushed]) -> dict[Pushed, list[int]]:
    """Return where in the ledger what is attached to each is; twice what is there twice."""
    with ThreadPoolExecutor(8) as pool:
        return dict(zip(images, pool.map(lambda one: one.attached, images), strict=True))


@pytest.mark.parametrize("down_s", [3, pytest.param(60, marks=LONG)])
def test_registry_down(outage: Outage, tmp_path: Path, down_s: float) -> None:
    """
    The registry is down for a while during 100 calls of Publish: all of it is attached afterwards,
    none twice; meanwhile each call is accepted, each image is shown with the reason, and its
    bundle is there for whoever asks the service.
    """
    world = found_in(tmp_path / "service", FORMS)
    configure(world, outage.address)
    images = pushed(outage, IMAGES)
    with publishing(world) as service:
        wanted = service.asking(lambda client: signed(client, images))

        async def publish(client: AsyncClient, some: list[Pushed]) -> list[Publication]:
            calls = [client.publish(one.repository, [one.digest]) for one in some]
            return [found for answer in await asyncio.gather(*calls) for found in answer]

        first = service.asking(lambda client: publish(client, images[:50]))
        outage.stop()
        down = time.monotonic()
        second = service.asking(lambda client: publish(client, images[50:]))
        assert IMAGES == len({one.id for one in (*first, *second)})
        late = images[-1]
        bundles = service.asking(lambda client: client.bundles(late.digest, late.repository))
        assert len(FORMS) == len(bundles)
        eventually(lambda: all(one.code for one in waiting(service)))
        assert 50 <= len(waiting(service))
        time.sleep(max(0.0, down + down_s - time.monotonic()))
        assert 50 <= len(waiting(service))
        assert {"registry-unreachable"} == {one.code for one in waiting(service)}
        outage.start()
        eventually(lambda: not waiting(service))
        states = {one.state for one in service.asking(lambda client: client.publications())}

    assert {"attached"} == states
    assert wanted == attached(images)


def waiting(service: InProcess) -> list[Publication]:
    return service.asking(lambda client: client.publications(waiting=True))


def test_killed(outage: Outage, tmp_path: Path) -> None:
    """
    A service that is killed in the middle goes on after the next start: all of it is attached,
    none twice.
    """
    world = init(tmp_path / "service")
    configure(world, outage.address)
    images = pushed(outage, 12, 2)
    with serving(world) as service:
        with service.client() as client:
            wanted = {one: approved(client, one) for one in images}
            for one in images:
                assert "waiting" == client.publish(one.repository, [one.digest])[0].state
        eventually(lambda: any(one.attached for one in images))
        service.process.kill()
        service.process.wait()
    with serving(world) as again:
        eventually(lambda: not again_waiting(again))

    assert wanted == attached(images)


def approved(client: Client, image: Pushed) -> list[int]:
    [answer] = client.sign_batch(
        image.repository, [Item(image.digest, image.size, IMAGE)], forms=FORMS
    )
    return sorted(made.record.index for made in (answer, *answer.more))  # type: ignore[union-attr]


def test_robot(tmp_path: Path) -> None:
    """
    Where the registry asks who we are, the service is its robot, and needs nobody's docker
    configuration; with a wrong secret it waits, and goes on once the right one is configured.
    """
    world = found_in(tmp_path / "service", FORMS)
    robot, wrong = tmp_path / "robot", world.directory / "robot"
    for path, secret in ((robot, "robot-secret"), (wrong, "nonsense")):
        path.write_text(f"robot:{secret}\n")
        path.chmod(0o600)
    program = _program(peers.docker_registry)
    with serving_registry(program, tmp_path, htpasswd=HTPASSWD) as address:
        configure(world, address, 'credential = "robot"')
        image = push(address, "team/app", 1, robot)
        with publishing(world) as service:
            signed = sign(service, image)
            found = publish(service, image)
            eventually(lambda: [one.code for one in waiting(service)] == ["registry-denied"])
            wrong.write_text("robot:robot-secret\n")
            assert 0 == service.command("publish", "retry", found.id).returncode
            eventually(lambda: not waiting(service))
            attached = sorted(map(place_of, image.found(robot).forms))

    assert signed == attached


def again_waiting(service: Process) -> int:
    with service.client() as client:
        return len(client.publications(waiting=True))
