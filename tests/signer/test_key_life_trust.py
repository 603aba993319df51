"""Trust files that follow one another while the service runs, and the drafts of the next one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from signer.config import Config
from signer.keys.memory import MemoryKey
from signer.trust_files import LiveTrust
from tests.signer.asking import REPOSITORY, digest
from tests.signer.revoking import Key, offline, revoke, sign
from tests.signer.rotating import (
    NEXT,
    announce,
    bring,
    create,
    events,
    install,
    not_done,
    retire,
    rotate,
    signed,
    signed_draft,
    standings,
)
from tests.signer.running import InProcess, running
from tests.signer.world import World, found_in
from verifier.note import NoteKey
from verifier.quorum import Quorum
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedLog, keys_by_hint
from verifier.trust.signed import SignedFile


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A running service whose trust file no test changes."""
    world = found_in(tmp_path_factory.mktemp("trust") / "service")
    third = signed(world, world.trust._replace(version=3))
    (world.directory / "trust.json").write_bytes(third)
    with running(world) as service:
        yield service


def draft(world: World) -> TrustRoot:
    """Return what the draft of the next trust file says."""
    data = (world.directory / NEXT).read_bytes()
    kind = json.loads(data)["payloadType"]
    return TrustRoot.read(SignedFile.parse(data, kind, 1 << 20).payload)


def followed(world: World, **changed: Any) -> bytes:
    """Return a signed trust file that follows the one in force, with these changes."""
    trust = world.trust
    return signed(world, trust._replace(**{"version": trust.version + 1, **changed}))


def without(world: World, name: str) -> dict[str, Any]:
    """Return the keys of the trust file but for one."""
    return {hint: key for hint, key in world.trust.keys.items() if key.name != name}


def ended(world: World, name: str, at: int) -> dict[str, Any]:
    """Return the keys of the trust file, one of which has an end."""
    return {
        hint: key._replace(valid_through_tree_size=at) if key.name == name else key
        for hint, key in world.trust.keys.items()
    }


def test_draft(world: World) -> None:
    """
    The draft has what was announced, from its announcement on, and the end of what was retired;
    nothing else changes, and a draft that says the same stays, with its signatures.
    """
    with running(world) as service:
        old = world.trust
        announced = announce(service)
        first = draft(world)
        (world.directory / NEXT).write_bytes(signed_draft(service))
        kept = (world.directory / NEXT).read_bytes()
        announce(service)
        assert kept == (world.directory / NEXT).read_bytes()
        create(service, "payments", scope=["registry.example/team"])
        both = draft(world)

        assert old.version + 1 == first.version
        assert old.expires - old.issued == first.expires - first.issued
        assert old == first._replace(
            version=old.version, issued=old.issued, expires=old.expires, keys=old.keys
        )
        new = [key for hint, key in both.keys.items() if hint not in old.keys]
        assert [
            ("release@2", "approve", ("*",), announced.index),
            ("payments", "approve", ("registry.example/team",), announced.index + 1),
        ] == [(k.label, k.purpose, k.scope, k.valid_from_tree_size) for k in new]


def test_draft_is_gone_when_there_is_nothing_to_say(world: World) -> None:
    """
    Once the trust file in force says all that the ledger does, there is no draft.
    """
    with running(world) as service:
        announce(service)
        assert (world.directory / NEXT).exists()
        install(service)
        assert not (world.directory / NEXT).exists()
        retire(service, version=2)

        assert [0] == [key.version - 2 for key in draft(world).keys.values() if key.version > 1]


def test_retired_before_it_was_trusted(world: World) -> None:
    """
    A key that was retired before any trust file listed it is listed by none.
    """
    with running(world) as service:
        announce(service)
        answer = retire(service, version=2)

        assert "" == answer.draft
        assert not (world.directory / NEXT).exists()
        assert "retired" == standings(service)["release@2"]
        again = {"purpose": "approve", "scope": ["*"]}
        not_done("key-standing", bring, service, "other", "file:keys/release-2.pem", **again)
        announce(service)
        assert "announced" == standings(service)["release@3"]


def test_revoked_key_ends(world: World) -> None:
    """
    What was revoked ends in the next trust file too, for whoever gets no status file; the service
    takes such a file while the key is still the one that callers ask for.
    """
    with running(world) as service:
        sign(service, 1)
        revoke(service, key=Key(name="release", valid_through_tree_size=1))
        announce(service)
        [first, second] = [k for k in draft(world).keys.values() if k.name == "release"]
        install(service)

        assert (1, None) == (first.valid_through_tree_size, second.valid_through_tree_size)
        assert 2 == world.trust.version


def test_installed_once(world: World) -> None:
    """
    A trust file is installed once, which is logged; it is handed out from then on, and a restart
    keeps it.
    """
    with running(world) as service:
        announce(service)
        data = signed_draft(service)
        first, again = install(service, data), install(service, data)

        assert (False, True) == (first.known, again.known)
        [(index, said)] = events(service, "trust-installed").items()
        assert (first.index, 2) == (index, said["version"])
        assert data == (world.directory / "trust.json").read_bytes()
    with running(world) as service:
        assert {"release@1": "active", "release@2": "announced"}.items() <= standings(
            service
        ).items()


