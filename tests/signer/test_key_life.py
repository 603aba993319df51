"""A key's life: announced with proof, put to use, replaced, retired; the ledger says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from signer.keys import SigningKey
from signer.keys.memory import MemoryKey
from tests.signer.asking import REPOSITORY, digest, refused
from tests.signer.revoking import Key, offline, revoke, sign
from tests.signer.rotating import (
    announce,
    bring,
    create,
    events,
    install,
    not_done,
    retire,
    rotate,
    signed,
    standings,
    switch,
    versions,
)
from tests.signer.running import InProcess, running
from tests.signer.world import World, found_in
from verifier._strict import Fields
from verifier.publickey import PublicKey
from verifier.repository import Scope
from verifier.trust.life import Added
from verifier.trust.listed import TrustedKey
from verifier.verify import Verifier


def key_of(service: InProcess, name: str = "release") -> str:
    """Return the hint of the key that signs."""
    return service.server.keys.keys[name].public.hint


def test_rotation(world: World) -> None:
    """
    A key rotates in three steps, and each bundle from before, between and after is good under
    the trust file of its time and under the newest.
    """
    with running(world) as service:
        first, before = sign(service, 1), Verifier(world.trust)
        announced = announce(service)
        second = sign(service, 2)
        installed = install(service)
        between = Verifier(world.trust)
        third = sign(service, 3)
        switched = switch(service)
        fourth = sign(service, 4)
        retired = retire(service)
        install(service)
        fifth = sign(service, 5)
        after = Verifier(world.trust)

        assert ("release", 2, "announced", False) == (
            announced.key.name,
            announced.key.version,
            announced.key.standing,
            announced.key.trusted,
        )
        assert (2, False) == (installed.version, installed.known)
        assert ("active", "retired") == (switched.key.standing, retired.key.standing)
        for file, spki in (("release", switched.key.spki), ("release-1", retired.key.spki)):
            pem = (world.directory / f"{file}.pub").read_bytes()
            assert spki == PublicKey.from_pem(pem).spki
        for verifier, good in (
            (before, (first, second, third)),
            (between, (first, second, third, fourth, fifth)),
            (after, (first, second, third, fourth, fifth)),
        ):
            for answer in good:
                n = (first, second, third, fourth, fifth).index(answer) + 1
                verifier.verify(answer.bundle(), digest(n), REPOSITORY)
        assert {"release@1": "retired", "release@2": "active", "attest@1": "active"} == standings(
            service
        )


def test_announcement_is_proven(world: World) -> None:
    """
    The ledger has an announcement with the proof of both keys, and no other key's.
    """
    with running(world) as service:
        old = service.server.keys.keys["release"].public
        answer = announce(service)
        [(index, said)] = events(service, "key-added").items()
        del said["previous"]
        added = Added.read(Fields(said, "predicate"))
        added.check("ledger.example", old)

        assert (answer.index, old.hint) == (index, added.announcement.replaces)
        assert {"home": "memory"} == added.announcement.attributes
        assert answer.key.spki == added.announcement.public.spki
        pem = (world.directory / "release-2.pub").read_bytes()
        assert added.announcement.public.pem() == pem


def test_nothing_signs_before_it_is_trusted(world: World) -> None:
    """
    An announced key is not put to use before the trust file in force lists it, nor before it has
    been listed for the overlap; until then the old one signs.
    """
    with running(world) as service:
        old = key_of(service)
        announce(service)
        said = not_done("key-not-trusted", switch, service)
        assert "no key of the trust root" in said
        install(service)
        said = not_done("key-overlap", switch, service, now=False)

        assert "1 day" in said
        assert old == key_of(service)
        assert {} == events(service, "key-activated")
        switch(service)
        assert old != key_of(service)


@pytest.mark.parametrize("window", [(0, 1), (1_000_000, None)])
def test_another_window(world: World, window: tuple[int, int | None]) -> None:
    """
    A key that does not count yet, or no more, is not put to use.
    """
    key = MemoryKey.generate("ecdsa-p256")
    key.save(world.directory / "keys" / "new.pem")
    with running(world) as service:
        start, end = window
        new = TrustedKey("release", "approve", key.public, (Scope("*"),), start, end, 2)
        keys = {**world.trust.keys, key.public.hint: new}
        install(service, signed(world, world.trust._replace(version=2, keys=keys)))
        bring(service, "release", "file:keys/new.pem")
        said = not_done("key-not-trusted", switch, service)

        assert "does not count at 3" in said


def test_proof_that_does_not_hold(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A key whose proof does not verify is not announced.
    """
    with running(world) as service:
        with monkeypatch.context() as patch:
            patch.setattr(SigningKey, "announce", lambda *_: b"no signature")
            not_done("bad-signature", announce, service)

        assert {} == events(service, "key-added")
        assert {"release@1": "active", "attest@1": "active"} == standings(service)


