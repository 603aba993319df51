"""Gates: what the policy demands is there before an image is approved, and not after."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ledger.clock import LedgerClock
from signer.client import Client
from signer.gates import reports
from signer.order import Item
from tests.signer.agreeing import people, protect
from tests.signer.asking import digest, refused
from tests.signer.config.changing import logged, newest, reload
from tests.signer.config.gated import (
    ELSEWHERE,
    GATE,
    PAYMENTS,
    RULES,
    UNDER,
    attest,
    gated,
    scan,
)
from tests.signer.messaging import statement
from tests.signer.rotating import events, install, not_done, signed
from tests.signer.running import InProcess, running, start_refused
from tests.signer.world import World, found_in
from verifier.errors import SealbookError
from verifier.repository import Repository


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service with a gate, whose tests each have images of their own."""
    with running(gated(tmp_path_factory.mktemp("gated") / "service")) as service:
        yield service


@pytest.fixture
def client(shared: InProcess) -> Iterator[Client]:
    """A client of it."""
    with shared.client() as client:
        yield client


@pytest.mark.parametrize(("scanner", "n"), [("trivy", 10), ("grype", 11)])
def test_finding_and_fix(client: Client, scanner: str, n: int) -> None:
    """
    An image without a scan is refused, and one with a critical finding; after the fix it is not.
    """
    image = digest(n)
    assert "vulnerability report" in refused("not-approved", sign(client, image)).message
    attest(client, image, scan(scanner, clean=False))
    assert scanner in refused("vulnerable", sign(client, image)).message
    attest(client, image, scan(scanner, clean=True))

    sign(client, image)()


def sign(client: Client, image: str, repository: Repository = PAYMENTS) -> partial[object]:
    """Return the wish to have an image approved."""
    return partial(client.sign, image, repository)


def test_every_scanner_counts(client: Client) -> None:
    """
    What one scanner found stands in the way, whatever another one says later.
    """
    attest(client, digest(20), scan("grype", clean=False))
    attest(client, digest(20), scan("trivy", clean=True))

    refused("vulnerable", sign(client, digest(20)))


def test_refused_before_anything_is_signed(shared: InProcess, client: Client) -> None:
    """
    A refusal leaves nothing in the ledger.
    """
    before = shared.tree_size
    refused("not-approved", sign(client, digest(30)))

    assert before == shared.tree_size


def test_elsewhere(client: Client) -> None:
    """
    Where there is no gate nobody asks for a scan, and the scope is of whole segments.
    """
    sign(client, digest(40), ELSEWHERE)()
    sign(client, digest(40), Repository(f"{UNDER}-not/app"))()
    refused("not-approved", sign(client, digest(40), Repository(f"{UNDER}/deep/er/app")))


def test_scan_of_another_repository(client: Client) -> None:
    """
    A scan that was attested for another repository, by whoever may there, does not count here.
    """
    attest(client, digest(50), scan("trivy", clean=True), ELSEWHERE)

    refused("not-approved", sign(client, digest(50)))


def test_batch(shared: InProcess, client: Client) -> None:
    """
    Each item of a batch is judged for itself: the clean ones are signed.
    """
    attest(client, digest(60), scan("trivy", clean=True))
    attest(client, digest(61), scan("trivy", clean=False))
    good, bad, none = client.sign_batch(PAYMENTS, [Item(digest(n)) for n in (60, 61, 62)])

    shared.verify(good, PAYMENTS)
    assert isinstance(bad, SealbookError)
    assert isinstance(none, SealbookError)
    assert ["vulnerable", "not-approved"] == [bad.code, none.code]


def test_what_was_signed_is_answered(client: Client) -> None:
    """
    What was approved while it was clean is answered again; renewed it is not.
    """
    attest(client, digest(70), scan("trivy", clean=True))
    first = client.sign(digest(70), PAYMENTS)
    attest(client, digest(70), scan("trivy", clean=False))

    assert first.record == client.sign(digest(70), PAYMENTS).record
    refused("vulnerable", partial(client.sign, digest(70), PAYMENTS, renew=True))


def test_message(client: Client) -> None:
    """
    An approval that another tool wrote goes through the same gate.
    """
    message = statement(80, name=PAYMENTS)
    refused("not-approved", partial(client.sign_message, message))
    attest(client, digest(80), scan("trivy", clean=True))

    client.sign_message(message)


