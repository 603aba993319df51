"""The catalogue of bad notes, row by row: each id starts with the row that it stands for.

Rows N1 to N23 are what notes, checkpoints, cosignatures and proof files of other
systems got wrong. More variants of the parsers' rows are in test_note, test_notekey,
test_checkpoint and test_proof; here each row has its own cases, and those that need
keys, roles and a whole trust root are here alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.verifier import examples
from tests.verifier.making import (
    NOW,
    ORIGIN,
    NoteSigner,
    World,
    policy,
    refused,
    rows,
    verdict,
    witnesses,
)
from tests.verifier.pinned import DOCUMENT, LOG, WITNESSES, parse
from verifier import limits
from verifier import note as notes
from verifier._strict import b64encode
from verifier.checkpoint import Checkpoint
from verifier.merkle import hash_leaf
from verifier.note import COSIGNATURE, ECDSA, ED25519, ML_DSA, Note, NoteKey, NoteSignature
from verifier.proof import TlogProof
from verifier.quorum import Quorum
from verifier.tlogpolicy import TlogPolicy
from verifier.trusted import TrustedLog

TEXT, LINE = examples.CHECKPOINT, examples.LOG_LINE
KEY_15, ROOT = "example.com/log/testdata", examples.LOG_ROOTS[15]
HEADER = "c2sp.org/tlog-proof@v1"
DASH = "\u2014"

# Found by trying seeds one by one: two keys each whose ids are the same 4 bytes.
TWINS = {ED25519: (14492, 130511), COSIGNATURE: (4331, 16378)}


def twins(kind: int) -> list[NoteSigner]:
    """Return two signers that no signature line tells apart."""
    return [NoteSigner("one.example", kind, seed.to_bytes(32, "big")) for seed in TWINS[kind]]


NOTES = rows(
    ("N1 no blank line", f"{TEXT}{LINE}", "malformed"),
    ("N1 two blank lines before the signatures", f"{TEXT}\n\n{LINE}", "yes"),
    ("N1 blank line inside the text", f"a\n\n{TEXT}\n{LINE}", "yes"),
    ("N1 blank line between signatures", f"{TEXT}\n{LINE}\n{LINE}", "yes"),
    ("N2 text without newline", f"{TEXT[:-1]}\n{LINE}", "malformed"),
    ("N2 signature without newline", f"{TEXT}\n{LINE[:-1]}", "malformed"),
    *((f"N3 byte {i:#04x}", f"a{chr(i)}\n\n{LINE}", "malformed") for i in range(32) if i != 10),
    ("N3 byte 0x7f", f"a\x7f\n\n{LINE}", "malformed"),
    ("N3 lone surrogate", f"\udc80\n\n{LINE}", "malformed"),
    ("N3 control in a name", f"a\n\n{DASH} x\x01 AAAAAAA=\n", "malformed"),
    ("N4 hyphen", f"a\n\n- {LINE[2:]}", "malformed"),
    ("N4 en dash", f"a\n\n\u2013 {LINE[2:]}", "malformed"),
    ("N4 horizontal bar", f"a\n\n\u2015 {LINE[2:]}", "malformed"),
    ("N4 two spaces", f"a\n\n{DASH}  {LINE[2:]}", "bad-base64"),
    ("N4 no-break space", f"a\n\n{DASH}\u00a0{LINE[2:]}", "malformed"),
    ("N5 empty name", f"a\n\n{DASH}  AAAAAAA=\n", "malformed"),
    ("N5 plus in the name", f"a\n\n{DASH} x+y AAAAAAA=\n", "malformed"),
    *(
        (f"N5 {c!r} in the name", f"a\n\n{DASH} x{c}y AAAAAAA=\n", "malformed")
        for c in "\u00a0\u1680\u2003\u2007\u202f\u205f\u3000"
    ),
    ("N6 no bytes", f"a\n\n{DASH} x \n", "malformed"),
    ("N6 only a key id", f"a\n\n{DASH} x AAAAAA==\n", "malformed"),
    ("N6 not canonical", f"a\n\n{DASH} x AAAAAAB=\n", "bad-base64"),
    ("N6 trailing junk", f"a\n\n{DASH} x AAAAAAA=AAAA\n", "bad-base64"),
    ("N6 5 bytes", f"a\n\n{DASH} x AAAAAAA=\n", "yes"),
    *((f"N7 {n} lines", f"a\n\n{LINE * n}", "yes") for n in (1, 16, 17, 63, 64)),
    *((f"N7 {n} lines", f"a\n\n{LINE * n}", "over-limit") for n in (65, 100, 101, 10_000)),
)


@pytest.mark.parametrize(("text", "expected"), NOTES)
def test_notes(text: str, expected: str) -> None:
    """
    A note has one form, and what has it prints to the same text again.
    """
    assert expected == verdict(lambda: Note.parse(text))
    if expected == "yes":
        assert text == str(Note.parse(text))


CHECKPOINTS = rows(
    ("N14 no origin", f"\n15\n{ROOT}\n", "malformed"),
    ("N14 space at the end", f"{KEY_15} \n15\n{ROOT}\n", "malformed"),
    ("N14 no-break space at the end", f"{KEY_15}\u00a0\n15\n{ROOT}\n", "malformed"),
    ("N14 255 bytes", f"{'x' * 255}\n15\n{ROOT}\n", "yes"),
    ("N14 256 bytes", f"{'x' * 256}\n15\n{ROOT}\n", "malformed"),
    ("N14 255 characters of 2 bytes", f"{'é' * 255}\n15\n{ROOT}\n", "malformed"),
    *(
        (f"N15 {size!r}", f"{KEY_15}\n{size}\n{ROOT}\n", "bad-integer")
        for size in (
            *("", "0015", "+5", "-15", "1_000", "0xf", "15.0", " 15", "15\u00a0", "\uff15"),
            *(str(2**63), str(2**64), "\u0665", "\u00b2", "1" * 1000),
        )
    ),
    ("N16 31 bytes", f"{KEY_15}\n15\n{b64encode(bytes(31))}\n", "bad-base64"),
    ("N16 33 bytes", f"{KEY_15}\n15\n{b64encode(bytes(33))}\n", "bad-base64"),
    ("N16 url-safe", f"{KEY_15}\n15\n{ROOT.replace('/', '_')}\n", "bad-base64"),
    ("N16 space at the end", f"{KEY_15}\n15\n{ROOT} \n", "bad-base64"),
    ("N16 hexadecimal", f"{KEY_15}\n15\n{'ab' * 32}\n", "bad-base64"),
    ("N17 empty tree with a root", f"{KEY_15}\n0\n{ROOT}\n", "malformed"),
    ("N17 empty tree with zeros", f"{KEY_15}\n0\n{b64encode(bytes(32))}\n", "malformed"),
    ("N17 empty tree", f"{KEY_15}\n0\n{examples.LOG_ROOTS[0]}\n", "yes"),
    ("N18 two lines", f"{KEY_15}\n15\n", "malformed"),
    ("N18 empty extension line", f"{TEXT}\n", "malformed"),
    ("N18 1,000 extension lines", TEXT + "more\n" * 1000, "malformed"),
    ("N18 extension like a signature", f"{TEXT}{LINE}", "malformed"),
    ("N19 origin missing", f"15\n{ROOT}\n", "malformed"),
    ("N19 size missing", f"{KEY_15}\n{ROOT}\n", "malformed"),
    ("N19 root missing", f"{KEY_15}\n15\n\n", "bad-base64"),
    ("N19 origin not first", f"15\n{KEY_15}\n{ROOT}\n", "bad-integer"),
)


@pytest.mark.parametrize(("text", "expected"), CHECKPOINTS)
def test_checkpoints(text: str, expected: str) -> None:
    """
    A checkpoint has three lines of one spelling each, whether read alone or as a note's text.
    """
    assert expected == verdict(lambda: Checkpoint.parse(text))
    log = NoteSigner(text.split("\n", maxsplit=1)[0] or "x")
    if expected == "yes":
        assert (log.key,) == notes.verify(Note(text, (log.sign(text),)), [log.key])


class Case(NamedTuple):
    """Lines under the checkpoint of 15 entries, and which keys are pinned as the log's."""

    lines: tuple[NoteSignature, ...]
    keys: tuple[NoteKey, ...]


