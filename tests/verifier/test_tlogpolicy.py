"""Whole policy files: which logs they name, what they refuse, and whom they believe."""

from __future__ import annotations

from itertools import combinations

import pytest

from tests.verifier import examples
from tests.verifier.making import NoteSigner, policy, refused, rows, verdict, witnesses
from tests.verifier.pinned import GOOD
from verifier import limits
from verifier.checkpoint import Checkpoint
from verifier.merkle import Hash
from verifier.note import COSIGNATURE, ED25519, ML_DSA, Note, NoteKey
from verifier.quorum import Quorum
from verifier.tlogpolicy import TlogPolicy

ORIGIN = "log.example"
LOG, NEW, PQ = NoteSigner(ORIGIN), NoteSigner(ORIGIN), NoteSigner(ORIGIN, ML_DSA)
OTHER = NoteSigner("other.example")
A, B, C = witnesses(3)
D = NoteSigner("d.example", ML_DSA)
TEXT = str(Checkpoint(ORIGIN, 15, Hash(bytes(32))))
LOGS = f"log {LOG.key} https://log.example/\nlog {PQ.key}\nlog {OTHER.key}\n"
KNOWN = f"witness a {A.key}\nwitness b {B.key} https://b.example/\nwitness d {D.key}\n"
GROUP = "group g 2 a b d\nquorum g\n"


def note(*signers: NoteSigner, text: str = TEXT) -> Note:
    return Note(text, tuple(signer.sign(text) for signer in signers))


def test_good_policy() -> None:
    """
    Logs, witnesses and addresses are found as they were written, and print to the same policy.
    """
    parsed = TlogPolicy.parse(f"# ours\n\n{LOGS}{KNOWN}{GROUP}")
    logs = ((LOG.key, "https://log.example/"), (PQ.key, ""), (OTHER.key, ""))

    assert logs == parsed.logs
    assert (LOG.key, PQ.key) == parsed.log_keys(ORIGIN)
    assert {"b": "https://b.example/"} == parsed.quorum.urls
    assert {"a": A.key, "b": B.key, "d": D.key} == parsed.quorum.witnesses
    assert parsed == TlogPolicy.parse(str(parsed))


@pytest.mark.parametrize(
    "text",
    rows(
        ("only a quorum", "quorum none\n"),
        ("logs last", f"{KNOWN}{GROUP}{LOGS}"),
        ("logs in between", f"{KNOWN}{LOGS}{GROUP}"),
        ("blanks", f" \tlog \t{LOG.key}\t \nquorum  none \n"),
        ("comments", f"#\n # log\nlog {LOG.key}\n\t\nquorum none\n"),
        ("a log called as a witness is", f"log {LOG.key}\nwitness {ORIGIN} {A.key}\nquorum none\n"),
        ("Rekor's key", f"log {examples.ECDSA_VKEY}\nquorum none\n"),
    ),
)
def test_other_good_policies(text: str) -> None:
    """
    Lines may stand in any order that defines before it uses; comments and blanks mean nothing.
    """
    parsed = TlogPolicy.parse(text)

    assert parsed == TlogPolicy.parse(str(parsed))


