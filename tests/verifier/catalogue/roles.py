"""Whose word a line is: rows N10, N12 to N14, N20 and N21.

Who is a log and who is a witness, the trust file alone decides; so half of these are
files that let one key, name or id be read as two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from tests.verifier import examples
from tests.verifier.catalogue.case import Case
from tests.verifier.making import NOW, ORIGIN, NoteSigner, Signer, World, policy
from tests.verifier.paths import put
from tests.verifier.pinned import DOCUMENT, LOG, parse
from verifier._strict import b64encode
from verifier.note import COSIGNATURE, ED25519, ML_DSA, Note, NoteSignature
from verifier.quorum import Quorum
from verifier.tlogpolicy import TlogPolicy
from verifier.trust.listed import TrustedLog

TEXT = examples.CHECKPOINT
KINDS = {"Ed25519": COSIGNATURE, "ML-DSA-44": ML_DSA}

# Found by trying seeds one by one: two keys each whose ids are the same 4 bytes.
TWINS = {ED25519: (14492, 130511), COSIGNATURE: (4331, 16378)}


def twins(kind: int) -> list[NoteSigner]:
    """Return two signers that no signature line tells apart."""
    return [NoteSigner("one.example", kind, seed.to_bytes(32, "big")) for seed in TWINS[kind]]


def seeded(name: str, kind: int) -> NoteSigner:
    """Return the signer `name` whose secret is zeros, in the given kind."""
    return NoteSigner(name, kind, bytes(32))


def witness_lines(known: Sequence[NoteSigner]) -> str:
    """Return a policy that knows these witnesses and needs none."""
    return "".join(f"witness w{i} {w.key}\n" for i, w in enumerate(known)) + "quorum none\n"


def _in_trust_file(logs: Sequence[NoteSigner], known: Sequence[NoteSigner]) -> object:
    rows: list[Any] = [
        {"origin": log.key.name, "checkpoint_key": b64encode(log.key.public.spki)} for log in logs
    ]
    return parse(DOCUMENT | {"logs": rows, "witnesses": witness_lines(known)})


def _in_policy(logs: Sequence[NoteSigner], known: Sequence[NoteSigner]) -> object:
    lines = "".join(f"log {log.key}\n" for log in logs)
    return TlogPolicy.parse(lines + witness_lines(known))


def loaded(
    row: str, name: str, logs: Sequence[NoteSigner], known: Sequence[NoteSigner], code: str
) -> tuple[Case, ...]:
    """Pin these logs and witnesses, in a trust file and in a policy."""
    ways = {"trust file": _in_trust_file, "policy": _in_policy}
    return tuple(
        Case(row, f"{name}, in a {where}", partial(load, logs, known), code)
        for where, load in ways.items()
    )


PQ_LOG = NoteSigner(ORIGIN, ML_DSA)
LOADED = (
    *loaded("N10", "two log keys of one id", twins(ED25519), (), "ambiguous-key"),
    *loaded("N10", "two witnesses of one id", [LOG], twins(COSIGNATURE), "ambiguous-key"),
    *loaded("N12", "log key as witness", [PQ_LOG], [PQ_LOG], "malformed"),
    *loaded(
        "N12",
        "Ed25519 log key as witness",
        [seeded(ORIGIN, ED25519)],
        [seeded("w", COSIGNATURE)],
        "malformed",
    ),
    *loaded(
        "N12", "witness called like a log", [LOG], [NoteSigner(ORIGIN, COSIGNATURE)], "malformed"
    ),
    *loaded("N12", "post-quantum, called like a log", [LOG], [PQ_LOG], "malformed"),
    *(
        case
        for kind, name in ((ED25519, "one key"), (ML_DSA, "one post-quantum key"))
        for case in loaded(
            "N13",
            f"two logs with {name}",
            [seeded("one.example", kind), seeded("two.example", kind)],
            (),
            "malformed",
        )
    ),
    *loaded("N14", "one origin and key twice", [LOG, LOG], (), "malformed"),
    *loaded("N14", "one origin with two keys", [LOG, NoteSigner(ORIGIN)], (), "yes"),
    *(
        case
        for name, kind in KINDS.items()
        for case in loaded(
            "N20",
            f"one {name} witness under two names",
            [LOG],
            [seeded("one", kind), seeded("two", kind)],
            "malformed",
        )
    ),
    *(
        Case("N14", f"origin {origin!r}, in a trust file",
             partial(_in_trust_file, [NoteSigner(origin)], ()), "malformed")
        for origin in ("", " ", "a b", "a+b", "a\u00a0", "a\n", "\t", "x" * 256)
    ),
    *(
        Case("N22", f"{kind} as a log's, in a trust file",
             partial(parse, put(DOCUMENT, ("logs", 0, "checkpoint_key"),
                                b64encode(Signer(kind).public.spki))), "unsupported-key")
        for kind in ("rsa-2048", "ecdsa-p384")
    ),
    Case("N10", "witnesses alone", lambda: Quorum.parse(witness_lines(twins(COSIGNATURE))),
         "ambiguous-key"),
)  # fmt: skip


Lines = Callable[[str], Sequence[NoteSignature]]


def judged(  # noqa: PLR0917  a row of the table
    row: str, name: str, log: NoteSigner, known: Sequence[NoteSigner], lines: Lines, code: str
) -> Case:
    """Ask about a bundle whose checkpoint has these lines, where one of `known` must have signed.

    `lines` makes them from the checkpoint.
    """
    world = World(log=log, quorum=policy(1, known))
    world.logs = (TrustedLog(ORIGIN, log.key), TrustedLog(ORIGIN, OTHER_LOG.key))
    world.log_id = OTHER_LOG.key.log_id  # for an ML-DSA-44 key has none that a bundle can name
    text = str(world.checkpoint)
    data = world.bundle._replace(note=str(Note(text, tuple(lines(text))))).json()
    judge = partial(world.verifier.verify, data, world.digest, world.repository)
    return Case(row, name, judge, code)


def by(*signers: NoteSigner) -> Lines:
    """Return how these sign a checkpoint, each as itself."""
    return lambda text: [signer.sign(text) for signer in signers]


def claimed(*lines: tuple[NoteSigner, NoteSigner]) -> Lines:
    """Return how the first of each pair signs in the name of the second."""
    return lambda text: [name.line(signer.sign(text).signature) for signer, name in lines]


OTHER_LOG, LOG_1 = NoteSigner(ORIGIN), NoteSigner(ORIGIN)
W_PQ = NoteSigner("w.example", ML_DSA)
ROLES = (
    *(
        judged("N12", f"{name} {which}", log, [witness], by(*signers), code)
        for name, log, witness in (
            ("Ed25519", LOG_1, NoteSigner("w.example", COSIGNATURE)),
            ("ML-DSA-44", PQ_LOG, W_PQ),
        )
        for which, signers, code in (
            ("log and witness", (log, witness), "yes"),
            ("log alone", (log, log), "witness-quorum"),
            ("witness alone", (witness, witness), "untrusted-log"),
        )
    ),
    judged("N12", "log's line as its witness's", PQ_LOG, [W_PQ],
           claimed((PQ_LOG, PQ_LOG), (PQ_LOG, W_PQ)), "bad-signature"),
    judged("N12", "witness's line as its log's", PQ_LOG, [W_PQ],
           claimed((W_PQ, PQ_LOG), (W_PQ, W_PQ)), "bad-signature"),
    # One secret makes a key of another id in each kind, even under one name.
    judged("N12", "cosignature by the log's secret", seeded(ORIGIN, ED25519), [W_PQ],
           by(seeded(ORIGIN, COSIGNATURE), W_PQ), "untrusted-log"),
    judged("N12", "note signature by a witness's secret", LOG_1, [seeded("w", COSIGNATURE)],
           by(LOG_1, seeded("w", ED25519)), "witness-quorum"),
)  # fmt: skip


def _cosigned(kind: int) -> list[Case]:
    one, other = (NoteSigner(f"{n}.example", kind) for n in ("one", "other"))
    name = "Ed25519" if kind == COSIGNATURE else "ML-DSA-44"
    known = [one, other]

    def at(time: int) -> Lines:
        return lambda text: [LOG_1.sign(text), one.sign(text, time)]

    def changed(text: str) -> Lines:
        return lambda good: [LOG_1.sign(good), one.sign(text or good.replace("7", "8"))]

    longer = f"{TEXT}valid until 2030\n"
    cut = one.sign(TEXT).signature[:-1]
    return [
        judged("N20", f"{name} time 0", LOG_1, known, at(0), "bad-signature"),
        judged("N20", f"{name} time 1", LOG_1, known, at(1), "yes"),
        judged("N20", f"{name} time 2**63 - 1", LOG_1, known, at(2**63 - 1), "yes"),
        judged("N20", f"{name} time 2**63", LOG_1, known, at(2**63), "bad-signature"),
        judged("N20", f"{name} time 2**64 - 1", LOG_1, known, at(2**64 - 1), "bad-signature"),
        # Nobody's clock decides here: freshness is the policy's, and it counts the other way.
        judged("N20", f"{name} in an hour", LOG_1, known, at(NOW + 3600), "yes"),
        judged("N20", f"{name} of another tree", LOG_1, known, changed(""), "bad-signature"),
        judged("N20", f"{name} of another log", LOG_1, known, changed(TEXT), "bad-signature"),
        judged("N20", f"{name} under a stranger's name", LOG_1, known,
               lambda t: [LOG_1.sign(t), one.sign(t)._replace(name="x")], "witness-quorum"),
        judged("N20", f"{name} under another witness's name", LOG_1, known,
               lambda t: [LOG_1.sign(t), other.line(one.sign(t).signature)], "bad-signature"),
        judged("N20", f"{name} cut by a byte", LOG_1, known,
               lambda t: [LOG_1.sign(t), one.line(cut)], "bad-signature"),
        Case("N21", f"{name} with a line more that only the log signed",
             partial(_policy(one).verify, Note(longer, (LOG_15.sign(longer), one.sign(TEXT)))),
             "malformed"),
        Case("N21", f"{name} of the three lines alone",
             partial(_policy(one).verify, Note(TEXT, (LOG_15.sign(TEXT), one.sign(TEXT)))),
             "yes"),
    ]  # fmt: skip


LOG_15 = NoteSigner("example.com/log/testdata")


def _policy(witness: NoteSigner) -> TlogPolicy:
    return TlogPolicy.parse(f"log {LOG_15.key}\nwitness w {witness.key}\nquorum w\n")


COSIGNED = (*_cosigned(COSIGNATURE), *_cosigned(ML_DSA))


def cases() -> Iterator[Case]:
    """Return the cases of this module."""
    yield from (*LOADED, *ROLES, *COSIGNED)
