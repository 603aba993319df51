"""A service whose attestations lie encrypted: readers notice nothing, and its files say nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.store.files import data_keys
from signer.attest import types
from signer.config import Config
from signer.server import Server
from tests.ledger.at_rest_keys import CANARY, lies_in
from tests.signer.asking import REPOSITORY, digest, eventually, refused
from tests.signer.at_rest.attesting import (
    LARGE,
    attest,
    body,
    encrypted,
    get,
    name_of,
    payloads,
    pieces,
    sbom,
)
from tests.signer.commands import check_refused, lines, one
from tests.signer.running import InProcess, running
from tests.signer.trails import told
from tests.signer.world import World, found_in


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service that encrypts, with attestations of images 1 and 2, and an approval."""
    world = encrypted(found_in(tmp_path_factory.mktemp("rest") / "service"))
    with running(world) as service:
        service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        attest(service, 1, sbom())
        attest(service, 2, sbom(LARGE))
        yield service


def database(world: World) -> Path:
    return world.directory / "ledger" / "ledger.db"


def test_files(site: InProcess) -> None:
    """
    No file of a service shows what was attested: neither the database, nor its log, nor a body,
    nor a line of the audit trail.
    """
    assert set() == lies_in(site.directory, CANARY)
    assert [*(site.directory / "ledger" / "bodies" / "sha256").iterdir()]


@pytest.mark.parametrize(("image", "parts"), [(1, 1), (2, LARGE)])
def test_readers(site: InProcess, image: int, parts: int) -> None:
    """
    Bundles, bodies over gRPC and over HTTP, and the answer to a re-run have all of it.
    """
    made = attest(site, image, sbom(parts))
    name = name_of(made)
    whole = pieces(body(site, name))

    assert sbom(parts) in whole
    assert whole == get(site, f"bodies/{name.replace(':', '/')}").content
    assert any(sbom(parts) in payload for payload in payloads(site, image))


def test_audit_and_fsck(site: InProcess, tmp_path: Path) -> None:
    """
    An auditor finds nothing wrong, nor does a check with the key. A check without it names the
    bodies that it could not read, finds nothing else, and does not say that nothing is wrong.
    """
    words = ("--trust", "trust.json", "--token-file", "token", "--state", tmp_path / "state.json")
    done = site.command("audit", f"http://{site.addresses.http}", *words, "--json")
    assert 0 == done.returncode, done.stdout + done.stderr
    checked = site.command("fsck", "--signatures")
    assert (0, "nothing is wrong\n") == (checked.returncode, checked.stdout), checked.stderr

    assert 0 == site.command("ledger", "info", "--json").returncode
    blind = site.command("fsck", "--directory", "ledger", "--json")
    found = lines(blind)
    assert 0 == blind.returncode
    assert {"body-encrypted"} == {line["code"] for line in found[:-1]}
    assert {"findings": 0, "encrypted": 2} == found[-1]
    said = site.command("fsck", "--directory", "ledger").stdout
    assert "2 bodies are encrypted and were not read" in said
    assert said.endswith("\nnothing else is wrong\n")


def test_copies(site: InProcess, tmp_path: Path) -> None:
    """
    A backup shows nothing, and is checked with the key of its time; a mirror and an export with
    bodies have them for whoever may read those.
    """
    backup, web, mirror = tmp_path / "backup", tmp_path / "web", tmp_path / "mirror"
    backup.mkdir()
    for words in (
        ("ledger", "backup", backup / "ledger.db"),
        ("ledger", "export", web, "--bodies"),
        ("ledger", "mirror", mirror, "--service", site.addresses.grpc, "--token-file", "token"),
    ):
        done = site.command(*words)
        assert 0 == done.returncode, done.stderr
    assert set() == lies_in(backup, CANARY)
    assert lies_in(web, CANARY)
    assert 2 == len(lies_in(mirror, CANARY))

    text = (site.directory / "sealbook.toml").read_text()
    copy = site.directory / "copy.toml"
    copy.write_text(text.replace('directory = "ledger"', f'directory = "{backup}"'))
    done = site.command("fsck", "--config", copy)
    assert (0, "nothing is wrong\n") == (done.returncode, done.stdout), done.stderr