@pytest.mark.parametrize(
    ("text", "code"),
    rows(
        ("nothing", "", "malformed"),
        ("no quorum", LOGS, "malformed"),
        ("no newline at the end", f"{LOGS}quorum none", "malformed"),
        ("carriage returns", f"log {LOG.key}\r\nquorum none\r\n", "malformed"),
        ("control in the address", f"log {LOG.key} x\x7f\nquorum none\n", "malformed"),
        ("log without a key", "log\nquorum none\n", "malformed"),
        ("log of four words", f"log {LOG.key} x y\nquorum none\n", "malformed"),
        ("upper case", f"Log {LOG.key}\nquorum none\n", "malformed"),
        ("comment after a log", f"log {LOG.key} # ours today\nquorum none\n", "malformed"),
        ("no key", "log x\nquorum none\n", "malformed"),
        ("a witness's key", f"log {A.key}\nquorum none\n", "malformed"),
        ("one log twice", f"log {LOG.key}\nlog {LOG.key}\nquorum none\n", "malformed"),
        (
            "one key under two origins",
            f"log {LOG.key}\nlog {LOG.key._replace(name='x')}\nquorum none\n",
            "malformed",
        ),
        (
            "a log's key as a witness",
            f"log {LOG.key}\nwitness w {LOG.key._replace(kind=COSIGNATURE, name='w')}\nquorum w\n",
            "malformed",
        ),
        (
            "a log's post-quantum key as a witness",
            f"log {PQ.key}\nwitness w {PQ.key._replace(name='w')}\nquorum w\n",
            "malformed",
        ),
        (
            "a witness with the origin of a log",
            f"log {LOG.key}\nwitness w {A.key._replace(name=ORIGIN)}\nquorum w\n",
            "malformed",
        ),
        ("one witness key twice", f"{KNOWN}witness e {D.key}\nquorum a\n", "malformed"),
        (
            "one witness key renamed",
            f"{KNOWN}witness e {D.key._replace(name='e')}\nquorum a\n",
            "malformed",
        ),
        ("name of two witnesses", f"{KNOWN}witness a {C.key}\nquorum a\n", "malformed"),
        ("name of a witness and a group", f"{KNOWN}group a 1 b\nquorum a\n", "malformed"),
        ("3 of 2", f"{KNOWN}group g 3 a b\nquorum g\n", "malformed"),
        ("0 of 2", f"{KNOWN}group g 0 a b\nquorum g\n", "malformed"),
        ("member of two", f"{KNOWN}group g any a b\ngroup h 1 a d\nquorum h\n", "malformed"),
        ("none as a member", f"{KNOWN}group g 1 none\nquorum g\n", "malformed"),
        ("too long", f"{'#' * limits.NOTE}\nquorum none\n", "over-limit"),
    ),
)  # fmt: skip
def test_bad_policies(text: str, code: str) -> None:
    """
    A policy in which a key or a name could mean two things is refused.
    """
    refused(code, lambda: TlogPolicy.parse(text))


