"""Evidence against a log: what is a contradiction, what is none, and what must not move."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.verifier import twin
from tests.verifier.making import NOW, ORIGIN, NoteSigner, World, refused, rows, verdict
from tests.verifier.paths import GONE, Path, put
from verifier import limits
from verifier._strict import b64encode
from verifier.checkpoint import Checkpoint
from verifier.evidence import Evidence
from verifier.merkle import EMPTY_ROOT, Hash
from verifier.note import ML_DSA, Note
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedLog

OURS = tuple(b"ours %d" % i for i in range(40))
THEIRS = (*OURS[:3], *(b"theirs %d" % i for i in range(3, 40)))  # another history from index 3
SEEN = ("2026-11-23T21:06:41Z", "2026-11-23T21:07:01Z")
LOG, PQ = NoteSigner(ORIGIN), NoteSigner(ORIGIN, ML_DSA)


def trust(*logs: NoteSigner) -> TrustRoot:
    world = World()
    world.logs = tuple(TrustedLog(log.key.name, log.key) for log in logs or (LOG,))
    return world.trust


def signed(point: Checkpoint, *signers: NoteSigner, time: int = NOW) -> str:
    text = str(point)
    return str(Note(text, tuple(signer.sign(text, time) for signer in signers or (LOG,))))


def point(entries: tuple[bytes, ...], size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, Hash(twin.root(entries[:size])))


def note(entries: tuple[bytes, ...], size: int, *signers: NoteSigner, time: int = NOW) -> str:
    return signed(point(entries, size), *signers, time=time)


def fork(old: int, new: int) -> Evidence:
    """Return the evidence that a tree of `new` entries did not grow out of one of `old`."""
    path = tuple(Hash(h) for h in twin.consistency(old, THEIRS[:new]))
    root = Hash(twin.root(THEIRS[:old]))
    return Evidence.fork(note(OURS, old), note(THEIRS, new), root, path, SEEN)


SPLIT = Evidence.split_view(note(OURS, 7), note(THEIRS, 7), SEEN)
FORK = fork(6, 15)
BACK = Evidence.rollback(note(OURS, 15), note(OURS, 6), SEEN)
ALL = rows(("split view", SPLIT), ("fork", FORK), ("rollback", BACK))


@pytest.mark.parametrize("evidence", ALL)
def test_true_claims(evidence: Evidence) -> None:
    """
    Each kind of contradiction is proven to whoever pins the log, from its file alone.
    """
    again = Evidence.parse(evidence.json())
    sentence = again.verify(trust())

    assert evidence == again
    assert evidence.json() == again.json()
    assert ORIGIN in sentence


def test_what_is_said() -> None:
    """
    The sentence names sizes and roots, and of a rollback whose word the order is.
    """
    roots = [point(entries, 7).root.hex() for entries in (OURS, THEIRS)]

    assert all(root in SPLIT.verify(trust()) for root in roots)
    assert all(text in FORK.verify(trust()) for text in ("6", "15", point(OURS, 6).root.hex()))
    assert SEEN[1] in BACK.verify(trust())
    assert "the word of" in BACK.verify(trust())


@pytest.mark.parametrize(
    ("old", "new"), [(4, 5), (4, 8), (5, 8), (7, 8), (8, 40), (31, 32), (39, 40)]
)
def test_forks(old: int, new: int) -> None:
    """
    A fork is proven between trees of any two sizes past the point where they part.
    """
    fork(old, new).verify(trust())


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    rows(
        ("smaller one later", NOW, NOW + 1, "own dates"),
        ("smaller one earlier", NOW, NOW - 1, "word of"),
        ("at one time", NOW, NOW, "word of"),
    ),
)
def test_dates_of_the_log(first: int, second: int, expected: str) -> None:
    """
    When the log's own lines of kind 6 date the smaller tree later, nobody's word is needed.
    """
    evidence = Evidence.rollback(
        note(OURS, 15, LOG, PQ, time=first), note(OURS, 6, PQ, time=second), SEEN
    )

    assert expected in evidence.verify(trust(LOG, PQ))


def test_dates_of_others() -> None:
    """
    The time in a line that nobody pinned as the log's dates nothing.
    """
    evidence = Evidence.rollback(
        note(OURS, 15, LOG, PQ, time=1), note(OURS, 6, LOG, PQ, time=2), SEEN
    )

    assert "word of" in evidence.verify(trust(LOG))


def test_date_of_one_note() -> None:
    """
    When only the smaller tree is dated by the log, nothing says that it came later.
    """
    evidence = Evidence.rollback(note(OURS, 15, LOG), note(OURS, 6, LOG, PQ), SEEN)

    assert "word of" in evidence.verify(trust(LOG, PQ))


def test_two_keys_of_one_log() -> None:
    """
    A log that changed its key between the two notes contradicts itself all the same.
    """
    new = NoteSigner(ORIGIN)
    evidence = Evidence.split_view(note(OURS, 7), note(THEIRS, 7, new), SEEN)

    evidence.verify(trust(LOG, new))
    refused("untrusted-log", lambda: evidence.verify(trust(LOG)))
    refused("untrusted-log", lambda: evidence.verify(trust(new)))


def test_expired_trust() -> None:
    """
    A contradiction does not become untrue when the trust file that names the log expires.
    """
    SPLIT.verify(trust()._replace(expires=1, issued=0))


PATH_6 = tuple(Hash(h) for h in twin.consistency(6, OURS[:15]))
EMPTY = str(Checkpoint(ORIGIN, 0, EMPTY_ROOT))
OTHER = NoteSigner("other.example")

FALSE = rows(
    ("one tree twice", Evidence.split_view(note(OURS, 7), note(OURS, 7), SEEN), "no-contradiction"),
    ("two sizes", Evidence.split_view(note(OURS, 6), note(OURS, 7), SEEN), "no-contradiction"),
    (
        "two sizes of two histories",
        Evidence.split_view(note(OURS, 6), note(THEIRS, 7), SEEN),
        "no-contradiction",
    ),
    (
        "honest growth",
        Evidence.fork(note(OURS, 6), note(OURS, 15), point(OURS, 6).root, PATH_6, SEEN),
        "no-contradiction",
    ),
    (
        "made-up root",
        Evidence.fork(note(OURS, 6), note(OURS, 15), Hash(bytes(32)), PATH_6, SEEN),
        "no-contradiction",
    ),
    ("root of their own path", FORK._replace(second=note(OURS, 15)), "no-contradiction"),
    ("path cut", FORK._replace(path=FORK.path[:-1]), "malformed"),
    ("path longer", FORK._replace(path=(*FORK.path, FORK.path[0])), "malformed"),
    ("path of zeros", FORK._replace(path=(Hash(bytes(32)),) * len(FORK.path)), "no-contradiction"),
    ("fork of one size", FORK._replace(first=note(OURS, 15)), "no-contradiction"),
    (
        "fork backwards",
        FORK._replace(first=note(THEIRS, 15), second=note(OURS, 6)),
        "no-contradiction",
    ),
    (
        "fork from nothing",
        Evidence.fork(signed(Checkpoint.parse(EMPTY)), note(OURS, 6), FORK.path[0], (), SEEN),
        "malformed",
    ),
    ("growth as rollback", BACK._replace(first=BACK.second, second=BACK.first), "no-contradiction"),
    ("one size as a rollback", BACK._replace(second=BACK.first), "no-contradiction"),
    ("rollback seen first", BACK._replace(seen=SEEN[::-1]), "no-contradiction"),
    (
        "two logs",
        SPLIT._replace(second=signed(point(THEIRS, 7)._replace(origin="other.example"), OTHER)),
        "no-contradiction",
    ),
    ("note of nobody", SPLIT._replace(second=note(THEIRS, 7, OTHER)), "untrusted-log"),
    (
        "signature of the other note",
        SPLIT._replace(second=str(Note(str(point(THEIRS, 7)), Note.parse(SPLIT.first).signatures))),
        "bad-signature",
    ),
    (
        "no checkpoint",
        SPLIT._replace(second=str(Note("text\n", (LOG.sign("text\n"),)))),
        "malformed",
    ),
    ("unsigned", SPLIT._replace(second=str(point(THEIRS, 7))), "malformed"),
)  # fmt: skip


@pytest.mark.parametrize(("evidence", "code"), FALSE)
def test_false_claims(evidence: Evidence, code: str) -> None:
    """
    Two notes that can both be true, or that the log did not sign, are no evidence.
    """
    refused(code, lambda: evidence.verify(trust(LOG, OTHER) if code[0] == "n" else trust()))


@pytest.mark.parametrize("evidence", ALL)
@pytest.mark.parametrize("claim", ["split-view", "fork", "rollback"])
def test_other_claims(evidence: Evidence, claim: str) -> None:
    """
    What proves one claim does not prove another.
    """
    if claim == evidence.claim:
        return
    bad = evidence._replace(claim=claim, root=evidence.root or Hash(bytes(32)))

    assert verdict(lambda: bad.verify(trust())) in {"no-contradiction", "malformed"}


@pytest.mark.parametrize("evidence", ALL)
@pytest.mark.parametrize("field", ["first", "second"])
def test_every_byte_of_the_notes(evidence: Evidence, field: str) -> None:
    """
    No character of either note can be changed.
    """
    good = getattr(evidence, field)
    for here, old in enumerate(good):
        new = "A" if old != "A" else "B"
        bad = evidence._replace(**{field: good[:here] + new + good[here + 1 :]})
        assert "yes" != verdict(lambda bad=bad: bad.verify(trust())), (here, old)


def test_every_bit_of_root_and_path() -> None:
    """
    No bit of a fork's root or path can be changed.
    """
    assert FORK.root is not None
    for here, hash_ in enumerate((FORK.root, *FORK.path)):
        for bit in range(0, 256, 5):
            raw = bytearray(hash_)
            raw[bit // 8] ^= 1 << bit % 8
            hashes = [FORK.root, *FORK.path]
            hashes[here] = Hash(bytes(raw))
            bad = FORK._replace(root=hashes[0], path=tuple(hashes[1:]))
            assert "no-contradiction" == verdict(lambda bad=bad: bad.verify(trust()))


DOCUMENT: Any = json.loads(FORK.json())
FIELDS = ("type", "claim", "first", "second", "root", "path", "seen")


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [GONE, None, True, 1, 1.5, {}, [], [None], "", "x\n"], ids=repr)
def test_other_types(field: str, value: object) -> None:
    """
    A field that is missing, or of another type or form, makes the file none.
    """
    data = json.dumps(put(DOCUMENT, (field,), value)).encode()

    assert verdict(lambda: Evidence.parse(data).verify(trust())) not in {"yes", "no-contradiction"}


@pytest.mark.parametrize(
    ("path", "value", "code"),
    rows(
        ("other type", ("type",), "urn:sealbook:evidence:v2", "unsupported-version"),
        ("other claim", ("claim",), "Fork", "unsupported-version"),
        ("unknown field", ("by",), "me", "unknown-field"),
        ("root of 31 bytes", ("root",), b64encode(bytes(31)), "bad-base64"),
        ("hash of 33 bytes", ("path", 0), b64encode(bytes(33)), "bad-base64"),
        ("hash as a number", ("path", 0), 1, "malformed"),
        ("64 hashes", ("path",), [b64encode(bytes(32))] * 64, "over-limit"),
        ("one time", ("seen",), [SEEN[0]], "malformed"),
        ("three times", ("seen",), [*SEEN, SEEN[0]], "over-limit"),
        ("time without a zone", ("seen", 0), "2026-11-23T21:06:41", "malformed"),
        ("time as a number", ("seen", 0), 1, "malformed"),
        ("no such day", ("seen", 1), "2026-02-30T00:00:00Z", "malformed"),
    ),
)
def test_malformed(path: Path, value: object, code: str) -> None:
    """
    A file of any other shape is refused.
    """
    refused(code, lambda: Evidence.parse(json.dumps(put(DOCUMENT, path, value)).encode()))


@pytest.mark.parametrize("claim", ["split-view", "rollback"])
def test_root_and_path_are_a_forks(claim: str) -> None:
    """
    The other claims have no room for a root or a path that nobody would check.
    """
    data = json.dumps(DOCUMENT | {"claim": claim}).encode()

    refused("unknown-field", lambda: Evidence.parse(data))


def test_repeated_field() -> None:
    """
    No field is there twice.
    """
    data = FORK.json().replace(b'"claim"', b'"claim": "rollback", "claim"')

    refused("duplicate-key", lambda: Evidence.parse(data))


def test_too_large() -> None:
    """
    A file over the limit is not even parsed.
    """
    refused("over-limit", lambda: Evidence.parse(b" " * (limits.EVIDENCE + 1)))
