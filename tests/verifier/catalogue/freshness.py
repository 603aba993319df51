"""Trust, status and checkpoints that were good once: more of the rows T1 to T6, and of C4.

A policy says how old each may be. The clock is ours; a time that somebody else states only
ever makes something older, and what is of unknown age is too old.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.verifier.books import SIGNERS, Book
from tests.verifier.catalogue.case import Case
from tests.verifier.making import (
    EXPIRES,
    IMAGE,
    ISSUED,
    NOW,
    REPOSITORY,
    NoteSigner,
    policy,
    witnesses,
)
from tests.verifier.statuses import DAY, HOUR, STATUS_KEY, revoked
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.merkle import Hash
from verifier.note import COSIGNATURE, ML_DSA, Note
from verifier.repository import Scope
from verifier.trust.listed import TrustedLog
from verifier.trust.revocation import Revocation
from verifier.trust.status import Mark, Status
from verifier.verify import Verifier

APPROVED = '[[images]]\nunder = "*"\n[images.approval]\n'
WEEK = 7 * DAY


def judged(row: str, name: str, code: str, rules: str = APPROVED, **fields: Any) -> Case:
    """Ask about an image that was approved at 1 of 3 entries; `fields` are the ledger's."""
    book = Book()
    book.approve("qa", Digest.of(b"another image"))
    book.approve("release")
    book.approve("qa", Digest.of(b"a third image"))
    for field, value in fields.items():
        setattr(book, field, value)
    bundles = [book.bundle(1)]
    return Case(row, name, partial(book.verifier(rules).judge, bundles, IMAGE, REPOSITORY), code)


def _clocks() -> Iterator[Case]:
    """T1, T2: when the trust file and the status file count."""
    for name, now, code in (
        ("trust from the future", ISSUED - 61, "not-yet-valid"),
        ("trust a minute ahead", ISSUED - 60, "yes"),
        ("trust as it is issued", ISSUED, "yes"),
        ("trust about to expire", EXPIRES - 1, "yes"),
        ("trust as it expires", EXPIRES, "trust-expired"),
    ):
        yield judged("T1", name, code, now=now, issued=now, marks=(Mark(0, now - DAY),))
    for name, age, code in (
        ("status of now", 0, "yes"),
        ("status of 7 days", WEEK, "yes"),
        ("status of 7 days and a second", WEEK + 1, "trust-stale"),
        ("status of a year", 365 * DAY, "trust-stale"),
    ):
        yield judged("T1", name, code, issued=NOW - age, marks=())
    for name, ahead, code in (
        ("status 30 seconds ahead", 30, "yes"),
        ("status 60 seconds ahead", 60, "yes"),
        ("status 61 seconds ahead", 61, "not-yet-valid"),
        ("status a year ahead", 365 * DAY, "not-yet-valid"),
    ):
        yield judged("T2", name, code, issued=NOW + ahead)
    day = f'max_trust_age = "1 day"\n{APPROVED}'
    yield judged(
        "T1", "status of a day, where a day is allowed", "yes", day, issued=NOW - DAY, marks=()
    )
    yield judged(
        "T1",
        "status of a day and a second, where a day is allowed",
        "trust-stale",
        day,
        issued=NOW - DAY - 1,
        marks=(),
    )
    for name, now in (("no number", float("nan")), ("the end of time", float("inf"))):
        yield judged("T1", f"a clock that gives {name}", "trust-expired", now=now)
    yield judged("T1", "a clock that gives the beginning of time", "not-yet-valid",
                 now=float("-inf"))  # fmt: skip


def _ages() -> Iterator[Case]:
    """T3, T4: how old an entry is, by marks."""
    rules = f'{APPROVED}max_age = "90 days"\n'
    for name, marks, code in (
        ("no marks", (), "too-old"),
        ("a mark before the entry, in time", (Mark(1, NOW - 90 * DAY),), "yes"),
        ("a mark before the entry, too old", (Mark(1, NOW - 90 * DAY - 1),), "too-old"),
        ("a mark after the entry", (Mark(2, NOW - DAY),), "too-old"),
        ("marks on both sides", (Mark(1, NOW - 91 * DAY), Mark(2, NOW - 89 * DAY)), "too-old"),
        ("a mark at the entry, of now", (Mark(1, NOW),), "yes"),
        ("a mark of 1970", (Mark(0, 0),), "too-old"),
        ("a mark of before 1970", (Mark(0, -1),), "too-old"),
    ):
        yield judged("T3", name, code, rules, marks=marks)
    yield judged("T3", "an age that nobody asks for", "yes", marks=())


