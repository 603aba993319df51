"""Revoking: logged, carried in status.json, and refused by whoever is offline."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from signer.v1 import operator_pb2
from tests.signer.asking import OTHER_REPOSITORY, REPOSITORY, digest, refused
from tests.signer.revoking import (
    Authority,
    Image,
    Key,
    Request,
    not_revoked,
    offline,
    revocations,
    revoke,
    sign,
    status,
)
from tests.signer.running import InProcess, running
from tests.signer.world import World, found_in
from verifier import dsse
from verifier import note as notes
from verifier.bundle import Bundle
from verifier.note import Note
from verifier.statement import Statement


def predicate(service: InProcess, index: int) -> dict[str, Any]:
    """Return what the revocation at `index` says."""
    body = service.ledger.record(index).body
    said = Statement.parse(dsse.parse_pae(body)[1])
    assert "urn:sealbook:revocation" == said.predicate_type
    return said.predicate


def test_entry(world: World) -> None:
    """
    A revoked entry is refused offline, with why; what else its key signed still counts.
    """
    with running(world) as service:
        bad, good = sign(service, 1), sign(service, 2)
        before = offline(world).verify(bad.bundle(), digest(1), REPOSITORY)
        answer = revoke(service, "approved by mistake", entry=bad.record.index)
        said = refused(
            "revoked", lambda: offline(world).verify(bad.bundle(), digest(1), REPOSITORY)
        )

        assert 1 == before.index
        assert "approved by mistake" in said.message
        assert 2 == offline(world).verify(good.bundle(), digest(2), REPOSITORY).index
        assert (3, False) == (answer.index, answer.known)
        notes.verify(Note.parse(answer.note), [service.ledger.log_key])
        assert {"entry": 1, "kind": "entry", "reason": "approved by mistake"} == json.loads(
            answer.claim
        )
        assert status(world).payload.version == answer.status_version


def test_key(world: World) -> None:
    """
    A revoked key's approvals count up to the position that was said, and no further.
    """
    with running(world) as service:
        signed = [sign(service, n) for n in range(4)]
        revoke(service, key=Key(name="release", valid_through_tree_size=3))
        verifier = offline(world)

        for n, answer in enumerate(signed[:2]):
            assert n + 1 == verifier.verify(answer.bundle(), digest(n), REPOSITORY).index
        for n, answer in enumerate(signed[2:], 2):
            refused("revoked", lambda n=n, a=answer: verifier.verify(a.bundle(), digest(n), None))


def test_key_from_now_on(world: World) -> None:
    """
    Without a position, all that a key has signed so far goes on counting.
    """
    with running(world) as service:
        answer = sign(service, 1)
        revoke(service, key=Key(name="release"))
        [revoked] = revocations(world)

        assert 2 == revoked.after
        assert 1 == offline(world).verify(answer.bundle(), digest(1), REPOSITORY).index


def test_nothing_of_a_key_counts(world: World) -> None:
    """
    Position 0 takes everything away that a key ever signed, and is not taken for no position.
    """
    with running(world) as service:
        answer = sign(service, 1)
        revoke(service, key=Key(name="release", valid_through_tree_size=0))

        refused("revoked", lambda: offline(world).verify(answer.bundle(), digest(1), REPOSITORY))


def test_image(world: World) -> None:
    """
    A revoked image is refused in the repositories that were named, and in others not.
    """
    with running(world) as service:
        answers = [
            service.asking(lambda client, where=where: client.sign(digest(1), where))
            for where in (REPOSITORY, OTHER_REPOSITORY)
        ]
        revoke(service, image=Image(digest=digest(1), repository=REPOSITORY))
        verifier = offline(world)

        refused("revoked", lambda: verifier.verify(answers[0].bundle(), digest(1), REPOSITORY))
        assert verifier.verify(answers[1].bundle(), digest(1), OTHER_REPOSITORY)
        revoke(service, image=Image(digest=digest(1)))
        refused("revoked", lambda: offline(world).verify(answers[1].bundle(), digest(1), None))


@pytest.mark.parametrize("kind", ["timestamp", "certificate", "transparency"])
def test_authority(world: World, kind: str) -> None:
    """
    A revoked authority ends in trusted_root.json, which other clients read, at the moment that
    was said; nothing else in that file changes.
    """
    field = {"certificate": "certificateAuthorities", "transparency": "ctlogs"}
    path = world.directory / "trusted_root.json"
    until = int(time.time()) - 60
    before = json.loads(path.read_bytes())
    before["mine"] = "kept"
    path.write_text(json.dumps(before))
    with running(world) as service:
        revoke(service, authority=Authority(name=kind, until=until))
    after = json.loads(path.read_bytes())
    [one] = after[field.get(kind, "timestampAuthorities")]
    window = one["publicKey"]["validFor"] if "publicKey" in one else one["validFor"]

    assert time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until)) == window.pop("end")
    [was] = before[field.get(kind, "timestampAuthorities")]
    window.update(was["publicKey"]["validFor"] if "publicKey" in was else was["validFor"])
    assert before == after
    with running(world):
        assert until == revocations(world)[0].after


def test_end_that_was_there(world: World) -> None:
    """
    An earlier end that somebody put into trusted_root.json by hand stays, and a file that is
    right is not written again.
    """
    path = world.directory / "trusted_root.json"
    root = json.loads(path.read_bytes())
    root["timestampAuthorities"][0]["validFor"]["end"] = "2026-01-01T00:00:00Z"
    path.write_text(json.dumps(root))
    before = path.stat().st_ino
    with running(world) as service:
        revoke(service, authority=Authority(name="timestamp"))
        assert (root, before) == (json.loads(path.read_bytes()), path.stat().st_ino)
        revoke(service, authority=Authority(name="certificate"))
        written = path.stat().st_ino
        revoke(service, key=Key(name="release"))

        assert before != written == path.stat().st_ino


def test_authority_by_fingerprint(world: World) -> None:
    """
    An authority can be named by its certificate too, and ends now unless another time is said.
    """
    authority = next(one for one in world.trust.authorities if one.kind == "notation")
    before = int(time.time())
    with running(world) as service:
        revoke(service, authority=Authority(name=authority.fingerprint))
    [revoked] = revocations(world)

    assert authority.fingerprint == revoked.target
    assert before <= revoked.after <= time.time()


def test_proofs(world: World) -> None:
    """
    Each revocation in the file bears the proof that the ledger has it, under the file's own
    checkpoint, and the events name each other.
    """
    with running(world) as service:
        sign(service, 1)
        revoke(service, entry=1)
        revoke(service, key=Key(name="release"))
        revoke(service, image=Image(digest=digest(9)))
        revoke(service, authority=Authority(name="timestamp"))
        previous = [predicate(service, index)["previous"] for index in range(2, 6)]
    payload = status(world).payload
    for one in payload.revocations:
        bundle = Bundle.parse(one.bundle)
        _, key = world.verifier.logged(bundle)
        one.check_logged(bundle, key)
        assert payload.note == bundle.note

    assert [2, 3, 4, 5] == [one.index for one in payload.revocations]
    assert [None, 2, 3, 4] == previous


TWICE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "entry": ({"entry": 1}, {"entry": 1}),
    "key": ({"key": Key(name="release")}, {"key": Key(name="release")}),
    "key, later": (
        {"key": Key(name="release", valid_through_tree_size=1)},
        {"key": Key(name="release", valid_through_tree_size=2)},
    ),
    "image": ({"image": Image(digest=digest(1))}, {"image": Image(digest=digest(1))}),
    "image, within": (
        {"image": Image(digest=digest(1), repository="registry.example/team")},
        {"image": Image(digest=digest(1), repository=REPOSITORY)},
    ),
    "image, everywhere": (
        {"image": Image(digest=digest(1))},
        {"image": Image(digest=digest(1), repository=REPOSITORY)},
    ),
    "authority": (
        {"authority": Authority(name="timestamp", until=1)},
        {"authority": Authority(name="timestamp")},
    ),
}


@pytest.mark.parametrize("what", TWICE)
def test_twice(world: World, what: str) -> None:
    """
    What was revoked as far already is not logged again: the first revocation answers.
    """
    first, again = TWICE[what]
    with running(world) as service:
        sign(service, 1)
        one = revoke(service, "the first", **first)
        size = service.tree_size
        two = revoke(service, "another reason", **again)

        assert size == service.tree_size
        assert (one.index, one.claim, True) == (two.index, two.claim, two.known)
        assert two.status_version > one.status_version
        assert "the first" == revocations(world)[0].reason


FURTHER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "key, earlier": (
        {"key": Key(name="release", valid_through_tree_size=2)},
        {"key": Key(name="release", valid_through_tree_size=1)},
    ),
    "another key": ({"key": Key(name="release")}, {"key": Key(name="attest")}),
    "image, wider": (
        {"image": Image(digest=digest(1), repository="registry.example/team")},
        {"image": Image(digest=digest(1), repository="registry.example/te")},
    ),
    "image, next door": (
        {"image": Image(digest=digest(1), repository="registry.example/team")},
        {"image": Image(digest=digest(1), repository="registry.example/team-evil")},
    ),
    "image, everywhere": (
        {"image": Image(digest=digest(1), repository=REPOSITORY)},
        {"image": Image(digest=digest(1))},
    ),
    "authority, earlier": (
        {"authority": Authority(name="timestamp", until=2)},
        {"authority": Authority(name="timestamp", until=1)},
    ),
}


@pytest.mark.parametrize("what", FURTHER)
def test_further(world: World, what: str) -> None:
    """
    What takes more away than the revocation before it is logged, and in force beside it.
    """
    first, again = FURTHER[what]
    with running(world) as service:
        sign(service, 1)
        revoke(service, **first)
        answer = revoke(service, **again)

        assert (3, False) == (answer.index, answer.known)
        assert [2, 3] == [one.index for one in revocations(world)]


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing": ("bad-request", {}),
    "no reason": ("bad-request", {"entry": 1, "reason": ""}),
    "a long reason": ("bad-request", {"entry": 1, "reason": "x" * 1025}),
    "two lines of reason": ("bad-request", {"entry": 1, "reason": "one\ntwo"}),
    "NUL": ("bad-request", {"entry": 1, "reason": "\0"}),
    "genesis": ("bad-request", {"entry": 0}),
    "beyond the tree": ("unknown-entry", {"entry": 10**6}),
    "far beyond it": ("unknown-entry", {"entry": 2**64 - 1}),
    "unknown key": ("unknown-key", {"key": Key(name="nobody")}),
    "no key": ("unknown-key", {"key": Key()}),
    "event key": ("key-purpose", {"key": Key(name="event")}),
    "status key": ("key-purpose", {"key": Key(name="status")}),
    "key, after the future": (
        "unknown-entry",
        {"key": Key(name="release", valid_through_tree_size=10**6)},
    ),
    "no digest": ("bad-digest", {"image": Image(digest="latest")}),
    "no scope": ("bad-repository", {"image": Image(digest=digest(1), repository="Team/App")}),
    "unknown authority": ("unknown-key", {"authority": Authority(name="release")}),
    "authority in the future": (
        "bad-request",
        {"authority": Authority(name="timestamp", until=2**40)},
    ),
    "authority before 1970": (
        "bad-request",
        {"authority": Authority(name="timestamp", until=-1)},
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(service: InProcess, what: str) -> None:
    """
    What is not there, or only a root key may take away, is not revoked, and nothing is logged.
    """
    code, target = REFUSED[what]
    size, version = service.tree_size, status(service).payload.version
    not_revoked(service, code, **target)

    assert (size, version) == (service.tree_size, status(service).payload.version)


def test_revocation_of_a_revocation(world: World) -> None:
    """
    Events cannot be revoked, revocations least of all: nothing gives back what was taken away.
    """
    with running(world) as service:
        sign(service, 1)
        answer = revoke(service, entry=1)

        assert "is an event" in not_revoked(service, "bad-request", entry=answer.index)


def test_two_authorities_of_a_kind(world: World) -> None:
    """
    While two authorities of one kind are trusted, the kind alone names neither.
    """
    trust = world.trust
    other = next(one for one in trust.authorities if one.kind == "certificate")
    more = (*trust.authorities, other._replace(kind="timestamp"))
    (world.directory / "trust.json").write_bytes(trust._replace(authorities=more).json())
    root = world.command("trusted-root", "trust.json").stdout
    (world.directory / "trusted_root.json").write_text(root)
    with running(world) as service:
        assert "2 authorities" in not_revoked(
            service, "bad-request", authority=Authority(name="timestamp")
        )


def test_nobody_else_revokes(service: InProcess) -> None:
    """
    Revoking is for operators, not for who may sign.
    """
    request = Request(reason="x", entry=0).SerializeToString()

    assert "permission-denied" == service.raw(request, "/sealbook.v1.Operator/Revoke").code


def test_frozen(world: World) -> None:
    """
    A frozen ledger takes no revocation, and says what ends a key then.
    """
    with running(world) as service:
        freeze = operator_pb2.FreezeRequest(origin="ledger.example", reason="moved")
        service.operate("/sealbook.v1.Operator/Freeze", freeze.SerializeToString())

        not_revoked(service, "ledger-frozen", key=Key(name="release"))
        assert () == revocations(world)


def test_not_published_in_time(world: World) -> None:
    """
    A revocation that is durable and waits for a mirror is told to be so, and carried and
    honoured all the same; nobody else has to wait.
    """
    with world.config.open("a") as file:
        file.write("\n[mirror]\nsynchronous = true\ndeadline_s = 0.1\n")
    with running(world) as service:
        before = service.tree_size
        not_revoked(service, "mirror-behind", key=Key(name="release"))
        [revoked] = revocations(world)

        assert (b"{}", before) == (revoked.bundle, revoked.index)
        refused("revoked", lambda: sign(service, 1))
        not_revoked(service, "mirror-behind", key=Key(name="release"))
        assert before + 1 == service.tree_size


def test_status_says_so(world: World) -> None:
    """
    The service's own status says which of its keys are revoked.
    """
    with running(world) as service:
        revoke(service, key=Key(name="release"))
        raw = service.operate("/sealbook.v1.Operator/GetStatus")
        keys = operator_pb2.GetStatusResponse.FromString(raw).keys

        assert {"release": True, "attest": False} == {key.name: key.revoked for key in keys}


def test_no_root_key(tmp_path: Path) -> None:
    """
    An emergency needs no root key: with both of them elsewhere everything is revoked as usual.
    """
    world = found_in(tmp_path / "service")
    for name in ("root", "trust-root"):
        (world.directory / "keys" / f"{name}.pem").unlink()
    with running(world) as service:
        answer = sign(service, 1)
        revoke(service, key=Key(name="release", valid_through_tree_size=0))

        refused("revoked", lambda: offline(world).verify(answer.bundle(), digest(1), REPOSITORY))
