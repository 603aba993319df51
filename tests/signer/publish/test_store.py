"""What waits to be attached is durable, found once, and done with once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.store.connection import connect
from signer.errors import PublicationsError
from signer.publish.rows import Heal, Outcome, Publication, State
from signer.publish.store import Store
from tests.signer.asking import digest, refused
from verifier.pull.errors import NoImageError, RegistryUnreachableError
from verifier.repository import Repository

APP, OTHER = Repository("a.example/team/app"), Repository("a.example/team/other")
ELSEWHERE = Repository("a.example.net/team/app")
MOST = 100
DOWN = RegistryUnreachableError("nobody answers")
HOUR_MS = 3_600_000


class Clock:
    """A clock that is told what time it is."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(tmp_path / "publish.db", clock) as store:
        yield store


def due(store: Store, **resting: int) -> list[Publication]:
    found, _ = store.due(set(), {host.replace("_", "."): at for host, at in resting.items()}, MOST)
    return found


def listed(store: Store) -> list[Publication]:
    return store.listed(waiting=False, repository="", before=1 << 62, limit=MOST)


def state(store: Store, id_: int) -> State:
    [found] = store.get([id_])
    return found.state


def test_accepted_is_durable(tmp_path: Path, clock: Clock) -> None:
    """
    What was accepted is there after the process is gone, also what somebody had begun with.
    """
    store = Store(tmp_path / "publish.db", clock)
    ids = store.ask(APP, [digest(1), digest(2)], MOST)
    begun = due(store)
    store.close()

    with Store(tmp_path / "publish.db", clock) as again:
        assert ids == [one.id for one in due(again)] == [one.id for one in begun]


def test_asked_for_twice_is_one(store: Store) -> None:
    """
    An image that waits and is asked for once more waits once.
    """
    [first] = store.ask(APP, [digest(1)], MOST)

    assert [first] == store.ask(APP, [digest(1)], MOST)
    assert 1 == store.counts().waiting


def test_asked_for_meanwhile(store: Store) -> None:
    """
    What is asked for once more while it is attached is attached once more: what was signed
    meanwhile may not be there.
    """
    [id_] = store.ask(APP, [digest(1)], MOST)
    [tried] = due(store)
    store.ask(APP, [digest(1)], MOST)
    store.settle([Outcome(tried, (7,))])

    assert State.WAITING == state(store, id_)

    [again] = due(store)
    store.settle([Outcome(again, (7, 9))])

    assert State.ATTACHED == state(store, id_)
    assert (7, 9) == store.get([id_])[0].entries
    assert [] == due(store)


def test_full(store: Store) -> None:
    """
    When too much would wait nothing of it is taken, and what waits already still is.
    """
    store.ask(APP, [digest(n) for n in range(3)], 4)

    refused("publications-full", lambda: store.ask(APP, [digest(8), digest(9)], 4))
    assert 3 == store.counts().waiting
    assert 1 == len(store.ask(APP, [digest(0)], 3))


def test_one_repository_at_a_time(store: Store) -> None:
    """
    A repository that somebody works on is left alone, and the others are not.
    """
    store.ask(APP, [digest(1)], MOST)
    store.ask(OTHER, [digest(1)], MOST)
    first, _ = store.due(set(), {}, MOST)
    second, _ = store.due({first[0].repository}, {}, MOST)

    assert {APP, OTHER} == {first[0].repository, second[0].repository}
    assert ([], 0) == store.due({APP, OTHER}, {}, MOST)


def test_later(store: Store, clock: Clock) -> None:
    """
    What failed is tried again after its pause, and says why; others need not wait for it.
    """
    store.ask(APP, [digest(1)], MOST)
    [tried] = due(store)
    store.settle([Outcome(tried, (), NoImageError("it is not there"), 30_000)])

    assert ([], 30_000) == store.due(set(), {}, MOST)
    [found] = listed(store)
    assert (State.WAITING, 1, "no-image") == (found.state, found.attempts, found.code)

    [fresh] = store.ask(APP, [digest(2)], MOST)
    assert [fresh] == [one.id for one in due(store)]
    clock.now += 30
    assert {tried.id, fresh} == {one.id for one in due(store)}


def test_other_clock(store: Store, clock: Clock) -> None:
    """
    A clock that goes back by hours does not put anything off by hours.
    """
    store.ask(APP, [digest(1)], MOST)
    [tried] = due(store)
    store.settle([Outcome(tried, (), DOWN, 30_000)])
    clock.now -= 10_000

    assert [tried.id] == [one.id for one in due(store)]


