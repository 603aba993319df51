"""Status files in the hands of a verifier: how old they may be, and of whose ledger."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.verifier.making import IMAGE, NOW, REPOSITORY, NoteSigner, World, refused, rows
from tests.verifier.statuses import DAY, Ledger
from verifier import limits
from verifier.checkpoint import Checkpoint
from verifier.merkle import Hash
from verifier.note import Note
from verifier.trust.listed import TrustedLog
from verifier.trust.status import StatusPayload
from verifier.verdict import Verified
from verifier.verify import MAX_AGE_S, Verifier


def verify(ledger: Ledger, age_s: float = 0, **changes: object) -> Verified:
    """Ask, `age_s` seconds after the status file was made."""
    status = ledger.status(**changes)
    judge = Verifier(ledger.trust, lambda: NOW + age_s, status=status)
    return judge.verify(ledger.world.bundle.json(), IMAGE, REPOSITORY)


@pytest.mark.parametrize(
    ("age_s", "warnings"),
    [(0, 0), (DAY, 0), (MAX_AGE_S // 2, 0), (MAX_AGE_S // 2 + 1, 1), (MAX_AGE_S, 1)],
)
def test_age(age_s: int, warnings: int) -> None:
    """
    Without the service verification goes on for a week, and warns from the middle of it on.
    """
    ledger = Ledger()
    verify(ledger, age_s)
    judge = Verifier(ledger.trust, lambda: NOW + age_s, status=ledger.status())

    assert warnings == len(judge.warnings())


@pytest.mark.parametrize(
    ("age_s", "code"),
    [(MAX_AGE_S + 1, "trust-stale"), (30 * DAY, "trust-stale"), (float("nan"), "trust-expired")],
)
def test_too_old(age_s: float, code: str) -> None:
    """
    After that week, or by a clock that shows no time, nothing is accepted any more.
    """
    refused(code, lambda: verify(Ledger(), age_s))


def test_without_a_status_file() -> None:
    """
    Who has no status file is told so with every yes.
    """
    assert (
        "nothing says what was revoked: there is no status file",
    ) == World().verifier.warnings()


@pytest.mark.parametrize("ahead_s", [limits.CLOCK_SKEW_S, limits.CLOCK_SKEW_S + 1])
def test_from_the_future(ahead_s: int) -> None:
    """
    A signer's clock may be a little ahead of ours, and no more.
    """
    ledger = Ledger()
    if ahead_s > limits.CLOCK_SKEW_S:
        refused("not-yet-valid", lambda: verify(ledger, -ahead_s))
    else:
        verify(ledger, -ahead_s)


def test_trust_from_the_future() -> None:
    """
    A trust file that was issued later than now is refused.
    """
    world = World()
    trust = world.trust
    judge = Verifier(trust, lambda: trust.issued - limits.CLOCK_SKEW_S - 1)

    refused("not-yet-valid", lambda: judge.verify(world.bundle.json(), IMAGE, REPOSITORY))


def _other_ledger(ledger: Ledger) -> StatusPayload:
    other = NoteSigner("other.example")
    ledger.world.logs = (*ledger.world.logs, TrustedLog("other.example", other.key))
    text = str(Checkpoint("other.example", 9, Hash(bytes(32))))
    return ledger.payload(origin="other.example", note=str(Note(text, (other.sign(text),))))


def _other_tree(ledger: Ledger) -> StatusPayload:
    text = str(ledger.world.checkpoint._replace(root=Hash(bytes(32))))
    return ledger.payload(note=str(Note(text, (ledger.world.log.sign(text),))))


@pytest.mark.parametrize(
    ("make", "code"),
    rows(
        ("another ledger", _other_ledger, "no-status"),
        ("another tree of the same size", _other_tree, "split-view"),
    ),
)
def test_of_another_tree(make: Callable[[Ledger], StatusPayload], code: str) -> None:
    """
    A status file that is about another ledger, or shows another tree of this one, ends it.
    """
    ledger = Ledger()
    payload = make(ledger)
    judge = Verifier(ledger.trust, lambda: NOW, status=ledger.read(payload))
    bundle = ledger.world.bundle.json()

    refused(code, lambda: judge.verify(bundle, IMAGE, REPOSITORY))
    if code == "split-view":
        refused(code, lambda: judge.judge([bundle], IMAGE, REPOSITORY))


@pytest.mark.parametrize("size", [3, 9])
def test_of_another_size(size: int) -> None:
    """
    A status file whose tree is larger than the bundle's, or smaller, is of the same ledger.
    """
    ledger = Ledger()
    text = str(ledger.world.checkpoint._replace(tree_size=size, root=Hash(bytes(32))))

    verify(ledger, note=str(Note(text, (ledger.world.log.sign(text),))), marks=())
