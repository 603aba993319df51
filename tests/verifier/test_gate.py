"""The gate: whatever the sources have, and whatever goes wrong, there is one right answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.verifier.books import Book
from tests.verifier.gates import DOWN, Host, Shelf, junk, said
from tests.verifier.making import IMAGE, NOW, REPOSITORY, rows
from tests.verifier.statuses import DAY
from verifier import limits
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.pull.decision import Question
from verifier.pull.errors import ServiceAccessError, TooManySignaturesError
from verifier.repository import Repository
from verifier.trust.revocation import Revocation

RULES = '[[images]]\nunder = "registry.example"\n[images.approval]\n'
TWO = f'{RULES}keys = ["release", "qa"]\nsigners = 2\n'
OTHER = Digest.of(b"another image")
ELSEWHERE = Repository("registry.example/team/other")
DENIED = ServiceAccessError("who asks?")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host that believes a ledger with one approval."""
    host = Host(tmp_path)
    host.book.approve()
    host.believe()
    return host


@pytest.fixture
def good(host: Host) -> bytes:
    """The bundle of the approval."""
    return host.book.bundle(0)


def test_a_yes_is_about_what_was_asked(host: Host, good: bytes) -> None:
    """
    A yes names the digest that was verified, which is the one that was asked for, and its verdict.
    """
    found = host.decide(Shelf("file", good))

    assert (True, "", IMAGE, REPOSITORY) == (*said(found), found.digest, found.repository)
    assert (("file",), False) == (found.sources, found.remembered)
    assert found.verdict is not None
    assert [IMAGE] == [one.digest for one in found.verdict.approvals]


def test_sources_are_asked_in_their_order(host: Host, good: bytes) -> None:
    """
    The first source that has enough ends it, and what was asked is told in its order.
    """
    first, second, third = Shelf("layout"), Shelf("file", good), Shelf("service", good)
    found = host.decide(first, second, third)

    assert ("layout", "file") == found.sources
    assert [1, 1, 0] == [len(one.asked) for one in (first, second, third)]


def test_what_was_found_counts_together(host: Host) -> None:
    """
    Two approvals that lie in two sources are two approvals.
    """
    host.book.approve("qa")
    host.policy = TWO
    host.believe()
    one, other = Shelf("file", host.book.bundle(0)), Shelf("service", host.book.bundle(1))

    assert (True, "") == said(host.decide(one, other))
    assert (False, "not-approved") == said(host.decide(one, Shelf("service")))


def test_one_approval_twice_is_one(host: Host, good: bytes) -> None:
    """
    The same approval in two sources, or under two checkpoints, is still one.
    """
    host.policy = TWO
    host.book.approve(digest=OTHER)
    host.believe()
    again = host.book.bundle(0)
    assert good != again

    assert (False, "not-approved") == said(
        host.decide(Shelf("file", good), Shelf("service", again))
    )


@pytest.mark.parametrize(
    ("first", "second", "code", "named"),
    rows(
        ("nothing anywhere", Shelf("file"), Shelf("service"), "unsigned", ""),
        ("away", Shelf("file"), Shelf("service", then=DOWN), "service-unreachable", "service: "),
        ("the first away", Shelf("service", then=DOWN), Shelf("file"), "service-unreachable", ""),
        ("denied", Shelf("file"), Shelf("service", then=DENIED), "service-denied", "who asks?"),
        ("a bug", Shelf("file"), Shelf("service", then=KeyError("x")), "internal-error", "KeyErr"),
        (
            "too many",
            Shelf("registry", then=TooManySignaturesError("1024")),
            Shelf("file"),
            "too-many-signatures",
            "registry: 1024",
        ),
    ),
)
def test_unsigned_only_if_everyone_says_so(
    host: Host, first: Shelf, second: Shelf, code: str, named: str
) -> None:
    """
    The answer is "unsigned" when every source said so; else what could not be asked is named.
    """
    found = host.decide(first, second)

    assert (False, code) == said(found)
    assert named in found.message
    assert (first.name, second.name) == found.sources


@pytest.mark.parametrize("error", [DOWN, RuntimeError("a bug"), RecursionError(), MemoryError()])
def test_a_source_in_trouble_hides_no_other(host: Host, good: bytes, error: BaseException) -> None:
    """
    A source that is away or broken is passed by; what it gave before that counts.
    """
    assert (True, "") == said(host.decide(Shelf("service", then=error), Shelf("file", good)))
    assert (True, "") == said(host.decide(Shelf("service", good, then=error), Shelf("file")))


