"""Rules: what each asks of statements and reports, and in which sentence it says no."""

from __future__ import annotations

import json

import pytest

from tests.verifier.books import Book
from tests.verifier.making import NOW, policy, rows, witnesses
from tests.verifier.verdicts import said
from verifier.verdict import Answer
from verifier.vulnerabilities import PREDICATE_TYPE, Finding, Report, Scan, Scanner

IMAGES = '[[images]]\nunder = "registry.example"\n'
APPROVED = f"{IMAGES}[images.approval]\n"


@pytest.fixture
def book() -> Book:
    """An empty ledger."""
    return Book()


def test_two_signers(book: Book) -> None:
    """
    One key that signs twice is one signer.
    """
    rules = f"{APPROVED}signers = 2\n"
    first, again, other = book.approve(), book.approve(), book.approve("qa")

    told = said(lambda: book.judge(rules, first, again)).message
    assert "needs an approval by 2 signers, found 1" == told
    assert book.judge(rules, first, other).met


def test_approvals_of_two_kinds(book: Book) -> None:
    """
    Of two approvals that are asked for, each has its own keys: many by the one are not both.
    """
    rules = IMAGES + "".join(f'[[images.approval]]\nkeys = ["{k}"]\n' for k in ("release", "qa"))
    first, again, other = book.approve(), book.approve(), book.approve("qa")

    told = said(lambda: book.judge(rules, first, again)).message
    assert "needs an approval by qa, found one by release" == told
    told = said(lambda: book.judge(rules, other)).message
    assert "needs an approval by release, found one by qa" == told
    assert book.judge(rules, first, other).met


@pytest.mark.parametrize(
    ("rules", "code", "told"),
    rows(
        (
            "key",
            'keys = ["qa"]',
            "not-approved",
            "needs an approval by qa, found one by release",
        ),
        (
            "identity",
            'identities = [{ identity = "a", issuer = "b" }]',
            "identity-mismatch",
            "needs an approval by a, found one by release",
        ),
        (
            "requester",
            'requester = { project_id = "4711", ref = "main" }',
            "requester",
            "needs an approval requested by project_id=4711, ref=main, found project_id=4712",
        ),
        (
            "age",
            'max_age = "7 days"',
            "too-old",
            "needs an approval younger than 7 days, newest may be 90 days old",
        ),
        (
            "signers",
            'signers = 2\nmax_age = "1 day"',
            "too-old",
            "needs an approval by 2 signers, found 0: ",
        ),
    ),
)
def test_not_met(book: Book, rules: str, code: str, told: str) -> None:
    """
    What is missing is said in a sentence, with what there is instead.
    """
    index = book.approve(annotations={"sealbook.requester.project_id": "4712"})
    refusal = said(lambda: book.judge(f"{APPROVED}{rules}\n", index))

    assert told in refusal.message
    assert code == refusal.code


def test_no_claim(book: Book) -> None:
    """
    An approval that nobody's claims are in is told apart from one with others.
    """
    rules = f'{APPROVED}requester = {{ project_id = "4711" }}\n'

    assert "found no claim" in said(lambda: book.judge(rules, book.approve())).message


def test_too_few_witnesses(book: Book) -> None:
    """
    A rule may ask for more witnesses than the quorum of the trust file.
    """
    known = witnesses(3)
    book.witnesses, book.quorum = known[:1], policy(1, known)
    rules = f"{IMAGES}witnesses = 2\n[images.approval]\n"
    refusal = said(lambda: book.judge(rules, book.approve()))

    assert "witness-quorum" == refusal.code
    assert "needs an approval with 2 witnesses, found 1" in refusal.message
    assert (
        Answer("witnesses", met=False, told="witnesses 1 of 3, expected 2", code="witness-quorum")
        in refusal.verdict.answers
    )
    book.witnesses = known[:2]
    assert book.judge(rules, 0).met


REPORTED = f'{IMAGES}[images.vulnerabilities]\nmax_severity = "medium"\n'


def scan(*findings: tuple[str, str, str], by: str = "trivy") -> object:
    """Return the predicate of a report; each finding is severity, id, and the fixed version."""
    found = tuple(Finding(s, name, "pkg", "1", fixed) for s, name, fixed in findings)
    made = Scan(Scanner(by, "", "1"), NOW, NOW, found, Report(by, bytes(32)))
    return json.loads(made.predicate())


MANY = [("critical", f"CVE-{i}", "2") for i in range(5)]


@pytest.mark.parametrize(
    ("findings", "more", "told"),
    [
        ([], "", ""),
        ([("medium", "CVE-1", "2"), ("low", "CVE-2", "")], "", ""),
        ([("high", "CVE-1", "2")], "", "trivy found CVE-1 (high), entry 0"),
        ([("unknown", "CVE-1", "2")], "", "trivy found CVE-1 (unknown), entry 0"),
        ([("high", "CVE-1", "")], "", "trivy found CVE-1 (high), entry 0"),
        ([("high", "CVE-1", "")], "fixed_only = true", ""),
        ([("high", "CVE-1", "2")], "fixed_only = true", "trivy found CVE-1 (high), entry 0"),
        (
            [("high", "CVE-1", "2")],
            'allow = [{ cve = "CVE-1", until = 2099-01-01, why = "x" }]',
            "",
        ),
        (
            [("high", "CVE-1", "2")],
            'allow = [{ cve = "CVE-1", until = 2001-01-01, why = "x" }]',
            "trivy found CVE-1 (high), entry 0",
        ),
        (
            [("high", "CVE-1", "2")],
            'allow = [{ cve = "CVE-2", until = 2099-01-01, why = "x" }]',
            "trivy found CVE-1 (high), entry 0",
        ),
        (
            MANY,
            "",
            "CVE-0 (critical), CVE-1 (critical), CVE-2 (critical) and 2 more, entry 0",
        ),
        (MANY[:3], "", "CVE-0 (critical), CVE-1 (critical), CVE-2 (critical), entry 0"),
    ],
)
def test_reports(book: Book, findings: list[tuple[str, str, str]], more: str, told: str) -> None:
    """
    A report stops an image by what is worse than asked, unless it is excused for now.
    """
    index = book.attest("scanner", PREDICATE_TYPE, scan(*findings))
    rules = f"{REPORTED}{more}\n"
    if told:
        refusal = said(lambda: book.judge(rules, index))
        assert "vulnerable" == refusal.code
        assert told in refusal.message
    else:
        assert book.judge(rules, index).met


def test_newest_report_of_each_scanner(book: Book) -> None:
    """
    Of each scanner the newest report counts, in whatever order they are handed in.
    """
    bad, good = scan(("high", "CVE-1", "")), scan()
    old = book.attest("scanner", PREDICATE_TYPE, bad)
    new = book.attest("scanner", PREDICATE_TYPE, good)
    other = book.attest("scanner", PREDICATE_TYPE, scan(("high", "CVE-2", ""), by="grype"))

    for order in ((old, new), (new, old)):
        assert book.judge(REPORTED, *order).met
    assert "grype found CVE-2" in said(lambda: book.judge(REPORTED, new, other)).message


def test_no_report(book: Book) -> None:
    """
    No report at all, and one that nobody can read, are two refusals.
    """
    index = book.attest("scanner", PREDICATE_TYPE, {"findings": []})

    assert "not-approved" == said(lambda: book.judge(REPORTED)).code
    unread = said(lambda: book.judge(REPORTED, index))
    assert "cannot be read" in unread.message
    assert "malformed" == unread.code
