"""Policy files: what may stand in one, what it is read as, and what is refused."""

from __future__ import annotations

import hashlib

import pytest

from tests.verifier.making import IMAGE, refused
from verifier import limits
from verifier.demands import BreakGlass, Demand, Excuse, Identity, Images, Remap, Vulnerabilities
from verifier.policy import Policy
from verifier.repository import Repository, Scope
from verifier.statement import APPROVAL

HEADER = 'type = "urn:sealbook:policy:v1"\n'
DAY = 86_400
PROVENANCE = "https://slsa.dev/provenance/v1"

WHOLE = f"""\
{HEADER}
max_trust_age = "12 hours"

[[images]]
under = "harbor.bank/payments"
mode = "warn"
unnamed = "allow"
witnesses = 1
max_checkpoint_age = "1 day"
remap = [{{ signed = "harbor.bank/staging", as = "harbor.bank/payments" }}]
break_glass = [{{ digest = "{IMAGE}", until = 2026-12-31T12:00:00Z, why = "the fire of May" }}]

[images.approval]
keys = ["release", "qa"]
signers = 2
max_age = "90 days"
requester = {{ issuer = "https://gitlab.bank", project_id = "4711", ref_protected = "true" }}

[[images.attestation]]
type = "{PROVENANCE}"
identities = [{{ identity = "https://gitlab.bank/x", issuer = "https://gitlab.bank" }}]

[images.vulnerabilities]
max_severity = "medium"
fixed_only = true
max_age = "7 days"
keys = ["scanner"]
allow = [{{ cve = "CVE-2026-1234", until = 2026-12-31, why = "the parser is not built in" }}]

[[images]]
under = "*"
[images.approval]
"""

PAYMENTS = Images(
    Scope("harbor.bank/payments"),
    "warn",
    "allow",
    1,
    DAY,
    (
        Demand(
            APPROVAL,
            ("release", "qa"),
            (),
            2,
            90 * DAY,
            {"issuer": "https://gitlab.bank", "project_id": "4711", "ref_protected": "true"},
        ),
        Demand(PROVENANCE, (), (Identity("https://gitlab.bank/x", "https://gitlab.bank"),)),
    ),
    Vulnerabilities(
        "medium",
        fixed_only=True,
        max_age_s=7 * DAY,
        # 2027-01-01T00:00:00Z: a day lasts until its end.
        allow=(Excuse("CVE-2026-1234", 1_798_761_600, "the parser is not built in"),),
        keys=("scanner",),
    ),
    (Remap(Scope("harbor.bank/staging"), Scope("harbor.bank/payments")),),
    (BreakGlass(IMAGE, 1_798_718_400, "the fire of May"),),
)
REST = Images(Scope("*"), demands=(Demand(APPROVAL),))


def test_whole() -> None:
    """
    Everything that a policy can say is read as it is said.
    """
    data = WHOLE.encode()
    expected = Policy((PAYMENTS, REST), 12 * 3600, hashlib.sha256(data).digest())

    assert expected == Policy.parse(data)


@pytest.mark.parametrize(
    ("repository", "under"),
    [
        ("a.example/team/app", "a.example/team"),
        ("a.example/team/app/sub", "a.example/team/app/sub"),
        ("a.example/team-evil/app", "a.example"),
        ("b.example/team/app", "*"),
    ],
)
def test_the_longest_prefix_rules(repository: str, under: str) -> None:
    """
    Of the rules that cover a repository the most special ones count alone, in whatever order.
    """
    prefixes = ["*", "a.example", "a.example/team", "a.example/team/app/sub"]
    for order in (prefixes, prefixes[::-1]):
        text = "".join(f'[[images]]\nunder = "{p}"\n[images.approval]\n' for p in order)
        policy = Policy.parse((HEADER + text).encode())
        assert under == policy.of(Repository(repository)).under


def test_no_rule() -> None:
    """
    A repository that no rule covers is refused, and not ruled by another's.
    """
    policy = Policy.parse(f'{HEADER}[[images]]\nunder = "a.example"\n[images.approval]\n'.encode())

    refused("no-rule", lambda: policy.of(Repository("b.example/team/app")))


def test_names_of_promoted_images() -> None:
    """
    What was signed in one place may run in another, at the same path below it and nowhere else.
    """
    both = (
        Remap(Scope("h.example/staging"), Scope("h.example/prod")),
        Remap(Scope("ci.example/out"), Scope("h.example/prod/team")),
    )
    images = REST._replace(remap=both)
    app = Repository("h.example/prod/team/app")

    assert (app, "h.example/staging/team/app", "ci.example/out/app") == images.names(app)
    for other in ("h.example/production/team/app", "h.example/staging/app", "x.example/prod/app"):
        assert (other,) == images.names(Repository(other))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1 minute", 60), ("90 minutes", 5400), ("1 hour", 3600), ("2 days", 2 * DAY)],
)
def test_spans(text: str, seconds: int) -> None:
    """
    A span of time is a number and a unit, as one says it.
    """
    policy = Policy.parse(f'{HEADER}max_trust_age = "{text}"\n{MINIMAL}'.encode())

    assert seconds == policy.max_trust_age_s


MINIMAL = '[[images]]\nunder = "*"\n[images.approval]\n'


def test_as_large_as_may_be() -> None:
    """
    A policy may be as large as the table of limits says.
    """
    data = (HEADER + MINIMAL).encode()
    data += b"#" * (limits.POLICY - len(data))

    assert (REST,) == Policy.parse(data).images