def test_overlap_ends(world: World) -> None:
    """
    After the overlap a key is put to use without being forced.
    """
    world.edit("[signing]\n", "[signing]\noverlap_s = 0\n")
    with running(world) as service:
        announce(service)
        install(service)
        switch(service, now=False)

        assert "active" == standings(service)["release@2"]


def test_narrower_scope(world: World) -> None:
    """
    A key that verifiers take in fewer places than the present one does not take its place.
    """
    with running(world) as service:
        announce(service)
        trust = world.trust._replace(version=2)
        new = next(iter(events(service, "key-added").values()))
        added = Added.read(Fields({k: v for k, v in new.items() if k != "previous"}, "added"))
        narrow = added.announcement._replace(scope=(REPOSITORY,)).trusted(1)  # type: ignore[arg-type]
        keys = {**trust.keys, narrow.public.hint: narrow}
        install(service, signed(world, trust._replace(keys=keys)))
        said = not_done("key-not-trusted", switch, service)

        assert "speak of *" in said


def test_restart(world: World) -> None:
    """
    A restart keeps everything: what is announced, what signs, what is retired.
    """
    with running(world) as service:
        rotate(service)
        retire(service)
        announce(service, "attest")
        before, signing = standings(service), key_of(service)
    with running(world) as service:
        answer = sign(service, 1)

        assert before == standings(service)
        assert signing == key_of(service)
        assert Verifier(world.trust).verify(answer.bundle(), digest(1), REPOSITORY)
        assert {"announced", "active", "retired"} == set(before.values())


def test_two_announcements_make_one_key(world: World) -> None:
    """
    A second rotation before the first is put to use is answered with it; elsewhere it is refused.
    """
    with running(world) as service:
        first, again = announce(service), announce(service)
        said = not_done("key-standing", announce, service, uri="file:keys/elsewhere.pem")

        assert first.index == again.index
        assert first.key.spki == again.key.spki
        assert "version 2 of key release" in said
        not_done("key-standing", create, service, "release")
        assert 1 == len(events(service, "key-added"))
        assert not (world.directory / "keys" / "elsewhere.pem").exists()


def test_rotate_twice_and_back(world: World) -> None:
    """
    Versions follow one another; one that was replaced can sign again, and each change is logged.
    """
    with running(world) as service:
        rotate(service)
        rotate(service)
        switch(service, version=1)
        kinds = [said["version"] for said in events(service, "key-activated").values()]
        again = switch(service, version=1)

        assert [2, 3, 1] == kinds
        assert again.known
        assert {"release@1": "active", "release@2": "replaced", "release@3": "replaced"} == {
            label: standing
            for label, standing in standings(service).items()
            if label.startswith("release")
        }
        answer = sign(service, 1)
        assert Verifier(world.trust).verify(answer.bundle(), digest(1), REPOSITORY)


