"""Trivy: `trivy image --format json`, schema version 2.

    {"SchemaVersion":2,"CreatedAt":"…","Trivy":{"Version":"0.69.1"},"ArtifactName":"…",
     "Results":[{"Target":"…","Vulnerabilities":[{"VulnerabilityID":"CVE-…","PkgName":"…",
       "PkgIdentifier":{"PURL":"pkg:…"},"InstalledVersion":"…","FixedVersion":"…",
       "Severity":"HIGH"}]}]}

Older programs leave `Trivy` out, and none writes when its database was built.

Spec: aquasecurity/trivy, pkg/types/report.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from signer.attest.reports.reading import Part, severity
from verifier.vulnerabilities import Finding, Scanner


def is_one(report: Mapping[str, Any]) -> bool:
    """Whether this is such a report."""
    return report.get("SchemaVersion") == 2 and "ArtifactName" in report


def said(report: Part) -> tuple[Scanner, str]:
    """Return what the report says of its making, and when that was."""
    return Scanner("trivy", "", report.part("Trivy").text("Version")), report.text("CreatedAt")


def findings(report: Part) -> set[Finding]:
    """Return what was found."""
    return {
        Finding(
            severity(found.text("Severity")),
            found.text("VulnerabilityID"),
            found.text("PkgName"),
            found.text("InstalledVersion"),
            found.text("FixedVersion"),
            found.part("PkgIdentifier").text("PURL"),
        )
        for result in report.parts("Results")
        for found in result.parts("Vulnerabilities")
    }
