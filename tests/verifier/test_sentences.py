"""Sentences: what each rule of a policy says when it is met, and what when something is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from tests.verifier.books import Book
from tests.verifier.making import IMAGE, NOW, REPOSITORY, policy, rows, witnesses
from tests.verifier.statuses import DAY
from verifier.trust.status import Mark
from verifier.verdict import Answer, RefusedError
from verifier.vulnerabilities import PREDICATE_TYPE, Finding, Report, Scan, Scanner

Scene: TypeAlias = Callable[[Book], list[int]]

IMAGES = '[[images]]\nunder = "*"\n'
APPROVED = f"{IMAGES}[images.approval]\n"
PROVENANCE = "https://slsa.dev/provenance/v1"
ATTESTED = f'{IMAGES}[[images.attestation]]\ntype = "{PROVENANCE}"\n'
SCANNED = f'{IMAGES}[images.vulnerabilities]\nmax_severity = "medium"\n'


def answers(book: Book, rules: str, entries: list[int]) -> tuple[Answer, ...]:
    """Return what the rules answer, whether or not they are met."""
    try:
        return book.judge(rules, *entries).answers
    except RefusedError as e:
        return e.verdict.answers


def report(*findings: tuple[str, str], by: str = "trivy") -> Any:
    """Return the predicate of a scan with findings of a severity and an id, none of them fixed."""
    found = tuple(Finding(severity, cve, "openssl", "3.1.4") for severity, cve in findings)
    scan = Scan(Scanner(by, "", "1"), NOW - DAY, NOW, found, Report(by, bytes(32)))
    return json.loads(scan.predicate())


def scans(*reports: Any) -> Scene:
    """Log a report each."""
    return lambda book: [book.attest("scanner", PREDICATE_TYPE, one) for one in reports]


def aged(days: float, log: Scene, then: float = 0) -> Scene:
    """Log something between two marks: one so many days ago, and one right after it."""

    def scene(book: Book) -> list[int]:
        book.marks = ()
        book.mark(days)
        entries = log(book)
        book.approve("qa", annotations={"after": "it"})
        book.mark(days - 0.001)
        book.mark(then)
        return entries

    return scene


def approved(*names: str, **annotations: str) -> Scene:
    """Log an approval by each of these keys."""
    return lambda book: [book.approve(name, annotations=annotations) for name in names]


def requested(**claims: str) -> Scene:
    """Log an approval that somebody with these claims asked for."""
    said = {f"sealbook.requester.{name}": value for name, value in claims.items()}
    return lambda book: [book.approve(annotations={**said, "env": "prod"})]


def attested(*names: str) -> Scene:
    """Log an attestation by each of these keys."""
    return lambda book: [book.attest(name, PROVENANCE, {}) for name in names]


def nothing(book: Book) -> list[int]:
    """Log what is not handed in."""
    book.approve()
    return []


WEEK = 'max_age = "7 days"\n'
CLAIMS = 'requester = { project_id = "4711", ref = "main" }\n'
ADA = 'identities = [{ identity = "ada@bank", issuer = "https://gitlab.bank" }]\n'

MET = [
    ("an approval", APPROVED, approved("release"), "has an approval by release (entry 0)"),
    (
        "approvals by two",
        f"{APPROVED}signers = 2\n",
        approved("release", "qa"),
        "has an approval by release (entry 0), qa (entry 1)",
    ),
    (
        "by one of two keys",
        f'{APPROVED}keys = ["qa", "release"]\n',
        approved("qa"),
        "has an approval by qa (entry 0)",
    ),
    (
        "with claims and more",
        f"{APPROVED}{CLAIMS}",
        requested(project_id="4711", ref="main", sub="x"),
        "has an approval by release (entry 0)",
    ),
    (
        "a young one",
        f"{APPROVED}{WEEK}",
        aged(6, approved("release")),
        "has an approval by release (entry 0)",
    ),
    (
        "an attestation",
        ATTESTED,
        attested("ci"),
        f"has an attestation {PROVENANCE} by ci (entry 0)",
    ),
    ("a clean report", SCANNED, scans(report()), "nothing that counts found by trivy (entry 0)"),
    (
        "reports of two scanners",
        SCANNED,
        scans(report(("low", "CVE-1")), report(by="grype"), report(("medium", "CVE-2"))),
        "nothing that counts found by trivy (entry 2), grype (entry 1)",
    ),
]
MISSING = [
    ("nothing", APPROVED, nothing, "needs an approval, found none", "not-approved"),
    (
        "nothing by two keys",
        f'{APPROVED}keys = ["release", "qa"]\n',
        nothing,
        "needs an approval by release or qa, found none",
        "not-approved",
    ),
    ("nothing by her", f"{APPROVED}{ADA}", nothing, "needs an approval by ada@bank, found none",
     "not-approved"),
    (
        "by another key",
        f'{APPROVED}keys = ["release"]\n',
        approved("qa"),
        "needs an approval by release, found one by qa",
        "not-approved",
    ),
    (
        "not by her",
        f"{APPROVED}{ADA}",
        approved("qa"),
        "needs an approval by ada@bank, found one by qa",
        "identity-mismatch",
    ),
    (
        "neither by a key nor by her",
        f'{APPROVED}keys = ["release"]\n{ADA}',
        approved("qa"),
        "needs an approval by release or ada@bank, found one by qa",
        "not-approved",
    ),
    (
        "one of two",
        f"{APPROVED}signers = 2\n",
        approved("release", "release"),
        "needs an approval by 2 signers, found 1",
        "not-approved",
    ),
    (
        "one of two named",
        f'{APPROVED}keys = ["release", "qa"]\nsigners = 2\n',
        approved("qa"),
        "needs an approval by 2 signers, found 1",
        "not-approved",
    ),
    ("two of three old", f"{APPROVED}signers = 2\n{WEEK}", aged(9, approved("release", "qa")),
     ("needs an approval by 2 signers, found 0: "
     "needs an approval younger than 7 days, newest is 8 days old"), "too-old"),
    (
        "no claim",
        f"{APPROVED}{CLAIMS}",
        approved("release"),
        "needs an approval requested by project_id=4711, ref=main, found no claim",
        "requester",
    ),
    (
        "another claim",
        f"{APPROVED}{CLAIMS}",
        requested(project_id="4711", ref="dev"),
        ("needs an approval requested by project_id=4711, ref=main, "
        "found project_id=4711, ref=dev"),
        "requester",
    ),
    (
        "half of a claim",
        f"{APPROVED}{CLAIMS}",
        requested(project_id="4711"),
        "needs an approval requested by project_id=4711, ref=main, found project_id=4711",
        "requester",
    ),
    (
        "a claim that nobody vouches for",
        f"{APPROVED}{CLAIMS}",
        approved("release", project_id="4711", ref="main"),
        "needs an approval requested by project_id=4711, ref=main, found no claim",
        "requester",
    ),
    ("a longer claim", f"{APPROVED}{CLAIMS}", requested(project_id="47110", ref="main"),
     "needs an approval requested by project_id=4711, ref=main, found project_id=47110, ref=main",
     "requester"),
    (
        "no attestation",
        ATTESTED,
        approved("release"),
        f"needs an attestation {PROVENANCE}, found none",
        "not-approved",
    ),
    (
        "an attestation by another",
        f'{ATTESTED}keys = ["ci"]\n',
        attested("scanner"),
        f"needs an attestation {PROVENANCE} by ci, found one by scanner",
        "not-approved",
    ),
    ("an old attestation", f"{ATTESTED}{WEEK}", aged(8, attested("ci"), 2),
     f"needs an attestation {PROVENANCE} younger than 7 days, newest is 7 days old", "too-old"),
    ("no report", SCANNED, approved("release"), "needs a vulnerability report, found none",
     "not-approved"),
    (
        "a report by another key",
        f'{SCANNED}keys = ["ci"]\n',
        scans(report()),
        "needs a vulnerability report by ci, found one by scanner",
        "not-approved",
    ),
    ("an old report", f"{SCANNED}{WEEK}", aged(9.5, scans(report())),
     "needs a vulnerability report younger than 7 days, newest is 9 days old", "too-old"),
    ("a finding", SCANNED, scans(report(("high", "CVE-1"), ("low", "CVE-2"))),
     "trivy found CVE-1 (high), entry 0", "vulnerable"),
    (
        "four findings",
        SCANNED,
        scans(report(*(("critical", f"CVE-{i}") for i in range(4)))),
        "trivy found CVE-0 (critical), CVE-1 (critical), CVE-2 (critical) and 1 more, entry 0",
        "vulnerable",
    ),
    (
        "a report that nobody can read",
        SCANNED,
        scans(report(), {"scanner": {}}),
        ("the vulnerability report at 1 cannot be read: "
        "predicate: expected a field 'invocation', found none"),
        "malformed",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "scene", "told"), rows(*MET))
def test_met(rules: str, scene: Scene, told: str) -> None:
    """
    A rule that is met says by whom, and where in the ledger that is.
    """
    book = Book()
    entries = scene(book)
    found = answers(book, rules, entries)[0]

    assert (True, told, "", "") == (found.met, found.told, found.code, found.hint)
    assert book.judge(rules, *entries).allowed


@pytest.mark.parametrize(("rules", "scene", "told", "code"), rows(*MISSING))
def test_missing(rules: str, scene: Scene, told: str, code: str) -> None:
    """
    A rule that is not met says what it needs, and what was found in the place of that.
    """
    book = Book()
    entries = scene(book)
    with pytest.raises(RefusedError) as caught:
        book.judge(rules, *entries)
    found = caught.value.verdict.answers[0]

    assert (False, told, code) == (found.met, found.told, found.code)
    assert (told, code) == (caught.value.message, caught.value.code)


@pytest.mark.parametrize(
    ("known", "signed", "asked", "told", "met"),
    [
        (0, 0, 0, "witnesses 0 of 0", True),
        (2, 1, 0, "witnesses 1 of 2", True),
        (2, 1, 1, "witnesses 1 of 2", True),
        (2, 2, 1, "witnesses 2 of 2", True),
        (2, 1, 2, "witnesses 1 of 2, expected 2", False),
        (3, 2, 3, "witnesses 2 of 3, expected 3", False),
    ],
)
def test_witnesses(known: int, signed: int, asked: int, told: str, met: bool) -> None:
    """
    A verdict always says how many witnesses there are, of how many.
    """
    book = Book()
    everyone = witnesses(known)
    book.witnesses = everyone[:signed]
    book.quorum = policy(1, everyone) if known else "quorum none\n"
    rules = f"{IMAGES}witnesses = {asked}\n[images.approval]\n"
    first, last = answers(book, rules, [book.approve()])

    assert ("witnesses", met, told) == (last.rule, last.met, last.told)
    assert met is first.met
    assert ("" if met else "witness-quorum") == last.code == first.code
    if not met:
        assert f"needs an approval with {asked} witnesses, found {signed}" == first.told


@pytest.mark.parametrize(("asked", "least"), [(0, 1), (1, 1), (2, 2), (3, 3)])
def test_witnesses_of_many_bundles(asked: int, least: int) -> None:
    """
    Of many bundles that have enough witnesses the fewest are told, and the most when none has.
    """
    book, everyone = Book(), witnesses(3)
    book.quorum = policy(1, everyone)
    book.approve("release")
    bundles = []
    for count in (3, 1, 2):
        book.witnesses = everyone[:count]
        bundles.append(book.bundle(0))
    judge = book.verifier(f"{IMAGES}witnesses = {asked}\n[images.approval]\n").judge

    assert f"witnesses {least} of 3" == judge(bundles, IMAGE, REPOSITORY).answers[-1].told
    if asked == 3:
        with pytest.raises(RefusedError) as caught:
            judge(bundles[1:], IMAGE, REPOSITORY)
        assert "witnesses 2 of 3, expected 3" == caught.value.verdict.answers[-1].told


@pytest.mark.parametrize("scene", [nothing, approved("qa")])
def test_witnesses_are_told_with_every_no(scene: Scene) -> None:
    """
    So it does when nothing counts, or nothing was handed in.
    """
    book = Book()
    book.witnesses = witnesses(2)
    book.quorum = policy(1, book.witnesses)
    entries = scene(book)
    found = answers(book, f'{APPROVED}keys = ["release"]\n', entries)

    assert f"witnesses {2 if entries else 0} of 2" == found[-1].told
    assert not found[0].met


@pytest.mark.parametrize(
    ("marks", "told"),
    [
        ((Mark(0, NOW - 30 * DAY), Mark(2, NOW - 9 * DAY)), "newest is 9 days old"),
        ((Mark(0, NOW - 30 * DAY), Mark(2, NOW - DAY)), "newest may be 30 days old"),
        ((Mark(2, NOW - DAY),), "newest is of unknown age"),
        ((), "newest is of unknown age"),
    ],
)
def test_ages(marks: tuple[Mark, ...], told: str) -> None:
    """
    How old the newest one is, is told as well as it is known: surely, at most, or not at all.
    """
    book = Book()
    entries = [book.approve("qa"), book.approve("release")]
    book.marks = marks
    found = answers(book, f'{APPROVED}{WEEK}keys = ["release"]\n', entries)[0]

    assert f"needs an approval younger than 7 days, {told}" == found.told


SEVERITIES = ("critical", "high", "medium", "low", "negligible")


@pytest.mark.parametrize("worst", [*SEVERITIES, "none"])
@pytest.mark.parametrize("found", [*SEVERITIES, "unknown"])
def test_severities(worst: str, found: str) -> None:
    """
    Findings up to the severity that a policy takes are taken; of unknown severity none is.
    """
    order = ["none", *SEVERITIES[::-1]]
    taken = found != "unknown" and order.index(found) <= order.index(worst)
    book = Book()
    entry = book.attest("scanner", PREDICATE_TYPE, report((found, "CVE-1")))
    rules = SCANNED.replace("medium", worst)

    assert taken is answers(book, rules, [entry])[0].met


@pytest.mark.parametrize(("clock", "met"), [(-1, True), (0, False), (1, False)])
def test_an_excuse_ends(clock: int, met: bool) -> None:
    """
    A vulnerability is excused until a moment, not at it, and under its whole name alone.
    """
    book = Book()
    entry = book.attest("scanner", PREDICATE_TYPE, report(("critical", "CVE-1")))
    book.now = 1_750_075_200 + clock  # 2025-06-16, 12:00:00 UTC
    excuse = '{ cve = "CVE-1", until = 2025-06-16T12:00:00Z, why = "not built in" }'
    for excused in (True, False):
        text = excuse if excused else excuse.replace("CVE-1", "CVE-11")
        found = answers(book, f"{SCANNED}allow = [{text}]\n", [entry])[0]
        assert (met and excused) is found.met


def test_every_rule_answers() -> None:
    """
    A verdict has one answer for each rule, in the order of the policy, met or not.
    """
    book = Book()
    entry = book.approve()
    rules = (
        f'{IMAGES}max_checkpoint_age = "1 day"\n[images.approval]\n'
        f'[[images.attestation]]\ntype = "{PROVENANCE}"\n'
        '[images.vulnerabilities]\nmax_severity = "low"\n'
    )
    found = answers(book, rules, [entry])

    assert [
        ("an approval", True),
        (f"an attestation {PROVENANCE}", False),
        ("vulnerabilities", False),
        ("witnesses", True),
        ("checkpoint", False),
    ] == [(one.rule, one.met) for one in found]
    assert "needs a checkpoint younger than 1 day, newest is 90 days old" == found[-1].told
