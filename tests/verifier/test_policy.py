"""Policies: what is written is what is asked, and of which images."""

from __future__ import annotations

import hashlib

import pytest

import verifier.policy
from tests.verifier.making import IMAGE, refused, rows
from verifier.policy import Policy
from verifier.policy.demands import (
    BreakGlass,
    Demand,
    Excuse,
    Identity,
    Images,
    Remap,
    Vulnerabilities,
)
from verifier.repository import Repository, Scope
from verifier.statement import APPROVAL

DAY = 86_400
PROVENANCE = "https://slsa.dev/provenance/v1"
EVERYTHING = f"""
type = "urn:sealbook:policy:v1"
max_trust_age = "14 days"

[[images]]
under = "harbor.bank/payments"
mode = "warn"
unnamed = "allow"
witnesses = 2
max_checkpoint_age = "1 day"
remap = [{{ signed = "build.bank/payments", as = "harbor.bank/payments" }}]
break_glass = [{{ digest = "{IMAGE}", until = 2026-12-31T12:00:00Z, why = "the bank is down" }}]

[images.approval]
keys = ["release", "qa"]
identities = [{{ identity = "ada@bank", issuer = "https://gitlab.bank" }}]
signers = 3
max_age = "90 days"
requester = {{ issuer = "https://gitlab.bank", project_id = "4711" }}

[[images.attestation]]
type = "{PROVENANCE}"
keys = ["attest"]
max_age = "36 hours"

[[images.attestation]]
type = "https://spdx.dev/Document"

[images.vulnerabilities]
max_severity = "medium"
fixed_only = true
max_age = "7 days"
keys = ["scanner"]
identities = [{{ identity = "bot", issuer = "https://ci.bank" }}]
allow = [{{ cve = "CVE-2026-1234", until = 2026-12-31, why = "the parser is not built in" }}]

[[images]]
under = "*"
[images.approval]
"""
HEADER = 'type = "urn:sealbook:policy:v1"\n'


def policy(text: str) -> Policy:
    """Read a policy that has a type already."""
    return Policy.parse((HEADER + text).encode())


def asked(rule: str) -> Images:
    """Read the rules of a policy for everything, in which `rule` comes before the approval."""
    return policy(f'[[images]]\nunder = "*"\n{rule}\n[images.approval]\n').images[0]


def test_every_field() -> None:
    """
    Every field of a policy is read as it is written.
    """
    payments, others = Policy.parse(EVERYTHING.encode()).images

    assert payments == Images(
        Scope("harbor.bank/payments"),
        "warn",
        "allow",
        2,
        DAY,
        (
            Demand(
                APPROVAL,
                ("release", "qa"),
                (Identity("ada@bank", "https://gitlab.bank"),),
                3,
                90 * DAY,
                {"issuer": "https://gitlab.bank", "project_id": "4711"},
            ),
            Demand(PROVENANCE, ("attest",), max_age_s=36 * 3600),
            Demand("https://spdx.dev/Document"),
        ),
        Vulnerabilities(
            "medium",
            fixed_only=True,
            max_age_s=7 * DAY,
            allow=(Excuse("CVE-2026-1234", 1_798_761_600, "the parser is not built in"),),
            keys=("scanner",),
            identities=(Identity("bot", "https://ci.bank"),),
        ),
        (Remap(Scope("build.bank/payments"), Scope("harbor.bank/payments")),),
        (BreakGlass(IMAGE, 1_798_718_400, "the bank is down"),),
    )
    assert others == Images(Scope("*"), demands=(Demand(APPROVAL),))


def test_the_file() -> None:
    """
    A policy knows the SHA-256 of its file, and how old a status file may be for it.
    """
    read = Policy.parse(EVERYTHING.encode())

    assert read.sha256 == hashlib.sha256(EVERYTHING.encode()).digest()
    assert read.max_trust_age_s == 14 * DAY