def test_what_is_wrong_is_told(host: Host, good: bytes) -> None:
    """
    Where something was found, the reason is what is wrong with it, from whatever source.
    """
    assert (False, "bad-signature") == said(
        host.decide(Shelf("file", *junk(good, 1)), Shelf("service"))
    )
    assert (False, "digest-mismatch") == said(host.decide(Shelf("file", good), digest=OTHER))
    found = host.decide(Shelf("file", good), Shelf("service"), repository=ELSEWHERE)
    assert (False, "repository-mismatch") == said(found)
    assert "registry.example/team/app" in found.message
    assert f"{ELSEWHERE}@{IMAGE} refused" in found.line


def test_trouble_is_told_beside_what_is_wrong(host: Host, good: bytes) -> None:
    """
    When one source has something bad and another is away, the one that is away may have the good.
    """
    found = host.decide(Shelf("file", *junk(good, 1)), Shelf("service", then=DOWN))

    assert (False, "service-unreachable") == said(found)
    assert "nobody answers" in found.message
    assert "the signature is not by" in found.message


class TestFloods:
    """O1, O5; CVE-2023-46737 and its kin: junk costs a bounded time and hides nothing."""

    def test_junk_before_the_good_one(self, host: Host, good: bytes) -> None:
        """
        A good signature that is the last within the limit is found.
        """
        most = junk(good, limits.CANDIDATES - 1)

        assert (True, "") == said(host.decide(Shelf("registry", *most, good)))

    def test_junk_beyond_the_limit(self, host: Host, good: bytes) -> None:
        """
        One more than that is too many, which is said; it is never "unsigned".
        """
        found = host.decide(Shelf("registry", *junk(good, limits.CANDIDATES), good))

        assert (False, "too-many-signatures") == said(found)
        assert "registry" in found.message

    def test_junk_of_one_source(self, host: Host, good: bytes) -> None:
        """
        However much junk one source has, it takes nothing away from the next.
        """
        flood = Shelf("registry", *junk(good, 10 * limits.CANDIDATES))

        assert (True, "") == said(host.decide(flood, Shelf("file", good)))

    def test_no_more_is_taken_than_is_judged(self, host: Host, good: bytes) -> None:
        """
        An endless source is let go after the limit.
        """
        taken = []

        class Endless(Shelf):
            def bundles(self, question: Question, left_s: float) -> Iterator[bytes]:
                del question, left_s
                while True:
                    taken.append(1)
                    yield b"{}%d" % len(taken)

        assert (True, "") == said(host.decide(Endless("registry"), Shelf("file", good)))
        assert len(taken) <= limits.CANDIDATES + 1

    def test_a_bundle_that_is_too_large(self, host: Host, good: bytes) -> None:
        """
        What is larger than the limit is not parsed, hides no other, and is not nothing.
        """
        large = b"{" + b" " * limits.CANDIDATE
        assert (True, "") == said(host.decide(Shelf("registry", large, good)))
        assert (False, "over-limit") == said(host.decide(Shelf("registry", large)))

    def test_the_same_junk_again_and_again(self, host: Host, good: bytes) -> None:
        """
        What one source has, and another too, is judged once.
        """
        some = junk(good, 3)
        found = host.decide(Shelf("registry", *some), Shelf("service", *some))

        assert found.verdict is not None
        assert 3 == len(found.verdict.refused)

    def test_many_good_ones(self, host: Host) -> None:
        """
        More approvals by one key than are judged together make no second one.
        """
        host.policy = TWO
        many = [host.book.approve() for _ in range(limits.CANDIDATES)]
        host.believe()
        bundles = [host.book.bundle(index) for index in many]
        half = limits.CANDIDATES // 2
        found = host.decide(
            Shelf("file", *bundles[:half]), Shelf("service", *bundles[half:], host.book.bundle(0))
        )

        assert (False, "too-many-signatures") == said(found)


def revoke(book: Book, kind: str) -> None:
    target = IMAGE if kind == "digest" else "0"
    book.revocations = (Revocation(kind, target, "a mistake", 9, bundle=b"{}"),)


def test_a_revoked_image_ends_it(host: Host, good: bytes) -> None:
    """
    A revoked image is refused before any source is asked, also where refusals only warn.
    """
    revoke(host.book, "digest")
    host.believe(2)
    shelf = Shelf("file", good)

    assert (False, "revoked") == said(host.decide(shelf))
    assert (False, "revoked") == said(host.decide(shelf, text='warn = ["*"]'))
    assert [] == shelf.asked


def test_a_revoked_approval(host: Host, good: bytes) -> None:
    """
    A revoked approval does not count, another one does; that it is revoked is the reason told,
    whoever else is away.
    """
    revoke(host.book, "entry")
    second = host.book.approve("qa")
    host.believe(2)

    assert (True, "") == said(
        host.decide(Shelf("file", good), Shelf("service", host.book.bundle(second)))
    )
    found = host.decide(Shelf("file", good), Shelf("service", then=DOWN))
    assert (False, "revoked") == said(found)
    assert "nobody answers" in found.message