A, B = NoteSigner(KEY_15), NoteSigner(KEY_15)
A6 = NoteSigner(KEY_15, ML_DSA)
STRANGER = NoteSigner("other.example")


def _good(signer: NoteSigner) -> NoteSignature:
    return signer.sign(TEXT)


def _bad(signer: NoteSigner) -> NoteSignature:
    return signer.sign(TEXT.replace("15", "16"))


RENAMED = _good(A)._replace(name="x")
SIGNED = rows(
    ("N8 bad alone", Case((_bad(A),), (A.key,)), "bad-signature"),
    ("N8 bad before good", Case((_bad(A), _good(B)), (A.key, B.key)), "bad-signature"),
    ("N8 bad after good", Case((_good(A), _bad(B)), (A.key, B.key)), "bad-signature"),
    ("N8 bad and good by one key", Case((_good(A), _bad(A)), (A.key,)), "bad-signature"),
    ("N8 bad post-quantum line", Case((_good(A), _bad(A6)), (A.key, A6.key)), "bad-signature"),
    ("N9 unknown key beside", Case((_bad(STRANGER), _good(A)), (A.key,)), "yes"),
    ("N9 only an unknown key", Case((_good(STRANGER),), (A.key,)), "untrusted-log"),
    ("N9 same name, other id", Case((_bad(B), _good(A)), (A.key,)), "yes"),
    ("N9 same id, other name", Case((RENAMED, _good(A)), (A.key,)), "yes"),
    ("N9 only same id, other name", Case((RENAMED,), (A.key,)), "untrusted-log"),
    ("N11 one line 64 times", Case((_good(A),) * 64, (A.key,)), "yes"),
    ("N19 two keys of one origin", Case((_good(A), _good(B)), (A.key, B.key)), "yes"),
    ("N19 both kinds of one origin", Case((_good(A), _good(A6)), (A.key, A6.key)), "yes"),
    ("N19 other key id", Case((_good(A)._replace(key_id=b"\0\0\0\0"),), (A.key,)), "untrusted-log"),
    ("N19 no signature of the log", Case((_good(B),), (A.key,)), "untrusted-log"),
)  # fmt: skip


