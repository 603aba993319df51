"""What need not be kept can be taken away: logged, never too early, and the chain still holds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.store.files import path_in
from ledger.store.sqlite import SqliteStore
from signer.access import Caller, Principal
from signer.audit_trail import purging
from signer.audit_trail.evidence import Evidence, StoredEntries
from signer.audit_trail.folder import Folder
from signer.audit_trail.lines import Line
from signer.audit_trail.querying import Query, find
from signer.audit_trail.trail import Trail
from signer.audit_trail.verifying import Checking
from signer.config import Config
from signer.v1 import operator_pb2 as pb
from tests.ledger.making import ledger_over, memory_store
from tests.signer.asking import REPOSITORY, digest, eventually, refused
from tests.signer.rotating import call
from tests.signer.running import InProcess, running
from tests.signer.world import World, found_in

DAY = 24 * 3600
SOMEBODY = Principal("https://issuer.example", "jane", {}, caller=Caller("192.0.2.1"))


def told_long_ago(world: World, days: int) -> None:
    """Begin the trail of a service that nobody has run so long ago."""
    ledger = ledger_over(memory_store())
    folder = Folder(world.directory / "trail")
    trail = Trail.open(folder, ledger, None, clock=lambda: time.time() - days * DAY)
    for _ in range(2):
        with trail.decided(SOMEBODY, "exchange", {"reason": "jane's reason"}):
            pass
    trail.finish_segment()
    trail.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[InProcess]:
    """A service whose trail begins 1,200 days ago, and goes on today."""
    world = found_in(tmp_path / "service")
    told_long_ago(world, 1200)
    with running(world) as service:
        eventually(lambda: not service.server._trail.unlogged)
        service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        service.server._trail.flush()
        yield service


def purge(service: InProcess, before: int = 0) -> pb.PurgeTrailResponse:
    """Have it purged by an operator."""
    request = pb.PurgeTrailRequest(before=before)
    return pb.PurgeTrailResponse.FromString(call(service, "PurgeTrail", request))


def findings(service: World) -> list[str]:
    """Check the trail, and return the codes of what is wrong."""
    store = SqliteStore(path_in(service.directory / "ledger"), read_only=True)
    try:
        checking = Checking(Folder(service.directory / "trail"), Evidence(StoredEntries(store)))
        return [finding.code for finding in checking.findings()]
    finally:
        store.close()


def test_purge(site: InProcess) -> None:
    """
    Old content goes and nothing else; the ledger and the trail tell of it, and both still verify.
    """
    path = site.directory / "trail" / "1.jsonl"
    assert b"jane" in path.read_bytes()
    heads = [Line.parse(raw[:-1]).head for raw in path.read_bytes().splitlines(keepends=True)]
    purged = purge(site)
    site.server._trail.flush()

    assert 4 == purged.lines
    assert b"jane" not in path.read_bytes()
    assert 0o600 == path.stat().st_mode & 0o777
    assert heads == [
        Line.parse(raw[:-1]).head for raw in path.read_bytes().splitlines(keepends=True)
    ]
    event = json.loads(site.ledger.record(purged.index).body.split(b" ", 4)[-1])
    assert 4 == event["predicate"]["lines"]
    assert [] == findings(site)
    kept = list(find(Folder(path.parent), Query(kind="decision")))
    assert ["sign", "event"] == [line.fields["what"] for line in kept[2:]]
    assert "trail-purged" == kept[-1].fields["event"]

    again = purge(site)
    assert (0, False) == (again.lines, again.HasField("index"))


def test_not_too_early(site: InProcess) -> None:
    """
    What the configuration keeps is kept, and no configuration keeps less than half a year.
    """
    told = refused("trail-kept", lambda: _purge_by_flow(site, int(time.time()) - 1000 * DAY))
    assert "1096 days" in told.hint
    assert b"jane" in (site.directory / "trail" / "1.jsonl").read_bytes()

    with site.config.open("a") as file:
        file.write("\n[trail]\nretain_days = 182\n")
    refused("config", lambda: Config.load(site.config))


def _purge_by_flow(site: InProcess, before: int) -> None:
    from signer.audit_trail.purging import Purging

    flow = Purging(site.server._trail, site.ledger, None, lambda: 1096)  # type: ignore[arg-type]
    site.ask(flow.purge(before))


def test_only_what_is_old_enough(site: InProcess) -> None:
    """
    Of a time that is said, only what is from before then.
    """
    before = int(time.time()) - 1201 * DAY
    assert 0 == purge(site, before).lines
    assert b"jane" in (site.directory / "trail" / "1.jsonl").read_bytes()


def test_content_that_no_purge_took(site: InProcess) -> None:
    """
    A purge is no excuse for content that was too young for it, nor is one that nobody logged.
    """
    purge(site)
    site.server._trail.flush()
    path = site.directory / "trail" / "2.jsonl"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    at = next(n for n, raw in enumerate(lines) if b'"what":"sign"' in raw)
    lines[at] = Line.parse(lines[at][:-1]).without_content().bytes() + b"\n"
    path.write_bytes(b"".join(lines))
    assert ["content-missing"] == findings(site)

    unsaid = [raw for raw in whole.splitlines(keepends=True) if b'"kind":"purged"' not in raw]
    path.write_bytes(b"".join(unsaid))
    assert "content-missing" in findings(site)
    path.write_bytes(whole)
    assert [] == findings(site)


def test_purge_that_was_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A service that was made to take away what is younger than half a year is found out.
    """
    world = found_in(tmp_path / "service")
    told_long_ago(world, 150)
    monkeypatch.setattr(purging, "LEAST_KEPT_S", 0)
    monkeypatch.setattr(purging, "_DAY_S", 1)
    with running(world) as service:
        eventually(lambda: not service.server._trail.unlogged)
        assert 4 == purge(service).lines
        service.server._trail.flush()

        assert {"purge-early", "content-missing"} == set(findings(service))


def test_commands(site: InProcess) -> None:
    """
    `audit-log purge` says how much went, `audit-log verify` that nothing is wrong with it.
    """
    done = site.command("audit-log", "purge")
    assert 0 == done.returncode, done.stderr
    assert done.stdout.startswith("4 lines lost their content; the event is entry ")
    site.server._trail.flush()
    checked = site.command("audit-log", "verify")
    assert 0 == checked.returncode, checked.stdout
    assert "4 lines were purged, as the ledger tells" in checked.stdout
    assert "nothing is wrong" in checked.stdout