def test_registry_rests(store: Store, clock: Clock) -> None:
    """
    While a registry rests nothing of it is tried and all of it says why; a registry whose name
    only begins alike is another.
    """
    store.ask(APP, [digest(1)], MOST)
    store.ask(OTHER, [digest(1)], MOST)
    [elsewhere] = store.ask(ELSEWHERE, [digest(1)], MOST)
    store.put_off("a.example", DOWN, 60_000)

    assert [elsewhere] == [one.id for one in due(store)]
    assert ["", DOWN.code, DOWN.code] == [one.code for one in listed(store)]

    store.wake("a.example", [DOWN.code])
    assert 3 == len({one.id for host in (APP, OTHER, ELSEWHERE) for one in of(store, host)})
    assert [elsewhere] == [one.id for one in due(store, a_example=int(clock.now * 1000) + 5_000)]


def of(store: Store, repository: Repository) -> list[Publication]:
    """Return what is due of one repository."""
    found, _ = store.due({APP, OTHER, ELSEWHERE} - {repository}, {}, MOST)
    return found


def test_dropped(store: Store, clock: Clock) -> None:
    """
    What was taken out is not tried any more, also when somebody is at it; it may be asked for anew.
    """
    [id_] = store.ask(APP, [digest(1)], MOST)
    [tried] = due(store)

    assert [id_] == store.change([id_], drop=True)
    store.settle([Outcome(tried, (), DOWN, 1)])
    clock.now += 1
    assert (State.DROPPED, []) == (state(store, id_), due(store))
    assert [id_] != store.ask(APP, [digest(1)], MOST)


def test_tried_at_once(store: Store) -> None:
    """
    An operator has what waits tried at once; what was refused too, by its id.
    """
    [id_] = store.ask(APP, [digest(1)], MOST)
    [tried] = due(store)
    store.settle([Outcome(tried, (), DOWN, 60_000)])
    assert [id_] == store.change([], drop=False)

    [again] = due(store)
    store.settle([Outcome(again, (3,), NoImageError("it is not there"))])
    [found] = store.get([id_])
    assert (State.REFUSED, (3,), 1) == (found.state, found.entries, store.counts().refused)
    assert [] == store.change([], drop=False)
    assert [id_] == store.change([id_], drop=False)
    assert [id_] == [one.id for one in due(store)]


def test_not_twice_by_retrying(store: Store) -> None:
    """
    What was refused is not tried again beside the same that waits.
    """
    [refused_] = store.ask(APP, [digest(1)], MOST)
    store.settle([Outcome(due(store)[0], (), DOWN)])
    [waits] = store.ask(APP, [digest(1)], MOST)

    assert [] == store.change([refused_], drop=False)
    assert [waits] == [one.id for one in due(store)]


def test_looked_at_again(store: Store, clock: Clock) -> None:
    """
    What is attached unasked waits for a moment of rest, and is looked at again as often as said,
    unless something newer of it does that.
    """
    heal = Heal(quiet_ms=1_000, longest_ms=10_000, looks=2)
    for n in range(30):  # somebody signs all the time
        assert (n >= 20) == bool(due(store))
        store.heal([(APP, digest(1))], heal, MOST, 5)
        clock.now += 0.5
    assert 5 == store.healed()
    [tried] = due(store)
    assert 2 == tried.looks
    for looks in (1, 0):
        store.settle([Outcome(tried, (1,), None, 3_000)])
        assert [] == due(store)
        clock.now += 3
        store.purge(0)
        [tried] = due(store)
        assert (State.ATTACHED, looks) == (tried.state, tried.looks)
    store.settle([Outcome(tried, (1,), None, 3_000)])
    store.heal([(APP, digest(1))], heal, MOST, 6)
    clock.now += 5

    assert [tried.id + 1] == [one.id for one in due(store)]


def test_forgotten(store: Store, clock: Clock) -> None:
    """
    What was done with is forgotten in time, and what waits never is.
    """
    store.ask(APP, [digest(1)], MOST)
    store.settle([Outcome(due(store)[0], (1,))])
    clock.now += 3_599
    store.ask(APP, [digest(2)], MOST)
    store.purge(HOUR_MS)
    assert 2 == len(listed(store))

    clock.now += 3_600
    store.purge(HOUR_MS)
    assert [State.WAITING] == [one.state for one in listed(store)]
    assert 3_600 == store.age_s(store.counts())


def test_not_ours(tmp_path: Path) -> None:
    """
    A database of another program is refused, and so is one that another process has open.
    """
    path = tmp_path / "publish.db"
    connection = connect(path, "rwc")
    connection.execute("CREATE TABLE mine (x)")
    connection.close()
    refused("publications", lambda: Store(path))
    path.unlink()

    with Store(path):
        refused("ledger-busy", lambda: Store(path))


def test_half_made(tmp_path: Path, clock: Clock) -> None:
    """
    A database that was being made when the process died is made, and nobody has to help.
    """
    path = tmp_path / "publish.db"
    path.touch()

    with Store(path, clock) as store:
        assert 1 == len(store.ask(APP, [digest(1)], MOST))


def test_closed(store: Store) -> None:
    """
    Whoever comes late, when the service is down already, gets an error and nothing else.
    """
    store.close()

    with pytest.raises(PublicationsError):
        store.ask(APP, [digest(1)], MOST)
