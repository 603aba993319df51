"""status.json: made by the service, signed by its status key, and never older than before."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from signer.keys.memory import MemoryKey
from tests.signer.asking import eventually, refused
from tests.signer.commands import check_refused
from tests.signer.revoking import Key, not_revoked, revocations, revoke, sign, status
from tests.signer.running import InProcess, running, start_refused
from tests.signer.world import World, found_in
from verifier.trust.signed import SignedFile
from verifier.trust.status import PAYLOAD_TYPE, Mark, Status, StatusPayload


def file(world: World) -> Path:
    """Return where the status file is."""
    return world.directory / "status.json"


def key(world: World) -> MemoryKey:
    """Return the status key."""
    return MemoryKey.load(world.directory / "keys" / "status.pem")


def forge(world: World, change: Callable[[StatusPayload], StatusPayload]) -> None:
    """Put another file, by the same key, in the place of the status file."""
    payload = change(status(world).payload)
    file(world).write_bytes(payload.sealed(key(world)))


def test_from_the_start(world: World) -> None:
    """
    A new service has a status file before it ever runs: nothing is revoked, and it is of now.
    """
    payload = status(world).payload

    assert ("ledger.example", (), 0o644) == (
        payload.origin,
        payload.revocations,
        file(world).stat().st_mode & 0o777,
    )
    assert payload.version // 1000 == payload.issued == payload.marks[-1].time
    assert 1 == payload.marks[-1].tree_size
    assert 2 * 3600 == payload.next_update - payload.issued
    assert abs(time.time() - payload.issued) < 3600


def test_signed_by_the_root(world: World) -> None:
    """
    The trust file is signed by its root key, which is in no other file than its own.
    """
    root = MemoryKey.load(world.directory / "keys" / "trust-root.pem").public
    trust = world.trust

    assert trust == trust.successor((world.directory / "trust.json").read_bytes())
    assert trust.roots is not None
    assert (1, [root]) == (trust.roots.threshold, list(trust.roots.keys.values()))


def test_start_makes_it_anew(world: World) -> None:
    """
    Each start makes a file that follows the one before, with the newest checkpoint and its mark.
    """
    first = status(world)
    with running(world) as service:
        second = first.successor(file(world).read_bytes(), world.trust)
        sign(service, 1)
    with running(world):
        third = second.successor(file(world).read_bytes(), world.trust)

    assert first.payload.version < second.payload.version < third.payload.version
    # The signature, and the segment of the audit trail that tells of it.
    assert 3 == third.endorsed.checkpoint.tree_size
    assert third.payload.issued == third.payload.marks[-1].time


def test_in_time(world: World) -> None:
    """
    A service that runs makes its file anew in time, each following the one before, and promises
    the next one within twice that time.
    """
    world.edit('status = "status.json"', 'status = "status.json"\nstatus_every_s = 0.05')
    with running(world) as service:
        signed = sign(service, 1)
        seen = status(world)
        eventually(lambda: status(world).payload.version > seen.payload.version + 1)
        now = seen.successor(file(world).read_bytes(), world.trust)

    assert signed.record.index < now.endorsed.checkpoint.tree_size
    assert 1 == now.payload.next_update - now.payload.issued


def test_lost(world: World) -> None:
    """
    A lost file is made anew of the ledger: what was revoked is in it, the marks are of the
    entries' own dates, and its version is not lower than the lost one's.
    """
    with running(world) as service:
        sign(service, 1)
        revoke(service, entry=1)
    lost = status(world)
    file(world).unlink()
    with running(world):
        found = lost.successor(file(world).read_bytes(), world.trust)

    assert [one.statement for one in lost.payload.revocations] == [
        one.statement for one in found.payload.revocations
    ]
    assert Mark(1, lost.payload.marks[0].time) == found.payload.marks[0]
    assert found.payload.issued == found.payload.marks[-1].time


@pytest.mark.parametrize("wrong", ["lacks one", "has one more"])
def test_the_ledger_is_the_truth(world: World, wrong: str) -> None:
    """
    A file that lacks what was revoked, or has what never was, is made anew from the ledger.
    """
    with running(world) as service:
        sign(service, 1)
        revoke(service, "right", entry=1)
    right = status(world).payload.revocations
    if wrong == "lacks one":
        forge(world, lambda payload: payload._replace(revocations=()))
    else:
        more = right[0]._replace(index=9, reason="wrong")
        forge(world, lambda payload: payload._replace(revocations=(*right, more)))
    with running(world):
        found = revocations(world)

    assert [one.statement for one in right] == [one.statement for one in found]


def test_version_of_the_future(world: World) -> None:
    """
    A version that is ahead of the clock goes on from there.
    """
    ahead = int(time.time() * 1000) + 10**9
    forge(world, lambda payload: payload._replace(version=ahead))
    with running(world) as service:
        versions = [revoke(service, key=Key(name="release")).status_version for _ in range(3)]

    assert [ahead + 2, ahead + 3, ahead + 4] == versions


def other_key(world: World) -> None:
    """Sign it with a key that the trust file does not know."""
    file(world).write_bytes(status(world).payload.sealed(MemoryKey.generate("ecdsa-p256")))


def event_key(world: World) -> None:
    """Sign it with a key of ours that is not for this."""
    own = MemoryKey.load(world.directory / "keys" / "event.pem")
    file(world).write_bytes(status(world).payload.sealed(own))


def other_ledger(world: World) -> None:
    """Let it be about another ledger."""
    forge(world, lambda payload: payload._replace(origin="ledger.elsewhere"))


def spoiled(world: World) -> None:
    """Change one byte of what is signed."""
    signed = SignedFile.parse(file(world).read_bytes(), PAYLOAD_TYPE, 1 << 20)
    payload = signed.payload.replace(b'"version": 1', b'"version": 2')
    file(world).write_bytes(signed._replace(payload=payload).json())


def cut(world: World) -> None:
    """Cut it short."""
    file(world).write_bytes(file(world).read_bytes()[:-10])


def directory(world: World) -> None:
    """Put something else in its place."""
    file(world).unlink()
    file(world).mkdir()


@pytest.mark.parametrize("change", [other_key, event_key, other_ledger, spoiled, cut, directory])
def test_not_ours(world: World, change: Callable[[World], None]) -> None:
    """
    A service does not start on a status file that is not its own, says which, and leaves it.
    """
    change(world)
    before = file(world).read_bytes() if file(world).is_file() else None

    assert "status" in start_refused(world, "status-file")
    assert before == (file(world).read_bytes() if file(world).is_file() else None)
    said = check_refused(world.spawn("serve"), "status-file")
    assert "move it away" in said


def test_hole_in_the_ledger(world: World) -> None:
    """
    A revocation that the store does not show is missed by the next one, and the start refused.
    """

    def hide(service: InProcess) -> None:
        store = service.ledger.store
        search = store.search
        hidden = lambda *asked: [i for i in search(*asked) if i != 1]  # noqa: E731
        store.search = hidden  # type: ignore[method-assign]

    with running(world) as service:
        revoke(service, key=Key(name="release"))
        revoke(service, key=Key(name="attest"))
        hide(service)
        refused("ledger-damaged", lambda: _again(service))


def _again(service: InProcess) -> None:
    from signer.status.in_force import InForce

    InForce(service.ledger)


def test_file_that_cannot_be_written(world: World) -> None:
    """
    When the file cannot be written, the caller is told that the revocation is logged and
    honoured; the same call again, with room, answers with it.
    """
    with running(world) as service:
        sign(service, 1)
        (world.directory / "status.json.new").mkdir()
        said = not_revoked(service, "status-file", entry=1)
        refused("revoked", lambda: sign(service, 1))
        (world.directory / "status.json.new").rmdir()
        answer = revoke(service, entry=1)

        assert "cannot write" in said
        assert (2, True) == (answer.index, answer.known)
        assert 3 == service.tree_size
        assert 1 == len(revocations(world))


def test_written_in_the_end(world: World) -> None:
    """
    What could not be written at once is written as soon as it can be, without being asked.
    """
    world.edit('status = "status.json"', 'status = "status.json"\nstatus_every_s = 0.05')
    with running(world) as service:
        (world.directory / "status.json.new").mkdir()
        not_revoked(service, "status-file", key=Key(name="release"))
        (world.directory / "status.json.new").rmdir()
        eventually(lambda: revocations(world))


def test_served(world: World) -> None:
    """
    The file is handed out as it is on the disk, also right after a revocation, and no cache may
    keep it unasked.
    """
    with running(world) as service, httpx.Client(base_url=f"http://{service.addresses.http}") as h:
        revoke(service, key=Key(name="release"))
        answer = h.get("/v1/status.json")

        assert file(world).read_bytes() == answer.content
        assert (200, "application/json", "no-cache") == (
            answer.status_code,
            answer.headers["content-type"],
            answer.headers["cache-control"],
        )
        assert 1 == len(Status.parse(answer.content, world.trust).payload.revocations)


def test_policy_is_served(world: World) -> None:
    """
    A policy is handed out when there is one, and the service need not follow it.
    """
    with running(world) as service, httpx.Client(base_url=f"http://{service.addresses.http}") as h:
        assert 404 == h.get("/v1/policy.toml").status_code
    policy = world.directory / "policy.toml"
    policy.write_text("# what an image needs\n")
    world.edit('# policy = "policy.toml"', 'policy = "policy.toml"')
    with running(world) as service, httpx.Client(base_url=f"http://{service.addresses.http}") as h:
        answer = h.get("/v1/policy.toml")

        assert (policy.read_bytes(), "application/toml") == (
            answer.content,
            answer.headers["content-type"],
        )


def test_policy_that_is_not_pinned(world: World) -> None:
    """
    A service does not hand out another policy than the one that its trust file pins.
    """
    policy = world.directory / "policy.toml"
    policy.write_text("# what an image needs\n")
    world.edit('# policy = "policy.toml"', 'policy = "policy.toml"')
    pinned = hashlib.sha256(policy.read_bytes()).digest()
    trust = world.trust._replace(policy_sha256=pinned)
    (world.directory / "trust.json").write_bytes(trust.json())
    with running(world) as service:
        assert service.tree_size
    policy.write_text("# what another image needs\n")
    start_refused(world, "policy-mismatch")
    policy.unlink()

    start_refused(world, "config")


def test_without_a_line_in_the_configuration(world: World) -> None:
    """
    A service whose configuration is of an earlier version keeps its status file too.
    """
    text = world.config.read_text()
    world.config.write_text(
        "".join(f"{line}\n" for line in text.splitlines() if not line.startswith('status = "st'))
    )
    file(world).unlink()
    with running(world):
        assert () == revocations(world)


def test_bundles_while_nothing_is_published(world: World) -> None:
    """
    A revocation that is durable and not published yet is carried without its proof, and with it
    as soon as it is published; the key signs nothing more from the first moment on.
    """
    with running(world) as service:
        published = service.ledger._published
        revoke(service, key=Key(name="release"))
        service.ledger._published = published
        [bare] = service.server._status.make().revocations
        newest = service.ledger.publish if service.ledger._publication else None

        assert newest is None
        assert (b"{}", 1) == (bare.bundle, bare.index)
        refused("revoked", lambda: sign(service, 1))
        answer = revoke(service, key=Key(name="attest"))
        assert 2 == answer.index
        assert all(one.bundle != b"{}" for one in revocations(world))


def test_two_services(tmp_path: Path) -> None:
    """
    The status file of another service, of the same origin, is not taken.
    """
    ours, theirs = found_in(tmp_path / "ours"), found_in(tmp_path / "theirs")
    file(ours).write_bytes(file(theirs).read_bytes())

    start_refused(ours, "status-file")