@pytest.mark.parametrize(("case", "expected"), SIGNED)
def test_signed(case: Case, expected: str) -> None:
    """
    Unknown lines mean nothing, known lines must verify, and each key counts once.
    """
    note = Note.parse(str(Note(TEXT, case.lines)))

    assert expected == verdict(lambda: notes.verify(note, case.keys))
    if expected == "yes":
        signed = notes.verify(note, case.keys)
        assert len(signed) == len(set(signed))


def _policy_of(keys: list[NoteSigner]) -> str:
    return "".join(f"witness w{i} {w.key}\n" for i, w in enumerate(keys)) + "quorum none\n"


def _trusting(logs: list[NoteSigner], quorum: str = "quorum none\n") -> Callable[[], object]:
    rows_ = [
        {"origin": log.key.name, "checkpoint_key": b64encode(log.key.public.spki)} for log in logs
    ]
    return lambda: parse(DOCUMENT | {"logs": rows_, "witnesses": quorum})


def _policies(logs: list[NoteSigner], quorum: str = "quorum none\n") -> Callable[[], object]:
    lines = "".join(f"log {log.key}\n" for log in logs)
    return lambda: TlogPolicy.parse(lines + quorum)


def _seeded(name: str, kind: int) -> NoteSigner:
    return NoteSigner(name, kind, bytes(32))


LOADED = rows(
    ("N10 two log keys of one id", lambda make: make(twins(ED25519)), "ambiguous-key"),
    (
        "N10 two witnesses of one id",
        lambda make: make([LOG], _policy_of(twins(COSIGNATURE))),
        "ambiguous-key",
    ),
    ("N12 log key as witness", lambda make: make([A6], _policy_of([A6])), "malformed"),
    (
        "N12 Ed25519 log key as witness",
        lambda make: make([_seeded(ORIGIN, ED25519)], _policy_of([_seeded("w", COSIGNATURE)])),
        "malformed",
    ),
    (
        "N12 witness called like a log",
        lambda make: make([LOG], _policy_of([NoteSigner(ORIGIN, ML_DSA)])),
        "malformed",
    ),
    (
        "N13 two logs with one key",
        lambda make: make([_seeded("one.example", ED25519), _seeded("two.example", ED25519)]),
        "malformed",
    ),
    (
        "N13 two logs with one post-quantum key",
        lambda make: make([_seeded("one.example", ML_DSA), _seeded("two.example", ML_DSA)]),
        "malformed",
    ),
    ("N14 one origin and key twice", lambda make: make([LOG, LOG]), "malformed"),
    ("N14 one origin with two keys", lambda make: make([LOG, NoteSigner(ORIGIN)]), "yes"),
    (
        "N20 one witness key under two names",
        lambda make: make(
            [LOG], _policy_of([_seeded("one", COSIGNATURE), _seeded("two", COSIGNATURE)])
        ),
        "malformed",
    ),
    (
        "N20 one post-quantum witness key under two names",
        lambda make: make([LOG], _policy_of([_seeded("one", ML_DSA), _seeded("two", ML_DSA)])),
        "malformed",
    ),
)


