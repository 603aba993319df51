"""What scanners found: one shape, one spelling."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier import vulnerabilities
from verifier._strict import json_object
from verifier.errors import LimitError, MalformedError
from verifier.vulnerabilities import SEVERITIES, Finding, Report, Scan, Scanner, sort

SCAN = Scan(
    Scanner("trivy", "pkg:github/aquasecurity/trivy@0.69.1", "0.69.1", "", "2", 1795500723),
    1795468001,
    1795468002,
    (
        Finding("high", "CVE-2019-1549", "libssl1.1", "1.1.1c-r0", "1.1.1d-r0", "pkg:apk/libssl"),
        Finding("low", "CVE-2019-1551", "libssl1.1", "1.1.1c-r0"),
    ),
    Report("trivy", bytes(32)),
)
PREDICATE = (
    b'{"invocation":{},"metadata":{"scanFinishedOn":"2026-11-23T21:06:42Z",'
    b'"scanStartedOn":"2026-11-23T21:06:41Z"},"scanner":{"db":{"lastUpdate":'
    b'"2026-11-24T06:12:03Z","uri":"","version":"2"},"name":"trivy","result":{"counts":'
    b'{"critical":0,"high":1,"low":1,"medium":0,"negligible":0,"unknown":0},"findings":'
    b'[{"fixed":"1.1.1d-r0","id":"CVE-2019-1549","package":"libssl1.1","purl":"pkg:apk/libssl",'
    b'"severity":"high","version":"1.1.1c-r0"},{"fixed":"","id":"CVE-2019-1551","package":'
    b'"libssl1.1","purl":"","severity":"low","version":"1.1.1c-r0"}],"report":{"format":"trivy",'
    b'"sha256":"' + b"0" * 64 + b'"}},"uri":"pkg:github/aquasecurity/trivy@0.69.1",'
    b'"version":"0.69.1"}}'
)

TEXTS = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp", "Cf")), max_size=9)
NAMES = TEXTS.filter(bool)
FINDINGS = st.builds(Finding, st.sampled_from(SEVERITIES), NAMES, NAMES, TEXTS, TEXTS, TEXTS)
TIMES = st.integers(0, 4_000_000_000)
SCANNERS = st.builds(Scanner, NAMES, TEXTS, TEXTS, TEXTS, TEXTS, st.none() | TIMES)
SCANS = st.builds(
    Scan,
    SCANNERS,
    TIMES,
    TIMES,
    st.sets(FINDINGS, max_size=6).map(sort),
    st.builds(Report, TEXTS, st.binary(min_size=32, max_size=32)),
)


def parsed(predicate: bytes) -> Scan:
    """Parse a predicate as a verifier does."""
    return Scan.parse(json_object(predicate, limit=1 << 20, floats=True))


def test_known_answer() -> None:
    """
    A scan has these bytes, and they are that scan.
    """
    assert PREDICATE == SCAN.predicate()
    assert SCAN == parsed(PREDICATE)


@given(SCANS)
def test_round_trip(scan: Scan) -> None:
    """
    Every scan is read as it was printed.
    """
    assert scan == parsed(scan.predicate())


def test_worst_first() -> None:
    """
    Findings are in order of severity, and each is there once.
    """
    found = {Finding(severity, "CVE-1", "p", "1") for severity in reversed(SEVERITIES)}

    assert list(SEVERITIES) == [finding.severity for finding in sort(found)]
    assert 1 == SCAN._replace(findings=sort({Finding("high", "a", "b", "")})).counts["high"]


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Return the predicate with a change."""
    predicate: dict[str, Any] = json.loads(PREDICATE)
    change(predicate)
    return predicate


def twice(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result that has its first finding twice, and nothing else."""
    [first, _] = result["findings"]
    return {"findings": [first, first], "counts": {**result["counts"], "high": 2, "low": 0}}


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.update(more=1),
        lambda p: p["invocation"].update(uri=""),
        lambda p: p["metadata"].update(scanFinishedOn="2026-11-23T21:06:42+00:00"),
        lambda p: p["metadata"].update(more=1),
        lambda p: p["metadata"].pop("scanStartedOn"),
        lambda p: p["scanner"].update(name=""),
        lambda p: p["scanner"].update(more=""),
        lambda p: p["scanner"].update(version="1\u202e2"),
        lambda p: p["scanner"]["db"].update(lastUpdate="yesterday"),
        lambda p: p["scanner"]["db"].update(more=""),
        lambda p: p["scanner"]["db"].update(version=2),
        lambda p: p["scanner"]["result"].update(more=""),
        lambda p: p["scanner"]["result"]["counts"].update(high=0),
        lambda p: p["scanner"]["result"]["counts"].update(none=0),
        lambda p: p["scanner"]["result"]["counts"].pop("unknown"),
        lambda p: p["scanner"]["result"]["report"].update(sha256="0" * 63),
        lambda p: p["scanner"]["result"]["report"].update(more=""),
        lambda p: p["scanner"]["result"]["findings"].reverse(),
        lambda p: p["scanner"]["result"].update(twice(p["scanner"]["result"])),
        lambda p: p["scanner"]["result"]["findings"][0].update(severity="HIGH"),
        lambda p: p["scanner"]["result"]["findings"][0].update(id=""),
        lambda p: p["scanner"]["result"]["findings"][0].update(package=""),
        lambda p: p["scanner"]["result"]["findings"][0].update(purl="pkg:\n"),
        lambda p: p["scanner"]["result"]["findings"][0].update(more=""),
        lambda p: p["scanner"]["result"]["findings"][0].pop("fixed"),
    ],
)
def test_other_spellings(change: Callable[[dict[str, Any]], object]) -> None:
    """
    What differs in any field from how it would be printed is refused.
    """
    with pytest.raises(MalformedError):
        Scan.parse(changed(change))


def test_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Texts and lists that are too long are refused, printed or parsed.
    """
    long = SCAN._replace(scanner=SCAN.scanner._replace(version="v" * 1025))
    with pytest.raises(LimitError):
        long.predicate()
    with pytest.raises(LimitError):
        Scan.parse(changed(lambda p: p["scanner"].update(uri="é" * 513)))

    monkeypatch.setattr(vulnerabilities, "MOST_FINDINGS", 1)
    with pytest.raises(LimitError):
        SCAN.predicate()
    with pytest.raises(LimitError):
        parsed(PREDICATE)


def test_unknown_severity() -> None:
    """
    A severity that is not in the table is neither sorted nor printed.
    """
    other = Finding("severe", "CVE-1", "p", "1")
    with pytest.raises(MalformedError):
        sort({other})
    with pytest.raises(MalformedError):
        SCAN._replace(findings=(other,)).predicate()
