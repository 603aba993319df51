"""Reload: all that changed comes into force, logged before, or nothing does."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from ledger.errors import StorageFullError
from ledger.store import Store
from signer.configuring.logged import EVENT, history
from signer.events import Events
from signer.keys.memory import MemoryKey
from tests.signer.agreeing import approve, needed, people
from tests.signer.asking import REPOSITORY, digest, eventually, refused
from tests.signer.commands import ROOT
from tests.signer.config.changing import add, changed, logged, newest, not_reloaded, reload
from tests.signer.running import InProcess, running, serving, start_refused
from tests.signer.world import World, found_in

PROTECT = f'[[protected]]\nunder = "{REPOSITORY}"\napprovals = 1\n'
BINDING = '[[bindings]]\nrole = "runtime"\nfrom = ["127.0.0.0/8"]\n'
POLICY = 'type = "urn:sealbook:policy:v1"\n[[images]]\nunder = "*"\napproval = {}\n'
END = "# [mirror]"  # after every section

MAY_CHANGE = {
    "access.allow": ("[access]\n", '[access]\nallow = ["127.0.0.0/8"]\n'),
    "access.proxies": ("[access]\n", '[access]\nproxies = ["127.0.0.9/32"]\n'),
    "access.deny_certificates": (
        "[access]\n",
        f'[access]\ndeny_certificates = ["{"ab" * 32}"]\n',
    ),
    "access.session_s": ("[access]\n", "[access]\nsession_s = 600\n"),
    "access.rate": ("[access]\n", "[access]\nrate.each_burst = 77\n"),
    "approvers.dora": (END, f'[approvers.dora]\nkey = "dora.pub"\n{END}'),
    "bindings": (END, f"{BINDING}{END}"),
    "key_changes": (END, f"[key_changes]\napprovals = 2\n{END}"),
    "protected": (END, f"{PROTECT}{END}"),
    "trail": (END, f"[trail]\nretain_days = 400\n{END}"),
    "trust.policy": ('# policy = "', 'policy = "'),
    "warn": (END, f"[warn]\ndays = 5\n{END}"),
}
TAKES_A_RESTART = {
    "access.database": ("[access]\n", '[access]\ndatabase = "other.db"\n'),
    "anchor.timeout_s": (END, f"[anchor]\ntimeout_s = 1\n{END}"),
    "at_rest": (END, f'[at_rest]\nkey = "file:keys/seal"\n{END}'),
    "keys.event": ('event = "file:keys/event.pem"', 'event = "file:keys/attest.pem"'),
    "ledger.anchor_sync": ("[ledger]\n", '[ledger]\nanchor_sync = "each-second"\n'),
    "listen.grpc": ('grpc = "127.0.0.1:0"', 'grpc = "127.0.0.1:1"'),
    "listen.reflection": ("[listen]\n", "[listen]\nreflection = true\n"),
    "mirror.deadline_s": (END, f"[mirror]\ndeadline_s = 1\n{END}"),
    "origin": ('origin = "ledger.example"', 'origin = "other.example"'),
    "signing.keys.release.forms": ('forms = ["bundle"]', 'forms = ["certificate"]'),
    "signing.overlap_s": ("[signing]\n", "[signing]\noverlap_s = 1\n"),
    "trail.directory": (END, f'[trail]\ndirectory = "other"\n{END}'),
    "trust.status_every_s": ("[trust]\n", "[trust]\nstatus_every_s = 1\n"),
    "witnesses.fail": (END, f'[witnesses]\nfail = "open"\n{END}'),
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service whose configuration each test puts back."""
    world = found_in(tmp_path_factory.mktemp("reload") / "service")
    people(world)
    (world.directory / "policy.toml").write_text(POLICY)
    (world.directory / "dora.pub").write_bytes(MemoryKey.generate("ed25519").public.pem())
    with running(world) as service:
        yield service


def test_nothing_changed(shared: InProcess) -> None:
    """
    What says the same as before is no change, and no event.
    """
    before = logged(shared)
    with changed(shared, ("[access]\n", "# a comment\n[access]\nsession_s = 900\n")):
        assert (False, None, []) == reload(shared)

    assert before == logged(shared)