def test_what_is_not_said() -> None:
    """
    What a policy does not say is strict: enforced, nothing unnamed, a status file of 7 days.
    """
    read = policy(
        '[[images]]\nunder = "*"\n[images.approval]\n'
        '[images.vulnerabilities]\nmax_severity = "low"\n'
    )
    images = read.images[0]

    assert read.max_trust_age_s == 7 * DAY
    assert (images.mode, images.unnamed) == ("enforce", "refuse")
    assert (images.witnesses, images.max_checkpoint_age_s) == (0, None)
    assert images.demands == (Demand(APPROVAL, (), (), 1, None, {}),)
    assert images.vulnerabilities == Vulnerabilities("low", fixed_only=False)
    assert (images.remap, images.break_glass) == ((), ())


def test_the_documented_policy_is_read() -> None:
    """
    The policy in the documentation of the module is one.
    """
    text = str(verifier.policy.__doc__).split("\n\n", 1)[1].split("\n\nOf the")[0]

    assert "type = " in text
    assert Policy.parse(text.encode()).images[0].under == "harbor.bank/payments"


@pytest.mark.parametrize(
    "rules",
    ["[images.approval]", f'[[images.attestation]]\ntype = "{PROVENANCE}"',
     '[images.vulnerabilities]\nmax_severity = "none"'],
)  # fmt: skip
def test_one_rule_is_enough(rules: str) -> None:
    """
    One thing that is asked makes a policy: an approval, an attestation, or a scan.
    """
    assert policy(f'[[images]]\nunder = "a.example"\n{rules}\n').images


def test_several_approvals() -> None:
    """
    Several approvals are as many demands, in their order; a single one may be written either way.
    """
    two = """
        [[images]]
        under = "a.example"
        [[images.approval]]
        keys = ["release", "release-2"]
        max_age = "1 day"
        [[images.approval]]
        keys = ["release-pq"]
    """
    [images] = policy(two).images
    [one] = policy('[[images]]\nunder = "a.example"\n[[images.approval]]\n').images

    assert images.demands == (
        Demand(APPROVAL, ("release", "release-2"), max_age_s=DAY),
        Demand(APPROVAL, ("release-pq",)),
    )
    assert one == policy('[[images]]\nunder = "a.example"\n[images.approval]\n').images[0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1 minute", 60),
        ("90 minutes", 5400),
        ("1 hour", 3600),
        ("48 hours", 172_800),
        ("1 day", DAY),
        ("7 days", 7 * DAY),
        ("99999 days", 99_999 * DAY),
    ],
)
def test_spans(text: str, seconds: int) -> None:
    """
    A span is a number and a unit, wherever one may stand.
    """
    assert asked(f'max_checkpoint_age = "{text}"').max_checkpoint_age_s == seconds
    rules = '[[images]]\nunder = "*"\n[images.approval]\n'
    assert policy(f'max_trust_age = "{text}"\n{rules}').max_trust_age_s == seconds
    assert policy(f'{rules}max_age = "{text}"\n').images[0].demands[0].max_age_s == seconds


@pytest.mark.parametrize(
    ("until", "seconds"),
    [
        ("2026-12-31", 1_798_761_600),
        ("2028-02-28", 1_835_395_200),
        ("2026-12-31T12:00:00Z", 1_798_718_400),
        ("2026-12-31T12:00:00+00:00", 1_798_718_400),
        ("2026-12-31 12:00:00z", 1_798_718_400),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
    ],
)
def test_until(until: str, seconds: int) -> None:
    """
    A day lasts until its end in UTC, and a moment is itself.
    """
    row = f'break_glass = [{{ digest = "{IMAGE}", until = {until}, why = "now" }}]'

    assert [one.until for one in asked(row).break_glass] == [seconds]


PREFIXES = (
    "*",
    "a.example",
    "a.example/team",
    "a.example/team/app",
    "a.example:5000",
    "aa.example",
)


