"""`sealbook trust sync` and `show DIR`: a directory of trust files that only goes forward."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from signer.keys.memory import MemoryKey
from tests.signer.asking import digest
from tests.signer.commands import ROOT as CHECKOUT
from tests.signer.commands import check_refused, one
from tests.signer.revoking import Image, revoke, sign
from tests.signer.roots import (
    OLD,
    POLICY,
    ROOT,
    advance,
    created,
    good,
    new_key,
    publish,
    rules,
    sha256,
    trust_of,
)
from tests.signer.roots import sign as sign_trust
from tests.signer.running import running
from tests.signer.syncing import kept, publish_copy, sync, unchanged
from tests.signer.world import World, found_in
from verifier.trust.status import Status


@pytest.fixture
def pinned(world: World) -> World:
    """A founded service whose trust files somebody pinned in `kept`."""
    good(sync(world, "--pin", sha256(world.directory / OLD)))
    return world


def test_pinning(world: World) -> None:
    """
    The first trust file is taken only by its SHA-256, or when told to believe whoever answers.
    """
    pin = sha256(world.directory / OLD)
    assert pin in check_refused(sync(world), "bad-request")
    check_refused(sync(world, "--pin", "0" * 64), "foreign-trust")
    check_refused(sync(world, "--pin", pin[:-1]), "bad-request")
    assert not (world.directory / "kept").exists()

    said = good(sync(world, "--pin", pin.upper()))
    assert said.startswith("+ trust file version 1\n+ status file version ")
    assert (world.directory / OLD).read_bytes() == kept(world)["trust.json"]
    shutil.rmtree(world.directory / "kept")
    assert said == good(sync(world, "--first"))
    assert 2 == sync(world, "--first", "--pin", pin).returncode


def test_nothing_new(pinned: World) -> None:
    """
    When nothing is newer that is well too, and the pin of the first time does not matter any more.
    """
    before = kept(pinned)
    assert "nothing changed\n" == good(sync(pinned, "--pin", "0" * 64))
    value = one(sync(pinned, "--json"))

    assert (1, []) == (value["trust"], value["changes"])
    assert before == kept(pinned)


def test_next_version(pinned: World) -> None:
    """
    A trust file that follows is taken, and what changed is told a line each.
    """
    key = ("--key", new_key(pinned, "late"), "--purpose", "approve", "--scope", "*")
    advance(pinned, *key)
    said = good(sync(pinned))

    assert "~ trust: version 1 -> 2\n" in said
    assert "+ trust: key late: approve in *" in said
    assert 2 == trust_of(pinned, "kept/trust.json").version


def test_roots_change(pinned: World) -> None:
    """
    New roots are believed once the old one signed too; from then on the old one is nobody.
    """
    created(pinned, "--root", new_key(pinned, "a"), "--threshold", 1)
    good(sign_trust(pinned, "a.pem"))
    publish_copy(pinned)
    unchanged(pinned, "foreign-trust", source="usb")
    good(sign_trust(pinned, ROOT, "--previous", OLD))
    publish(pinned)
    good(sync(pinned))

    created(pinned)
    check_refused(sign_trust(pinned, ROOT), "bad-request")
    good(sign_trust(pinned, "a.pem"))
    publish(pinned)
    good(sync(pinned))
    assert 3 == trust_of(pinned, "kept/trust.json").version


def test_too_few_roots(pinned: World) -> None:
    """
    Of two roots that have to sign, one is not enough, and nothing is changed.
    """
    roots = [word for name in "ab" for word in ("--root", new_key(pinned, name))]
    created(pinned, *roots, "--threshold", 2)
    good(sign_trust(pinned, ROOT, "--previous", OLD))
    good(sign_trust(pinned, "a.pem"))
    publish_copy(pinned)
    assert "1 of 2" in unchanged(pinned, "trust-threshold", source="usb")
    good(sign_trust(pinned, "b.pem"))
    publish_copy(pinned)

    good(sync(pinned, source="usb"))


def test_older_trust_file(pinned: World) -> None:
    """
    A source that is behind is refused: a trust file never goes back a version.
    """
    shutil.copytree(pinned.directory / "kept", pinned.directory / "behind")
    advance(pinned)
    good(sync(pinned))

    unchanged(pinned, "trust-rollback", source="behind")


def test_older_status_file(pinned: World) -> None:
    """
    A status file never goes back a version, and one that is missing takes nothing away.
    """
    behind = pinned.directory / "behind"
    shutil.copytree(pinned.directory / "kept", behind)
    with running(pinned) as service:
        revoke(service, image=Image(digest=digest(1), repository=""))
    good(sync(pinned))
    before = kept(pinned)["status.json"]

    unchanged(pinned, "status-rollback", source="behind")
    (behind / "status.json").unlink()
    assert "nothing changed\n" == good(sync(pinned, source="behind"))
    assert before == kept(pinned)["status.json"]


def test_older_file_put_back(pinned: World) -> None:
    """
    Whoever puts an older trust file back is noticed, and the next sync heals what was done.
    """
    before = kept(pinned)["trust.json"]
    advance(pinned)
    good(sync(pinned))
    (pinned.directory / "kept" / "trust.json").write_bytes(before)

    check_refused(pinned.command("trust", "show", "kept"), "trust-rollback")
    done = sync(pinned)
    assert 0 == done.returncode
    assert "what lies there is not good" in done.stderr
    assert "version 2" in good(pinned.command("trust", "show", "kept"))


def test_deleted(pinned: World) -> None:
    """
    Whoever deletes the trust file brings no older one back: how far it had come is remembered.
    """
    behind = pinned.directory / "behind"
    shutil.copytree(pinned.directory / "kept", behind)
    advance(pinned)
    good(sync(pinned))
    (pinned.directory / "kept" / "trust.json").unlink()

    unchanged(pinned, "bad-request", source="behind")
    unchanged(pinned, "trust-rollback", "--first", source="behind")
    good(sync(pinned, "--first"))


def test_foreign(pinned: World, tmp_path: Path) -> None:
    """
    The files of another service are refused, by whichever of them comes first.
    """
    other = found_in(tmp_path / "other")
    unchanged(pinned, "foreign-trust", source=other.directory)
    usb = tmp_path / "usb"
    usb.mkdir()
    shutil.copy(pinned.directory / OLD, usb)
    shutil.copy(other.directory / "status.json", usb)
    unchanged(pinned, "foreign-trust", source=usb)


def test_policy(pinned: World) -> None:
    """
    The policy that the trust file pins comes with it; another one, or none, is refused.
    """
    rules(pinned)
    advance(pinned, "--policy", "policy.toml")
    pin = sha256(pinned.directory / "policy.toml")
    rules(pinned, POLICY.replace("release", "qa"))
    unchanged(pinned, "policy-mismatch")
    (pinned.directory / "policy.toml").unlink()
    unchanged(pinned, "policy-mismatch")
    rules(pinned)

    assert f"+ policy {pin}\n" in good(sync(pinned))
    assert POLICY.encode() == kept(pinned)["policy.toml"]
    assert "nothing changed\n" == good(sync(pinned))


def test_policy_that_nobody_pins(pinned: World) -> None:
    """
    Whoever hands the files out does not choose the rules: a policy that is not pinned stays out.
    """
    rules(pinned)
    done = sync(pinned)

    assert 0 == done.returncode
    assert "that of the source was not taken" in done.stderr
    assert "policy.toml" not in kept(pinned)


def test_expired(world: World) -> None:
    """
    An expired trust file may be taken, as the newest that there is, and is warned of.
    """
    expired = world.trust._replace(issued=1, expires=2)
    usb = world.directory / "usb"
    usb.mkdir()
    (usb / OLD).write_bytes(expired.json())
    done = sync(world, "--first", source="usb")

    assert 0 == done.returncode
    assert "(trust-expired)" in done.stderr
    assert "there is no status file" in done.stderr


def test_example_keys(world: World) -> None:
    """
    Files of the example keys are refused, unless they are asked for.
    """
    source = CHECKOUT / "keys-example"
    check_refused(sync(world, "--first", source=source), "example-key")
    assert not (world.directory / "kept").exists()
    assert 0 == sync(world, "--first", "--example-keys", source=source).returncode


def test_bad_proof(pinned: World) -> None:
    """
    A revocation whose proof is bad counts, as it only takes away; sync and show say it is bad.
    """
    with running(pinned) as service:
        sign(service, 1)
        revoke(service, entry=1)
    path = pinned.directory / "status.json"
    payload = Status.parse(path.read_bytes(), pinned.trust).payload
    [told] = payload.revocations
    other = told._replace(reason="another")
    key = MemoryKey.load(pinned.directory / "keys" / "status.pem")
    path.write_bytes(payload._replace(revocations=(other,)).sealed(key))
    done = sync(pinned)

    assert 0 == done.returncode
    assert "+ revoked: entry 1, by entry 2: another\n" in done.stdout
    assert "warning: entry 1, by entry 2: another: BAD PROOF" in done.stderr
    assert "[BAD PROOF: " in good(pinned.command("trust", "show", "kept"))
    payload = payload._replace(version=payload.version + 1)
    path.write_bytes(payload._replace(revocations=(other._replace(bundle=b"{}"),)).sealed(key))
    good(sync(pinned))
    assert "[not proven yet]" in good(pinned.command("trust", "show", "kept"))