def test_retired_is_retired(world: World) -> None:
    """
    A retired key ends where it had signed its last entry, and never signs again.
    """
    with running(world) as service:
        last = sign(service, 1)
        rotate(service)
        answer = retire(service)
        [said] = events(service, "key-retired").values()
        install(service)

        assert last.record.index < said["valid_through_tree_size"] <= answer.index
        assert said["valid_through_tree_size"] == answer.key.valid_through_tree_size
        not_done("key-standing", switch, service, version=1)
        assert retire(service, version=1).known
        assert 1 == len(events(service, "key-retired"))
        [listed] = [key for key in world.trust.keys.values() if key.label == "release"]
        assert said["valid_through_tree_size"] == listed.valid_through_tree_size


@pytest.mark.parametrize("version", [1, 2])
def test_what_signs_is_not_retired(world: World, version: int) -> None:
    """
    The version that signs is retired only by force; then nobody can ask for it, also after a
    restart, until the next version is put to use.
    """
    nobody = "no key is called 'release'"
    with running(world) as service:
        for _ in range(1, version):
            rotate(service)
        not_done("key-standing", retire, service, version=version)
        retire(service, version=version, active_too=True)
        assert nobody in refused("unknown-key", lambda: sign(service, 1)).message
    with running(world) as service:
        assert nobody in refused("unknown-key", lambda: sign(service, 1)).message
        announce(service, uri="file:keys/later.pem")
        install(service)
        switch(service)
        answer = sign(service, 1)

        assert Verifier(world.trust).verify(answer.bundle(), digest(1), REPOSITORY)


def test_lost_key(world: World) -> None:
    """
    A key that is revoked, or said to be lost, proves nothing of the next one, which comes to be
    without it.
    """
    with running(world) as service:
        sign(service, 1)
        revoke(service, key=Key(name="release"))
        announce(service)
        announce(service, "attest", lost=True)
        added = events(service, "key-added").values()
        install(service)
        switch(service)
        answer = sign(service, 2)

        assert [None, None] == [said["replaces"] for said in added]
        assert [1, 1] == [len(said["proofs"]) for said in added]
        assert "revoked" == standings(service)["release@1"]
        assert offline(world).verify(answer.bundle(), digest(2), REPOSITORY)


def test_new_name(world: World) -> None:
    """
    A key under a new name signs where it may once the trust file has it, and is asked for by name.
    """
    with running(world) as service:
        create(service, "payments", scope=["registry.example/team"])
        install(service)
        switch(service, "payments")
        answer = sign(service, 1, key="payments")
        verified = Verifier(world.trust).verify(answer.bundle(), digest(1), REPOSITORY)

        assert "payments" == verified.key
        not_done("key-standing", create, service, "event")
        assert not (world.directory / "keys" / "event-1.pem").exists()
        not_done("key-standing", create, service, "payments")
        not_done("key-standing", create, service, "release")
    with running(world) as service:
        assert "active" == standings(service)["payments@1"]


def test_key_that_is_there(world: World) -> None:
    """
    A key from elsewhere becomes the next version of a name, or a new name; no key does so twice.
    """
    MemoryKey.generate("ecdsa-p256").save(world.directory / "keys" / "brought.pem")
    MemoryKey.generate("ecdsa-p256").save(world.directory / "keys" / "other.pem")
    with running(world) as service:
        for other in ({"purpose": "attest"}, {"scope": ["registry.example"]}):
            not_done("bad-request", bring, service, "release", "file:keys/brought.pem", **other)
        bring(service, "release", "file:keys/brought.pem")
        install(service)
        switch(service)
        not_done("key-standing", bring, service, "release", "file:keys/brought.pem")
        not_done("key-standing", bring, service, "attest", "file:keys/event.pem")
        not_done("key-standing", bring, service, "attest", "file:keys/timestamp.pem")
        not_done("bad-request", bring, service, "other", "file:keys/other.pem")
        bring(service, "other", "file:keys/other.pem", purpose="attest", scope=["*"])

        assert {"release@2": "active", "other@1": "announced"}.items() <= standings(service).items()
        assert "file:keys/brought.pem" == versions(service)["release@2"].uri


