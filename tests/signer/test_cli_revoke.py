"""`sealbook revoke`: one line in an emergency, and a word about what to do next."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from signer.cli import revoke as command
from signer.keys.memory import MemoryKey
from tests.signer.asking import REPOSITORY, digest
from tests.signer.commands import Done, check_refused, one
from tests.signer.revoking import revocations, sign, status
from tests.signer.running import InProcess, running, start_refused
from tests.signer.world import World, found_in

REASON = ("--reason", "a mistake")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A running service with an approval at 1, whose tests revoke nothing."""
    with running(found_in(tmp_path_factory.mktemp("cli") / "service")) as service:
        sign(service, 1)
        yield service


def revoke(world: World, *words: object) -> Done:
    """Run `sealbook revoke` in the service's directory."""
    return world.command("revoke", *words, *REASON)


def done(world: World, *words: object) -> str:
    """Run it, check that it ended well, and return what it said."""
    found = revoke(world, *words)
    assert (0, "") == (found.returncode, found.stderr)
    return found.stdout


def test_each_kind(world: World) -> None:
    """
    An entry, a key, an image and an authority are revoked by a line each, and each answer says
    what no longer counts, where that is logged, and what to do next.
    """
    until = "2026-01-01T00:00:00Z"
    with running(world) as service:
        sign(service, 1)
        said = [
            done(world, "--entry", 1),
            done(world, "--key", "release", "--after", 1),
            done(world, "--digest", digest(2), "--repository", "registry.example/team"),
            done(world, "--digest", digest(3)),
            done(world, "--key", "timestamp", "--until", until),
            done(world, "--key", "attest"),
        ]
    version = status(world).payload.version

    assert "revoked: entry 1: a mistake\n  entry 2 says so" in said[0]
    assert "from entry 1 on" in said[1]
    assert f"{digest(2)} in registry.example/team" in said[2]
    assert f"{digest(3)} in every repository" in said[3]
    assert f"after {until}" in said[4]
    assert "from entry 7 on" in said[5]
    assert f"status.json version {version} carries it" in said[5]
    assert all("\nnext:  " in text for text in said)
    assert ["entry", "key", "digest", "digest", "authority", "key"] == [
        one.kind for one in revocations(world)
    ]
    assert set(command._NEXT) == {one.kind for one in revocations(world)}


def test_as_json(world: World) -> None:
    """
    Machines are told in JSON what is in force, since when, and whether it was before.
    """
    with running(world) as service:
        sign(service, 1)
        answers = [one(revoke(world, "--entry", 1, "--json")) for _ in range(2)]
        again = done(world, "--entry", 1)

    assert [(2, False), (2, True)] == [(a["index"], a["known"]) for a in answers]
    assert {"entry": 1, "kind": "entry", "reason": "a mistake"} == answers[0]["revocation"]
    assert answers[0]["status_version"] < answers[1]["status_version"]
    assert "ledger.example\n3\n" in answers[0]["note"]
    assert again.startswith("was revoked already: entry 1")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--entry", 0), "bad-request"),
        (("--entry", 99), "unknown-entry"),
        (("--entry", -1), "bad-request"),
        (("--entry", 2**63), "bad-request"),
        (("--key", "nobody"), "unknown-key"),
        (("--key", "a" * 64), "unknown-key"),
        (("--key", "status"), "key-purpose"),
        (("--key", "release", "--after", 99), "unknown-entry"),
        (("--key", "release", "--after", -1), "bad-request"),
        (("--key", "release", "--until", "2026-01-01T00:00:00Z"), "bad-request"),
        (("--key", "timestamp", "--after", 1), "bad-request"),
        (("--key", "timestamp", "--until", "yesterday"), "bad-request"),
        (("--key", "timestamp", "--until", "2100-01-01T00:00:00Z"), "bad-request"),
        (("--entry", 1, "--after", 1), "bad-request"),
        (("--entry", 1, "--repository", REPOSITORY), "bad-request"),
        (("--digest", "latest"), "bad-digest"),
        (("--digest", digest(1), "--after", 1), "bad-request"),
        (("--digest", digest(1), "--repository", "Team"), "bad-repository"),
    ],
    ids=lambda words: " ".join(map(str, words))[:60] if isinstance(words, tuple) else words,
)
def test_refused(shared: InProcess, words: tuple[object, ...], code: str) -> None:
    """
    What is not there, or does not go together, is refused with a sentence, and nothing is logged.
    """
    check_refused(revoke(shared, *words), code)

    assert 2 == shared.tree_size


@pytest.mark.parametrize(
    "words",
    [("--reason", "x"), ("--entry", "1"), ("--entry", "1", "--key", "release", "--reason", "x")],
    ids=["nothing", "no reason", "two things"],
)
def test_asked_wrongly(world: World, words: tuple[str, ...]) -> None:
    """
    One thing is revoked at a time, and for a reason.
    """
    assert 2 == world.command("revoke", *words).returncode


def test_key_with_the_name_of_an_authority(world: World) -> None:
    """
    A key that is called like a kind of authority is the key.
    """
    world.add_key("certificate", MemoryKey.generate("ecdsa-p256"))
    with running(world):
        done(world, "--key", "certificate")

    assert ["key"] == [one.kind for one in revocations(world)]


def test_nobody_serves(world: World) -> None:
    """
    Without a running service nothing is revoked, and the command says so.
    """
    check_refused(revoke(world, "--entry", 1), "unreachable")


def test_refusals_of_a_revoked_key(world: World) -> None:
    """
    `sealbook sign` and `sealbook status` say that a key is revoked, and why.
    """
    with running(world) as service:
        where = ("--config", world.config, "--service", service.addresses.grpc)
        token = ("--token-file", world.directory / "token")
        done(world, "--key", "release")
        said = check_refused(world.sign(digest(1), *where, *token), "revoked")

        assert "a mistake" in said
        assert "release (REVOKED), attest (healthy)" in world.command("status").stdout


def test_trusted_root(world: World) -> None:
    """
    The file for Sigstore's clients, written anew from trust and status file, is the one that the
    service wrote; written from the trust file alone it is put right at the next start.
    """
    path = world.directory / "trusted_root.json"
    with running(world):
        done(world, "--key", "timestamp")
    written = json.loads(path.read_text())
    anew = world.command("trusted-root", "trust.json", "--status", "status.json").stdout
    path.write_text(world.command("trusted-root", "trust.json").stdout)
    assert written != json.loads(path.read_text())
    with running(world):
        pass

    assert written == json.loads(anew) == json.loads(path.read_text())
    assert "end" in written["timestampAuthorities"][0]["validFor"]
    path.unlink()
    start_refused(world, "config")
