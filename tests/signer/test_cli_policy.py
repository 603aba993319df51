"""`sealbook policy check` and `try`: a policy in sentences, and what it says of an image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signer.keys.memory import MemoryKey
from tests.signer.asking import REPOSITORY, digest
from tests.signer.commands import Done, check_refused, one, sealbook
from tests.signer.revoking import Image, revoke, sign
from tests.signer.roots import POLICY, advance, created, good, rules, sha256
from tests.signer.running import InProcess, running
from tests.signer.world import World, found_in

FULL = """\
type = "urn:sealbook:policy:v1"
max_trust_age = "3 days"

[[images]]
under = "*"
mode = "warn"
unnamed = "allow"
[images.approval]

[[images]]
under = "harbor.bank/payments"
witnesses = 1
max_checkpoint_age = "1 day"
remap = [{ signed = "ci.bank/payments", as = "harbor.bank/payments" }]
break_glass = [{ digest = "sha256:%s", until = 2026-12-31, why = "the night of the migration" }]
[images.approval]
keys = ["release", "qa"]
signers = 2
max_age = "90 days"
requester = { project_id = "4711", ref_protected = "true" }
[[images.attestation]]
type = "https://slsa.dev/provenance/v1"
identities = [{ identity = "ci@bank", issuer = "https://gitlab.bank" }]
[images.vulnerabilities]
max_severity = "medium"
fixed_only = true
max_age = "7 days"
keys = ["attest"]
allow = [{ cve = "CVE-2026-1234", until = 2026-12-31, why = "the parser is not built in" }]
""" % ("ab" * 32)
SPOKEN = f"""\
Images under harbor.bank/payments may run only if 2 different signers gave an approval \
(key release and key qa) in the last 90 days, asked for by somebody with project_id '4711' and \
ref_protected 'true', and one signer gave an attestation of type https://slsa.dev/provenance/v1 \
(ci@bank as https://gitlab.bank knows them), and each scanner's newest report (key attest), from \
the last 7 days, holds nothing worse than medium that has a fix.
CVE-2026-1234 is taken until 2027-01-01T00:00:00Z: the parser is not built in.
Of the ledger's witnesses 1 has seen each.
The newest checkpoint is younger than 1 day.
What was signed under ci.bank/payments may run under harbor.bank/payments.
WHATEVER IS MISSING, sha256:{"ab" * 32} runs until 2027-01-01T00:00:00Z: \
the night of the migration.

Images everywhere else ALWAYS RUN; a warning is given unless one signer gave an approval (any key \
of the trust file that may approve).
Statements that name no repository COUNT TOO.

When the newest status file is older than 3 days, everything is refused.

"""


def check(world: World, *words: object) -> Done:
    """Run `sealbook policy check policy.toml`."""
    return world.command("policy", "check", "policy.toml", *words)


def test_read_aloud(world: World) -> None:
    """
    All that a policy asks is said in sentences, and what lets an image run in capitals.
    """
    path = rules(world, FULL)
    said = good(check(world))

    assert SPOKEN in said
    assert said.endswith(
        f"SHA-256 {sha256(path)}; a trust file pins it: sealbook trust create --policy\n"
    )


def test_elsewhere(world: World) -> None:
    """
    A policy that covers some images says what becomes of the others.
    """
    rules(world)

    assert "Images from anywhere else are refused.\n" in good(check(world))


def test_nothing_is_taken(world: World) -> None:
    """
    Severity `none` is said as what it is, and long lists are read to their end.
    """
    keys = [f"a-key-with-a-long-name-{n:02}" for n in range(64)]
    listed = ", ".join(f'"{key}"' for key in keys)
    rules(
        world,
        POLICY.replace('["release"]', f"[{listed}]")
        + '[images.vulnerabilities]\nmax_severity = "none"\n',
    )
    said = good(check(world))

    assert f"(one of {', '.join(f'key {key}' for key in keys)})" in said
    assert "newest report (any key of the trust file that may attest) holds nothing." in said


def test_as_json(world: World) -> None:
    """
    Machines get the same sentences, the SHA-256, and whether the trust file pins it.
    """
    path = rules(world)
    value = one(check(world, "--json"))
    beside = one(check(world, "--json", "--trust", "trust.json"))

    assert sha256(path) == value["sha256"]
    assert 2 == len(value["paragraphs"])
    assert (None, False) == (value["pinned"], beside["pinned"])


def test_pinned(world: World) -> None:
    """
    With a trust file, also one that is not signed yet, the policy has to be the pinned one.
    """
    rules(world)
    assert "the trust file pins no policy" in good(check(world, "--trust", "trust.json"))
    created(world, "--policy", "policy.toml")
    assert good(check(world, "--trust", "next.json")).endswith("; the trust file pins it\n")
    rules(world, f"{POLICY}# changed\n")

    check_refused(check(world, "--trust", "next.json"), "policy-mismatch")


@pytest.mark.parametrize("name", ["qa", "attest", "status"])
def test_keys(world: World, name: str) -> None:
    """
    A key that the trust file does not have, or has for something else, is refused.
    """
    rules(world, POLICY.replace("release", name))
    good(check(world))

    check_refused(check(world, "--trust", "trust.json"), "bad-policy")
    check_refused(check(world, "--trust", world.directory), "bad-policy")


@pytest.mark.parametrize("text", ["", "type = 1\n", POLICY + "kyes = 1\n", "x" * (1 << 19)])
def test_bad_policy(world: World, text: str) -> None:
    """
    A policy that no verifier reads is refused as one refuses it.
    """
    rules(world, text)

    check_refused(check(world), "bad-policy")


def test_bad_questions(world: World) -> None:
    """
    A file that is not there, and an action that is none, are said to be so.
    """
    check_refused(check(world), "unreadable")
    for command in ("policy", "trust"):
        assert 2 == world.command(command, "frobnicate").returncode
        assert 2 == world.command(command).returncode
        assert 0 == world.command(command, "--help").returncode


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A running service that approved image 1."""
    world = found_in(tmp_path_factory.mktemp("policy") / "service")
    with running(world) as service:
        sign(service, 1)
        yield service


def attempt(service: InProcess, *words: object, n: int = 1) -> Done:
    """Try policy.toml on image `n`."""
    where = ("--service", service.addresses.grpc, "--token-file", service.directory / "token")
    return service.command(
        "policy", "try", "policy.toml", digest(n), "--repository", REPOSITORY, *where, *words
    )


def test_would_run(shared: InProcess) -> None:
    """
    An image that has what the policy asks would run, and each rule says how it is met.
    """
    rules(shared)
    said = good(attempt(shared))
    value = one(attempt(shared, "--json"))

    assert said.startswith(f"yes: {digest(1)} may run from {REPOSITORY}\n  yes ")
    assert ("yes", ["release"]) == (value["verdict"], [a["key"] for a in value["approvals"]])
    assert [True] * len(value["rules"]) == [rule["met"] for rule in value["rules"]]


def test_would_be_refused(shared: InProcess) -> None:
    """
    An image that lacks something would be refused: exit code 1, and the rule says what is missing.
    """
    rules(shared, POLICY + '[[images.attestation]]\ntype = "https://slsa.dev/provenance/v1"\n')
    said = check_refused(attempt(shared), "not-approved")
    value = one_refused(attempt(shared, "--json"))

    assert "  yes " in said
    assert "  no  needs " in said
    assert "https://slsa.dev/provenance/v1" in said
    assert ("no", [True, False]) == (
        value["verdict"],
        [rule["met"] for rule in value["rules"]][:2],
    )


def one_refused(done: Done) -> dict[str, Any]:
    """Return the verdict that a command printed which said no."""
    assert (1, "") == (done.returncode, done.stderr)
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_nothing_known(shared: InProcess) -> None:
    """
    An image that the ledger does not know would be refused.
    """
    rules(shared)

    check_refused(attempt(shared, n=99), "not-approved")


def test_no_rule(shared: InProcess) -> None:
    """
    An image that no rule covers would be refused.
    """
    rules(shared, POLICY.replace("/team", "/elsewhere"))

    check_refused(attempt(shared), "no-rule")


def test_remapped(shared: InProcess) -> None:
    """
    What was signed under another name is fetched too, and counts as the policy remaps it.
    """
    remap = '[{ signed = "registry.example/team", as = "prod.example/team" }]'
    promoted = POLICY.replace("[images.approval]", f"remap = {remap}\n[images.approval]").replace(
        '"registry.example/team"\n', '"prod.example/team"\n'
    )
    rules(shared, promoted)
    there = "prod.example/team/app"

    assert f"may run from {there}" in good(attempt(shared, "--repository", there))


def test_copies_do_not_count(world: World) -> None:
    """
    The copies of an approval for other clients are not held against it.
    """
    rules(world)
    with running(world) as service:
        service.asking(
            lambda client: client.sign(digest(1), REPOSITORY, forms=("bundle", "simplesigning"))
        )
        value = one(attempt(service, "--json"))

    assert ("yes", []) == (value["verdict"], value["refused"])


def test_revoked(world: World) -> None:
    """
    What was revoked would not run.
    """
    rules(world)
    with running(world) as service:
        sign(service, 1)
        good(attempt(service))
        revoke(service, image=Image(digest=digest(1), repository=""))
        check_refused(attempt(service), "revoked")


def test_before_it_is_pinned(world: World) -> None:
    """
    A policy may be tried while the trust file pins another one, which is said.
    """
    rules(world)
    advance(world, "--policy", "policy.toml")
    rules(world, f"{POLICY}# a newer one\n")
    with running(world) as service:
        sign(service, 1)
        done = attempt(service)

    assert 0 == done.returncode
    assert "note: the trust file pins another policy" in done.stderr


def test_trust_directory(shared: InProcess) -> None:
    """
    Whom to believe may come from a directory that `sealbook trust sync` keeps.
    """
    rules(shared)
    assert 0 == shared.command("trust", "sync", ".", "kept", "--first").returncode
    good(attempt(shared, "--trust", "kept"))
    (shared.directory / "alone").mkdir()
    (shared.directory / "alone" / "trust.json").write_bytes(
        (shared.directory / "trust.json").read_bytes()
    )

    check_refused(attempt(shared, "--trust", "alone"), "no-status")


def test_second_algorithm_in_words(tmp_path: Path) -> None:
    """
    Two approvals that are both needed are read aloud as two, and of five signers five as all.
    """
    file = tmp_path / "policy.toml"
    names = ", ".join(f'"k{n}"' for n in range(5))
    file.write_text(
        'type = "urn:sealbook:policy:v1"\n[[images]]\nunder = "a.example"\n'
        '[[images.approval]]\nkeys = ["release", "release-2"]\n'
        '[[images.approval]]\nkeys = ["release-pq"]\n'
        f'[[images]]\nunder = "b.example"\n[images.approval]\nkeys = [{names}]\nsigners = 5\n'
    )
    told = sealbook("policy", "check", file).stdout

    assert (
        "may run only if one signer gave an approval (key release or key release-2), "
        "and one signer gave an approval (key release-pq)."
    ) in told
    assert "(all of key k0, key k1, key k2, key k3, key k4)" in told


def test_two_signers(world: World) -> None:
    """
    Two signers are two keys: with one the verdict says how many there are.
    """
    world.add_key("qa", MemoryKey.generate("ecdsa-p256"))
    rules(world, POLICY.replace('["release"]', '["release", "qa"]\nsigners = 2'))
    with running(world) as service:
        sign(service, 1)
        said = check_refused(attempt(service), "not-approved")
        sign(service, 1, key="qa")
        value = one(attempt(service, "--json"))

    assert "2" in said
    assert {"release", "qa"} == {a["key"] for a in value["approvals"]}