@pytest.mark.parametrize("count", [32, 33, 48])
def test_large_policies(count: int) -> None:
    """
    As many logs, witnesses and groups as C2SP asks for fit, half of them with long keys.
    """
    kinds = [ED25519, ML_DSA] * count
    logs = [NoteSigner(f"log.example/{i}", kind) for i, kind in enumerate(kinds[:count])]
    known = (*witnesses(count // 2), *(NoteSigner(f"pq/{i}", ML_DSA) for i in range(count // 2)))
    lines = [f"log {log.key} https://log.example/{i}" for i, log in enumerate(logs)]
    lines += [f"witness w{i} {w.key} https://w.example/{i}" for i, w in enumerate(known)]
    lines += [f"group g{i} all w{i}" for i in range(len(known))]
    lines += [f"group all {len(known)} {' '.join(f'g{i}' for i in range(len(known)))}"]
    judge = TlogPolicy.parse("\n".join([*lines, "quorum all", ""]))
    text = TEXT.replace(ORIGIN, "log.example/31")

    assert len(known) == len(judge.verify(note(logs[31], *known, text=text)).witnesses)
    refused("witness-quorum", lambda: judge.verify(note(logs[31], *known[1:], text=text)))


def test_three_levels() -> None:
    """
    Groups of groups of groups are judged witness by witness, for every set of eight.
    """
    known = witnesses(8)
    lines = [f"witness w{i} {w.key}" for i, w in enumerate(known)]
    lines += [
        f"group pair{i} {k} w{2 * i} w{2 * i + 1}" for i, k in enumerate(("any", "all", 2, 1))
    ]
    lines += ["group left all pair0 pair1", "group right any pair2 pair3"]
    lines += ["group top all left right", "quorum top", ""]
    quorum = Quorum.parse("\n".join(lines))
    for count in range(9):
        for some in map(set, combinations(range(8), count)):
            left = bool(some & {0, 1}) and {2, 3} <= some
            right = {4, 5} <= some or bool(some & {6, 7})
            names = {f"w{i}" for i in some}
            assert (left and right) == quorum.satisfied_by(names), names


JUDGE = TlogPolicy.parse(LOGS + KNOWN + GROUP)


@pytest.mark.parametrize(
    ("signers", "expected"),
    rows(
        ("log and two witnesses", (LOG, A, B), "yes"),
        ("both kinds of witness", (LOG, A, D), "yes"),
        ("both keys of the log", (LOG, PQ, A, D), "yes"),
        ("only its post-quantum key", (PQ, B, D), "yes"),
        ("strangers beside", (NoteSigner("x", ML_DSA), LOG, C, A, B), "yes"),
        ("one witness", (LOG, D), "witness-quorum"),
        ("one witness twice", (LOG, D, D), "witness-quorum"),
        ("one of them unknown", (LOG, D, C), "witness-quorum"),
        ("nobody", (), "untrusted-log"),
        ("no log", (A, B, D), "untrusted-log"),
        ("another log", (OTHER, A, B), "untrusted-log"),
        ("a key of the log that is not listed", (NEW, A, B), "untrusted-log"),
    ),
)
def test_checkpoints(signers: tuple[NoteSigner, ...], expected: str) -> None:
    """
    A checkpoint counts when a listed key of its own log and the quorum signed it.
    """
    assert expected == verdict(lambda: JUDGE.verify(note(*signers)))


def test_who_endorsed() -> None:
    """
    The answer names the keys of the log and the witnesses that really signed.
    """
    endorsed = JUDGE.verify(note(PQ, LOG, NEW, D, C, A))

    assert Checkpoint.parse(TEXT) == endorsed.checkpoint
    assert ({LOG.key, PQ.key}, ("a", "d")) == (set(endorsed.logs), endorsed.witnesses)


@pytest.mark.parametrize("signer", [LOG, PQ, A, D], ids=["log", "log 6", "witness", "witness 6"])
def test_one_bad_line(signer: NoteSigner) -> None:
    """
    One failing line of any listed key condemns a checkpoint that would do without it.
    """
    good = note(LOG, A, B)
    bad = signer.sign(TEXT.replace("15", "16"))

    refused("bad-signature", lambda: JUDGE.verify(Note(TEXT, (*good.signatures, bad))))


def test_unknown_origin() -> None:
    """
    A listed log speaks under its own origin, and a policy without logs believes none.
    """
    text = TEXT.replace(ORIGIN, "third.example")
    nobody = TlogPolicy.parse("quorum none\n")

    refusal = refused("untrusted-log", lambda: JUDGE.verify(note(LOG, text=text)))
    assert "third.example" in refusal.message
    refused("untrusted-log", lambda: nobody.verify(note(LOG)))


def test_no_checkpoint() -> None:
    """
    A note about anything else is refused, whoever signed it.
    """
    text = "a text\n"

    refused("malformed", lambda: JUDGE.verify(Note(text, (LOG.sign(text),))))


def test_policy_of_a_trust_root() -> None:
    """
    A trust root prints as a policy that other tools read, and that believes the same.
    """
    found = GOOD.tlog_policy()

    assert tuple(log.checkpoint_key for log in GOOD.logs) == tuple(key for key, _ in found.logs)
    assert found == TlogPolicy.parse(str(found))
    assert [f"log {GOOD.logs[0].checkpoint_key}", *GOOD.quorum.text.splitlines()] == str(
        found
    ).splitlines()


def test_names_are_opaque() -> None:
    """
    Names of witnesses are told apart letter by letter: no case is folded and no look-alike taken.
    """
    known = "".join(
        f"witness {name} {w.key}\n" for name, w in zip(("K", "k", "\u212a"), (A, B, C), strict=True)
    )
    quorum = Quorum.parse(f"{known}quorum \u212a\n")

    assert [False, False, True] == [quorum.satisfied_by({name}) for name in ("K", "k", "\u212a")]


def test_policy_helper() -> None:
    """
    What these tests call a policy of witnesses is one.
    """
    assert {"w0": D.key} == TlogPolicy.parse(policy(1, [D])).quorum.witnesses
    assert NoteKey.parse(str(D.key)) == D.key