def test_revoking_knows_it(world: World) -> None:
    """
    What a trust file brought while the service runs can be revoked at once.
    """
    with running(world) as service:
        rotate(service)
        answer = sign(service, 1)
        said = not_done("bad-request", revoke, service, key=Key(name="release"))
        assert "2 versions" in said
        revoke(service, key=Key(name="release@2", valid_through_tree_size=0))

        assert "revoked" == standings(service)["release@2"]
        with pytest.raises(Exception, match="the key was revoked"):
            offline(world).verify(answer.bundle(), digest(1), REPOSITORY)


OTHER_LOG = MemoryKey.generate("ed25519").public
REFUSED: dict[str, tuple[str, Callable[[World], bytes]]] = {
    "logs": (
        "trust-restart",
        lambda w: followed(
            w,
            logs=(
                *w.trust.logs,
                TrustedLog("other.example", NoteKey.of("other.example", OTHER_LOG)),
            ),
        ),
    ),
    "witnesses": (
        "trust-restart",
        lambda w: followed(w, quorum=Quorum.parse("quorum none\n\n")),
    ),
    "authorities": ("trust-restart", lambda w: followed(w, authorities=w.trust.authorities[:-1])),
    "a key that signs is gone": (
        "key-not-trusted",
        lambda w: followed(w, keys=without(w, "release")),
    ),
    "a key that signs has ended": (
        "key-not-trusted",
        lambda w: followed(w, keys=ended(w, "attest", 0)),
    ),
    "the event key is gone": ("key-not-trusted", lambda w: followed(w, keys=without(w, "event"))),
    "the status key is gone": ("key-not-trusted", lambda w: followed(w, keys=without(w, "status"))),
    "version back": ("trust-rollback", lambda w: followed(w, version=w.trust.version - 1)),
    "another of this version": (
        "trust-conflict",
        lambda w: followed(w, version=w.trust.version, expires=w.trust.expires + 1),
    ),
    "signed by nobody": (
        "foreign-trust",
        lambda w: SignedFile(
            "application/vnd.sealbook.trust+json", w.trust._replace(version=2).json(), {}
        ).json(),
    ),
    "a payload alone": ("trust-unsigned", lambda w: w.trust._replace(version=2).json()),
    "nothing": ("trust-unsigned", lambda _: b""),
}


@pytest.mark.parametrize(("code", "data"), REFUSED.values(), ids=REFUSED)
def test_not_installed(shared: InProcess, code: str, data: Callable[[World], bytes]) -> None:
    """
    A trust file that does not follow, or under which the service could not go on, is refused,
    and the one in force stays.
    """
    before = (shared.directory / "trust.json").read_bytes()
    not_done(code, install, shared, data(shared))

    assert before == (shared.directory / "trust.json").read_bytes()
    assert {} == events(shared, "trust-installed")


def test_policy(world: World) -> None:
    """
    A service that hands a policy out takes no trust file that pins another one.
    """
    (world.directory / "policy.toml").write_text("anything")
    world.edit('# policy = "policy.toml"', 'policy = "policy.toml"')
    with running(world) as service:
        not_done("policy-mismatch", install, service, followed(world, policy_sha256=bytes(32)))


def test_end_that_is_to_come(world: World) -> None:
    """
    A key whose end lies in the future may sign until then.
    """
    with running(world) as service:
        install(service, followed(world, keys=ended(world, "release", 1_000_000)))

        assert 2 == world.trust.version
        assert offline(world).verify(sign(service, 1).bundle(), digest(1), REPOSITORY)


def test_without_roots(world: World) -> None:
    """
    A trust file that names no roots has no successor: no draft is made, and none is installed.
    """
    path = world.directory / "trust.json"
    path.write_bytes(world.trust._replace(roots=None).json())
    with running(world) as service:
        answer = announce(service)
        not_done("trust-unsigned", install, service, world.trust._replace(version=2).json())

        assert "" == answer.draft


def test_since_when(world: World) -> None:
    """
    A key is trusted since the first trust file that said so in just this way; the one at start,
    since its file was written.
    """
    path = world.directory / "trust.json"
    os.utime(path, (1000, 1000))
    live = LiveTrust.read(Config.load(world.config))
    [old, other, *_] = world.trust.keys.values()
    new = old._replace(public=MemoryKey.generate("ecdsa-p256").public, version=2)
    ended = other._replace(valid_through_tree_size=7)
    second = world.trust._replace(keys=keys_by_hint([old, other, new]))
    live.follow(second, 2000)
    live.follow(second._replace(keys=keys_by_hint([old, ended, new])), 3000)

    assert [1000, 3000, 2000] == [live.since(key) for key in (old, ended, new)]
