"""Images judged under a policy: each rule says yes or no, and what is missing."""

from __future__ import annotations

import json

import pytest

from tests.verifier.books import HEADER, Book
from tests.verifier.making import (
    IMAGE,
    NOW,
    REPOSITORY,
    NoteSigner,
    World,
    policy,
    refused,
    rows,
    witnesses,
)
from tests.verifier.statuses import DAY
from tests.verifier.verdicts import said
from verifier import limits
from verifier.digest import Digest
from verifier.note import ML_DSA
from verifier.policy import Policy
from verifier.repository import Repository
from verifier.statement import APPROVAL, STATEMENT_TYPE
from verifier.trust.revocation import Revocation
from verifier.verdict import Answer
from verifier.verify import Verifier

IMAGES = '[[images]]\nunder = "registry.example"\n'
APPROVED = f"{IMAGES}[images.approval]\n"
PROVENANCE = "https://slsa.dev/provenance/v1"
OTHER = Digest.of(b"another image")


@pytest.fixture
def book() -> Book:
    """An empty ledger."""
    return Book()


def test_met(book: Book) -> None:
    """
    The verdict has each rule in a sentence, and all that was good.
    """
    book.witnesses = witnesses(2)
    book.quorum = policy(1, book.witnesses)
    first, second = book.approve(), book.attest("ci", PROVENANCE, {})
    rules = f'{APPROVED}[[images.attestation]]\ntype = "{PROVENANCE}"\n'
    verdict = book.judge(rules, first, second)

    assert (True, True, "enforce", (), ()) == (
        verdict.met,
        verdict.allowed,
        verdict.mode,
        verdict.refused,
        verdict.warnings,
    )
    assert (
        Answer("an approval", met=True, told="has an approval by release (entry 0)"),
        Answer(
            f"an attestation {PROVENANCE}",
            met=True,
            told=f"has an attestation {PROVENANCE} by ci (entry 1)",
        ),
        Answer("witnesses", met=True, told="witnesses 2 of 2"),
    ) == verdict.answers
    assert [APPROVAL, PROVENANCE] == [
        one.predicate_type for one in (*verdict.approvals, *verdict.attestations)
    ]


def test_json(book: Book) -> None:
    """
    A verdict is JSON of what it says.
    """
    verdict = book.judge(APPROVED, book.approve())
    value = json.loads(json.dumps(verdict.json()))

    assert ("yes", IMAGE, REPOSITORY) == (value["verdict"], value["digest"], value["repository"])
    assert ["an approval", "witnesses"] == [rule["rule"] for rule in value["rules"]]
    assert ["release"] == [one["key"] for one in value["approvals"]]


@pytest.mark.parametrize("names", [("release",), ("release", "qa"), ("qa", "release")])
def test_without_a_policy(book: Book, names: tuple[str, ...]) -> None:
    """
    Without a policy one approval is enough, whoever of those that may gave it.
    """
    bundles = [book.bundle(index) for index in [book.approve(name) for name in names]]
    judge = Verifier(book.trust, lambda: NOW, status=book.status)

    assert judge.judge(bundles, IMAGE, REPOSITORY).met
    assert "not-approved" == said(lambda: judge.judge([], IMAGE, REPOSITORY)).code


@pytest.mark.parametrize(
    ("rules", "code"),
    rows(
        ("no such key", f'{APPROVED}keys = ["nobody"]\n', "bad-policy"),
        ("a key that attests", f'{APPROVED}keys = ["ci"]\n', "bad-policy"),
        (
            "a key that approves",
            f'{IMAGES}[[images.attestation]]\ntype = "{PROVENANCE}"\nkeys = ["release"]\n',
            "bad-policy",
        ),
        (
            "a scanner that approves",
            f'{IMAGES}[images.vulnerabilities]\nmax_severity = "low"\nkeys = ["release"]\n',
            "bad-policy",
        ),
        (
            "more witnesses than there are",
            f"{IMAGES}witnesses = 1\n[images.approval]\n",
            "bad-policy",
        ),
    ),
)
def test_policy_of_others(book: Book, rules: str, code: str) -> None:
    """
    A policy that the trust file cannot meet is refused before any image is.
    """
    book.approve()

    refused(code, lambda: book.verifier(rules))


def test_needs_a_status_file(book: Book) -> None:
    """
    A policy is not judged by somebody who does not know what was revoked.
    """
    book.approve()

    refused("no-status", lambda: book.verifier(APPROVED, status=False))


