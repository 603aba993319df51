"""Reports that vulnerability scanners write, read into one shape.

    scan = read(report, Told())          # a `verifier.vulnerabilities.Scan`
    predicate = scan.predicate()

It happens where the report is, before anything is sent: the service signs the one
shape, and the report's own bytes stay with whoever has them, named by their hash.
What a report does not say (Trivy: the database's age; Clair: nearly everything)
its caller can. A severity that is not in the one table is refused, never guessed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from signer.attest.reports import clair, grype, trivy
from signer.attest.reports.reading import Part, moment
from signer.errors import ReportError
from verifier._strict import json_object
from verifier.vulnerabilities import Finding, Report, Scan, Scanner, sort

MOST_REPORT = 64 << 20  # bytes; a report has descriptions and links that are not kept


class Told(NamedTuple):
    """What the caller says where the report does not; times as in RFC 3339, empty for nothing."""

    scanner_version: str = ""
    database_time: str = ""
    scanned_at: str = ""


class _Format(NamedTuple):
    is_one: Callable[[Mapping[str, Any]], bool]
    said: Callable[[Part], tuple[Scanner, str]]
    findings: Callable[[Part], set[Finding]]
    uri: str


_FORMATS = {
    "trivy": _Format(trivy.is_one, trivy.said, trivy.findings, "pkg:github/aquasecurity/trivy"),
    "grype": _Format(grype.is_one, grype.said, grype.findings, "pkg:github/anchore/grype"),
    "clair": _Format(clair.is_one, clair.said, clair.findings, "pkg:github/quay/clair"),
}


def read(report: bytes, told: Told) -> Scan | None:
    """Return what a report says, or None when it is a predicate of cosign's shape already.

    Raises:
        ReportError: of no format that we know, or it lacks what nobody else said.
        MalformedError: it is no JSON object.
        LimitError: it is too large, or has too many findings.
    """
    value = json_object(report, limit=MOST_REPORT, floats=True)
    for name, form in _FORMATS.items():
        if form.is_one(value):
            return _scan(name, form, Part(value, "report"), report, told)
    if "scanner" in value and "metadata" in value:
        return None
    raise ReportError(
        f"expected a report of {', '.join(_FORMATS)}, or a predicate, found neither",
        hint="write it as JSON: trivy image --format json, grype -o json, clairctl report -o json",
    )


def _scan(name: str, form: _Format, part: Part, report: bytes, told: Told) -> Scan:
    scanner, scanned_at = form.said(part)
    version = told.scanner_version or scanner.version
    when = told.scanned_at or scanned_at
    if not when:
        raise ReportError(
            f"a {name} report does not say when the scan was",
            hint="say it with --scanned-at 2026-11-23T21:06:41Z",
        )
    database_time = scanner.database_time
    if told.database_time:
        database_time = moment(told.database_time)
    uri = f"{form.uri}@{version}" if version else form.uri
    scanner = scanner._replace(uri=uri, version=version, database_time=database_time)
    at = moment(when)
    found = Report(name, hashlib.sha256(report).digest())
    return Scan(scanner, at, at, sort(form.findings(part)), found)
