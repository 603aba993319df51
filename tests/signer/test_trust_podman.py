"""`sealbook trust podman`: the keys that approve, and none that was revoked."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

from signer.cli.trust import podman
from signer.keys.memory import MemoryKey
from tests.signer.asking import REPOSITORY, digest
from tests.signer.revoking import Image, Key, revoke
from tests.signer.running import running
from tests.signer.world import World
from verifier.publickey import PublicKey
from verifier.repository import Scope
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey, keys_by_hint
from verifier.trust.revocation import Revocation

REJECT = [{"type": "reject"}]


def printed(world: World, *more: str) -> tuple[dict[str, Any], str]:
    """Return the policy that is printed, by scope, and what is said beside it."""
    done = world.command("trust", "podman", "trust.json", *more)
    assert 0 == done.returncode
    policy = json.loads(done.stdout)
    assert REJECT == policy["default"]
    assert {"docker"} == set(policy["transports"])
    return policy["transports"]["docker"], done.stderr


def keys(rule: list[dict[str, Any]], field: str = "keyData") -> list[PublicKey]:
    """Return the keys of a rule."""
    [signed] = rule
    assert ("sigstoreSigned", {"type": "matchRepository"}) == (
        signed["type"],
        signed["signedIdentity"],
    )
    found = [signed[field]] if field in signed else signed[f"{field}s"]
    return [PublicKey.from_pem(b64decode(one)) for one in found]


def trusting(trust: TrustRoot, **scopes: str) -> TrustRoot:
    """Return a trust root with more keys that approve, each in one scope."""
    more = [
        TrustedKey(name, "approve", MemoryKey.generate("ecdsa-p256").public, (Scope(scope),))
        for name, scope in scopes.items()
    ]
    return trust._replace(keys=keys_by_hint([*trust.keys.values(), *more]))


def docker(trust: TrustRoot, *revocations: Revocation) -> dict[str, Any]:
    """Return the rules by scope."""
    policy: dict[str, Any] = podman.policy(trust, podman.live_keys(trust, revocations), revocations)
    rules: dict[str, Any] = policy["transports"]["docker"]
    return rules


def test_as_founded(world: World) -> None:
    """
    Of a new service: its approving key, with the key of its promises, everywhere.
    """
    rules, said = printed(world)
    [log] = [log for log in world.trust.logs if log.promise_key]

    assert {""} == set(rules)
    assert [k.public for k in world.trust.keys.values() if k.name == "release"] == keys(rules[""])
    assert [log.promise_key] == keys(rules[""], "rekorPublicKeyData")
    assert "" == said


def test_revoked(world: World) -> None:
    """
    A revoked key is left out, which is said; without another one everything is rejected.
    """
    with running(world) as service:
        revoke(service, key=Key(name="release"))
        revoke(service, image=Image(digest=digest(1), repository=REPOSITORY))
        revoke(service, image=Image(digest=digest(2), repository="registry.example"))
    rules, said = printed(world, "--status", "status.json")

    assert {"": REJECT, f"{REPOSITORY}@{digest(1)}": REJECT} == rules
    assert "release is left out" in said


def test_scopes(world: World) -> None:
    """
    The longest scope alone counts in Podman, so it lists the keys of the wider ones too, and
    none of a neighbour's.
    """
    trust = trusting(
        world.trust, host="a.example", team="a.example/team", evil="a.example/team-evil"
    )
    rules = docker(trust)
    by_name = {key.name: key.public for key in trust.keys.values()}

    def listed(scope: str) -> set[str]:
        found = keys(rules[scope])
        return {name for name, public in by_name.items() if public in found}

    assert {"", "a.example", "a.example/team", "a.example/team-evil"} == set(rules)
    assert {"release"} == listed("")
    assert {"release", "host"} == listed("a.example")
    assert {"release", "host", "team"} == listed("a.example/team")
    assert {"release", "host", "evil"} == listed("a.example/team-evil")


def test_scope_without_keys(world: World) -> None:
    """
    A scope whose only key is gone rejects.
    """
    trust = trusting(world.trust, team="a.example/team")
    gone = [
        Revocation("key", key.public.hint, "gone", 5, 1)
        for key in trust.keys.values()
        if key.purpose == "approve"
    ]

    assert {"": REJECT, "a.example/team": REJECT} == docker(trust, *gone)


def test_second_algorithm(world: World) -> None:
    """
    A key that these clients cannot read is left out, and rejects where it is the only one.
    """
    quantum = MemoryKey.generate("ml-dsa-65").public
    scopes = (Scope("*"), Scope("registry.example/quantum"))
    trusted = TrustedKey("release-pq", "approve", quantum, scopes)
    [release] = [key for key in world.trust.keys.values() if key.name == "release"]
    both = docker(world.trust._replace(keys=keys_by_hint([release, trusted])))
    alone = docker(world.trust._replace(keys=keys_by_hint([trusted])))

    assert [[release.public]] * 2 == [keys(rule) for rule in both.values()]
    assert {"": REJECT, "registry.example/quantum": REJECT} == alone


def test_retired(world: World) -> None:
    """
    A key whose window has ended is left out: Podman cannot tell what it signed before.
    """
    trust = world.trust
    retired = [
        key._replace(valid_through_tree_size=10) if key.name == "release" else key
        for key in trust.keys.values()
    ]

    assert {"": REJECT} == docker(trust._replace(keys=keys_by_hint(retired)))
