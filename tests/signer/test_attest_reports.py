"""Reports as Trivy, Grype and Clair write them, read into the one shape."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from signer.attest.reports import Told, read
from signer.attest.reports.reading import moment
from tests.signer.asking import refused
from verifier.vulnerabilities import Finding, Scan

REPORTS = Path(__file__).with_name("reports")
AT = "2026-11-23T21:06:41Z"
TOLD = {"trivy": Told(), "grype": Told(), "clair": Told("4.8.0", "2026-11-22T04:18:31Z", AT)}
SAID = {
    "trivy": ("pkg:github/aquasecurity/trivy@0.69.1", "0.69.1", "", None),
    "grype": ("pkg:github/anchore/grype@0.104.2", "0.104.2", "v6.1.2", 1795321111),
    "clair": ("pkg:github/quay/clair@4.8.0", "4.8.0", "", 1795321111),
}


def report(name: str, change: Callable[[dict[str, Any]], object] = lambda _: None) -> bytes:
    """Return a recorded report with a change."""
    value: dict[str, Any] = json.loads((REPORTS / f"{name}.json").read_bytes())
    change(value)
    return json.dumps(value).encode()


@pytest.mark.parametrize("name", TOLD)
def test_one_shape(name: str) -> None:
    """
    Each report says which scanner it was, when, and with which data; and prints as a predicate.
    """
    whole = (REPORTS / f"{name}.json").read_bytes()
    scan = read(whole, TOLD[name])

    assert scan is not None
    scanner = scan.scanner
    assert name == scanner.name == scan.report.format
    assert SAID[name] == (
        scanner.uri,
        scanner.version,
        scanner.database_version,
        scanner.database_time,
    )
    assert hashlib.sha256(whole).digest() == scan.report.sha256
    assert moment(AT) == scan.started_at == scan.finished_at
    assert scan == Scan.parse(json.loads(scan.predicate()))


def test_the_same_finding() -> None:
    """
    The three agree about a vulnerability that all of them found.
    """
    for name, told in TOLD.items():
        scan = read(report(name), told)
        assert scan is not None
        found = [f._replace(purl="") for f in scan.findings if f.id == "CVE-2024-6119"]
        assert [
            Finding("high", "CVE-2024-6119", package, "3.1.4-r5", "3.1.7-r0")
            for package in ("libcrypto3", "libssl3")
        ] == found


def test_what_each_says() -> None:
    """
    Missing fixes, unknown severities and several fixes are kept; what was ignored is not.
    """
    trivy, grype, clair = (read(report(name), told) for name, told in TOLD.items())
    assert trivy
    assert grype
    assert clair

    assert (
        Finding(
            "critical",
            "CVE-2024-24790",
            "stdlib",
            "go1.21.4",
            "1.21.11, 1.22.4",
            "pkg:golang/stdlib@1.21.4",
        )
        == grype.findings[0]
    )
    assert ("unknown", "") == (trivy.findings[-1].severity, trivy.findings[-1].fixed)
    assert [1, 2, 0, 0, 1, 1] == list(grype.counts.values())
    assert [0, 2, 1, 0, 0, 1] == list(clair.counts.values())
    assert "CVE-2023-42363" not in {finding.id for finding in grype.findings}


def test_old_grype() -> None:
    """
    Before version 6 of its database Grype wrote that database's state one level higher.
    """

    def old(value: dict[str, Any]) -> None:
        value["descriptor"]["db"] = {
            "built": "2024-05-01T01:23:45Z",
            "schemaVersion": 5,
            "location": "/var/cache/grype/db/5",
            "checksum": "sha256:00",
            "error": None,
        }

    scan = read(report("grype", old), Told())

    assert scan
    assert (moment("2024-05-01T01:23:45Z"), "") == (
        scan.scanner.database_time,
        scan.scanner.database_version,
    )


def test_what_the_caller_says() -> None:
    """
    The caller's word counts where the report says nothing, and before what it says.
    """
    scan = read(report("trivy"), Told("0.70.0", "2026-11-22T04:18:31Z", "2026-11-24T00:00:00Z"))

    assert scan
    assert ("0.70.0", "pkg:github/aquasecurity/trivy@0.70.0", 1795321111) == (
        scan.scanner.version,
        scan.scanner.uri,
        scan.scanner.database_time,
    )
    assert moment("2026-11-24T00:00:00Z") == scan.finished_at


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("trivy", lambda r: r.update(SchemaVersion=3)),
        ("trivy", lambda r: r.update(Results={})),
        ("trivy", lambda r: r["Results"][0]["Vulnerabilities"][0].update(Severity="SEVERE")),
        ("trivy", lambda r: r["Results"][0]["Vulnerabilities"][0].update(PkgName=["a"])),
        ("trivy", lambda r: r["Results"][0]["Vulnerabilities"].append("CVE-1")),
        ("trivy", lambda r: r.update(CreatedAt="yesterday")),
        ("trivy", lambda r: r.update(CreatedAt="2026-02-30T00:00:00Z")),
        ("trivy", lambda r: r.pop("CreatedAt")),
        ("grype", lambda r: r["descriptor"].update(name="other")),
        ("grype", lambda r: r["descriptor"].pop("timestamp")),
        ("grype", lambda r: r["matches"][0]["vulnerability"]["fix"].update(versions=[1])),
        ("clair", lambda r: r.pop("package_vulnerabilities")),
        ("clair", lambda r: r["package_vulnerabilities"].update({"10": ["1"]})),
        ("clair", lambda r: r["package_vulnerabilities"].update({"11": ["356835"]})),
        ("clair", lambda r: r["packages"].update({"10": "libssl"})),
    ],
)
def test_not_such_a_report(name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """
    A report of another shape, or one that leaves out what must be known, is refused.
    """
    refused("bad-report", lambda: read(report(name, change), TOLD[name]))


def test_clair_says_nothing_of_when() -> None:
    """
    A report without a time is refused until somebody says it.
    """
    error = refused("bad-report", lambda: read(report("clair"), Told()))

    assert "--scanned-at" in error.hint


def test_a_predicate_already() -> None:
    """
    What has cosign's shape is left as it is.
    """
    assert read(b'{"invocation":{},"scanner":{},"metadata":{}}', Told()) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1),
        ("1970-01-01T01:00:01.999999999+01:00", 1),
        ("1969-12-31T19:30:01-04:30", 1),
        ("1970-01-01 00:00:01Z", 1),
    ],
)
def test_moment(text: str, seconds: int) -> None:
    """
    Times of any offset become seconds, without their parts.
    """
    assert seconds == moment(text)
