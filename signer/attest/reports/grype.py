"""Grype: `grype -o json`.

    {"matches":[{"vulnerability":{"id":"CVE-…","severity":"High",
                                  "fix":{"versions":["1.2"],"state":"fixed"}},
                 "artifact":{"name":"…","version":"…","purl":"pkg:…"}}],
     "descriptor":{"name":"grype","version":"0.110.0","timestamp":"…",
                   "db":{"status":{"schemaVersion":"v6.1.9","from":"https://…","built":"…"}}}}

Before version 0.88 the database's state was `db` itself. What Grype was told to
ignore is no finding.

Spec: anchore/grype, grype/presenter/models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from signer.attest.reports.reading import Part, moment, severity
from verifier.vulnerabilities import Finding, Scanner


def is_one(report: Mapping[str, Any]) -> bool:
    """Whether this is such a report."""
    descriptor = report.get("descriptor")
    return isinstance(descriptor, dict) and descriptor.get("name") == "grype"


def said(report: Part) -> tuple[Scanner, str]:
    """Return what the report says of its making, and when that was."""
    descriptor = report.part("descriptor")
    feed = descriptor.part("db")
    status = feed.part("status") if "status" in feed.names() else feed
    built = status.text("built")
    # Schema versions were numbers before they were texts.
    version = status.text("schemaVersion") if built and "from" in status.names() else ""
    scanner = Scanner(
        "grype",
        "",
        descriptor.text("version"),
        status.text("from").partition("?")[0],
        version,
        moment(built) if built else None,
    )
    return scanner, descriptor.text("timestamp")


def findings(report: Part) -> set[Finding]:
    """Return what was found."""
    found = set()
    for match in report.parts("matches"):
        vulnerability, artifact = match.part("vulnerability"), match.part("artifact")
        found.add(
            Finding(
                severity(vulnerability.text("severity")),
                vulnerability.text("id"),
                artifact.text("name"),
                artifact.text("version"),
                ", ".join(vulnerability.part("fix").texts("versions")),
                artifact.text("purl"),
            )
        )
    return found