def test_rotated(site: InProcess) -> None:
    """
    The operator has a new data key made, which the audit trail tells; what is there stays readable.
    """
    before = data_keys(database(site)).read_bytes()
    said = one(site.command("ledger", "rotate-data-key", "--json"))

    assert 0 == said["wrapping"]
    decisions = told(site.directory, "decision")
    assert "rotate-data-key" in [line["what"] for line in decisions]
    assert before != data_keys(database(site)).read_bytes()
    attest(site, 3, sbom(2))
    assert any(sbom(2) in payload for payload in payloads(site, 3))
    assert any(sbom() in payload for payload in payloads(site, 1))
    assert set() == lies_in(site.directory, CANARY)


def test_uploads(site: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What is being uploaded lies encrypted too, before anybody knows what it is.
    """
    found: list[set[str]] = []
    monkeypatch.setattr(types, "check", lambda *_: found.append(lies_in(site.directory, CANARY)))
    attest(site, 5, sbom(LARGE))

    assert [set()] == found


def start(world: World) -> object:
    """Do what a start does before it listens."""
    return Server(Config.load(world.config))


def test_starts_that_are_refused(tmp_path: Path) -> None:
    """
    Without its key-encryption key, with another one, without [at_rest] or without its book, a
    service does not start, each by a code of its own; with them it does, and reads what is there.
    """
    world = encrypted(found_in(tmp_path / "service"))
    with running(world) as service:
        attest(service, 1, sbom())
    kek, book = world.directory / "keys" / "kek", data_keys(database(world))
    aside = tmp_path / "aside"

    shutil.move(kek, aside)
    refused("key-file", lambda: start(world))
    world.command("ledger", "make-kek", "file:keys/kek")
    refused("at-rest-key", lambda: start(world))
    shutil.move(aside, kek)
    shutil.move(book, aside)
    refused("data-keys", lambda: start(world))
    shutil.move(aside, book)
    text = world.config.read_text()
    world.config.write_text(text.partition("[at_rest]")[0])
    refused("data-keys", lambda: start(world))
    world.config.write_text(text)

    with running(world) as service:
        assert any(sbom() in payload for payload in payloads(service, 1))


def test_turned_on_and_changed(tmp_path: Path) -> None:
    """
    Turned on for a ledger that has attestations, those are encrypted in the background; then with
    another key-encryption key all of it opens, is wrapped anew, and needs the first no more.
    """
    world = found_in(tmp_path / "service")
    with running(world) as service:
        attest(service, 1, sbom())
        attest(service, 2, sbom(LARGE))
    assert 2 == len(lies_in(world.directory, CANARY))
    with running(encrypted(world)) as service:
        eventually(lambda: not lies_in(world.directory, CANARY))
        assert any(sbom(LARGE) in payload for payload in payloads(service, 2))

    world.command("ledger", "make-kek", "file:keys/new")
    both = '\n[at_rest]\nkey = "file:keys/new"\nprevious = "file:keys/kek"\n'
    world.edit('\n[at_rest]\nkey = "file:keys/kek"\n', both)
    with running(world) as service:
        at_rest = service.server._at_rest
        assert at_rest is not None
        eventually(lambda: at_rest._book.stale == 0)
    world.edit('\nprevious = "file:keys/kek"\n', "\n")
    (world.directory / "keys" / "kek").unlink()
    with running(world) as service:
        assert any(sbom() in payload for payload in payloads(service, 1))


def test_nothing_encrypted(tmp_path: Path) -> None:
    """
    Where nothing is encrypted, there is no data key to be made anew.
    """
    world = found_in(tmp_path / "service")
    with running(world) as service:
        check_refused(service.command("ledger", "rotate-data-key"), "at-rest")
