"""A service that dies at each step of its audit trail: what was signed was decided, and is told."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import grpc
import httpx
import pytest

from ledger.store.files import path_in
from ledger.store.sqlite import SqliteStore
from signer.audit_trail.evidence import Evidence, StoredEntries
from signer.audit_trail.folder import Folder
from signer.audit_trail.lines import Line
from signer.audit_trail.verifying import Checking, Report
from tests.crash.caller import Caller
from tests.crash.dying import EXIT_CODE
from tests.crash.injecting import Fault, failing
from tests.crash.service import Service
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.note import Note

FIRST, LAST = Digest.of(b"first"), Digest.of(b"last")
_OFTEN = "\n[trail]\nsegment_s = 0.2\n"
# Where it dies, and what is known of the last decision then: nothing, that it was made, or all.
STEPS = {
    "half-line": "nothing",
    "decided": "not-logged",
    "synced": "not-logged",
    "committed": "recovered",
    "told": "recovered",
    "written": "told",
    "closing": "told",
    "finished": "told",
    "logged": "told",
}


def checked(service: Service) -> tuple[list[str], Report]:
    """Check the trail of a service that does not run."""
    store = SqliteStore(path_in(service.config.home.directory), read_only=True)
    try:
        evidence = Evidence(StoredEntries(store))
        checking = Checking(Folder(service.directory / "trail"), evidence)
        return [str(finding) for finding in checking.findings()], checking.report()
    finally:
        store.close()


def lines(service: Service) -> list[Line]:
    """Return the lines of its trail."""
    folder = Folder(service.directory / "trail")
    return [
        Line.parse(raw.removesuffix(b"\n"))
        for segment in folder.segments()
        for raw in folder.lines(segment)
    ]


async def sign(service: Service, digest: Digest) -> None:
    """Have a digest signed."""
    async with Caller(service) as caller:
        await caller.sign(digest)


async def sign_in_vain(service: Service) -> None:
    """Ask for the last digest, during or after which the service dies."""
    async with Caller(service) as caller:
        try:
            await caller.sign(LAST)
        except grpc.aio.AioRpcError as e:
            assert grpc.StatusCode.UNAVAILABLE == e.code()  # noqa: PT017  it may be answered, too
    assert EXIT_CODE == service.wait(), service.log()[-4000:]


@pytest.mark.parametrize(("step", "known"), STEPS.items())
def test_death_at(tmp_path: Path, step: str, known: str) -> None:
    """
    A service that dies at a step of its trail has no entry without a decision. Whoever starts it
    again finds an outcome for each decision, one decision for each entry, and every finished
    segment in the ledger, once.
    """
    often = _OFTEN if step in ("closing", "finished", "logged") else ""
    with Service(tmp_path / "service", more=often) as service:
        service.start((sys.executable, "-m", "tests.crash.dying_trail", step, "2"))
        asyncio.run(sign(service, FIRST))
        asyncio.run(sign_in_vain(service))

        findings, report = checked(service)
        assert [] == findings
        waiting = known in ("not-logged", "recovered")
        assert waiting == bool(report.under_way)

        service.start()
        asyncio.run(sign(service, LAST))
        assert 0 == service.stop()
        findings, report = checked(service)
        assert [] == findings
        assert () == report.under_way
        assert report.decisions == report.outcomes
        assert report.unlogged_from is None
        told = lines(service)
        cleared = [line.fields for line in told if line.fields.get("recovered")]
        if waiting:
            [outcome] = cleared
            assert ("not-logged" if known == "not-logged" else None) == outcome.get("code")
        else:
            assert [] == cleared
        cut = [line.fields.get("cut") for line in told if line.head.kind == "recovered"]
        assert (known == "nothing") == bool(cut)


@pytest.mark.parametrize("syscall", ["write", "fdatasync"])
def test_io_error(tmp_path: Path, syscall: str) -> None:
    """
    Once a write or a sync of the trail fails, nothing is signed any more, however often somebody
    asks, and the service says that it is not ready; what reads goes on. Started again it signs,
    and all is told.
    """
    with Service(tmp_path / "service") as service:
        service.start()
        asyncio.run(sign(service, FIRST))
        before = asyncio.run(tree_size(service))
        with failing(service, Fault("trail", syscall, 1), tmp_path / "trace") as trace:
            asyncio.run(refused(service))
            asyncio.run(refused(service))
            ready = httpx.get(f"http://{service.addresses.http}/readyz")
            assert 503 == ready.status_code
            assert before == asyncio.run(tree_size(service))
            service.kill()
        assert 1 == trace.injected

        service.start()
        asyncio.run(sign(service, LAST))
        assert 0 == service.stop()
        findings, report = checked(service)
        assert [] == findings
        assert () == report.under_way
        assert before + 1 == report.tree_size - report.segments + 1


def test_no_space(tmp_path: Path) -> None:
    """
    A decision for which there is no space is taken back: nothing is signed, and it is signed once
    there is space again.
    """
    with Service(tmp_path / "service") as service:
        service.start()
        asyncio.run(sign(service, FIRST))
        with failing(service, Fault("trail", "write", 1, "ENOSPC"), tmp_path / "trace") as trace:
            asyncio.run(refused(service))
            asyncio.run(sign(service, LAST))
            service.kill()
        assert 1 == trace.injected

        service.start()
        assert 0 == service.stop()
        findings, report = checked(service)
        assert [] == findings
        assert report.decisions == report.entries
        assert 2 == sum(line.fields.get("what") == "sign" for line in lines(service))


async def refused(service: Service) -> None:
    """Ask for the last digest, and see that the trail is the reason why it is not signed."""
    async with Caller(service) as caller:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await caller.sign(LAST)
    trailing = dict(caught.value.trailing_metadata() or ())
    assert (grpc.StatusCode.UNAVAILABLE, "audit-trail") == (
        caught.value.code(),
        trailing["sealbook-code"],
    )


async def tree_size(service: Service) -> int:
    """Return how many entries its readers see."""
    async with Caller(service) as caller:
        return Checkpoint.parse(Note.parse(await caller.checkpoint()).text).tree_size


def test_killed_again_and_again(tmp_path: Path) -> None:
    """
    A service that is killed under load, and again before it had time to tell of that, still has
    one outcome for each decision, and one decision for each entry.
    """

    async def load() -> None:
        async with Caller(service) as caller:
            calls = [
                asyncio.ensure_future(caller.sign(Digest.of(b"%d %d" % (turn, n))))
                for n in range(40)
            ]
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            service.kill()
            await asyncio.gather(*calls, return_exceptions=True)

    with Service(tmp_path / "service", more=_OFTEN) as service:
        for turn in range(2):  # noqa: B007  `load` has it in its digests
            service.start()
            asyncio.run(load())
            assert [] == checked(service)[0]
        service.start()
        assert 0 == service.stop()
        findings, report = checked(service)

        assert [] == findings
        assert () == report.under_way
        assert report.decisions == report.outcomes
        assert report.tree_size - report.begins_at - report.entries == report.segments - 1
