"""Verifier keys and proof files, as somebody wrote them: rows N22 and N23."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.verifier import examples
from tests.verifier.catalogue.case import Case
from tests.verifier.making import NoteSigner
from verifier import limits
from verifier._strict import b64encode
from verifier.merkle import hash_leaf
from verifier.note import COSIGNATURE, ECDSA, ED25519, ML_DSA, NoteKey
from verifier.proof import TlogProof
from verifier.quorum import Quorum
from verifier.tlogpolicy import TlogPolicy

PQ = str(NoteSigner("w.example", ML_DSA, bytes(32)).key)
PQ_NAME, PQ_ID, PQ_MATERIAL = PQ.split("+", 2)


def vkey(name: str, text: str, code: str) -> Case:
    """Read a verifier key; what is read prints as it was."""

    def judge() -> None:
        assert text == str(NoteKey.parse(text))

    return Case("N22", name, judge, code)


def _material(material: bytes, kind: int = ML_DSA) -> str:
    """Return a verifier key with a wrong id: what is in it is judged first."""
    return f"w+{PQ_ID}+{b64encode(bytes([kind]) + material)}"


KEYS = (
    vkey("post-quantum", PQ, "yes"),
    vkey("as published", examples.LOG_VKEY, "yes"),
    vkey("nothing", "", "malformed"),
    vkey("wrong hash", f"{PQ_NAME}+{'0' * 8}+{PQ_MATERIAL}", "malformed"),
    vkey("upper-case hash", f"{PQ_NAME}+{'ABCDEF01'}+{PQ_MATERIAL}", "malformed"),
    vkey("short hash", f"{PQ_NAME}+{PQ_ID[:-1]}+{PQ_MATERIAL}", "malformed"),
    vkey("space in the hash", f"{PQ_NAME}+ {PQ_ID[1:]}+{PQ_MATERIAL}", "malformed"),
    vkey("other name", f"x{PQ}", "malformed"),
    vkey("no name", f"+{PQ_ID}+{PQ_MATERIAL}", "malformed"),
    vkey("space in the name", f"w x+{PQ_ID}+{PQ_MATERIAL}", "malformed"),
    vkey("one byte less", _material(bytes(1311)), "unsupported-key"),
    vkey("one byte more", _material(bytes(1313)), "unsupported-key"),
    vkey("32 bytes", _material(bytes(32)), "unsupported-key"),
    vkey("Ed25519 of 31 bytes", _material(bytes(31), ED25519), "unsupported-key"),
    vkey("Ed25519 of 33 bytes", _material(bytes(33), COSIGNATURE), "unsupported-key"),
    vkey("Ed25519 of order 4", _material(bytes(32), ED25519), "weak-key"),
    vkey("witness of order 4", _material(bytes(32), COSIGNATURE), "weak-key"),
    vkey("post-quantum zeros", _material(bytes(1312)), "weak-key"),
    vkey("no kind", f"w+{PQ_ID}+", "unsupported-key"),
    *(vkey(f"kind {i}", _material(bytes(32), i), "unsupported-key") for i in (0, 3, 5, 7, 255)),
    vkey("two parts", f"{PQ_NAME}+{PQ_ID}", "malformed"),
    vkey("four parts", f"{PQ}+x", "bad-base64"),
    vkey("url-safe", PQ.replace(PQ_MATERIAL, "__8="), "bad-base64"),
    vkey("newline", f"{PQ}\n", "bad-base64"),
    vkey("too long", f"w+{PQ_ID}+{'A' * 2 * limits.KEY}", "malformed"),
    *(
        Case("N22", f"kind {kind} as a witness, in a {where}", partial(read, text), "malformed")
        for kind, key in ((ED25519, examples.LOG_VKEY), (ECDSA, examples.ECDSA_VKEY))
        for where, read in (("quorum", Quorum.parse), ("policy", TlogPolicy.parse))
        for text in (f"witness w {key}\nquorum w\n",)
    ),
    Case("N22", "kind 4 as a log",
         partial(TlogPolicy.parse, f"log {examples.COSIGNER_VKEY}\nquorum none\n"), "malformed"),
)  # fmt: skip

HEADER, GOOD = "c2sp.org/tlog-proof@v1", examples.TLOG_PROOF
# Log and witness have one key in the published file, which no policy of ours may say.
JUDGE = TlogPolicy(
    ((NoteKey.parse(examples.LOG_VKEY), ""),),
    Quorum.parse(f"witness w {examples.COSIGNER_VKEY}\nquorum w\n"),
)
LEAF = hash_leaf(examples.LOG_ENTRIES[7])


def file(name: str, text: str, code: str) -> Case:
    """Ask what a proof file says of entry 7."""
    return Case("N23", name, lambda: TlogProof.parse(text).judge(LEAF, JUDGE), code)


FILES = (
    file("no header", GOOD.partition("\n")[2], "malformed"),
    file("header twice", f"{HEADER}\n{GOOD}", "malformed"),
    file("header of version 2", GOOD.replace("@v1", "@v2"), "malformed"),
    file("nothing", "", "malformed"),
    file("no index", GOOD.replace("index 7\n", ""), "malformed"),
    file("extra twice", GOOD.replace("index", "extra eA==\nextra eA==\nindex"), "malformed"),
    file("extra after the index", GOOD.replace("7\n", "7\nextra eA==\n", 1), "bad-base64"),
    file("extra not canonical", GOOD.replace("index", "extra eB==\nindex"), "bad-base64"),
    file("index 07", GOOD.replace("index 7", "index 07"), "bad-integer"),
    file("index +7", GOOD.replace("index 7", "index +7"), "bad-integer"),
    file("index 2**63", GOOD.replace("index 7", f"index {2**63}"), "bad-integer"),
    file("index beyond the tree", GOOD.replace("index 7", "index 15"), "malformed"),
    file("hash of 31 bytes", GOOD.replace("2Q0P5jSR+Tdk", "2Q0P5jSR+T"), "bad-base64"),
    file("no hash line", GOOD.replace("2Q0P5j", "!"), "bad-base64"),
    file("a hash less", GOOD.replace(f"{examples.PATH_7_OF_15[3]}\n", ""), "malformed"),
    file("two hashes swapped", GOOD.replace(
        "\n".join(examples.PATH_7_OF_15[:2]), "\n".join(examples.PATH_7_OF_15[1::-1])
    ), "not-included"),
    file("checkpoint of 16", GOOD.replace("\n15\n", "\n16\n"), "bad-signature"),
    file("other root", GOOD.replace("rKbDip", "sKbDip"), "bad-signature"),
    file("other index", GOOD.replace("index 7", "index 6"), "not-included"),
    file("line of the log dropped", GOOD.replace(examples.LOG_LINE, ""), "untrusted-log"),
    file("line of the witness dropped", GOOD.replace(examples.COSIGNER_LINE, ""), "witness-quorum"),
    file("no checkpoint", GOOD.partition("\n\n")[0] + "\n\n", "malformed"),
    file("over 256 KiB", GOOD.replace("index", f"extra {'A' * limits.NOTE}\nindex"), "over-limit"),
    file("extra", GOOD.replace("index", "extra eA==\nindex"), "yes"),
    file("as published", GOOD, "yes"),
)  # fmt: skip


def cases() -> Iterator[Case]:
    """Return the cases of this module."""
    yield from (*KEYS, *FILES)