def test_message_without_a_name(client: Client) -> None:
    """
    An approval that names no repository may be for the gate's, and is refused.
    """
    refused("gate", partial(client.sign_message, statement(81)))


def test_revoked_scan(world_gated: World) -> None:
    """
    A scan that was taken back does not count, good or bad.
    """
    with running(world_gated) as service, service.client() as client:
        attest(client, digest(1), scan("trivy", clean=True))
        bad = attest(client, digest(1), scan("grype", clean=False))
        refused("vulnerable", sign(client, digest(1)))
        done = world_gated.command(
            "revoke", "--entry", str(bad.signed.record.index), "--reason", "of another image"
        )
        assert 0 == done.returncode, done.stderr

        sign(client, digest(1))()


@pytest.fixture
def world_gated(tmp_path: Path) -> World:
    """A service with a gate that nobody runs yet."""
    return gated(tmp_path / "service")


def test_old_scan(world_gated: World) -> None:
    """
    A scan that is older than the policy takes is refused, and a fresh one allows again.
    """
    moved = [0.0]
    clock = LedgerClock(lambda: time.time() + moved[0], lambda: time.monotonic() + moved[0])
    with running(world_gated) as service, service.client() as client:
        service.ledger._clock = clock
        attest(client, digest(1), scan("trivy", clean=True))
        sign(client, digest(1))()
        moved[0] += 86_400 + 7200
        service.server._status.make()
        assert (
            "old"
            in refused("too-old", partial(client.sign, digest(1), PAYMENTS, renew=True)).message
        )
        attest(client, digest(1), scan("trivy", clean=True), renew=True)

        client.sign(digest(1), PAYMENTS, renew=True)


def test_deleted_finding(world_gated: World) -> None:
    """
    Whoever has a finding deleted does not have it unsaid: what was clean before is not enough.
    """
    with running(world_gated) as service, service.client() as client:
        attest(client, digest(1), scan("trivy", clean=True))
        bad = attest(client, digest(1), scan("grype", clean=False)).signed.record.index
        done = service.command(
            "ledger", "delete-body", str(bad), "--reason", "none of your business"
        )
        assert 0 == done.returncode, done.stderr
        refused("not-approved", sign(client, digest(1)))
        attest(client, digest(1), scan("grype", clean=True))

        sign(client, digest(1))()


def test_broken_glass(tmp_path: Path) -> None:
    """
    An image that runs whatever is missing, because its glass is broken, is not approved by that.
    """
    glass = f'{{ digest = "{digest(1)}", until = 2999-01-01, why = "it burns" }}'
    rules = RULES.replace('mode = "warn"', f"break_glass = [{glass}]")
    with running(gated(tmp_path / "service", GATE, rules)) as service, service.client() as client:
        refused("not-approved", sign(client, digest(1)))