def _remove(host: Host) -> None:
    for one in (host.directory / "trust").iterdir():
        one.unlink()
    (host.directory / "trust").rmdir()


@pytest.mark.parametrize(
    ("spoil", "code"),
    rows(
        ("expired", lambda host: setattr(host.book, "now", NOW + 2000 * DAY), "trust-expired"),
        ("stale", lambda host: setattr(host.book, "now", NOW + 8 * DAY), "trust-stale"),
        ("gone", lambda host: (host.directory / "trust/trust.json").unlink(), "unreadable"),
        ("junk", lambda host: (host.directory / "trust/trust.json").write_text("{"), "malformed"),
        (
            "status of others",
            lambda host: (host.directory / "trust/status.json").write_text("{}"),
            "malformed",
        ),
        (
            "policy",
            lambda host: (host.directory / "trust/policy.toml").write_text("x"),
            "bad-policy",
        ),
        ("no directory", _remove, "unreadable"),
    ),
)
def test_trust_that_is_not_good(host: Host, good: bytes, spoil: object, code: str) -> None:
    """
    What cannot be believed ends it as a no, before any source is asked; `ready` says why.
    """
    shelf = Shelf("file", good)
    gate = host.gate(shelf)
    gate.ready()
    spoil(host)  # type: ignore[operator]

    assert (False, code) == said(gate.decide(host.question))
    with pytest.raises(VerificationError) as caught:
        gate.ready()
    assert code == caught.value.code
    assert [] == shelf.asked


def test_trust_rolled_back(host: Host, good: bytes) -> None:
    """
    An older status file put back is noticed, by a process that has run all the time too.
    """
    host.believe(7)
    gate = host.gate(Shelf("file", good))
    assert (True, "") == said(gate.decide(host.question))
    seen = (host.directory / "trust/seen.json").read_bytes()
    host.believe(6)
    (host.directory / "trust/seen.json").write_bytes(seen)

    assert (False, "status-rollback") == said(gate.decide(host.question))


def test_trust_is_read_again(host: Host, good: bytes) -> None:
    """
    A gate that runs on takes a newer status file at once, whatever it had answered before.
    """
    gate = host.gate(Shelf("file", good))
    assert (True, "") == said(gate.decide(host.question))
    revoke(host.book, "digest")
    host.believe(2)

    assert (False, "revoked") == said(gate.decide(host.question))


def test_no_rule(host: Host, good: bytes) -> None:
    """
    A policy that does not speak of a repository is a no, and nobody is asked.
    """
    host.policy = '[[images]]\nunder = "other.example"\n[images.approval]\n'
    host.believe()
    shelf = Shelf("file", good)

    assert (False, "no-rule") == said(host.decide(shelf))
    assert [] == shelf.asked


def test_a_policy_that_only_warns(host: Host, good: bytes) -> None:
    """
    Where the policy only warns, every source is asked nevertheless; the yes says what is missing.
    """
    host.policy = (
        f'{RULES}[[images]]\nunder = "registry.example/team"\nmode = "warn"\n[images.approval]\n'
    )
    host.believe()
    first, second = Shelf("file"), Shelf("service", good)

    assert (True, "") == said(host.decide(first, second))
    found = host.decide(first, Shelf("service"))
    assert (True, "not-approved") == said(found)
    assert "may run, with a warning" in found.line


@pytest.mark.parametrize(
    ("scope", "allowed"),
    rows(
        ("host", "registry.example", True),
        ("itself", REPOSITORY, True),
        ("everything", "*", True),
        ("another", "registry.example/te", False),
    ),
)
def test_scopes_that_only_warn(host: Host, scope: str, allowed: bool) -> None:
    """
    In these scopes what would be refused is allowed, with the reason.
    """
    found = host.decide(Shelf("file"), text=f'warn = ["{scope}"]')

    assert (allowed, "unsigned") == said(found)


def test_a_bug_never_only_warns(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where refusals only warn, a bug of ours is a refusal nevertheless.
    """
    gate = host.gate(Shelf("file"), text='warn = ["*"]')
    monkeypatch.setattr(gate, "_beliefs", None)

    assert (False, "internal-error") == said(gate.decide(host.question))


def test_no_time(host: Host) -> None:
    """
    The answer comes by the deadline that was asked for, also if that is over.
    """
    began = time.monotonic()

    assert (False, "pull-timeout") == said(host.gate(Shelf("file")).decide(host.question, 0.0))
    assert time.monotonic() - began < 5
