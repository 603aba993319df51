"""Policies that other verifiers read as "anything goes", and ours does not.

Each test is named after the published failure. `go-witness` are the twelve of July 2026.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.verifier.books import Book
from tests.verifier.making import IMAGE, NOW, REPOSITORY, refused, verdict
from tests.verifier.paths import put
from tests.verifier.statuses import DAY
from verifier import limits
from verifier.policy import Policy
from verifier.statement import approval
from verifier.trust.status import Mark
from verifier.verdict import RefusedError
from verifier.vulnerabilities import PREDICATE_TYPE, Finding, Report, Scan, Scanner

TYPE = 'type = "urn:sealbook:policy:v1"\n'
EVERYWHERE = '[[images]]\nunder = "*"\n'
APPROVED = f"{EVERYWHERE}[images.approval]\n"
PROVENANCE = "https://slsa.dev/provenance/v1"


def policy(text: str) -> Policy:
    """Read a policy."""
    return Policy.parse((TYPE + text).encode())


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "images = []\n",
        EVERYWHERE,
        f"{EVERYWHERE}attestation = []\n",
        f'{EVERYWHERE}witnesses = 2\nmax_checkpoint_age = "1 day"\n',
        f'{EVERYWHERE}mode = "warn"\n',
        f'{APPROVED}[[images]]\nunder = "a.example"\n',
    ],
)
def test_go_witness_567m_a_policy_of_nothing(text: str) -> None:
    """
    A policy that asks for nothing, of all images or of some, is an error and never a yes.
    """
    refused("bad-policy", lambda: policy(text))


@pytest.mark.parametrize(
    "listed", ["keys = []", "identities = []", "requester = {}", "signers = 0", "signers = -1"]
)
def test_sigstore_go_609_an_empty_list_is_not_everybody(listed: str) -> None:
    """
    A list of whom to accept, or of what to ask, that is empty is an error.
    """
    policy(APPROVED)

    refused("bad-policy", lambda: policy(f"{APPROVED}{listed}\n"))


def test_go_witness_nothing_handed_in(book: Book) -> None:
    """
    An image for which nothing is handed in is not approved.
    """
    book.approve()

    refused("not-approved", lambda: book.judge(APPROVED))


def test_go_witness_rgp5_each_of_two_demands_is_met(book: Book) -> None:
    """
    Of two demands for one type of statement both are asked, in whichever order they stand.
    """
    book.approve()
    by_ci = book.attest("ci", PROVENANCE, {})
    by_scanner = book.attest("scanner", PROVENANCE, {})
    rows = [
        f'[[images.attestation]]\ntype = "{PROVENANCE}"\nkeys = ["{k}"]\n'
        for k in ("ci", "scanner")
    ]
    for both in (rows, rows[::-1]):
        text = EVERYWHERE + "".join(both)
        assert book.judge(text, by_ci, by_scanner).allowed
        for one in (by_ci, by_scanner):
            refused("not-approved", lambda text=text, one=one: book.judge(text, one))
            refused("not-approved", lambda text=text, one=one: book.judge(text, one, one, one))


@pytest.mark.parametrize("name", ["rel", "release2", "release.", "ease", "qa"])
def test_go_witness_v6px_names_are_compared_whole(book: Book, name: str) -> None:
    """
    A key counts only under its whole name, not under a part of it or more than it.
    """
    entry = book.approve("release")

    assert book.judge(f'{APPROVED}keys = ["release"]\n', entry).allowed
    assert "yes" != verdict(lambda: book.judge(f'{APPROVED}keys = ["{name}"]\n', entry))


def test_go_witness_g9jx_a_signer_whose_signature_failed(book: Book) -> None:
    """
    Whoever's signature does not verify is not counted, though another one's of the same does.
    """
    good, other = book.approve("release"), book.approve("qa")
    document = json.loads(book.bundle(other))
    sig = ("dsseEnvelope", "signatures", 0, "sig")
    wrong = json.loads(book.bundle(good))["dsseEnvelope"]["signatures"][0]["sig"]
    broken = json.dumps(put(document, sig, wrong)).encode()
    two = f"{APPROVED}signers = 2\n"
    assert book.judge(two, good, other).allowed
    with pytest.raises(RefusedError) as caught:
        book.verifier(two).judge([book.bundle(good), broken], IMAGE, REPOSITORY)

    assert "not-approved" == caught.value.code
    assert [(1, "bad-signature")] == [one[:2] for one in caught.value.verdict.refused]


def test_cve_2026_49834_a_threshold_counts_signers(book: Book) -> None:
    """
    One key that approves an image ten times is one of two signers.
    """
    entries = [book.approve("release", annotations={"n": str(i)}) for i in range(10)]
    other = book.approve("qa")
    two = f"{APPROVED}signers = 2\n"

    refused("not-approved", lambda: book.judge(two, *entries))
    refused("not-approved", lambda: book.judge(two, *[entries[0]] * 10))
    assert book.judge(two, entries[3], other).allowed


def test_go_witness_pgpm_a_digest_that_also_names_other_bytes(book: Book) -> None:
    """
    A subject with a matching digest of one kind and another of another kind is no match.
    """
    said = json.loads(approval(REPOSITORY, IMAGE, {}))
    for other in ({"sha512": "0" * 128}, {"sha1": "0" * 40}, {"gitCommit": "0" * 40}):
        said["subject"][0]["digest"] = {"sha256": IMAGE.hex, **other}
        entry = book.sign("release", json.dumps(said).encode())
        assert "yes" != verdict(lambda entry=entry: book.judge(APPROVED, entry))


@pytest.mark.parametrize(
    ("age", "expected"), [(1, "yes"), (89, "yes"), (90, "yes"), (91, "too-old"), (400, "too-old")]
)
def test_cve_2024_23332_an_old_approval_that_is_still_valid(
    book: Book, age: int, expected: str
) -> None:
    """
    An approval that is older than the policy takes does not count, though nothing revoked it.
    """
    book.marks = (Mark(0, NOW - 1000 * DAY),)
    book.approve("qa")
    book.mark(age)
    entry = book.approve()
    book.approve("qa")
    book.mark(0)
    text = f'{APPROVED}max_age = "90 days"\n'

    assert expected == verdict(lambda: book.judge(text, entry))
    assert book.judge(APPROVED, entry).allowed


def test_cve_2024_23332_of_unknown_age(book: Book) -> None:
    """
    An approval of which no mark says how old it may be is too old, and without a status too.
    """
    entry = book.approve()
    book.marks = ()
    text = f'{APPROVED}max_age = "90 days"\n'

    refused("too-old", lambda: book.judge(text, entry))
    refused("no-status", lambda: book.judge(text, entry, status=False))


@pytest.mark.parametrize("count", [51, 10_000])
def test_cve_2023_46737_more_signatures_than_anybody_reads(book: Book, count: int) -> None:
    """
    Of more than fifty bundles none is read, and the image is not allowed (CVE-2023-33958 too).
    """
    good = book.bundle(book.approve())
    verifier = book.verifier(APPROVED)
    assert verifier.judge([b"junk"] * 49 + [good], IMAGE, REPOSITORY).allowed

    assert limits.CANDIDATES == 50
    many = [good, *[b"junk"] * (count - 1)]
    refused("over-limit", lambda: verifier.judge(many, IMAGE, REPOSITORY))


POLICIES = {
    "yes": APPROVED,
    "too-old": f'{APPROVED}max_age = "1 day"\n',
    "requester": f'{APPROVED}requester = {{ project_id = "4711" }}\n',
    "not-approved": f"{APPROVED}signers = 2\n",
    "no-rule": APPROVED.replace("*", "other.example"),
    "vulnerable": f'{EVERYWHERE}[images.vulnerabilities]\nmax_severity = "none"\n',
}


def test_cosign_4917_one_image_and_many_policies(book: Book) -> None:
    """
    32 threads that ask about one image under different policies get what each would alone.
    """
    found = Finding("low", "CVE-2026-1234", "openssl", "3.1.4")
    scan = Scan(Scanner("trivy", "", "1"), NOW - DAY, NOW, (found,), Report("trivy", bytes(32)))
    book.attest("scanner", PREDICATE_TYPE, json.loads(scan.predicate()))
    book.approve()
    bundles = [book.bundle(0), book.bundle(1)]
    judges = [(code, book.verifier(text).judge) for code, text in POLICIES.items()]
    start = threading.Barrier(32)

    def ask(number: int) -> list[tuple[str, str]]:
        start.wait(60)
        order = judges[number % len(judges) :] + judges[: number % len(judges)]
        return [
            (code, verdict(partial(judge, bundles, IMAGE, REPOSITORY))) for code, judge in order
        ]

    with ThreadPoolExecutor(32) as pool:
        answers = [answer for found in pool.map(ask, range(32)) for answer in found]

    assert 32 * len(POLICIES) == len(answers)
    assert [] == [answer for answer in answers if answer[0] != answer[1]]