def test_more_than_can_be_judged(
    shared: InProcess, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Reports that are too large to be judged all together are refused, and let nothing through.
    """
    attest(client, digest(90), scan("trivy", clean=True))
    attest(client, digest(90), scan("grype", clean=True))
    monkeypatch.setattr(reports, "_MOST_BYTES", 1500)

    refused("over-limit", sign(client, digest(90)))


def test_before_others_are_asked(tmp_path: Path) -> None:
    """
    Nobody is asked to agree to what the gate refuses.
    """
    world = gated(tmp_path / "service")
    people(world)
    protect(world, f'[[protected]]\nunder = "{UNDER}"\napprovals = 1\n')
    with running(world) as service, service.client() as client:
        refused("not-approved", sign(client, digest(1)))
        assert [] == client.requests()
        attest_agreed(client, digest(1))


def attest_agreed(client: Client, image: str) -> None:
    """Attestations are no approvals: no gate stands before them, and others are asked at once."""
    refused("approval-needed", partial(attest, client, image, scan("trivy", clean=True)))


def test_policy_of_another_trust_file(world_gated: World) -> None:
    """
    A trust file that pins another policy brings it into force: logged in full, before it counts.
    """
    strict = RULES.replace('"medium"', '"none"')
    with running(world_gated) as service, service.client() as client:
        attest(client, digest(1), scan("trivy", clean=True))
        sign(client, digest(1))()
        (world_gated.directory / "policy.toml").write_text(strict.replace("vulnerab", "wonder"))
        pinned(service, strict.replace("vulnerab", "wonder"), "bad-policy")
        (world_gated.directory / "policy.toml").write_text(strict.replace(UNDER, "a.example/b"))
        pinned(service, strict.replace(UNDER, "a.example/b"), "config")
        assert RULES == newest(service)["policy"]
        (world_gated.directory / "policy.toml").write_text(strict)
        pinned(service, strict)
        installed = max(events(service, "trust-installed"))
        assert strict == newest(service)["policy"]
        assert logged(service)[-1][0] < installed
        assert not reload(world_gated).changed


def pinned(service: InProcess, policy: str, code: str = "") -> None:
    """Install a trust file that pins this policy; `code` refuses it."""
    trust = service.trust
    sha256 = hashlib.sha256(policy.encode()).digest()
    data = signed(service, trust._replace(version=trust.version + 1, policy_sha256=sha256))
    if code:
        not_done(code, install, service, data)
    else:
        install(service, data)


def of_requester(issuer: str) -> str:
    """Return a policy that counts approvals asked for by `loopback` of an issuer alone."""
    return (
        f'type = "urn:sealbook:policy:v1"\n[[images]]\nunder = "{UNDER}"\n'
        f'[images.approval]\nrequester = {{ issuer = "{issuer}", subject = "loopback" }}\n'
    )


@pytest.mark.parametrize(
    ("issuer", "code"), [("urn:sealbook:token", ""), ("https://gitlab.bank", "requester")]
)
def test_requester(tmp_path: Path, issuer: str, code: str) -> None:
    """
    Who calls has to be somebody whose approval the policy counts.
    """
    gate = GATE.replace("vulnerabilities", "requester")
    with (
        running(gated(tmp_path / "service", gate, of_requester(issuer))) as service,
        service.client() as client,
    ):
        if code:
            assert "loopback" in refused(code, sign(client, digest(1))).message
        else:
            sign(client, digest(1))()


def test_status_that_cannot_be_read(world_gated: World) -> None:
    """
    Where nobody can say what was revoked, nothing goes through a gate.
    """
    with running(world_gated) as service, service.client() as client:
        attest(client, digest(1), scan("trivy", clean=True))
        (world_gated.directory / "status.json").write_text("{}")
        refused("malformed", sign(client, digest(1)))
        (world_gated.directory / "status.json").unlink()
        refused("internal-error", sign(client, digest(1)))


def test_gate_inside_of_a_rule(tmp_path: Path) -> None:
    """
    A gate narrower than the policy's rule asks that rule, and stands before nothing else.
    """
    world = gated(tmp_path / "service", GATE.replace(UNDER, f"{UNDER}/app"))
    with running(world) as service, service.client() as client:
        refused("not-approved", sign(client, digest(1)))
        sign(client, digest(1), Repository(f"{UNDER}/other"))()


def test_policy_with_a_key_that_nobody_trusts(tmp_path: Path) -> None:
    """
    A policy whose key the trust file does not have can let nothing through, and is refused.
    """
    rules = RULES.replace('keys = ["attest"]', 'keys = ["scanner"]')

    assert "scanner" in start_refused(gated(tmp_path / "service", GATE, rules), "bad-policy")


@pytest.mark.parametrize(
    ("gate", "rules"),
    [
        (GATE, None),
        (GATE, RULES.replace("\nvulnerabilities =", "\n#")),
        (GATE, RULES.replace(f'under = "{UNDER}"', 'under = "registry.bank/other"')),
        (GATE.replace("vulnerabilities", "requester"), RULES),
        (GATE.replace(UNDER, "*"), RULES),
        (GATE.replace(UNDER, "registry.bank/other"), RULES),
        (GATE, RULES + f'\n[[images]]\nunder = "{UNDER}/deep"\napproval = {{}}\n'),
    ],
    ids=["no policy", "no rule", "elsewhere", "no requester", "everywhere", "around", "below"],
)
def test_policy_without_the_rule(tmp_path: Path, gate: str, rules: str | None) -> None:
    """
    A gate that asks the policy what it does not say keeps the service from starting.
    """
    if rules is None:
        world = found_in(tmp_path / "service")
        protect(world, gate)
    else:
        world = gated(tmp_path / "service", gate, rules)

    assert "gate" in start_refused(world, "config")