@pytest.mark.parametrize("pinned", ["its own", "another"])
def test_pinned_policy(book: Book, pinned: str) -> None:
    """
    A trust file that pins a policy is believed with that policy alone.
    """
    bundle = book.bundle(book.approve())
    rules = Policy.parse((HEADER + APPROVED).encode())
    wrong = bytes(32) if pinned == "another" else rules.sha256
    trust, status = book.trust._replace(policy_sha256=wrong), book.status
    alone = Verifier(trust, lambda: NOW, status=status)

    refused("policy-mismatch", lambda: alone.verify(bundle, IMAGE, REPOSITORY))
    refused("policy-mismatch", lambda: alone.judge([bundle], IMAGE, REPOSITORY))
    if pinned == "another":
        refused(
            "policy-mismatch", lambda: Verifier(trust, lambda: NOW, status=status, policy=rules)
        )
    else:
        judge = Verifier(trust, lambda: NOW, status=status, policy=rules)
        assert judge.judge([bundle], IMAGE, REPOSITORY).met


def test_no_rule(book: Book) -> None:
    """
    An image of a repository that no rule covers is refused.
    """
    index = book.approve()

    refused("no-rule", lambda: book.judge(APPROVED, index, repository=Repository("a.example/b")))


def test_too_many(book: Book) -> None:
    """
    Fifty bundles about one image are judged, and one more is not.
    """
    data, judge = book.bundle(book.approve()), book.verifier(APPROVED)

    assert judge.judge([data] * limits.CANDIDATES, IMAGE, REPOSITORY).met
    more = [data] * (limits.CANDIDATES + 1)
    refused("over-limit", lambda: judge.judge(more, IMAGE, REPOSITORY))


def test_why_nothing_counts(book: Book) -> None:
    """
    What is wrong with a bundle is told with the rule that lacks it, and counts against no other.
    """
    good, other = book.approve(), book.approve(digest=OTHER)

    assert "digest-mismatch" == said(lambda: book.judge(APPROVED, other)).code
    many = said(lambda: book.judge(APPROVED, other, other))
    assert "not-approved" == many.code
    assert "2 bundles do not count (digest-mismatch)" in many.message
    assert [0, 1] == [one.number for one in many.verdict.refused]
    assert book.judge(APPROVED, other, good, other).met


def test_certificates_that_nobody_judges(book: Book) -> None:
    """
    A bundle under a certificate lacks its judge, and says so.
    """
    judge = book.verifier(APPROVED.replace("registry.example", "*"))
    data = book.bundle(book.approve()).replace(b'"publicKey"', b'"certificate"')
    refusal = said(lambda: judge.judge([data], IMAGE, REPOSITORY))

    assert "missing-extra" == refusal.code


YOUNG = f'{IMAGES}max_checkpoint_age = "1 day"\n[images.approval]\n'


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (0.5, ""),
        (2, "needs a checkpoint younger than 1 day, newest is 2 days old"),
        (None, "needs a checkpoint younger than 1 day, newest is 90 days old"),
    ],
)
def test_checkpoint_without_witnesses(book: Book, days: float | None, told: str) -> None:
    """
    Without witnesses the newest checkpoint is as old as the newest mark.
    """
    index = book.approve()
    if days is not None:
        book.mark(days)
    if told:
        refusal = said(lambda: book.judge(YOUNG, index))
        assert ("stale-checkpoint", told) == (refusal.code, refusal.message)
        assert refusal.hint
    else:
        assert "the newest checkpoint is 12 hours old" == book.judge(YOUNG, index).answers[-1].told


def test_checkpoint_without_marks(book: Book) -> None:
    """
    Where nothing says how old the newest checkpoint is, it is not young.
    """
    book.marks = ()
    index = book.approve()

    assert "found none" in said(lambda: book.judge(YOUNG, index)).message


@pytest.mark.parametrize("kind", [4, ML_DSA])
@pytest.mark.parametrize(("age_s", "young"), [(0, True), (DAY, True), (DAY + 1, False)])
def test_checkpoint_with_witnesses(book: Book, kind: int, age_s: int, young: bool) -> None:
    """
    With witnesses the newest checkpoint is as old as what enough of them said.
    """
    known = tuple(NoteSigner(f"w.example/{i}", kind) for i in range(2))
    book.witnesses, book.quorum, book.cosigned = known, policy(2, known), NOW - age_s
    index = book.approve()
    if young:
        assert book.judge(YOUNG, index).met
    else:
        assert "stale-checkpoint" == said(lambda: book.judge(YOUNG, index)).code


