"""`sealbook trust podman`: the keys that approve, and none that was revoked."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest

from signer.cli.trust import podman
from signer.cli.trust.lookups import Lookups, Remap
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


def docker(trust: TrustRoot, *revocations: Revocation, remaps: str = "") -> dict[str, Any]:
    """Return the rules by scope."""
    live = podman.live_keys(trust, revocations)
    policy: dict[str, Any] = podman.policy(
        trust, live, revocations, [Remap.parse(one) for one in remaps.split()]
    )
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


def places(text: str) -> dict[str, Any]:
    """Read the little YAML that we write; real Podman reads it in tests/interop."""
    first, *lines = text.splitlines()
    assert "docker:" == first
    found: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.strip().rpartition(": " if line.startswith("    ") else ":")
        if value:
            found[list(found)[-1]][name] = json.loads(value)
        else:
            found[json.loads(name)] = {}
    return found


def written(world: World, *more: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return policy.json and the registries.d file that are written with these options."""
    done = world.command("trust", "podman", "trust.json", "--out", "containers", *more)
    assert 0 == done.returncode, done.stderr
    where = world.directory / "containers"
    assert {"policy.json", "registries.d"} == {path.name for path in where.iterdir()}
    [registries] = (where / "registries.d").iterdir()
    assert "sealbook.yaml" == registries.name
    for path in (where / "policy.json", registries):
        assert 0o644 == path.stat().st_mode & 0o777
    return json.loads((where / "policy.json").read_bytes()), places(registries.read_text())


def test_out(world: World) -> None:
    """
    Both files are written, again and again, for whoever reads them; the policy is what is printed.
    """
    options = ("--registry", "registry.example:5000", "--lookaside", "https://sealbook.example/")
    policy, registries = written(world, *options)
    again = written(world, *options, "--registry", "docker.io", "--attachments")
    printed_policy = world.command("trust", "podman", "trust.json").stdout

    assert json.loads(printed_policy) == policy == again[0]
    place = {"lookaside": "https://sealbook.example/lookaside/registry.example:5000"}
    assert {"registry.example:5000": place} == registries
    assert {
        "docker.io": {
            "lookaside": "https://sealbook.example/lookaside/docker.io",
            "use-sigstore-attachments": True,
        },
        "registry.example:5000": {**place, "use-sigstore-attachments": True},
    } == again[1]


def test_out_says_what_it_wrote(world: World) -> None:
    """
    What was written is said, for people and for machines.
    """
    options = ("trust", "podman", "trust.json", "--out", "to", "--attachments", "--registry", "a.b")
    said, machine = world.command(*options), world.command(*options, "--json")

    assert "to/policy.json" in said.stdout
    assert "to/registries.d/sealbook.yaml" in said.stdout
    assert {"policy": "to/policy.json", "registries": "to/registries.d/sealbook.yaml"} == (
        json.loads(machine.stdout)
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--out to", "--out wants --lookaside URL"),
        ("--lookaside https://a.example", "they want --out DIR"),
        ("--attachments", "they want --out DIR"),
        ("--attachments --out to", "say --registry HOST"),
        ("--attachments --out to --registry *", "expected HOST"),
        ("--attachments --out to --registry Host", "expected '*' or host"),
        ("--lookaside a.example --out to", "expected http(s)://"),
        ("--lookaside https://a.example?q --out to", "expected http(s)://"),
        ("--lookaside https://a.example/#f --out to", "expected http(s)://"),
        ('--lookaside https://a.example/"x --out to', "expected http(s)://"),
        ("--remap registry.example/team/app", "expected host"),
        ("--remap mirror.example=registry.example/team", "expected host"),
        ("--remap a.example/app=a.example/app", "expected two repositories"),
        ("--remap a.example/app=b.example/app=c.example/app", "expected host"),
    ],
)
def test_what_does_not_go_together(world: World, options: str, said: str) -> None:
    """
    What would not work is refused before anything is written, and what is missing is said.
    """
    done = world.command("trust", "podman", "trust.json", *options.split())

    assert 2 == done.returncode
    assert said in done.stderr
    assert not (world.directory / "to").exists()


def test_places_of_scopes(world: World) -> None:
    """
    Where keys have scopes, these are where to look, each at the lookaside of its registry.
    """
    trust = trusting(world.trust, host="a.example", team="b.example:5000/team/deep")
    config = Lookups("https://s.example/base", attachments=False).config(podman.scopes_of(trust))

    assert {
        "a.example": {"lookaside": "https://s.example/base/lookaside/a.example"},
        "b.example:5000/team/deep": {
            "lookaside": "https://s.example/base/lookaside/b.example:5000"
        },
    } == config


def test_remap(world: World) -> None:
    """
    In a repository that is named, what was signed for another one is accepted, by the keys of that
    one, and looked for under its name.
    """
    trust = trusting(world.trust, team="a.example/team", other="m.example/proxy")
    remaps = "m.example/proxy/team/app=a.example/team/app m.example/x=c.example/x"
    rules = docker(trust, remaps=remaps)
    by_name = {key.name: key.public for key in trust.keys.values()}

    for scope, signed_for, names in (
        ("m.example/proxy/team/app", "a.example/team/app", ("release", "team")),
        ("m.example/x", "c.example/x", ("release",)),
    ):
        [rule] = rules[scope]
        identity = {"type": "exactRepository", "dockerRepository": signed_for}
        assert identity == rule["signedIdentity"]
        same = {**rule, "signedIdentity": {"type": "matchRepository"}}
        assert {by_name[name] for name in names} == set(keys([same]))
    assert {"type": "matchRepository"} == rules["m.example/proxy"][0]["signedIdentity"]

    looked = Lookups("https://s.example", attachments=True).config(
        [], [Remap.parse(remaps.split(maxsplit=1)[0])]
    )
    assert {
        "m.example/proxy/team/app": {
            "lookaside": "https://s.example/lookaside/a.example/team/app/-3",
            "use-sigstore-attachments": True,
        }
    } == looked


def test_remap_of_what_is_gone(world: World) -> None:
    """
    Without a live key for the other repository nothing is accepted; a digest that was revoked in
    either of the two, or around them, is rejected where it is pulled by digest.
    """
    trust = trusting(world.trust, team="a.example/team")
    remaps = "m.example/app=a.example/team/app"
    by_hint = [key.public.hint for key in trust.keys.values() if key.purpose == "approve"]
    gone = [Revocation("key", hint, "gone", 5, 1) for hint in by_hint]
    images = [
        Revocation("digest", digest(n), "bad", 5, repository=Scope(scope))
        for n, scope in enumerate(
            (
                "a.example/team/app",
                "m.example/app",
                "*",
                "a.example",
                "m.example",
                "a.example/other",
            )
        )
    ]

    assert REJECT == docker(trust, *gone, remaps=remaps)["m.example/app"]
    rejected = {
        name for name, rule in docker(trust, *images, remaps=remaps).items() if rule == REJECT
    }
    assert {f"m.example/app@{digest(n)}" for n in range(5)} == {
        name for name in rejected if name.startswith("m.example/app@")
    }
