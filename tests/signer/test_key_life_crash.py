"""Death in the midst of a key's life: what is left is used for nothing, or taken up again."""

from __future__ import annotations

import pytest

from ledger.errors import StorageFullError
from signer.events import Events
from signer.life.book import Book
from signer.v1 import operator_pb2
from tests.signer.asking import REPOSITORY, digest
from tests.signer.revoking import sign
from tests.signer.rotating import (
    announce,
    bring,
    events,
    install,
    not_done,
    retire,
    rotate,
    standings,
    switch,
    versions,
)
from tests.signer.running import running, serving
from tests.signer.world import World
from verifier.verify import Verifier


def die(*_: object, **__: object) -> None:
    """Be what a process does at the step in whose place this is."""
    raise StorageFullError("the disk is full")


def test_before_the_book(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A key that was made and is in no book was never announced: it is not overwritten, and can be
    brought in by its URI.
    """
    with running(world) as service:
        with monkeypatch.context() as patch:
            patch.setattr(Book, "add", die)
            not_done("storage-full", announce, service)
        not_done("key-exists", announce, service)
        assert {} == events(service, "key-added")
        bring(service, "release", "file:keys/release-2.pem")
        install(service)
        switch(service)

        assert "active" == standings(service)["release@2"]


def test_between_book_and_event(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A row of the book that no event followed is used for nothing; the same call takes it up again.
    """
    with running(world) as service:
        with monkeypatch.context() as patch:
            patch.setattr(Events, "record", die)
            not_done("storage-full", announce, service)
        assert "release-2.pem" in (world.directory / "keys" / "book.json").read_text()
        assert {"release@1": "active", "attest@1": "active"} == standings(service)
    with running(world) as service:
        assert {"release@1": "active", "attest@1": "active"} == standings(service)
        not_done("key-standing", switch, service)
        answer = announce(service)
        install(service)
        switch(service)

        assert 1 == len(events(service, "key-added"))
        assert answer.key.spki == versions(service)["release@2"].spki


def test_between_event_and_ring(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What the ledger says counts after a restart, whatever the process had come to.
    """
    with running(world) as service:
        announce(service)
        install(service)
        with monkeypatch.context() as patch:
            patch.setattr("signer.life.switching.Switching._let_sign", die)
            not_done("storage-full", switch, service)
        assert "replaced" == standings(service)["release@2"]
    with running(world) as service:
        answer = sign(service, 1)

        assert "active" == standings(service)["release@2"]
        assert Verifier(world.trust).verify(answer.bundle(), digest(1), REPOSITORY)


def test_retirement_that_is_not_logged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A key whose retirement could not be logged goes on as before, the one that signs too.
    """
    with running(world) as service:
        rotate(service)
        before = standings(service)
        with monkeypatch.context() as patch:
            patch.setattr(Events, "record", die)
            not_done("storage-full", retire, service)
            not_done("storage-full", retire, service, version=2, active_too=True)
        answer = sign(service, 1)

        assert before == standings(service)
        assert Verifier(world.trust).verify(answer.bundle(), digest(1), REPOSITORY)
        switch(service, version=1)
        assert sign(service, 2)


def test_killed_after_each_step(world: World) -> None:
    """
    What was answered is there after `kill -9`, whichever step of a rotation it was.
    """
    expected = {
        announce: {"release@1": "active", "release@2": "announced"},
        install: {"release@1": "active", "release@2": "announced"},
        switch: {"release@1": "replaced", "release@2": "active"},
        retire: {"release@1": "retired", "release@2": "active"},
    }
    for step, after in expected.items():
        with serving(world) as service:
            step(service)  # type: ignore[operator]
            service.process.kill()
            service.process.wait()
        with serving(world) as service, service.client() as client:
            assert {**after, "attest@1": "active"} == standings(service)
            answer = client.sign(digest(1), REPOSITORY)
            assert Verifier(world.trust).verify(answer.bundle(), digest(1), REPOSITORY)


def test_missing_row(world: World) -> None:
    """
    A key that was announced, and of which nobody knows where it lives, is shown as missing and
    is not put to use.
    """
    with running(world) as service:
        announce(service)
        install(service)
    (world.directory / "keys" / "book.json").unlink()
    with running(world) as service:
        assert "" == versions(service)["release@2"].uri
        not_done("key-book", switch, service)
        assert "active" == standings(service)["release@1"]


def test_frozen(world: World) -> None:
    """
    In a frozen ledger no key is announced, and trust files can still be installed.
    """
    with running(world) as service:
        announce(service)
        request = operator_pb2.FreezeRequest(reason="over", origin="ledger.example")
        service.operate("/sealbook.v1.Operator/Freeze", request.SerializeToString())
        answer = install(service)

        assert (2, False) == (answer.version, answer.HasField("index"))
        assert 2 == world.trust.version
        not_done("ledger-frozen", announce, service, "attest")


@pytest.mark.parametrize(
    "content",
    ["", "{}", '{"type":"urn:sealbook:key-book:v2","keys":[]}', '{"type":1,"keys":[]}'],
)
def test_spoiled_book(world: World, content: str) -> None:
    """
    A book that cannot be read keeps the service from starting: nobody knows what it said.
    """
    (world.directory / "keys" / "book.json").write_text(content)
    with pytest.raises(Exception, match=r"book\.json"), running(world):
        pass