@pytest.mark.parametrize("make", [_trusting, _policies], ids=["trust file", "policy"])
@pytest.mark.parametrize(("load", "expected"), LOADED)
def test_loaded(
    load: Callable[[object], Callable[[], object]], make: object, expected: str
) -> None:
    """
    A key, an id or a name that could be read as two is refused when it is pinned.
    """
    assert expected == verdict(load(make))


def test_ambiguous_logs_of_a_policy_and_their_lines() -> None:
    """
    N10: the two keys differ and really have one id; each alone can be pinned.
    """
    for kind in TWINS:
        one, two = twins(kind)
        assert one.key.public != two.key.public
        assert (one.key.name, one.key.key_id) == (two.key.name, two.key.key_id)
        notes.refuse_ambiguous([one.key, one.key])
        keys = [one.key, two.key]
        refused("ambiguous-key", lambda keys=keys: notes.refuse_ambiguous(keys))


def _roles(world: World, log: NoteSigner, witness: NoteSigner) -> None:
    """Pin `log` as the only log key and `witness` as the only, required witness."""
    world.logs = (TrustedLog(ORIGIN, log.key),)
    world.quorum = policy(1, [witness])


def test_ambiguous_witnesses_alone() -> None:
    """
    N10: a policy of witnesses is refused for it too, without any log beside.
    """
    refused("ambiguous-key", lambda: Quorum.parse(_policy_of(twins(COSIGNATURE))))


@pytest.mark.parametrize("kind", [COSIGNATURE, ML_DSA])
@pytest.mark.parametrize("which", ["both", "log alone", "witness alone"])
def test_roles(which: str, kind: int) -> None:
    """
    N12: a log's line of kind 6 is the log's word and a witness's is the witness's, never both.
    """
    world = World(log=NoteSigner(ORIGIN, ML_DSA))
    (witness,) = witnesses(1, kind)
    _roles(world, world.log, witness)
    text = str(world.checkpoint)
    signed, expected = {
        "both": ((world.log, witness), "yes"),
        "log alone": ((world.log,), "witness-quorum"),
        "witness alone": ((witness,), "untrusted-log"),
    }[which]
    note = Note(text, tuple(signer.sign(text) for signer in signed))

    assert expected == verdict(lambda: world.trust.tlog_policy().verify(note))


def test_log_signature_as_cosignature() -> None:
    """
    N12: a log that signs under a witness's name and id is found out, and so is the reverse.
    """
    (witness,) = witnesses(1, ML_DSA)
    log = NoteSigner(ORIGIN, ML_DSA)
    world = World(log=log)
    _roles(world, log, witness)
    text = str(world.checkpoint)
    as_witness = witness.line(log.sign(text).signature)
    as_log = log.line(witness.sign(text).signature)
    judge = world.trust.tlog_policy()

    for lines in ((log.sign(text), as_witness), (as_log, witness.sign(text))):
        refused("bad-signature", lambda lines=lines: judge.verify(Note(text, lines)))


@pytest.mark.parametrize(
    ("kind", "other"),
    [(ED25519, COSIGNATURE), (COSIGNATURE, ED25519)],
    ids=["log as witness", "witness as log"],
)
def test_kind_is_part_of_the_identity(kind: int, other: int) -> None:
    """
    N12: one secret under one name makes another key of each kind, with another id.
    """
    signer, taken = _seeded("one.example", kind), _seeded("one.example", other)
    note = Note(TEXT, (signer.sign(TEXT),))

    assert signer.key.key_id != taken.key.key_id
    refused("untrusted-log", lambda: notes.verify(note, [taken.key]))