def test_checkpoint_age_needs_a_status_file() -> None:
    """
    Nobody can know the age of the newest checkpoint without a status file.
    """
    from verifier.policy import judging

    rules = Policy.parse((HEADER + YOUNG).encode())
    world = World()
    refused(
        "no-status",
        lambda: judging.judge(
            rules,
            lambda *_: pytest.fail("nothing was handed in"),
            [],
            IMAGE,
            REPOSITORY,
            trust=world.trust,
            status=None,
            now=NOW,
        ),
    )


@pytest.mark.parametrize(
    ("digest", "until", "broken"),
    [(IMAGE, "2099-01-01", True), (IMAGE, "2001-01-01", False), (OTHER, "2099-01-01", False)],
)
def test_break_glass(book: Book, digest: Digest, until: str, broken: bool) -> None:
    """
    One image runs in spite of its rules until a day, and says so; no other one does.
    """
    glass = f'break_glass = [{{ digest = "{digest}", until = {until}, why = "an outage" }}]\n'
    rules = f"{IMAGES}{glass}[images.approval]\n"
    index = book.approve(digest=OTHER)
    if not broken:
        assert "digest-mismatch" == said(lambda: book.judge(rules, index)).code
        return
    verdict = book.judge(rules, index)
    assert (True, False, "an outage") == (verdict.allowed, verdict.met, verdict.broken_glass)
    assert "needs an approval" in verdict.warnings[0]
    judge, data = book.verifier(rules), book.bundle(index)
    refused("not-approved", lambda: judge.verify(data, IMAGE, REPOSITORY))


def test_warn(book: Book) -> None:
    """
    A rule that only warns lets the image run, and says what is missing.
    """
    rules = f'{IMAGES}mode = "warn"\n[images.approval]\nkeys = ["qa"]\n'
    verdict = book.judge(rules, book.approve())

    assert (True, False, "warn") == (verdict.allowed, verdict.met, verdict.mode)
    assert ("needs an approval by qa, found one by release (not-approved)",) == verdict.warnings


def test_revoked_image(book: Book) -> None:
    """
    A revoked image does not run, whatever the policy only warns of.
    """
    index = book.approve()
    book.revocations = (Revocation("digest", str(IMAGE), "malware", 0, bundle=b"{}"),)
    rules = f'{IMAGES}mode = "warn"\n[images.approval]\n'

    refused("revoked", lambda: book.judge(rules, index))


def test_verify_asks_the_policy(book: Book) -> None:
    """
    One bundle is judged under the policy too, and needs the repository.
    """
    data = book.bundle(book.approve())

    found = book.verifier(APPROVED).verify(data, IMAGE, REPOSITORY)
    assert ("release", 0) == (found.key, found.index)
    two = book.verifier(f"{APPROVED}signers = 2\n")
    assert "not-approved" == said(lambda: two.verify(data, IMAGE, REPOSITORY)).code
    refused("repository-mismatch", lambda: book.verifier(APPROVED).verify(data, IMAGE, None))


def provenance(name: str) -> bytes:
    """Return a statement about the image under this name."""
    subject = {"name": name, "digest": {"sha256": IMAGE.hex}}
    said = {"_type": STATEMENT_TYPE, "predicateType": PROVENANCE, "predicate": {}}
    return json.dumps({**said, "subject": [subject]}).encode()


def test_unnamed_statements(book: Book) -> None:
    """
    A statement that names no repository counts only where a rule takes such.
    """
    index = book.sign("ci", provenance(""))
    rules = f'{IMAGES}[[images.attestation]]\ntype = "{PROVENANCE}"\n'
    taken = rules.replace(IMAGES, f'{IMAGES}unnamed = "allow"\n')

    assert "unnamed-repository" == said(lambda: book.judge(rules, index)).code
    assert "" == book.judge(taken, index).attestations[0].repository
    elsewhere = book.sign("ci", provenance("registry.example/team/other"))
    assert "repository-mismatch" == said(lambda: book.judge(taken, elsewhere)).code


def test_promoted_images(book: Book) -> None:
    """
    What was signed under one name may run under another, at the same path below.
    """
    index = book.approve()
    remap = 'remap = [{ signed = "registry.example/team", as = "prod.example/team" }]\n'
    rules = f'[[images]]\nunder = "prod.example"\n{remap}[images.approval]\n'

    assert book.judge(rules, index, repository=Repository("prod.example/team/app")).met
    other = Repository("prod.example/team/other")
    assert "repository-mismatch" == said(lambda: book.judge(rules, index, repository=other)).code
    beside = Repository("prod.example/teams/app")
    assert "repository-mismatch" == said(lambda: book.judge(rules, index, repository=beside)).code