@pytest.mark.parametrize(
    ("repository", "under"),
    [
        ("a.example/x", "a.example"),
        ("a.example/team", "a.example/team"),
        ("a.example/team/x", "a.example/team"),
        ("a.example/team-evil/x", "a.example"),
        ("a.example/teams", "a.example"),
        ("a.example/team/app", "a.example/team/app"),
        ("a.example/team/app/x", "a.example/team/app"),
        ("a.example/team/apps", "a.example/team"),
        ("a.example:5000/team/app", "a.example:5000"),
        ("a.example:500/team/app", "*"),
        ("aa.example/team/app", "aa.example"),
        ("b.example/a.example/team", "*"),
        ("x.a.example/team", "*"),
        ("a.example.evil.example/team", "*"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_the_longest_prefix_rules(repository: str, under: str, order: int) -> None:
    """
    Of all rules that cover a repository by whole segments the longest rules, in any order.
    """
    texts = [f'[[images]]\nunder = "{one}"\n[images.approval]\n' for one in PREFIXES]

    assert policy("".join(texts[::order])).of(Repository(repository)).under == under


def test_a_longer_rule_is_alone() -> None:
    """
    Nothing of a shorter rule holds where a longer one rules.
    """
    read = policy(
        '[[images]]\nunder = "*"\nwitnesses = 2\nmode = "warn"\nunnamed = "allow"\n'
        '[images.approval]\n[[images]]\nunder = "a.example"\n[images.approval]\n'
        'keys = ["release"]\n'
    )

    assert read.of(Repository("a.example/x")) == Images(
        Scope("a.example"), demands=(Demand(APPROVAL, ("release",)),)
    )


def test_no_rule() -> None:
    """
    A repository that no rule covers is refused, and told which rule would cover it.
    """
    read = policy('[[images]]\nunder = "a.example/team"\n[images.approval]\n')

    error = refused("no-rule", lambda: read.of(Repository("a.example/teams")))
    assert error.message == "no rule of the policy covers a.example/teams"
    assert '"*"' in error.hint


def test_anything_approved() -> None:
    """
    Without a policy one approval is asked, of every image.
    """
    images = Policy.anything_approved().of(Repository("a.example/x"))

    assert images == Images(Scope("*"), demands=(Demand(APPROVAL),))


def _remapped(signed: str, becomes: str) -> Images:
    return asked(f'remap = [{{ signed = "{signed}", as = "{becomes}" }}]')


@pytest.mark.parametrize(
    ("signed", "becomes", "repository", "name"),
    rows(
        ("itself", "dev.bank/team", "bank/team", "bank.example/x", None),
        ("below", "dev.bank/team", "prod.bank/live", "prod.bank/live/app", "dev.bank/team/app"),
        ("at it", "dev.bank/team", "prod.bank/live", "prod.bank/live", "dev.bank/team"),
        ("deeper", "dev.bank/a/b", "prod.bank/c", "prod.bank/c/d/e", "dev.bank/a/b/d/e"),
        ("half a segment", "dev.bank/team", "prod.bank/live", "prod.bank/lively/app", None),
        ("half a signed one", "dev.bank/tea", "prod.bank/live", "prod.bank/live/m",
         "dev.bank/tea/m"),
        ("the other way", "dev.bank/team", "prod.bank/live", "dev.bank/team/app", None),
        ("another port", "dev.bank/team", "prod.bank/live", "prod.bank:5000/live/app", None),
    ),
)  # fmt: skip
def test_remap(signed: str, becomes: str, repository: str, name: str | None) -> None:
    """
    An image runs under one prefix by statements under another: by whole segments, one way.
    """
    names = _remapped(signed, becomes).names(Repository(repository))

    assert names == ((repository,) if name is None else (repository, name))


def test_remaps_do_not_chain() -> None:
    """
    A repository may have many names in statements, but none by two steps.
    """
    images = asked(
        'remap = [{ signed = "a.x/a", as = "b.x/b" }, { signed = "b.x/b", as = "c.x/c" }, '
        '{ signed = "d.x/d", as = "c.x/c" }]'
    )

    assert images.names(Repository("c.x/c/e")) == ("c.x/c/e", "b.x/b/e", "d.x/d/e")


def test_everywhere_is_no_remap() -> None:
    """
    A remap of everything, which no policy can write, maps nothing.
    """
    remap = Remap(Scope("a.x/a"), Scope("*"))

    assert remap.origin_of(Repository("b.x/b")) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ()), ('[images.vulnerabilities]\nmax_severity = "low"\nkeys = ["s", "t"]', ("s", "t"))],
)
def test_scan_keys(text: str, expected: tuple[str, ...]) -> None:
    """
    The keys whose reports count are those that are named.
    """
    images = policy(f'[[images]]\nunder = "*"\n[images.approval]\n{text}\n').images[0]

    assert images.scan_keys() == expected
