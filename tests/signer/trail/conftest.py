"""A service that has told of every kind of thing, and copies of its trail to spoil."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ledger.store.files import path_in
from ledger.store.sqlite import SqliteStore
from signer.audit_trail.evidence import Evidence, StoredEntries
from signer.audit_trail.folder import Folder
from signer.audit_trail.verifying import Checking, Finding
from signer.v1 import operator_pb2
from tests.signer.asking import REPOSITORY, digest, item
from tests.signer.running import InProcess, running
from tests.signer.world import found_in


class Told(NamedTuple):
    """A running service, its trail with several segments, and what it is checked against."""

    service: InProcess
    evidence: Evidence

    @property
    def folder(self) -> Folder:
        """The trail itself."""
        return Folder(self.service.directory / "trail")

    def check(self, folder: Folder) -> list[Finding]:
        """Check a trail against the service's ledger."""
        return list(Checking(folder, self.evidence).findings())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Two finished segments, and an open one: approvals, again, a batch, an event, refusals."""
    world = found_in(tmp_path_factory.mktemp("told") / "service")
    with running(world) as service:
        service.asking(lambda client: client.sign(digest(1), REPOSITORY, reason="first"))
        service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        service.asking(lambda client: client.sign_batch(REPOSITORY, [item(n) for n in (2, 3)]))
        service.raw(b"", metadata=[])
    with running(world) as service:
        request = operator_pb2.RevokeRequest(entry=1, reason="a mistake")
        service.operate("/sealbook.v1.Operator/Revoke", request.SerializeToString())
        service.asking(lambda client: client.sign(digest(4), REPOSITORY))
    with running(world) as service:
        service.asking(lambda client: client.sign(digest(5), REPOSITORY))
        store = SqliteStore(path_in(service.directory / "ledger"), read_only=True)
        told = Told(service, Evidence(StoredEntries(store)))
        service.server._trail.flush()  # as it does twice a second
        yield told
        store.close()


@pytest.fixture
def copy(told: Told, tmp_path: Path) -> Folder:
    """A copy of the trail."""
    shutil.copytree(told.folder.path, tmp_path / "trail")
    return Folder(tmp_path / "trail")
