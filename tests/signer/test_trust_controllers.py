"""`sealbook trust kyverno`, `policy-controller`, `connaisseur`: what they document, and no more.

None of them runs here. What is checked is that the files are YAML, name only fields that are
documented, and say for each place whom to believe.
"""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
import yaml

from signer.cli.trust.controllers import Believed, connaisseur, kyverno, policy_controller
from signer.errors import RequestError
from tests.signer.revoking import Image, Key, revoke
from tests.signer.running import running
from tests.signer.test_trust_podman import trusting
from tests.signer.world import World
from verifier.publickey import PublicKey
from verifier.trust import TrustRoot
from verifier.trust.listed import keys_by_hint
from verifier.trust.revocation import Revocation

NAMES = ("kyverno", "policy-controller", "connaisseur")
SERVICE = "https://sealbook.example"

# Of their own papers: kyverno.io/docs/policy-types/cluster-policy/verify-images and its API;
# docs/api-types of policy-controller; Connaisseur's "Basics" and "Sigstore / Cosign".
DOCUMENTED = {
    "kyverno": {
        "apiVersion kind metadata name spec background webhookConfiguration failurePolicy",
        "timeoutSeconds rules match any resources kinds verifyImages type imageReferences",
        "skipImageReferences failureAction mutateDigest verifyDigest required attestors count",
        "entries keys publicKeys signatureAlgorithm rekor url pubkey ctlog ignoreSCT",
        "validate message pattern containers image =(initContainers) =(ephemeralContainers)",
    },
    "policy-controller": {
        "apiVersion kind metadata name spec sigstoreKeys certificateAuthorities",
        "timestampAuthorities subject organization commonName uri certChain tLogs baseURL",
        "hashAlgorithm publicKey mode images glob authorities key data ctlog url trustRootRef",
        "static action",
    },
    "connaisseur": {
        "application validators name type trustRoots key host rekor rekorPubkey policy pattern",
        "validator with trustRoot threshold approve",
    },
}


def printed(world: World, name: str, *more: str) -> tuple[list[Any], str, str]:
    """Return the documents that are printed, what is in front of them, and what is said beside."""
    done = world.command("trust", name, "trust.json", "--service", SERVICE, *more)
    assert 0 == done.returncode, done.stderr
    head = "".join(line for line in done.stdout.splitlines(keepends=True) if line.startswith("#"))
    return list(yaml.safe_load_all(done.stdout)), head, done.stderr


def fields(value: Any) -> set[str]:
    """Return the name of every field in it."""
    if isinstance(value, dict):
        return {*value, *(name for inner in value.values() for name in fields(inner))}
    return {name for inner in value for name in fields(inner)} if isinstance(value, list) else set()


def believed(trust: TrustRoot, *revocations: Revocation) -> Believed:
    return Believed.of(trust, revocations, SERVICE)


def names(trust: TrustRoot, pems: list[str]) -> list[str]:
    """Return what the trust file calls these keys."""
    called = {key.public: key.name for key in trust.keys.values()}
    return [called[PublicKey.from_pem(one.encode())] for one in pems]


def gone(trust: TrustRoot, *which: str) -> list[Revocation]:
    return [
        Revocation("key", key.public.hint, "gone", 5, 1)
        for key in trust.keys.values()
        if key.name in which
    ]


@pytest.fixture
def wide(world: World) -> TrustRoot:
    """`release` everywhere, `team` in a.example/team, `deep` in a repository of it."""
    return trusting(world.trust, team="a.example/team", deep="a.example/team/x/app")


@pytest.mark.parametrize("name", NAMES)
def test_documented(world: World, wide: TrustRoot, name: str) -> None:
    """
    It is YAML that says first of all that it is untested, and names only documented fields; the
    command says the same in its help.
    """
    (world.directory / "trust.json").write_bytes(
        wide._replace(keys={h: k for h, k in wide.keys.items() if k.name != "team"}).json()
    )
    documents, head, _ = printed(world, name)
    known = {word for words in DOCUMENTED[name] for word in words.split()}

    assert head.startswith("# UNTESTED HERE: ")
    assert fields(documents) <= known
    said = world.command("trust", name, "--help").stdout
    assert "UNTESTED HERE" in said
    assert documents == json.loads(
        world.command("trust", name, "trust.json", "--service", SERVICE, "--json").stdout
    )