@pytest.mark.parametrize(
    ("origin", "expected"),
    rows(
        ("N13 another trusted log", "other.example", "untrusted-log"),
        ("N13 a log that nobody trusts", "third.example", "untrusted-log"),
        ("N14 Cyrillic look-alike", "l\u0435dger.example", "untrusted-log"),
        ("N14 upper case", "LEDGER.example", "untrusted-log"),
        ("N14 slash at the end", "ledger.example/", "untrusted-log"),
        ("N14 the origin itself", ORIGIN, "yes"),
    ),
)
def test_origins(origin: str, expected: str) -> None:
    """
    The log that signed must be pinned for exactly the origin that the checkpoint names.
    """
    world = World(origin=origin)
    world.logs = (*world.logs, TrustedLog("other.example", NoteSigner("other.example").key))

    assert expected == verdict(world.verify)


@pytest.mark.parametrize(
    ("time", "expected"),
    rows(
        ("N20 time 0", 0, "bad-signature"),
        ("N20 time 1", 1, "yes"),
        ("N20 time 2**63 - 1", 2**63 - 1, "yes"),
        ("N20 time 2**63", 2**63, "bad-signature"),
        ("N20 time 2**64 - 1", 2**64 - 1, "bad-signature"),
        # Offline, nobody knows the time better: who has a clock asks `time_of`.
        ("N20 in an hour", NOW + 3600, "yes"),
    ),
)
@pytest.mark.parametrize("kind", [COSIGNATURE, ML_DSA], ids=["ed25519", "ml-dsa-44"])
def test_times(kind: int, time: int, expected: str) -> None:
    """
    A witness that states no time, or none that 63 bits hold, spoils the checkpoint.
    """
    everyone = witnesses(1, kind)
    world = World(quorum=policy(1, everyone))
    world.lines = (everyone[0].sign(str(world.checkpoint), time),)

    assert expected == verdict(world.verify)


@pytest.mark.parametrize("kind", [COSIGNATURE, ML_DSA], ids=["ed25519", "ml-dsa-44"])
def test_extension_line(kind: int) -> None:
    """
    N20, N21: a line more under the root makes it no checkpoint, cosigned or not.
    """
    (witness,) = witnesses(1, kind)
    log = NoteSigner(KEY_15)
    judge = TlogPolicy.parse(f"log {log.key}\nwitness w {witness.key}\nquorum w\n")
    good = Note(TEXT, (log.sign(TEXT), witness.sign(TEXT)))
    longer = f"{TEXT}valid until 2030\n"
    lines = (log.sign(longer), good.signatures[1])

    assert ("w",) == judge.verify(good).witnesses
    refused("malformed", lambda: judge.verify(Note(longer, lines)))


@pytest.mark.parametrize(
    ("kind", "code"),
    rows(("N20 Ed25519", COSIGNATURE, "yes"), ("N20 ML-DSA-44", ML_DSA, "bad-signature")),
)
def test_cosignature_under_another_name(kind: int, code: str) -> None:
    """
    Only the post-quantum kind signs the witness's name; so one key has one name in a policy.
    """
    one, two = (NoteSigner(name, kind, bytes(32)) for name in ("one", "two"))
    line = two.line(one.sign(TEXT).signature)

    assert code == verdict(lambda: notes.verify(Note(TEXT, (line,)), [two.key]))
    text = f"witness a {one.key}\nwitness b {two.key}\nquorum a\n"
    refused("malformed", lambda: Quorum.parse(text))


PQ = str(NoteSigner("w.example", ML_DSA, bytes(32)).key)
PQ_NAME, PQ_ID, PQ_MATERIAL = PQ.split("+", 2)


def _pq(material: bytes, kind: int = ML_DSA) -> str:
    """Return a verifier key with a wrong id: what is in it is judged first."""
    return f"w+{PQ_ID}+{b64encode(bytes([kind]) + material)}"