def _checkpoints() -> Iterator[Case]:
    """T5, T6: how old the newest checkpoint is, by its witnesses, or by its mark without."""
    rules = '[[images]]\nunder = "*"\nmax_checkpoint_age = "1 day"\n[images.approval]\n'
    for name, age, code in (
        ("a mark of a day", DAY, "yes"),
        ("a mark of a day and a second", DAY + 1, "stale-checkpoint"),
    ):
        yield judged("T6", name, code, rules, marks=(Mark(3, NOW - age),))
    yield judged("T6", "no mark", "stale-checkpoint", rules, marks=())
    for kind, label in ((COSIGNATURE, "Ed25519"), (ML_DSA, "ML-DSA-44")):
        one = witnesses(1, kind)
        for name, time, code in (
            ("now", NOW, "yes"),
            ("a day ago", NOW - DAY, "yes"),
            ("a day and a second ago", NOW - DAY - 1, "stale-checkpoint"),
            ("in 1970", 1, "stale-checkpoint"),
            ("in a minute", NOW + 60, "yes"),
            ("in an hour", NOW + HOUR, "stale-checkpoint"),
            ("in 2**63 - 1", 2**63 - 1, "stale-checkpoint"),
        ):
            yield judged("T6", f"{label} witness {name}", code, rules, witnesses=one,
                         quorum=policy(1, one), cosigned=time)  # fmt: skip
    everyone = witnesses(3)
    for name, times, code in (
        ("both of two witnesses lately", (NOW, NOW - HOUR), "yes"),
        ("one of two lately", (NOW, NOW - 2 * DAY), "stale-checkpoint"),
        ("neither of two lately", (NOW - 3 * DAY, NOW - 2 * DAY), "stale-checkpoint"),
        ("one of two in the future", (NOW, NOW + DAY), "stale-checkpoint"),
        ("two of three lately", (NOW, NOW - 9 * DAY, NOW - HOUR), "yes"),
    ):
        yield judged("T5", name, code, rules, witnesses=everyone[: len(times)],
                     quorum=policy(2, everyone), times=times)  # fmt: skip


def _revoked() -> Iterator[Case]:
    """C4: what was revoked does not count, wherever the clock stands."""
    release, scope = SIGNERS["release"].public.hint, Scope("*")
    key = Revocation("key", release, "stolen", 2, bundle=b"{}")
    image = Revocation("digest", IMAGE, "bad", 2, repository=scope, bundle=b"{}")
    for name, found, code in (
        ("another entry revoked", revoked(0, 2), "yes"),
        ("entry revoked", revoked(1, 2), "revoked"),
        ("key revoked from the first entry", key._replace(after=0), "revoked"),
        ("key revoked from this entry", key._replace(after=1), "revoked"),
        ("key revoked after it", key._replace(after=2), "yes"),
        ("another key revoked", key._replace(target=SIGNERS["qa"].public.hint), "yes"),
        ("image revoked", image, "revoked"),
        ("image revoked here", image._replace(repository=Scope("registry.example")), "revoked"),
        ("image revoked elsewhere", image._replace(repository=Scope("other.example")), "yes"),
        ("another image revoked", image._replace(target=Digest.of(b"x")), "yes"),
        ("an image's tag in the name", image._replace(repository=Scope(REPOSITORY)), "revoked"),
    ):
        yield judged("C4", name, code, revocations=(found,))
    glass = f'break_glass = [{{ digest = "{IMAGE}", until = 2099-12-31, why = "now" }}]'
    for name, rule in {"a rule that only warns": 'mode = "warn"', "broken glass": glass}.items():
        text = f'[[images]]\nunder = "*"\n{rule}\n[images.approval]\n'
        yield judged("C4", f"image revoked, {name}", "revoked", text, revocations=(image,))
    for name, one in {"entry": revoked(1, 2), "key": key._replace(after=1), "image": image}.items():
        book = Book()
        book.approve("qa", Digest.of(b"another image"))
        book.approve("release")
        book.revocations = (one,)
        verifier = Verifier(book.trust, lambda: NOW, status=book.status)
        judge = partial(verifier.verify, book.bundle(1), IMAGE, REPOSITORY)
        yield Case("C4", f"{name} revoked, without a policy", judge, "revoked")


def _elsewhere() -> Iterator[Case]:
    """P19, T3: a status file that is about another tree than the bundle, or another ledger."""
    book, other = Book(), Book()
    for one, name in ((book, "release"), (other, "qa")):
        one.log = book.log
        one.approve(name)
    ask = (book.bundle(0), IMAGE, REPOSITORY)
    for name, found, code in (
        ("status file of the bundle's tree", book.status, "yes"),
        ("status file of another tree", other.status, "split-view"),
    ):
        verifier = Verifier(book.trust, lambda: NOW, status=found)
        yield Case("P19", name, partial(verifier.verify, *ask), code)
    stranger = NoteSigner("other.example")
    trust = book.trust._replace(
        logs=(*book.trust.logs, TrustedLog("other.example", stranger.key)),
    )
    text = str(Checkpoint("other.example", 1, Hash(bytes(32))))
    note = str(Note(text, (stranger.sign(text),)))
    payload = book.status.payload._replace(origin="other.example", note=note, marks=())
    status = Status.parse(payload.sealed(STATUS_KEY), trust)
    verifier = Verifier(trust, lambda: NOW, status=status)
    yield Case("T3", "status file of another ledger", partial(verifier.verify, *ask), "no-status")


def cases() -> Iterator[Case]:
    """Return the cases of this module."""
    yield from (*_clocks(), *_ages(), *_checkpoints(), *_revoked(), *_elsewhere())