@pytest.mark.parametrize("name", NAMES)
def test_revoked(world: World, name: str) -> None:
    """
    A revoked key is left out, and then nothing may run; of revoked images it is said that they
    are not in it.
    """
    assert "without a status file" in printed(world, name)[1]
    with running(world) as service:
        revoke(service, key=Key(name="release"))
        revoke(service, image=Image(digest="sha256:" + "1" * 64, repository="a.example/app"))
    documents, head, said = printed(world, name, "--status", "status.json")
    text = json.dumps(documents)

    assert "release is left out" in said
    assert "1 revoked images are not in it" in head
    assert "without a status file" not in head
    [release] = [key for key in world.trust.keys.values() if key.name == "release"]
    assert json.dumps(release.public.pem().decode())[1:-1] not in text
    if name == "kyverno":
        [rule] = documents[0]["spec"]["rules"]
        refused = [{"image": "!*"}]
        assert {
            "containers": refused,
            "=(initContainers)": refused,
            "=(ephemeralContainers)": refused,
        } == rule["validate"]["pattern"]["spec"]
    elif name == "policy-controller":
        assert [{"name": "nobody", "static": {"action": "fail"}}] == (
            documents[1]["spec"]["authorities"]
        )
    else:
        [validator] = documents[0]["application"]["validators"]
        [rule] = documents[0]["application"]["policy"]
        assert ("static", False) == (validator["type"], validator["approve"])
        assert {"pattern": "*:*", "validator": validator["name"]} == rule


def test_kyverno_places(wide: TrustRoot) -> None:
    """
    A rule for each place lists the keys of the wider ones, and leaves out the places inside it:
    each rule that fits has to hold.
    """
    [policy] = kyverno.objects(believed(wide))
    found = {}
    for rule in policy["spec"]["rules"]:
        [checked] = rule["verifyImages"]
        assert "Enforce" == checked["failureAction"]
        [attestors] = checked["attestors"]
        assert 1 == attestors["count"]
        pems = [entry["keys"]["publicKeys"] for entry in attestors["entries"]]
        skipped = checked.get("skipImageReferences", [])
        found[checked["imageReferences"][-1]] = (sorted(names(wide, pems)), skipped)
    deep = ["a.example/team/x/app:*", "a.example/team/x/app@*", "a.example/team/x/app/*"]
    team = ["a.example/team:*", "a.example/team@*", "a.example/team/*"]

    assert {
        "*": (["release"], [*team, *deep]),
        "a.example/team/*": (["release", "team"], deep),
        "a.example/team/x/app/*": (["deep", "release", "team"], []),
    } == found
    rules = policy["spec"]["rules"]
    assert len({rule["name"] for rule in rules}) == len(rules)