@pytest.mark.parametrize("section", MAY_CHANGE)
def test_what_may_change(shared: InProcess, section: str) -> None:
    """
    What may change while the service runs is in force at once, and logged as `show` prints it.
    """
    before = newest(shared)
    with changed(shared, MAY_CHANGE[section]):
        done = reload(shared)
        assert section in done.sections
        index, content = logged(shared)[-1]
        assert index == done.index
        assert content == json.loads(shared.command("config", "show", "--json").stdout)
    assert section in reload(shared).sections
    assert before == newest(shared)


@pytest.mark.parametrize("setting", TAKES_A_RESTART)
def test_what_takes_a_restart(shared: InProcess, setting: str) -> None:
    """
    What a running service cannot follow is refused by its name, with all that came with it.
    """
    before = logged(shared)
    with changed(shared, (END, f"{PROTECT}{END}"), TAKES_A_RESTART[setting]):
        assert setting in not_reloaded(shared, "config-restart")
    with shared.client() as client:
        client.sign(digest(shared.tree_size), REPOSITORY)  # which nobody protects

    assert before == logged(shared)


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        ((END, f"[warns]\n{END}"), "config"),
        ((END, f"[protected\n{END}"), "config"),
        ((END, f'[approvers.eve]\nkey = "eve.pub"\n{END}'), "config"),
        ((END, f'[approvers.eve]\nkey = "alice.pub"\n{END}'), "config"),
        ((END, f'[[bindings]]\nrole = "developer"\nfrom = ["127.0.0.0/8"]\n{END}'), "config"),
        ((END, f'[[bindings]]\nrole = "publisher"\nissuer = "x"\nclaims.a = "b"\n{END}'), "config"),
        ((END, f'[[gates]]\nunder = "*"\ndemand = ["requester"]\n{END}'), "config"),
        (('token = "token"', 'token = "none"'), "key-file"),
        (('# policy = "policy', 'policy = "none'), "config"),
        (("[access]\n", '[access]\nallow = ["10.0.0.1/8"]\n'), "config"),
    ],
)
def test_what_cannot_be_loaded(shared: InProcess, edit: tuple[str, str], code: str) -> None:
    """
    A file that a start would refuse leaves all as it was, and the metric says so until it is right.
    """
    before = logged(shared)
    with changed(shared, (END, f"{PROTECT}{END}"), edit):
        not_reloaded(shared, code)
        refused(code, partial(reload_by_call, shared))
        assert 1 == refused_metric(shared)
    with shared.client() as client:
        client.sign(digest(shared.tree_size), REPOSITORY)
    assert before == logged(shared)
    assert not reload(shared).changed
    assert 0 == refused_metric(shared)


def reload_by_call(service: InProcess) -> None:
    """Call ReloadConfig without reading the file first, as the command does."""
    from signer.client import Client
    from signer.v1 import operator_pb2 as pb

    with Client(f"unix:{service.directory / 'run' / 'operator.sock'}") as admin:
        admin.call(
            "/sealbook.v1.Operator/ReloadConfig", pb.ReloadConfigRequest(), pb.ReloadConfigResponse
        )


def refused_metric(service: InProcess) -> float:
    """Return what the metric says."""
    text = httpx.get(f"http://{service.addresses.http}/metrics").text
    [line] = [one for one in text.splitlines() if one.startswith("sealbook_config_refused ")]
    return float(line.split()[1])