def test_listed_before_it_is_announced(world: World) -> None:
    """
    A key that the roots listed first, as after a ceremony, is announced as what they said.
    """
    key = MemoryKey.generate("ecdsa-p256")
    key.save(world.directory / "keys" / "ceremony.pem")
    with running(world) as service:
        listed = next(k for k in world.trust.keys.values() if k.name == "release")
        new = listed._replace(public=key.public, version=7)
        keys = {**world.trust.keys, key.public.hint: new}
        install(service, signed(world, world.trust._replace(version=2, keys=keys)))
        answer = bring(service, "release", "file:keys/ceremony.pem")
        switch(service)

        assert (7, "") == (answer.key.version, answer.draft)
        assert "active" == standings(service)["release@7"]


@pytest.mark.parametrize(
    ("code", "name", "more"),
    [
        ("unknown-key", "nobody", {}),
        ("key-uri", "release", {"uri": "nowhere:x"}),
        ("key-exists", "release", {"uri": "file:keys/attest.pem"}),
        ("key-file", "release", {"algorithm": "rsa-1024"}),
        ("unsupported-key", "release", {"algorithm": "ed25519"}),
    ],
)
def test_refused(shared: InProcess, code: str, name: str, more: dict[str, str]) -> None:
    """
    What cannot be announced is not announced, and leaves the key that signs as it was.
    """
    not_done(code, announce, shared, name, **more)

    assert {} == events(shared, "key-added")
    assert {"release@1": "active", "attest@1": "active"} == standings(shared)


@pytest.mark.parametrize(
    ("code", "do", "more"),
    [
        ("key-standing", switch, {}),
        ("unknown-key", switch, {"version": 2}),
        ("key-standing", switch, {"version": 1}),
        ("bad-request", retire, {}),
        ("unknown-key", retire, {"version": 2}),
        ("bad-request", retire, {"version": 1, "reason": ""}),
        ("bad-request", retire, {"version": 1, "reason": "two\nlines"}),
    ],
)
def test_changes_refused(shared: InProcess, code: str, do: object, more: dict[str, object]) -> None:
    """
    A version that is not there, or not at that point of its life, is neither switched nor retired.
    """
    not_done(code, do, shared, **more)

    assert {"release@1": "active", "attest@1": "active"} == standings(shared)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> InProcess:
    """A running service whose keys no test changes."""
    with running(found_in(tmp_path_factory.mktemp("life") / "service")) as service:
        yield service


def test_configuration_of_another_key(world: World) -> None:
    """
    A service does not start with another key than the ledger says, wherever it was put.
    """
    with running(world) as service:
        rotate(service)
    book = world.directory / "keys" / "book.json"
    book.write_text(book.read_text().replace("release-2.pem", "release.pem"))
    with pytest.raises(Exception, match="where another key is"), running(world):
        pass
    book.unlink()
    with pytest.raises(Exception, match="nobody knows where version 2"), running(world):
        pass


def test_old_home_may_go(world: World, tmp_path: Path) -> None:
    """
    Once a key is replaced, the service starts without its private half.
    """
    with running(world) as service:
        rotate(service)
    (world.directory / "keys" / "release.pem").rename(tmp_path / "kept.pem")
    with running(world) as service:
        answer = sign(service, 1)

        assert Verifier(world.trust).verify(answer.bundle(), digest(1), REPOSITORY)
        assert "replaced" == standings(service)["release@1"]


def test_again_after_a_rotation(world: World) -> None:
    """
    Who sends an idempotency key again is answered as before, though the key rotated meanwhile,
    also after a restart; for another request it is refused as ever, and so is what was revoked.
    """
    with running(world) as service:
        first = sign(service, 1, idempotency_key="job-1")
        rotate(service)
        again = sign(service, 1, idempotency_key="job-1")
        fresh = sign(service, 1)

        assert first.record == again.record
        assert first.record.index != fresh.record.index
        refused("idempotency-conflict", lambda: sign(service, 2, idempotency_key="job-1"))
    with running(world) as service:
        assert first.record == sign(service, 1, idempotency_key="job-1").record
        revoke(service, entry=first.record.index)
        refused("revoked", lambda: sign(service, 1, idempotency_key="job-1"))