VKEYS = rows(
    ("N22 post-quantum", PQ, "yes"),
    ("N22 wrong hash", f"{PQ_NAME}+{'0' * 8}+{PQ_MATERIAL}", "malformed"),
    ("N22 upper-case hash", f"{PQ_NAME}+{'ABCDEF01'}+{PQ_MATERIAL}", "malformed"),
    ("N22 short hash", f"{PQ_NAME}+{PQ_ID[:-1]}+{PQ_MATERIAL}", "malformed"),
    ("N22 other name", f"x{PQ}", "malformed"),
    ("N22 one byte less", _pq(bytes(1311)), "unsupported-key"),
    ("N22 one byte more", _pq(bytes(1313)), "unsupported-key"),
    ("N22 32 bytes", _pq(bytes(32)), "unsupported-key"),
    ("N22 zeros", _pq(bytes(1312)), "weak-key"),
    ("N22 kind 5", _pq(bytes(32), 5), "unsupported-key"),
    ("N22 kind 255", _pq(bytes(32), 255), "unsupported-key"),
    ("N22 two parts", f"{PQ_NAME}+{PQ_ID}", "malformed"),
    ("N22 four parts", f"{PQ}+x", "bad-base64"),
    ("N22 newline", f"{PQ}\n", "bad-base64"),
    ("N22 too long", f"w+{PQ_ID}+{'A' * 2 * limits.KEY}", "malformed"),
)  # fmt: skip


@pytest.mark.parametrize(("vkey", "expected"), VKEYS)
def test_verifier_keys(vkey: str, expected: str) -> None:
    """
    A verifier key has one spelling, in which its id is the hash of the rest.
    """
    assert expected == verdict(lambda: NoteKey.parse(vkey))
    if expected == "yes":
        assert vkey == str(NoteKey.parse(vkey))


@pytest.mark.parametrize("kind", [ED25519, ECDSA])
def test_witnesses_have_cosigning_keys(kind: int) -> None:
    """
    N22: a key whose kind is a log's alone is no witness's, in either sort of file.
    """
    vkey = {ED25519: examples.LOG_VKEY, ECDSA: examples.ECDSA_VKEY}[kind]
    text = f"witness w {vkey}\nquorum w\n"

    refused("malformed", lambda: Quorum.parse(text))
    refused("malformed", lambda: TlogPolicy.parse(text))


def test_logs_have_signing_keys() -> None:
    """
    N22: a key of kind 4 is a witness's alone.
    """
    text = f"log {WITNESSES[0].key}\nquorum none\n"

    refused("malformed", lambda: TlogPolicy.parse(text))


GOOD = examples.TLOG_PROOF
FILES = rows(
    ("N23 no header", GOOD.partition("\n")[2], "malformed"),
    ("N23 header twice", f"{HEADER}\n{GOOD}", "malformed"),
    ("N23 extra twice", GOOD.replace("index", "extra eA==\nextra eA==\nindex"), "malformed"),
    ("N23 index 07", GOOD.replace("index 7", "index 07"), "bad-integer"),
    ("N23 hash of 31 bytes", GOOD.replace("2Q0P5jSR+Tdk", "2Q0P5jSR+T"), "bad-base64"),
    ("N23 no hash line", GOOD.replace("2Q0P5j", "!"), "bad-base64"),
    ("N23 checkpoint of 16", GOOD.replace("\n15\n", "\n16\n"), "bad-signature"),
    ("N23 other root", GOOD.replace("rKbDip", "sKbDip"), "bad-signature"),
    ("N23 other index", GOOD.replace("index 7", "index 6"), "not-included"),
    ("N23 line of the log dropped", GOOD.replace(LINE, ""), "untrusted-log"),
    ("N23 line of the witness dropped", GOOD.replace(examples.COSIGNER_LINE, ""), "witness-quorum"),
    ("N23 extra", GOOD.replace("index", "extra eA==\nindex"), "yes"),
    ("N23 as published", GOOD, "yes"),
)


@pytest.mark.parametrize(("text", "expected"), FILES)
def test_proof_files(text: str, expected: str) -> None:
    """
    A proof file convinces only as it was made; what stands under `extra` changes nothing.
    """
    # Log and witness have one key in the published file, which no policy of ours may say.
    quorum = Quorum.parse(f"witness w {examples.COSIGNER_VKEY}\nquorum w\n")
    judge = TlogPolicy(((NoteKey.parse(examples.LOG_VKEY), ""),), quorum)
    leaf = hash_leaf(examples.LOG_ENTRIES[7])

    assert expected == verdict(lambda: TlogProof.parse(text).judge(leaf, judge))