def test_nothing_counts_that_is_not_logged(
    shared: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A configuration that the ledger does not take is not in force.
    """
    record = Events.record

    async def full(self: Events, kind: str, *args: object, **more: object) -> object:
        if kind == EVENT:
            raise StorageFullError("no space left")
        return await record(self, kind, *args, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched, changed(shared, (END, f"{PROTECT}{END}")):
        patched.setattr(Events, "record", full)
        not_reloaded(shared, "storage-full")
        with shared.client() as client:
            client.sign(digest(9000), REPOSITORY)
        patched.undo()
        assert ["protected"] == reload(shared).sections
        with shared.client() as client:
            refused("approval-needed", partial(client.sign, digest(9001), REPOSITORY))
    reload(shared)


def test_token(shared: InProcess) -> None:
    """
    A token that was replaced is nobody's after a reload, and no trace of either can be guessed.
    """
    path = shared.directory / "token"
    old = path.read_text()
    path.write_text("sealbook_" + "n" * 43 + "\n")
    before = newest(shared)["files"]["access.token"]
    assert ["files.access.token"] == reload(shared).sections
    after = newest(shared)["files"]["access.token"]
    with shared.client() as client:
        refused("unauthenticated", partial(client.sign, digest(1), REPOSITORY))
    path.write_text(old)
    reload(shared)
    with shared.client() as client:
        client.sign(digest(1), REPOSITORY)

    assert before == newest(shared)["files"]["access.token"]
    assert before != after


def test_policy_in_force(shared: InProcess) -> None:
    """
    A policy is handed out, and kept in full, as it was when it was loaded.
    """
    url = f"http://{shared.addresses.http}/v1/policy.toml"
    file = shared.directory / "policy.toml"
    assert 404 == httpx.get(url).status_code
    with changed(shared, ('# policy = "', 'policy = "')):
        reload(shared)
        file.write_text(POLICY + "# changed\n")
        assert POLICY == httpx.get(url).text == newest(shared)["policy"]
        assert ["policy"] == reload(shared).sections
        assert POLICY + "# changed\n" == httpx.get(url).text == newest(shared)["policy"]
    file.write_text(POLICY)
    reload(shared)
    assert 404 == httpx.get(url).status_code


def test_there_and_back(world: World) -> None:
    """
    A, then B, then A again are three events, each naming the one before; a restart adds none.
    """
    with running(world) as service:
        with changed(world, (END, f"{BINDING}{END}")):
            reload(world)
        reload(world)
        known = logged(service)
    with running(world) as service:
        assert [0, 1, 2] == [index for index, _ in known]
        assert known == logged(service)


def test_missing_event(world: World) -> None:
    """
    A store that does not show one of them is found out by the next one.
    """

    class Hiding(NamedTuple):
        store: Store

        def search(self, *args: Any) -> list[int]:
            return [index for index in self.store.search(*args) if index != 1]

        def __getattr__(self, name: str) -> Any:
            return getattr(self.store, name)

    with running(world) as service:
        with changed(world, (END, f"{BINDING}{END}")):
            reload(world)
        reload(world)
        ledger = service.ledger
        assert 3 == len(list(history(ledger.store, ledger.bodies, 3)))
        refused("ledger-damaged", lambda: list(history(Hiding(ledger.store), ledger.bodies, 3)))


def test_file_that_only_a_start_reads(world: World) -> None:
    """
    A certificate that was replaced is not in force before a restart, and is not said to be.
    """
    path = world.directory / "certificates" / "release.pem"
    with running(world) as service:
        before = newest(service)["files"]
        path.write_bytes(path.read_bytes() + b"\n")
        assert not reload(world).changed
        add(world, BINDING)
        assert ["bindings"] == reload(world).sections
        assert before == newest(service)["files"]
    with running(world) as service:
        assert before != newest(service)["files"]


def test_changed_while_it_stood_still(world: World) -> None:
    """
    What changed while the service was down is logged before the first call is answered.
    """
    with running(world):
        pass
    add(world, BINDING)
    with running(world) as service, service.client() as client:
        signed = client.sign(digest(1), REPOSITORY)
        [_, (index, content)] = logged(service)

    assert index < signed.record.index
    assert [{"role": "runtime", "from": ["127.0.0.0/8"]}] == content["config"]["bindings"]


def test_start_without_a_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A service whose changed configuration cannot be logged does not start.
    """

    async def full(*_: object, **__: object) -> object:
        raise StorageFullError("no space left")

    monkeypatch.setattr(Events, "record", full)
    with running(world):
        pass
    add(world, BINDING)

    start_refused(world, "storage-full")


def test_frozen(world: World) -> None:
    """
    A frozen ledger takes no event; who may read may still change.
    """
    with running(world) as service:
        done = service.command("ledger", "freeze", "--origin", "ledger.example", "--reason", "end")
        assert 0 == done.returncode, done.stderr
        add(world, BINDING)
        assert (True, None, ["bindings"]) == reload(world)
    with running(world) as service:
        assert [0] == [index for index, _ in logged(service)]


def test_signal(world: World) -> None:
    """
    SIGHUP does the same, in a process of its own: for good or bad, it goes on.
    """
    with serving(world) as service, service.client() as client:
        add(world, "[oops]")
        os.kill(service.process.pid, signal.SIGHUP)
        eventually(lambda: "not loaded again" in service.log.read_text())
        client.sign(digest(1), REPOSITORY)
        text = world.config.read_text().replace("[oops]", BINDING)
        world.config.write_text(text)
        os.kill(service.process.pid, signal.SIGHUP)
        eventually(lambda: "was loaded again" in service.log.read_text())

        client.sign(digest(2), REPOSITORY)


def test_large(world: World) -> None:
    """
    A configuration that fits into no row of the database is kept all the same, and found again.
    """
    with running(world) as service:
        add(world, "".join(bound(n) for n in range(600)))
        reload(world)
        index, content = logged(service)[-1]
        assert 600 == len(content["config"]["bindings"])
        assert service.ledger.row(index).body_size > 64 << 10
    with running(world) as service:
        assert (index, content) == logged(service)[-1]
    assert 0 == world.command("fsck").returncode


def bound(n: int) -> str:
    """Return one binding of many."""
    return (
        f'[[bindings]]\nrole = "developer"\nrepository = "registry.bank/team-{n}/**"\n'
        f'certificate = "spiffe://bank.example/ci/team-{n}"\n'
    )


@pytest.fixture
def agreed(tmp_path: Path) -> World:
    """A service where what is under REPOSITORY needs one of three persons."""
    world = found_in(tmp_path / "service")
    people(world)
    add(world, PROTECT)
    return world


def test_approver_lost_the_role(agreed: World) -> None:
    """
    Who approved, and is no approver any more when it comes to signing, does not count (R6).
    """
    text = agreed.config.read_text()
    alice = '[approvers.alice]\nkey = "alice.pub"\n'
    with running(agreed) as service, service.client() as client:
        sign = partial(client.sign, digest(1), REPOSITORY)
        approve(service, client, needed(refused("approval-needed", sign)), "alice")
        assert alice in text
        agreed.config.write_text(text.replace(alice, ""))
        reload(agreed)
        assert "0 of 1" in refused("approval-needed", sign).message
        refused("unknown-approver", lambda: approve(service, client, open_request(client), "alice"))
        approve(service, client, open_request(client), "bob")

        sign()


def test_approver_with_another_key(agreed: World) -> None:
    """
    An approval by a key that its person has no more does not count; one by the new key does.
    """
    with running(agreed) as service, service.client() as client:
        sign = partial(client.sign, digest(1), REPOSITORY)
        approve(service, client, needed(refused("approval-needed", sign)), "alice")
        key = MemoryKey.generate("ed25519")
        (agreed.directory / "alice.pub").write_bytes(key.public.pem())
        assert ["files.approvers.alice.key"] == reload(agreed).sections
        assert "0 of 1" in refused("approval-needed", sign).message
        (agreed.directory / "alice.key").unlink()
        key.save(agreed.directory / "alice.key")
        approve(service, client, open_request(client), "alice")

        sign()


def test_example_key(world: World) -> None:
    """
    A person's key that everybody has is refused later, too, unless examples are wanted.
    """
    shutil.copy(ROOT / "keys-example" / "attest.pub", world.directory / "eve.pub")
    with running(world) as service:
        service.server.refuse_example_keys()
        add(world, '[approvers.eve]\nkey = "eve.pub"\n')

        not_reloaded(world, "example-key")


def open_request(client: object) -> str:
    """Return the id of the one open request."""
    [one] = client.requests()  # type: ignore[attr-defined]
    id_: str = one.id
    return id_