def test_kyverno_without_keys(wide: TrustRoot, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Where every key is gone nothing may run, but for what lies in a place inside it that has keys;
    that it does not look elsewhere is said.
    """
    [policy] = kyverno.objects(believed(wide, *gone(wide, "release", "team")))
    [everywhere, team, deep] = policy["spec"]["rules"]

    assert [{"image": "!*" + team_and_deep(" | ")}] == images(everywhere)
    assert [
        {
            "image": "!a.example/team:* & !a.example/team@* & !a.example/team/*"
            " | a.example/team/x/app:* | a.example/team/x/app@* | a.example/team/x/app/*"
        }
    ] == images(team)
    assert "verifyImages" in deep
    assert "" == capsys.readouterr().err

    trust = wide._replace(keys=keys_by_hint(k for k in wide.keys.values() if k.name != "release"))
    kyverno.objects(believed(trust))
    assert "not looked at" in capsys.readouterr().err


def team_and_deep(between: str) -> str:
    return "".join(
        f"{between}{scope}{end}"
        for scope in ("a.example/team", "a.example/team/x/app")
        for end in (":*", "@*", "/*")
    )


def images(rule: dict[str, Any]) -> Any:
    return rule["validate"]["pattern"]["spec"]["containers"]


def test_policy_controller_places(wide: TrustRoot, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A policy for each place lists the keys of the wider ones, all of them with our log alone; that
    each that fits has to hold is said.
    """
    root, *policies = policy_controller.objects(believed(wide))
    [log] = root["spec"]["sigstoreKeys"]["tLogs"]
    promise = next(log.promise_key for log in wide.logs if log.promise_key)

    assert promise == PublicKey.from_pem(b64decode(log["publicKey"]))
    assert (SERVICE, "sha-256") == (log["baseURL"], log["hashAlgorithm"])
    found = {}
    for policy in policies:
        authorities = policy["spec"]["authorities"]
        assert all(
            {"url": SERVICE, "trustRootRef": root["metadata"]["name"]} == one["ctlog"]
            for one in authorities
        )
        pems = [one["key"]["data"] for one in authorities]
        found[policy["spec"]["images"][-1]["glob"]] = sorted(names(wide, pems))
    assert {
        "**": ["release"],
        "a.example/team/**": ["release", "team"],
        "a.example/team/x/app/**": ["deep", "release", "team"],
    } == found
    assert "a.example/team, a.example/team/x/app needs a key of *" in capsys.readouterr().err


def test_policy_controller_authorities(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Its trust root wants an authority: ours are in it, and it is said when there are none.
    """
    keys = policy_controller.objects(believed(world.trust))[0]["spec"]["sigstoreKeys"]
    for kind in ("certificateAuthorities", "timestampAuthorities"):
        [one] = keys[kind]
        assert all(one["subject"].values())
        assert 2 == b64decode(one["certChain"]).count(b"BEGIN CERTIFICATE")
    policy_controller.objects(believed(world.trust._replace(authorities=())))
    assert "takes no TrustRoot" in capsys.readouterr().err


def test_connaisseur_places(wide: TrustRoot) -> None:
    """
    The most specific pattern counts alone, so each place lists the keys of the wider ones; one
    signature is enough.
    """
    [values] = connaisseur.objects(believed(wide))
    validators = {one["name"]: one for one in values["application"]["validators"]}
    found = {}
    for rule in values["application"]["policy"]:
        assert {"trustRoot": "*", "threshold": 1} == rule["with"]
        validator = validators[rule["validator"]]
        assert "sealbook.example" == validator["host"]["rekor"]
        pems = [one["key"] for one in validator["trustRoots"]]
        found[rule["pattern"]] = sorted(names(wide, pems))

    assert ["release"] == found["*:*"]
    assert ["release", "team"] == found["a.example/team:*"] == found["a.example/team/*"]
    assert ["deep", "release", "team"] == found["a.example/team/x/app@*"]


def test_connaisseur_knows_one_log(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Of two logs it knows the last one, which is said.
    """
    other = world.trust.keys[next(iter(world.trust.keys))].public
    log = next(log for log in world.trust.logs if log.promise_key)
    two = world.trust._replace(logs=(log, log._replace(promise_key=other)))
    [values] = connaisseur.objects(believed(two))

    assert [other] == [
        PublicKey.from_pem(one["host"]["rekorPubkey"].encode())
        for one in values["application"]["validators"]
    ]
    assert "one log key" in capsys.readouterr().err


def test_names(world: World) -> None:
    """
    Places that differ only in what Kubernetes takes for no letter have different names.
    """
    trust = trusting(world.trust, a="a.example/team", b="a.example-team", c="a.example/t.eam")
    called = [place.name for place in believed(trust).places]

    assert len(set(called)) == len(called)
    assert all(len(name) <= 63 for name in called)


def test_nothing_to_say(world: World) -> None:
    """
    Without a log that promises as they read it, or without a key that approves, there is no file.
    """
    silent = tuple(log._replace(promise_key=None) for log in world.trust.logs)
    for trust in (world.trust._replace(logs=silent), world.trust._replace(keys={})):
        with pytest.raises(RequestError):
            believed(trust)
    assert 2 == world.command("trust", "kyverno", "trust.json").returncode
    odd = world.command("trust", "kyverno", "trust.json", "--service", "sealbook.example")
    assert "expected http(s)://" in odd.stderr
