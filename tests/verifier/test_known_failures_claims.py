"""What certificates and scanners say, where other verifiers took part of it for all.

Each test is named after the published failure. `go-witness` are the twelve of July 2026.
"""

from __future__ import annotations

import json

import pytest

from tests.verifier.books import Book
from tests.verifier.making import IMAGE, NOW, REPOSITORY, refused, verdict
from tests.verifier.statuses import DAY
from verifier.certified import Certified
from verifier.statement import approval
from verifier.vulnerabilities import PREDICATE_TYPE, Finding, Report, Scan, Scanner

EVERYWHERE = '[[images]]\nunder = "*"\n'
APPROVED = f"{EVERYWHERE}[images.approval]\n"


@pytest.fixture
def book() -> Book:
    return Book()


class Vouching:
    """A judge of certificates that finds every bundle good, and signed by whom it was told."""

    def __init__(self, identity: str, issuer: str) -> None:
        said = approval(REPOSITORY, IMAGE, {"sealbook.requester.project_id": "4711"})
        self._found = Certified(identity, issuer, said, 10**9, 10**9 + 1, "rekor.example")

    def certified(self, data: bytes) -> Certified:
        """Say who signed."""
        assert b'"certificate"' in data
        return self._found


CERTIFIED = b'{"verificationMaterial":{"certificate":{"rawBytes":"AAAA"}}}'
WHO, ISSUER = "https://gitlab.bank/payments//.gitlab-ci.yml@refs/heads/main", "https://gitlab.bank"
NAMED = f'{APPROVED}identities = [{{ identity = "{WHO}", issuer = "{ISSUER}" }}]\n'


@pytest.mark.parametrize(
    ("identity", "issuer", "expected"),
    [
        (WHO, ISSUER, "yes"),
        (WHO, "https://evil.example/?x=https://gitlab.bank", "identity-mismatch"),
        (WHO, "https://gitlab.bank/", "identity-mismatch"),
        (WHO, "https://gitlab.bank.evil.example", "identity-mismatch"),
        (WHO, "https://GITLAB.bank", "identity-mismatch"),
        (WHO, "https:", "identity-mismatch"),
        (WHO, "", "identity-mismatch"),
        (f"{WHO}2", ISSUER, "identity-mismatch"),
        (WHO[:-1], ISSUER, "identity-mismatch"),
        (WHO.replace(".", "x"), ISSUER, "identity-mismatch"),
        (ISSUER, WHO, "identity-mismatch"),
    ],
)
def test_cve_2026_22772_issuers_are_whole_strings(
    book: Book, identity: str, issuer: str, expected: str
) -> None:
    """
    An identity and its issuer are compared as they are, and together.
    """
    book.approve()
    book.certificates = Vouching(identity, issuer)
    verifier = book.verifier(NAMED)

    assert expected == verdict(lambda: verifier.judge([CERTIFIED], IMAGE, REPOSITORY))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", "yes"),
        ('max_age = "90 days"', "too-old"),
        ('requester = { project_id = "4711" }', "requester"),
    ],
)
def test_cve_2025_62375_what_a_certificate_does_not_say(
    book: Book, more: str, expected: str
) -> None:
    """
    Of a bundle in a log of others nobody here knows the age, and only its signer who asked.
    """
    book.approve()
    book.certificates = Vouching(WHO, ISSUER)
    verifier = book.verifier(f"{NAMED}{more}\n")

    assert expected == verdict(lambda: verifier.judge([CERTIFIED], IMAGE, REPOSITORY))


def test_go_witness_c346_who_would_answer_is_not_there(book: Book) -> None:
    """
    A rule about certificates is not met by the lack of whoever could judge them.
    """
    book.approve()
    verifier = book.verifier(NAMED)

    refused("missing-extra", lambda: verifier.judge([CERTIFIED], IMAGE, REPOSITORY))
    refused("identity-mismatch", lambda: verifier.judge([book.bundle(0)], IMAGE, REPOSITORY))


SCANNED = f'{EVERYWHERE}[images.vulnerabilities]\nmax_severity = "medium"\nkeys = ["scanner"]\n'


def scan(book: Book, name: str, severity: str = "") -> int:
    """Let a scanner report one vulnerability of a severity, or none."""
    found = (Finding(severity, "CVE-2026-1234", "openssl", "3.1.4"),) if severity else ()
    report = Report("trivy", bytes(32))
    made = Scan(Scanner(name, "pkg:x", "1"), NOW - DAY, NOW - DAY + 60, found, report)
    return book.attest("scanner", PREDICATE_TYPE, json.loads(made.predicate()))


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([("trivy", "")], "yes"),
        ([("trivy", "medium")], "yes"),
        ([("trivy", "high")], "vulnerable"),
        ([("trivy", "unknown")], "vulnerable"),
        ([("trivy", ""), ("grype", "critical")], "vulnerable"),
        ([("grype", "critical"), ("trivy", "")], "vulnerable"),
        ([("trivy", "critical"), ("trivy", "")], "yes"),
        ([("trivy", ""), ("trivy", "critical")], "vulnerable"),
        ([("trivy", "critical"), ("trivy", ""), ("grype", "high"), ("grype", "low")], "yes"),
    ],
)
def test_go_witness_r4fv_each_report_is_read(
    book: Book, reports: list[tuple[str, str]], expected: str
) -> None:
    """
    The newest report of every scanner counts, in whichever order they are handed in.
    """
    entries = [scan(book, *report) for report in reports]

    assert expected == verdict(lambda: book.judge(SCANNED, *entries))
    assert expected == verdict(lambda: book.judge(SCANNED, *entries[::-1]))


def test_go_witness_3vpg_a_report_that_cannot_be_read(book: Book) -> None:
    """
    A report of which nobody knows what it found is not passed over for another one.
    """
    good = scan(book, "trivy")
    odd = book.attest("scanner", PREDICATE_TYPE, {"scanner": {"name": "trivy"}})
    other = book.attest("ci", PREDICATE_TYPE, {"scanner": {"name": "trivy"}})

    assert book.judge(SCANNED, good, other).allowed
    refused("malformed", lambda: book.judge(SCANNED, good, odd))
