"""Verdicts: what junk cannot do, what is told, and what runs in spite of its rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from tests.verifier.books import HEADER, Book
from tests.verifier.making import (
    EXPIRES,
    IMAGE,
    NOW,
    REPOSITORY,
    policy,
    refused,
    rows,
    verdict,
    witnesses,
)
from tests.verifier.statuses import DAY
from tests.verifier.verdicts import said
from verifier import limits
from verifier.digest import Digest
from verifier.policy import Policy
from verifier.repository import Repository, Scope
from verifier.trust.revocation import Revocation
from verifier.verify import Verifier

IMAGES = '[[images]]\nunder = "*"\n'
APPROVED = f"{IMAGES}[images.approval]\n"
OTHER = Digest.of(b"another image")


@pytest.fixture
def book() -> Book:
    """An empty ledger."""
    return Book()


JUNK = (b"", b"junk", b"{}", b"[]", b"\xff", b"null", b"1" * 10_000)


@pytest.mark.parametrize("place", [0, 3, 7])
def test_junk_hides_nothing(book: Book, place: int) -> None:
    """
    A good bundle counts wherever it stands among others that are none.
    """
    good = book.bundle(book.approve())
    bundles = [*JUNK[:place], good, *JUNK[place:]]
    found = book.verifier(APPROVED).judge(bundles, IMAGE, REPOSITORY)

    assert found.allowed
    assert [i for i in range(8) if i != place] == [one.number for one in found.refused]
    assert all(one.code and one.message for one in found.refused)


@pytest.mark.parametrize("mode", ["enforce", "warn"])
@pytest.mark.parametrize("count", range(1, len(JUNK) + 1))
def test_junk_is_no_yes(book: Book, mode: str, count: int) -> None:
    """
    Junk, however much of it, meets no rule; under a warning it is a warning.
    """
    book.approve()
    judge = book.verifier(f'{IMAGES}mode = "{mode}"\n[images.approval]\n').judge
    if mode == "warn":
        found = judge(JUNK[:count], IMAGE, REPOSITORY)
        assert not found.met
        assert found.warnings
    else:
        assert not said(lambda: judge(JUNK[:count], IMAGE, REPOSITORY)).verdict.allowed


@pytest.mark.parametrize("data", JUNK)
def test_the_only_bundle_says_why(book: Book, data: bytes) -> None:
    """
    When one bundle was handed in, its own code is the answer, with what the rule needs.
    """
    book.approve()
    judge = book.verifier(APPROVED)
    alone = refused("malformed", lambda: judge.judge([data], IMAGE, REPOSITORY))

    assert alone.message.startswith("needs an approval, found none: ")


def test_many_codes(book: Book) -> None:
    """
    When many bundles were handed in, all that is wrong with them is told, each code once.
    """
    elsewhere = book.approve(repository=Repository("registry.example/team/other"))
    bundles = [*map(book.bundle, (book.approve(digest=OTHER), elsewhere, elsewhere)), b"junk"]
    error = said(lambda: book.verifier(APPROVED).judge(bundles, IMAGE, REPOSITORY))

    told = "4 bundles do not count (digest-mismatch, malformed, repository-mismatch)"
    assert f"needs an approval, found none; {told}" == error.message
    assert "not-approved" == error.code
    assert ["digest-mismatch", "repository-mismatch", "repository-mismatch", "malformed"] == [
        one.code for one in error.verdict.refused
    ]


def test_one_refused_beside_one_that_is_good(book: Book) -> None:
    """
    What is wrong with one bundle is not the reason when another one was good, and too little.
    """
    good, bad = book.approve(), book.approve(digest=OTHER)
    error = said(lambda: book.judge(f"{APPROVED}signers = 2\n", good, bad))

    assert "not-approved" == error.code
    assert error.message.endswith("; 1 bundles do not count (digest-mismatch)")


def test_only_the_first_missing_rule_tells(book: Book) -> None:
    """
    What is wrong with the bundles is told once, with the first rule that is not met.
    """
    book.approve()
    rules = f'{APPROVED}[images.vulnerabilities]\nmax_severity = "low"\n'
    error = said(lambda: book.verifier(rules).judge([b"junk"] * 2, IMAGE, REPOSITORY))
    told = [answer.told for answer in error.verdict.answers]

    assert "2 bundles do not count (malformed)" in told[0]
    assert "needs a vulnerability report, found none" == told[1]
    assert f"{told[0]}; {told[1]}" == error.message


@pytest.mark.parametrize("good_at", [0, 49])
def test_fifty(book: Book, good_at: int) -> None:
    """
    Fifty bundles are read, the first and the last of them; with one more none counts.
    """
    good, judge = book.bundle(book.approve()), book.verifier(APPROVED).judge
    bundles = [b"junk"] * 50
    bundles[good_at] = good
    assert judge(bundles, IMAGE, REPOSITORY).allowed

    assert 50 == limits.CANDIDATES
    for many in ([*bundles, good], [good, *bundles], iter([*bundles, good])):
        refused("over-limit", lambda many=many: judge(many, IMAGE, REPOSITORY))


def glass(until: str = "2099-12-31", digest: str = IMAGE) -> str:
    """Return rules that nothing meets, and whose glass is broken."""
    row = f'{{ digest = "{digest}", until = {until}, why = "the bank is down" }}'
    return f'{IMAGES}break_glass = [{row}]\n[images.approval]\nkeys = ["qa"]\n'


@pytest.mark.parametrize(
    ("clock", "broken"), [(-75_200, True), (-1, True), (-0.001, True), (0, False), (1, False)]
)
def test_glass_is_whole_again(book: Book, clock: float, broken: bool) -> None:
    """
    Glass is broken until a moment, and whole at it.
    """
    entry = book.approve()
    book.now = 1_750_075_200 + clock
    rules = glass("2025-06-16T12:00:00Z")
    if not broken:
        assert not said(lambda: book.judge(rules, entry)).verdict.broken_glass
        return
    found = book.judge(rules, entry)

    assert "the bank is down" == found.broken_glass
    assert ("needs an approval by qa, found one by release (not-approved)",) == found.warnings
    assert "yes" == found.json()["verdict"]


def test_glass_that_nobody_needed(book: Book) -> None:
    """
    An image that meets its rules breaks no glass.
    """
    found = book.judge(glass(), book.approve("qa"))

    assert found.met
    assert not found.broken_glass
    assert not found.warnings


def test_one_of_many_panes(book: Book) -> None:
    """
    The first pane that is for this image, and still broken, is the one that is told.
    """
    entry = book.approve()
    rows = [
        ("2099-12-31", OTHER, "another"),
        ("2001-12-31", IMAGE, "over"),
        ("2099-12-31", IMAGE, "this"),
        ("2099-12-31", IMAGE, "a later one"),
    ]
    panes = ", ".join(
        f'{{ digest = "{digest}", until = {until}, why = "{why}" }}' for until, digest, why in rows
    )
    rules = f'{IMAGES}break_glass = [{panes}]\n[images.approval]\nkeys = ["qa"]\n'

    assert "this" == book.judge(rules, entry).broken_glass
    refused("not-approved", lambda: book.judge(glass(digest=OTHER), entry))


WARNS = f'{IMAGES}mode = "warn"\n[images.approval]\nkeys = ["qa"]\n'


def _revoke(book: Book) -> None:
    book.revocations = (Revocation("digest", IMAGE, "bad", 1, bundle=b"{}"),)


def _expire(book: Book) -> None:
    book.now = book.issued = EXPIRES


def _forget(book: Book) -> None:
    book.now = NOW + 8 * DAY


def _hurry(book: Book) -> None:
    book.issued = NOW + DAY


@pytest.mark.parametrize("rules", [glass(), WARNS], ids=["glass", "warn"])
@pytest.mark.parametrize(
    ("spoil", "code"),
    rows(
        ("a revoked image", _revoke, "revoked"),
        ("an expired trust file", _expire, "trust-expired"),
        ("a stale status file", _forget, "trust-stale"),
        ("a status file of tomorrow", _hurry, "not-yet-valid"),
    ),
)
def test_what_nothing_excuses(
    book: Book, rules: str, spoil: Callable[[Book], None], code: str
) -> None:
    """
    Neither broken glass nor a mere warning helps a revoked image, or trust that is over.
    """
    entry = book.approve()
    assert book.judge(rules, entry).allowed
    spoil(book)

    refused(code, lambda: book.judge(rules, entry))
    refused(code, lambda: book.judge(rules))


def test_a_policy_that_is_too_long_excuses_nothing(book: Book) -> None:
    """
    Too many bundles, and a repository without a rule, are refused under a warning too.
    """
    judge = book.verifier(WARNS.replace("*", "registry.example")).judge
    book.approve()

    refused("over-limit", lambda: judge([b""] * 51, IMAGE, REPOSITORY))
    refused("no-rule", lambda: judge([], IMAGE, Repository("other.example/team/app")))


def test_warnings_of_both_kinds(book: Book) -> None:
    """
    What a rule misses is warned of, each with its code, and then what will soon be too old.
    """
    entry = book.approve()
    book.now = NOW + 4 * DAY
    found = book.judge(f'{WARNS}[images.vulnerabilities]\nmax_severity = "low"\n', entry)

    assert 3 == len(found.warnings)
    assert found.warnings[0].endswith("(not-approved)")
    assert found.warnings[1].startswith("needs a vulnerability report")
    assert found.warnings[2].startswith("the status file is 4 days old")


@pytest.mark.parametrize(
    ("repository", "revoked_in", "code"),
    [
        ("registry.example/team/app", "registry.example/team", "revoked"),
        ("registry.example/team/app", "prod.example", "yes"),
        ("prod.example/team/app", "prod.example", "revoked"),
        ("prod.example/team/app", "registry.example/team/app", "revoked"),
        ("prod.example/team/app", "registry.example/tea", "yes"),
    ],
)
def test_a_promoted_image_that_was_revoked(
    book: Book, repository: str, revoked_in: str, code: str
) -> None:
    """
    A promoted image does not run when it was revoked where it runs, or where it was signed.
    """
    entry = book.approve()
    scope = Scope(revoked_in)
    book.revocations = (Revocation("digest", IMAGE, "x", 1, repository=scope, bundle=b"{}"),)
    remap = 'remap = [{ signed = "registry.example/team", as = "prod.example/team" }]\n'
    rules = f"{IMAGES}{remap}[images.approval]\n"

    assert code == verdict(lambda: book.judge(rules, entry, repository=Repository(repository)))


def test_a_revocation_at_the_origin_breaks_no_glass(book: Book) -> None:
    """
    What was taken back where it was signed does not run where it is promoted, whatever excuses.
    """
    scope = Scope("registry.example/team")
    book.revocations = (Revocation("digest", IMAGE, "x", 1, repository=scope, bundle=b"{}"),)
    remap = 'remap = [{ signed = "registry.example/team", as = "prod.example/team" }]\n'
    rules = f'{IMAGES}mode = "warn"\n{remap}[images.approval]\n'

    refused("revoked", lambda: book.judge(rules, repository=Repository("prod.example/team/app")))
    assert book.judge(rules, repository=Repository("other.example/team/app")).warnings


def test_promotion_goes_one_way(book: Book) -> None:
    """
    What was signed for production is not for where it was built.
    """
    remap = 'remap = [{ signed = "registry.example/team", as = "prod.example/team" }]\n'
    rules = f"{IMAGES}{remap}[images.approval]\n"
    live = book.approve(repository=Repository("prod.example/team/app"))
    built = book.approve()

    assert book.judge(rules, live, repository=Repository("prod.example/team/app")).allowed
    assert book.judge(rules, built, repository=Repository("prod.example/team/app")).allowed
    refused("repository-mismatch", lambda: book.judge(rules, live))


def test_two_demands_are_two_answers(book: Book) -> None:
    """
    A signature counts for every demand that it meets, and for no other type of statement.
    """
    kinds = ["https://a.example/x", "https://a.example/x2"]
    rules = IMAGES + "".join(f'[[images.attestation]]\ntype = "{kind}"\n' for kind in kinds)
    first, second = (book.attest("ci", kind, {}) for kind in kinds)

    assert book.judge(rules, first, second).allowed
    for one, met in ((first, [True, False, True]), (second, [False, True, True])):
        found = said(lambda one=one: book.judge(rules, one)).verdict
        assert met == [answer.met for answer in found.answers]


@pytest.mark.parametrize("order", [1, -1])
def test_order_does_not_matter(book: Book, order: int) -> None:
    """
    The verdict is the same in whichever order bundles are handed in.
    """
    entries = [book.approve("release"), book.approve("qa"), book.approve(digest=OTHER)]
    rules = f'{APPROVED}keys = ["release", "qa"]\nsigners = 2\n'

    assert book.judge(rules, *entries[::order]).allowed
    fewer: Sequence[int] = (entries[0], entries[2])
    assert "not-approved" == said(lambda: book.judge(rules, *fewer[::order])).code


def test_a_pinned_policy(book: Book) -> None:
    """
    A trust file that pins a policy takes that file, byte by byte, and no other; nor none.
    """
    data = book.bundle(book.approve())
    text = (HEADER + APPROVED).encode()
    policies = [Policy.parse(text), Policy.parse(text + b"\n")]
    trust = book.trust._replace(policy_sha256=policies[0].sha256)

    def judge(policy: Policy | None) -> Verifier:
        return Verifier(trust, lambda: NOW, status=book.status, policy=policy)

    assert judge(policies[0]).judge([data], IMAGE, REPOSITORY).allowed
    error = refused("policy-mismatch", lambda: judge(policies[1]))
    assert policies[0].sha256.hex()[:16] in error.message
    assert policies[1].sha256.hex()[:16] in error.message
    refused("policy-mismatch", lambda: judge(None).judge([data], IMAGE, REPOSITORY))
    refused("policy-mismatch", lambda: judge(None).verify(data, IMAGE, REPOSITORY))


@pytest.mark.parametrize(
    ("rules", "told"),
    rows(
        ("an unknown key", 'approval = { keys = ["nobody"] }',
         "*: the trust file has no key nobody"),
        ("an attesting key", 'approval = { keys = ["release", "ci"] }',
         "*: key ci is for 'attest', not 'approve'"),
        ("a status key", 'approval = { keys = ["status"] }',
         "*: key status is for 'status', not 'approve'"),
        ("an approving key",
         'attestation = [{ type = "x", keys = ["ci"] }, { type = "y", keys = ["qa"] }]',
         "*: key qa is for 'approve', not 'attest'"),
        ("an approving scanner", 'vulnerabilities = { max_severity = "low", keys = ["qa"] }',
         "*: key qa is for 'approve', not 'attest'"),
        ("an unknown scanner", 'vulnerabilities = { max_severity = "low", keys = ["nobody"] }',
         "*: the trust file has no key nobody"),
        ("a witness too many", "witnesses = 1\napproval = {}",
         "*: expected at most 0 witnesses, which is how many the trust file has, found 1"),
    ),
)  # fmt: skip
def test_a_policy_that_names_others(book: Book, rules: str, told: str) -> None:
    """
    A policy that names keys or witnesses that the trust file does not have is refused at once.
    """
    book.approve()
    error = refused("bad-policy", lambda: book.verifier(f"{IMAGES}{rules}\n"))

    assert told == error.message


def test_what_is_refused_has_a_verdict(book: Book) -> None:
    """
    Who is refused by a policy gets the whole verdict, as JSON too.
    """
    entry = book.approve()
    error = said(lambda: book.judge(f'{APPROVED}keys = ["qa"]\n', entry))
    found = json.loads(json.dumps(error.verdict.json()))

    assert "no" == found["verdict"]
    assert [False, True] == [rule["met"] for rule in found["rules"]]
    assert ["release"] == [one["key"] for one in found["approvals"]]


def test_two_histories(book: Book) -> None:
    """
    A bundle of another tree than that of the status file, of one size, ends the judging: nothing
    beside it counts, and no exception helps.
    """
    good = book.bundle(book.approve())
    other = Book()
    other.log = book.log
    forked = other.bundle(other.approve(annotations={"another": "history"}))
    for rules in (APPROVED, WARNS, glass()):
        judge = book.verifier(rules).judge
        assert judge([good], IMAGE, REPOSITORY).allowed
        for bundles in ([forked], [good, forked], [forked, good]):
            error = refused("split-view", lambda b=bundles, j=judge: j(b, IMAGE, REPOSITORY))
            assert "keep both" in error.hint


def test_keys_say_what_they_are_for(book: Book) -> None:
    """
    A key that approves attests nothing, a key that attests approves nothing, and none of them
    speaks for the ledger.
    """
    rules = f'{APPROVED}[[images.attestation]]\ntype = "https://a.example/x"\n'
    good = [book.approve(), book.attest("ci", "https://a.example/x", {})]
    assert book.judge(rules, *good).allowed
    wrong = [
        book.attest("release", "https://a.example/x", {}),
        book.approve("ci"),
        book.attest("ci", "urn:sealbook:revocation", {}),
    ]
    error = said(lambda: book.judge(rules, *wrong))

    assert ["predicate-type"] * 3 == [one.code for one in error.verdict.refused]
    assert [False, False, True] == [answer.met for answer in error.verdict.answers]


FRESH = f'{IMAGES}max_checkpoint_age = "1 day"\n[images.approval]\n'


@pytest.mark.parametrize(
    ("times", "asked", "told"),
    [
        ((0, 0), 2, "the newest checkpoint is less than a minute old"),
        ((0, DAY), 2, "the newest checkpoint is less than a minute old"),
        ((3600, 2 * DAY), 1, "the newest checkpoint is 1 hour old"),
        ((3600, 2 * DAY), 2, "needs a checkpoint younger than 1 day, newest is 1 hour old"),
        ((3 * DAY, 2 * DAY), 1, "needs a checkpoint younger than 1 day, newest is 2 days old"),
    ],
)
def test_as_many_witnesses_were_there_lately(
    book: Book, times: tuple[int, int], asked: int, told: str
) -> None:
    """
    A checkpoint is young when as many witnesses as the trust file asks for saw it lately.
    """
    book.witnesses = witnesses(2)
    book.quorum, book.times = policy(asked, book.witnesses), tuple(NOW - age for age in times)
    entry = book.approve()
    if told.startswith("needs"):
        error = refused("stale-checkpoint", lambda: book.judge(FRESH, entry))
        assert told == error.message
        assert "sealbook trust sync" in error.hint
    else:
        assert told == book.judge(FRESH, entry).answers[-1].told


def test_witnesses_that_are_known_and_were_not_there(book: Book) -> None:
    """
    Where witnesses are known and none is asked for, a checkpoint that none saw has no age.
    """
    lines = [f"witness w{i} {one.key}" for i, one in enumerate(witnesses(2))]
    book.quorum = "\n".join([*lines, "quorum none", ""])
    entry = book.approve()
    book.mark(0)
    error = refused("stale-checkpoint", lambda: book.judge(FRESH, entry))

    assert "needs a checkpoint younger than 1 day, found none" == error.message
