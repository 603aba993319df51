"""Checkpoints: the test log of Tessera, all its sizes, and what is no checkpoint."""

from __future__ import annotations

import base64

import pytest

from tests.verifier import examples, twin
from tests.verifier.making import NoteSigner, refused, rows
from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.merkle import EMPTY_ROOT, Hash, verify_consistency
from verifier.note import COSIGNATURE, Note, NoteKey

ENTRIES = examples.LOG_ENTRIES
ORIGIN = "example.com/log/testdata"
ROOT = examples.LOG_ROOTS[15]
EMPTY = examples.LOG_ROOTS[0]
MORE = "more\n"
NAME, KEY_ID, SECRET = examples.LOG_SKEY.removeprefix("PRIVATE+KEY+").split("+", 2)
SEED = base64.b64decode(SECRET)[1:]


@pytest.mark.parametrize("size", range(16))
def test_published_checkpoints(size: int) -> None:
    """
    Each checkpoint of the test log has the published root, parses, and verifies under its key.
    """
    key = NoteKey.parse(examples.LOG_VKEY)
    log = NoteSigner(NAME, seed=SEED)
    text = f"{ORIGIN}\n{size}\n{examples.LOG_ROOTS[size]}\n"
    checkpoint = Checkpoint(ORIGIN, size, Hash(twin.root(ENTRIES[:size])))
    note = str(Note(text, (log.sign(text),)))

    assert text == str(checkpoint)
    assert checkpoint == Checkpoint.parse(text)
    assert (key,) == notes.verify(Note.parse(note), [key])


def test_published_signatures() -> None:
    """
    From the published seed our notes come out with the published signatures.
    """
    log = NoteSigner(NAME, seed=SEED)
    witness = NoteSigner("example.com/witness", COSIGNATURE, seed=SEED)
    text = examples.CHECKPOINT
    note = Note(text, (log.sign(text), witness.sign(text, 1_700_000_000)))
    expected = [KEY_ID, examples.LOG_VKEY, examples.COSIGNER_VKEY, examples.COSIGNED]

    assert expected == [log.key.key_id.hex(), str(log.key), str(witness.key), str(note)]


@pytest.mark.parametrize(("old", "path"), [(6, examples.PATH_6_TO_15), (8, examples.PATH_8_TO_15)])
def test_published_consistency(old: int, path: tuple[str, ...]) -> None:
    """
    The published consistency proofs to size 15 are the twin's, and lead there.
    """
    hashes = tuple(Hash(base64.b64decode(text)) for text in path)
    roots = [Hash(base64.b64decode(text)) for text in examples.LOG_ROOTS]

    assert hashes == twin.consistency(old, ENTRIES)
    verify_consistency(old, 15, hashes, roots[old], roots[15])


@pytest.mark.parametrize(
    ("text", "code"),
    rows(
        # N14: the origin.
        ("no origin", f"\n15\n{ROOT}\n", "malformed"),
        ("space in the origin", f"a b\n15\n{ROOT}\n", "malformed"),
        ("space after the origin", f"{ORIGIN} \n15\n{ROOT}\n", "malformed"),
        ("wide space in the origin", f"a\u2003b\n15\n{ROOT}\n", "malformed"),
        ("plus in the origin", f"a+b\n15\n{ROOT}\n", "malformed"),
        ("surrogate in the origin", f"a\ud800b\n15\n{ROOT}\n", "malformed"),
        ("long origin", f"{'x' * 256}\n15\n{ROOT}\n", "malformed"),
        # N15: the size.
        *(
            (f"size {size!r}", f"{ORIGIN}\n{size}\n{ROOT}\n", "bad-integer")
            for size in (
                *("", "015", "00", "+15", "-1", "-0", "1_5", " 15", "15 ", "15\r", "0xf", "15.0"),
                *(
                    "1e1",
                    "\uff11\uff15",
                    "\u0661\u0665",
                    "\u00b2",
                    str(2**63),
                    str(2**64),
                    "9" * 99,
                ),
            )
        ),
        # N16: the root.
        ("no root", f"{ORIGIN}\n15\n\n", "bad-base64"),
        ("31 bytes of root", f"{ORIGIN}\n15\n{'A' * 41}A==\n", "bad-base64"),
        ("33 bytes of root", f"{ORIGIN}\n15\n{'A' * 44}\n", "bad-base64"),
        ("url-safe root", f"{ORIGIN}\n15\n{ROOT.replace('/', '_')}\n", "bad-base64"),
        ("space after the root", f"{ORIGIN}\n15\n{ROOT} \n", "bad-base64"),
        ("spare bits in the root", f"{ORIGIN}\n15\n{ROOT[:-2]}t=\n", "bad-base64"),
        # N17: the empty tree.
        ("empty tree with a root", f"{ORIGIN}\n0\n{ROOT}\n", "malformed"),
        # N18: the lines.
        ("nothing", "", "malformed"),
        ("two lines", f"{ORIGIN}\n15\n", "malformed"),
        ("no newline at the end", f"{ORIGIN}\n15\n{ROOT}", "malformed"),
        ("empty extension line", f"{ORIGIN}\n15\n{ROOT}\n\n", "malformed"),
        ("extension line", f"{ORIGIN}\n15\n{ROOT}\nmore\n", "malformed"),
        ("1,000 extension lines", f"{ORIGIN}\n15\n{ROOT}\n{1000 * MORE}", "malformed"),
        ("signature as an extension", f"{ORIGIN}\n15\n{ROOT}\n{examples.LOG_LINE}", "malformed"),
        ("carriage returns", f"{ORIGIN}\r\n15\r\n{ROOT}\r\n", "malformed"),
        ("origin not first", f"15\n{ORIGIN}\n{ROOT}\n", "bad-integer"),
    ),
)
def test_malformed(text: str, code: str) -> None:
    """
    A checkpoint of any other form is refused, with the line that is wrong in the code.
    """
    refused(code, lambda: Checkpoint.parse(text))


@pytest.mark.parametrize("size", [1, 255, 256, 2**32, 2**63 - 1])
def test_sizes(size: int) -> None:
    """
    Every size below 2**63 has its one spelling, and any root but the empty one may stand there.
    """
    text = f"{ORIGIN}\n{size}\n{ROOT}\n"

    assert text == str(Checkpoint.parse(text))


def test_empty_tree() -> None:
    """
    A tree of no entries has the root that is the hash of nothing.
    """
    text = f"{ORIGIN}\n0\n{EMPTY}\n"

    assert Checkpoint(ORIGIN, 0, EMPTY_ROOT) == Checkpoint.parse(text)
