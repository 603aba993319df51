"""Working through what waits: one at a time in a repository, and registries that rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from signer.publish.hosts import Hosts
from signer.publish.rows import Outcome, Publication, State
from signer.publish.store import Store
from signer.publish.working import Tried, Working
from tests.signer.asking import digest, eventually
from verifier.pull.errors import NoImageError, RegistryUnreachableError
from verifier.repository import Repository

HOST = "a.example"
MOST = 1_000
DOWN = RegistryUnreachableError("nobody answers")


class FakeRegistry:
    """Stands for what attaches: counts calls, and may be down."""

    def __init__(self) -> None:
        self.down = False
        self.calls: list[tuple[str, int]] = []
        self.at_once: dict[str, int] = {}
        self.most_at_once = 0
        self._lock = threading.Lock()

    def __call__(
        self, repository: Repository, publications: Sequence[Publication]
    ) -> Iterator[Tried]:
        with self._lock:
            self.calls.append((repository, len(publications)))
            self.at_once[repository] = self.at_once.get(repository, 0) + 1
            self.most_at_once = max(self.most_at_once, self.at_once[repository])
        time.sleep(0.01)  # as a registry takes, in which another could come
        for one in publications:
            yield Tried(one, (), DOWN) if self.down else Tried(one, (1,))
        with self._lock:
            self.at_once[repository] -= 1


def repository(n: int) -> Repository:
    return Repository(f"{HOST}/team/app-{n}")


@contextmanager
def working(store: Store, registry: FakeRegistry, workers: int = 4) -> Iterator[Working]:
    made = Working(store, registry, workers=workers)
    made.start()
    try:
        yield made
    finally:
        assert made.stop(30)


def test_one_at_a_time(tmp_path: Path) -> None:
    """
    However many work, no repository has two at it, and every image is attached once.
    """
    registry = FakeRegistry()
    with Store(tmp_path / "publish.db") as store, working(store, registry) as made:
        for n in range(20):
            for image in range(10):
                store.ask(repository(n % 5), [digest(100 * n + image)], MOST)
                made.wake()
        eventually(lambda: not store.counts().waiting)

    assert 1 == registry.most_at_once
    assert 200 == made.attached == sum(count for _, count in registry.calls)


def test_down(tmp_path: Path) -> None:
    """
    A registry that is down is asked for one image now and then, and not for each that waits; what
    waits for it says so, and all of it goes on once it answers, also what was put off for long.
    """
    registry = FakeRegistry()
    registry.down = True
    with Store(tmp_path / "publish.db") as store:
        [id_] = store.ask(repository(0), [digest(999)], MOST)
        [late], _ = store.due(set(), {}, 1)
        store.settle([Outcome(late, (), DOWN, 500_000)])
        for n in range(50):
            store.ask(repository(n % 5), [digest(n)], MOST)
        with working(store, registry, workers=1) as made:
            eventually(lambda: len(registry.calls) > 2)
            first, *rest = (count for _, count in list(registry.calls))
            shown = {one.code for one in listed(store)}
            registry.down = False
            eventually(lambda: not store.counts().waiting)
            states = {one.state for one in listed(store)}

    assert first > 1
    assert {1} == set(rest)
    assert {DOWN.code} == shown
    assert {State.ATTACHED} == states
    assert 51 == made.attached
    assert id_ == late.id


def test_rest_is_one() -> None:
    """
    Those who asked at the same time learn together that a registry is down: it rests for a
    second then, and not for as many times as long.
    """
    hosts = Hosts(lambda: 0)
    assert 0 < hosts.failed(HOST) <= 1_000
    assert [0, 0, 0] == [hosts.failed(HOST) for _ in range(3)]
    assert hosts.begin(HOST)
    assert 1_000 <= hosts.failed(HOST) <= 2_000
    assert hosts.begin(HOST)
    assert hosts.answered(HOST)
    assert not hosts.begin(HOST)
    assert {} == hosts.resting


def test_given_up(tmp_path: Path) -> None:
    """
    What may pass is tried for an hour and then given up; what is none of the registry's fault, a
    bug of ours, is tried later, and not at once.
    """
    hour, now = 3_600, 1_000_000.0
    clock = [now]

    def missing(_: Repository, some: Sequence[Publication]) -> Iterator[Tried]:
        for one in some:
            yield Tried(one, (), NoImageError("it is not there"))

    def broken(_: Repository, some: Sequence[Publication]) -> Iterator[Tried]:
        raise ZeroDivisionError

    for attach, state in ((missing, State.REFUSED), (broken, State.WAITING)):
        path = tmp_path / f"{attach.__name__}.db"
        with Store(path, lambda: clock[0]) as store:
            [id_] = store.ask(repository(1), [digest(1)], MOST)
            made = Working(store, attach, workers=1, clock=lambda: clock[0])
            made.start()
            eventually(lambda store=store: listed(store)[0].attempts == 1)
            assert State.WAITING == listed(store)[0].state
            clock[0] += hour + 1
            made.wake()
            eventually(lambda store=store: listed(store)[0].attempts >= 2)
            assert made.stop(30)
            assert (id_, state) == (listed(store)[0].id, listed(store)[0].state)


def listed(store: Store) -> list[Publication]:
    return store.listed(waiting=False, repository="", before=1 << 62, limit=MOST)
