"""The way down: a registry that takes for ever keeps nobody, and nothing is lost by it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from signer.publish.store import Store
from tests.registries.fake_referrers import Asked, FakeReferrersRegistry, Refusal
from tests.signer.asking import PATIENCE_S
from tests.signer.publish.publishing import configure, push
from tests.signer.running import serving
from tests.signer.world import init
from verifier.pull.images import IMAGE

# Ten times what the way down may take, and less than what a registry is given for an answer.
SOON_S = 50.0


class Stuck(FakeReferrersRegistry):
    """Once it is `stuck`, it takes layers and never says a word about them."""

    def __init__(self) -> None:
        super().__init__()
        self.stuck = threading.Event()
        self.asked = threading.Event()
        self.free = threading.Event()

    def refuses(self, asked: Asked) -> Refusal | None:
        if self.stuck.is_set() and asked.kind == "blobs":
            self.asked.set()
            self.free.wait(PATIENCE_S)
        return None

    def __exit__(self, *error: object) -> None:
        self.free.set()
        super().__exit__(*error)


def test_stuck(tmp_path: Path) -> None:
    """
    A service whose registry does not answer goes down in time, with all that waits for the next
    start; who waited for it is told how it is.
    """
    world = init(tmp_path / "service")
    with Stuck() as registry, ThreadPoolExecutor(1) as pool:
        configure(world, registry.address)
        image = push(registry.address, "team/app", 1)
        registry.stuck.set()
        with serving(world) as service, service.client() as client:
            client.sign(image.digest, image.repository, media_type=IMAGE, size=image.size)
            patient: Any = pool.submit(client.publish, image.repository, [image.digest], wait_s=60)
            assert registry.asked.wait(PATIENCE_S)
            began = time.monotonic()
            assert 0 == service.stop()
            assert SOON_S > time.monotonic() - began
            [told] = patient.result()
        with Store(world.directory / "publish.db") as store:
            [waits], _ = store.due(set(), {}, 10)

    assert ("waiting", told.id) == (told.state, waits.id)
