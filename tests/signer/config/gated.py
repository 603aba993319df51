"""A service with a gate: under PAYMENTS nothing is approved without a clean scan, fresh and ours.

RULES   what the policy demands there; elsewhere an approval is enough
CLEAN, CRITICAL   what a scanner found
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from signer.attest.reports import Told, read
from signer.client import Client
from signer.client.attesting import Attested
from tests.signer.agreeing import protect
from tests.signer.world import World, found_in
from verifier.digest import Digest
from verifier.repository import Repository
from verifier.vulnerabilities import PREDICATE_TYPE

REPORTS = Path(__file__).parents[1] / "reports"
UNDER = "registry.bank/payments"
PAYMENTS = Repository("registry.bank/payments/app")
ELSEWHERE = Repository("registry.bank/other/app")
GATE = f'[[gates]]\nunder = "{UNDER}"\ndemand = ["vulnerabilities"]\n'
RULES = f"""\
type = "urn:sealbook:policy:v1"

[[images]]
under = "*"
approval = {{ keys = ["release"] }}

[[images]]
under = "{UNDER}"
mode = "warn"
approval = {{ keys = ["release"] }}
vulnerabilities = {{ max_severity = "medium", max_age = "1 day", keys = ["attest"] }}
"""


def gated(directory: Path, gate: str = GATE, rules: str = RULES, **more: Any) -> World:
    """Found a service that asks the policy `rules` before it approves."""
    world = found_in(directory, **more)
    (directory / "policy.toml").write_text(rules)
    world.edit('# policy = "policy.toml"', 'policy = "policy.toml"')
    protect(world, gate)
    return world


def scan(name: str, *, clean: bool) -> bytes:
    """Return the predicate of a report of trivy or grype, with all that it found, or nothing."""
    report = json.loads((REPORTS / f"{name}.json").read_bytes())
    if clean:
        report |= {"Results": []} if name == "trivy" else {"matches": []}
    found = read(json.dumps(report).encode(), Told())
    assert found is not None
    assert clean is not any(one.severity == "critical" for one in found.findings)
    return found.predicate()


def attest(
    client: Client,
    digest: Digest,
    predicate: bytes,
    repository: Repository = PAYMENTS,
    **more: Any,
) -> Attested:
    """Log what a scanner found."""
    return client.attest([digest], repository, PREDICATE_TYPE, predicate, **more)
