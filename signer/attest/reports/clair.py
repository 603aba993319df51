"""Clair 4: the matcher's vulnerability report, as `clairctl report -o json` prints it too.

    {"manifest_hash":"sha256:…",
     "packages":{"10":{"id":"10","name":"libssl1.1","version":"1.1.1c-r0"}},
     "vulnerabilities":{"356835":{"id":"356835","name":"CVE-2019-1549",
        "normalized_severity":"Medium","fixed_in_version":"1.1.1d-r0"}},
     "package_vulnerabilities":{"10":["356835"]}}

It says neither which version matched, nor when, nor how old the updaters' data was.

Spec: quay/clair, openapi.yaml; quay/claircore, vulnerabilityreport.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from signer.attest.reports.reading import Part, severity
from signer.errors import ReportError
from verifier.vulnerabilities import Finding, Scanner


def is_one(report: Mapping[str, Any]) -> bool:
    """Whether this is such a report."""
    return "manifest_hash" in report and "package_vulnerabilities" in report


def said(_: Part) -> tuple[Scanner, str]:
    """Return what the report says of its making, which is nothing."""
    return Scanner("clair", "", ""), ""


def findings(report: Part) -> set[Finding]:
    """Return what was found.

    Raises:
        ReportError: a package or vulnerability is named that the report does not have.
    """
    packages, vulnerabilities = report.part("packages"), report.part("vulnerabilities")
    known, listed = set(packages.names()), set(vulnerabilities.names())
    affected = report.part("package_vulnerabilities")
    found = set()
    for number in affected.names():
        for name in affected.texts(number):
            if number not in known or name not in listed:
                raise ReportError(f"package {number[:20]!r} and {name[:20]!r} are not both listed")
            package, vulnerability = packages.part(number), vulnerabilities.part(name)
            found.add(
                Finding(
                    severity(vulnerability.text("normalized_severity")),
                    vulnerability.text("name"),
                    package.text("name"),
                    package.text("version"),
                    vulnerability.text("fixed_in_version"),
                )
            )
    return found
