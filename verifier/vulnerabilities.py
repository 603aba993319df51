"""What a vulnerability scanner found, in one shape whichever scanner it was.

The shape is cosign's predicate for scans, so that `cosign verify-attestation --type vuln`
takes it, with our own fields inside `scanner` (one line; wrapped and cut here):

    {"invocation":{},
     "metadata":{"scanFinishedOn":"2026-11-23T21:06:41Z","scanStartedOn":"2026-11-23T21:06:41Z"},
     "scanner":{"db":{"lastUpdate":"2026-11-23T18:12:03Z","uri":"","version":"2"},
      "name":"trivy",
      "result":{"counts":{"critical":0,"high":1,…},
       "findings":[{"fixed":"1.1.1d-r0","id":"CVE-2019-1549","package":"libssl1.1",
                    "purl":"pkg:apk/…","severity":"high","version":"1.1.1c-r0"}],
       "report":{"format":"trivy","sha256":"b1c5…"}},
      "uri":"pkg:github/aquasecurity/trivy@0.69.1","version":"0.69.1"}}

It accepts one spelling: findings are in order, worst first, each once; the counts are
theirs; times are UTC. `report` names the bytes that the scanner wrote. An empty
`lastUpdate` means that the report does not say how old the database was.

Spec: cosign, specs/COSIGN_VULN_ATTESTATION_SPEC.md.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple, Self

from verifier._strict import Fields, canonical_json, hexadecimal, plain, rfc3339
from verifier.errors import LimitError, MalformedError

PREDICATE_TYPE = "https://cosign.sigstore.dev/attestation/vuln/v1"
SEVERITIES = ("critical", "high", "medium", "low", "negligible", "unknown")  # worst first
MOST_FINDINGS = 65_536
_LONGEST = 1024  # bytes of a text
_RANK = {severity: rank for rank, severity in enumerate(SEVERITIES)}


class Finding(NamedTuple):
    """One vulnerability in one package; `fixed` and `purl` are empty when nobody says."""

    severity: str
    id: str
    package: str
    version: str
    fixed: str = ""
    purl: str = ""

    @property
    def order(self) -> tuple[int, str, str, str, str, str]:
        """Where it stands among others: the worst comes first."""
        return (_RANK[self.severity], *self[1:])


class Scanner(NamedTuple):
    """Which program looked, and with which database; `database_time` is POSIX seconds."""

    name: str
    uri: str
    version: str
    database_uri: str = ""
    database_version: str = ""
    database_time: int | None = None


class Report(NamedTuple):
    """The bytes that the scanner wrote: their format, and their SHA-256."""

    format: str
    sha256: bytes


class Scan(NamedTuple):
    """A parsed scan. Whether to believe it is another matter. Times are POSIX seconds."""

    scanner: Scanner
    started_at: int
    finished_at: int
    findings: tuple[Finding, ...]
    report: Report

    @classmethod
    def parse(cls, predicate: Mapping[str, object]) -> Self:
        """Take a scan from the predicate of a parsed statement.

        Raises:
            LimitError: too many findings, or a text that is too long.
            MalformedError: any other shape; cosign's own predicates have one.
        """
        fields = Fields(predicate, "predicate")
        fields.inside("invocation").done()
        metadata = fields.inside("metadata")
        started, finished = (rfc3339(metadata.text(f"scan{x}On")) for x in ("Started", "Finished"))
        metadata.done()
        scanner = fields.inside("scanner")
        fields.done()
        result = scanner.inside("result")
        scan = cls(_scanner(scanner), started, finished, _findings(result), _report(result))
        counts = result.inside("counts")
        found = {severity: counts.number(severity) for severity in SEVERITIES}
        counts.done()
        result.done()
        if found != scan.counts:
            raise MalformedError("expected the counts of the findings, found others")
        return scan

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each severity."""
        found = dict.fromkeys(SEVERITIES, 0)
        for finding in self.findings:
            found[finding.severity] += 1
        return found

    def predicate(self) -> bytes:
        """Print as canonical JSON; raises `MalformedError` or `LimitError` like `parse`."""
        _check(self.findings)
        scanner = self.scanner
        for text in (*scanner[:5], self.report.format):
            _text(text)
        built = scanner.database_time
        return canonical_json(
            {
                "invocation": {},
                "metadata": {
                    "scanStartedOn": _time(self.started_at),
                    "scanFinishedOn": _time(self.finished_at),
                },
                "scanner": {
                    "name": scanner.name,
                    "uri": scanner.uri,
                    "version": scanner.version,
                    "db": {
                        "uri": scanner.database_uri,
                        "version": scanner.database_version,
                        "lastUpdate": "" if built is None else _time(built),
                    },
                    "result": {
                        "counts": self.counts,
                        "findings": [finding._asdict() for finding in self.findings],
                        "report": {
                            "format": self.report.format,
                            "sha256": self.report.sha256.hex(),
                        },
                    },
                },
            }
        )


def sort(findings: set[Finding]) -> tuple[Finding, ...]:
    """Return findings in the one order; raises `MalformedError` for an unknown severity."""
    for finding in findings:
        _severity(finding.severity)
    return tuple(sorted(findings, key=lambda finding: finding.order))


def _scanner(fields: Fields) -> Scanner:
    name, uri, version = (_text(fields.text(field)) for field in ("name", "uri", "version"))
    feed = fields.inside("db")
    fields.done()
    db_uri, db_version = (_text(feed.text(field)) for field in ("uri", "version"))
    updated = feed.text("lastUpdate")
    feed.done()
    if not name:
        raise MalformedError("expected the name of a scanner, found none")
    return Scanner(name, uri, version, db_uri, db_version, rfc3339(updated) if updated else None)


def _findings(result: Fields) -> tuple[Finding, ...]:
    findings = []
    for i, value in enumerate(result.items("findings", most=MOST_FINDINGS)):
        fields = Fields(value, f"findings[{i}]")
        findings.append(Finding(*(fields.text(name) for name in Finding._fields)))
        fields.done()
    _check(findings)
    return tuple(findings)


def _report(result: Fields) -> Report:
    fields = result.inside("report")
    report = Report(_text(fields.text("format")), hexadecimal(fields.text("sha256"), size=32))
    fields.done()
    return report


def _check(findings: list[Finding] | tuple[Finding, ...]) -> None:
    if len(findings) > MOST_FINDINGS:
        raise LimitError(f"expected at most {MOST_FINDINGS} findings, found {len(findings)}")
    for finding in findings:
        _severity(finding.severity)
        for text in finding:
            _text(text)
        if not finding.id or not finding.package:
            raise MalformedError("expected a finding with an id and a package")
    for before, after in pairwise(findings):
        if before.order >= after.order:
            raise MalformedError(f"findings are out of order, or twice: {after.id!r}")


def _severity(text: str) -> None:
    if text not in _RANK:
        raise MalformedError(f"expected one of {', '.join(SEVERITIES)}, found {text[:40]!r}")


def _text(text: str) -> str:
    if len(text.encode("utf-8", "surrogatepass")) > _LONGEST:
        raise LimitError(f"expected texts of at most {_LONGEST} bytes, found {text[:40]!r}…")
    return plain(text)


def _time(posix: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(posix))
