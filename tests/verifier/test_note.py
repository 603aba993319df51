"""Signed notes: published examples, what has another form, and who counts as a signer."""

from __future__ import annotations

import pytest

from tests.verifier import examples
from tests.verifier.making import NoteSigner, refused, rows, witnesses
from verifier import limits
from verifier import note as notes
from verifier.note import COSIGNATURE, Note, NoteKey, NoteSignature

GOOD = examples.COSIGNED
TEXT = examples.CHECKPOINT
LINE = examples.LOG_LINE
BARE = LINE[:-1]  # without its newline


@pytest.mark.parametrize(
    ("note", "vkeys"),
    [
        pytest.param(examples.NOTE, [examples.NOTE_VKEY], id="ed25519"),
        pytest.param(examples.ECDSA_NOTE, [examples.ECDSA_VKEY], id="ecdsa"),
        pytest.param(GOOD, [examples.LOG_VKEY], id="log"),
        pytest.param(GOOD, [examples.COSIGNER_VKEY], id="witness"),
        pytest.param(GOOD, [examples.LOG_VKEY, examples.COSIGNER_VKEY], id="both"),
    ],
)
def test_published_notes(note: str, vkeys: list[str]) -> None:
    """
    Published notes parse, print to the same bytes, and verify under their published keys.
    """
    keys = tuple(NoteKey.parse(vkey) for vkey in vkeys)
    parsed = Note.parse(note)

    assert note == str(parsed)
    assert keys == notes.verify(parsed, keys)


@pytest.mark.parametrize("text", ["\n", "a\n\nb\n", "a\n\n", f"a\n\n{LINE}", "\u00e9\u2028\n"])
def test_text_ends_at_the_last_empty_line(text: str) -> None:
    """
    The text may hold empty lines, and lines that look like signatures; the last empty line ends it.
    """
    note = Note.parse(f"{text}\n{LINE}")

    assert (text, 1) == (note.text, len(note.signatures))


MALFORMED = rows(
    # N1, N2: the two parts.
    ("nothing", "", "malformed"),
    ("no signature", TEXT, "malformed"),
    ("no signature after the empty line", f"{TEXT}\n", "malformed"),
    ("no empty line", f"{TEXT}{LINE}", "malformed"),
    ("empty line after the signature", f"{TEXT}\n{LINE}\n", "malformed"),
    ("no text", f"\n{LINE}", "malformed"),
    ("text without newline", f"{TEXT[:-1]}\n{LINE}", "malformed"),
    ("signature without newline", f"{TEXT}\n{BARE}", "malformed"),
    # N3: bytes that no note holds.
    *(
        (f"control {c!r} in the text", f"a{c}b\n\n{LINE}", "malformed")
        for c in "\0\t\v\f\r\x1f\x7f"
    ),
    ("carriage returns", f"{TEXT}\n{LINE}".replace("\n", "\r\n"), "malformed"),
    ("lone surrogate", f"a\ud800\n\n{LINE}", "malformed"),
    # N4: the dash and the spaces.
    ("hyphen", f"a\n\n{LINE}".replace("\u2014", "-"), "malformed"),
    ("en dash", f"a\n\n{LINE}".replace("\u2014", "\u2013"), "malformed"),
    ("no dash", f"a\n\n{LINE[2:]}", "malformed"),
    ("no space after the dash", f"a\n\n{LINE}".replace("\u2014 ", "\u2014"), "malformed"),
    ("no-break space", f"a\n\n{LINE}".replace("\u2014 ", "\u2014\u00a0"), "malformed"),
    ("two spaces after the dash", f"a\n\n{LINE}".replace("\u2014 ", "\u2014  "), "bad-base64"),
    ("two spaces before the Base64", f"a\n\n{LINE}".replace(" M9", "  M9"), "bad-base64"),
    ("space at the end", f"a\n\n{BARE} \n", "bad-base64"),
    ("name and nothing", "a\n\n\u2014 example.com/log\n", "malformed"),
    # N5: the name.
    ("no name", "a\n\n\u2014  AAAAAAA=\n", "malformed"),
    *(
        (f"{c!r} in the name", f"a\n\n\u2014 x{c}y AAAAAAA=\n", "malformed")
        for c in "+\u0085\u00a0\u2003\u2028\u3000"
    ),
    ("name of 256 bytes", f"a\n\n\u2014 {'x' * 256} AAAAAAA=\n", "malformed"),
    # N6: the Base64.
    ("no Base64", "a\n\n\u2014 x \n", "malformed"),
    ("4 bytes", "a\n\n\u2014 x AAAAAA==\n", "malformed"),
    ("spare bits", "a\n\n\u2014 x AAAAAAB=\n", "bad-base64"),
    ("no padding", "a\n\n\u2014 x AAAAAAA\n", "bad-base64"),
    ("junk after the padding", "a\n\n\u2014 x AAAAAAA=x\n", "bad-base64"),
    ("url-safe alphabet", "a\n\n\u2014 x ____________\n", "bad-base64"),
    # N7: the limits.
    ("65 signatures", f"a\n\n{LINE * 65}", "over-limit"),
    ("1,500 signatures", f"a\n\n{LINE * 1500}", "over-limit"),
    ("a long signature", f"a\n\n\u2014 x {'AAAA' * 2731}\n", "over-limit"),
    ("a long note", f"{'a' * limits.NOTE}\n\n{LINE}", "over-limit"),
)


@pytest.mark.parametrize(("note", "code"), MALFORMED)
def test_malformed(note: str, code: str) -> None:
    """
    A note of any other form is refused, before any signature is looked at.
    """
    refused(code, lambda: Note.parse(note))


@pytest.mark.parametrize("count", [1, 16, 17, limits.NOTE_SIGNATURES])
def test_many_signatures(count: int) -> None:
    """
    As many signatures as C2SP demands are read, and up to our limit.
    """
    assert count == len(Note.parse(f"a\n\n{LINE * count}").signatures)


class Signed:
    """A text, a log that may sign it, and a key of somebody else."""

    def __init__(self) -> None:
        self.log, self.other = NoteSigner("log.example"), NoteSigner("other.example")
        self.good = self.log.sign("text\n")

    def verify(self, *lines: NoteSignature) -> tuple[NoteKey, ...]:
        return notes.verify(Note("text\n", lines), [self.log.key])


def test_unknown_signatures_are_ignored() -> None:
    """
    Lines of keys that are not pinned change nothing, whatever they hold.
    """
    case = Signed()
    name, key_id = case.log.key.name, case.log.key.key_id
    junk = (
        case.other.sign("text\n"),
        NoteSignature(name, b"\0\0\0\0", b"\0" * 64),
        NoteSignature("other.example", key_id, b"\0" * 64),
    )

    assert (case.log.key,) == case.verify(*junk, case.good)


def test_repeated_signature_counts_once() -> None:
    """
    A signer is one signer, however often it signed, and at however many times.
    """
    case = Signed()
    (witness,) = witnesses(1)
    note = Note("text\n", (witness.sign("text\n", 1), witness.sign("text\n", 2)))

    assert (case.log.key,) == case.verify(case.good, case.good)
    assert (witness.key,) == notes.verify(note, [witness.key])


def test_bad_signature_beside_a_good_one() -> None:
    """
    One failing line of a pinned key condemns the note, in whatever order.
    """
    case = Signed()
    bad = case.log.sign("other text\n")

    refused("bad-signature", lambda: case.verify(case.good, bad))
    refused("bad-signature", lambda: case.verify(bad, case.good))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_nobody_known(count: int) -> None:
    """
    A note that no pinned key signed is not to be trusted, and the message says who did sign.
    """
    case = Signed()
    refusal = refused("untrusted-log", lambda: case.verify(*[case.other.sign("text\n")] * count))

    assert (count > 0) == ("other.example" in refusal.message)


def test_no_keys() -> None:
    """
    Without any pinned key no note verifies.
    """
    note = Note.parse(GOOD)

    refused("untrusted-log", lambda: notes.verify(note, []))


def test_cosignature_is_no_log_signature() -> None:
    """
    A witness's signature does not count as the log's, under one key and one name.
    """
    seed = bytes(32)
    log = NoteSigner("one.example", seed=seed)
    witness = NoteSigner("one.example", COSIGNATURE, seed=seed)
    note = Note("text\n", (witness.sign("text\n"),))

    assert (witness.key,) == notes.verify(note, [witness.key])
    refused("untrusted-log", lambda: notes.verify(note, [log.key]))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\0" * 64, id="no time"),
        pytest.param(b"\0" * 73, id="too long"),
        pytest.param(b"\0\0\0\0\0\0\0\1" + b"\0" * 64, id="zeros"),
        pytest.param(b"\x80" + b"\0" * 71, id="time 2**63"),
    ],
)
def test_bad_cosignatures(raw: bytes) -> None:
    """
    A cosignature is a time and 64 bytes that verify; nothing else is.
    """
    (witness,) = witnesses(1)
    note = Note("text\n", (witness.line(raw),))

    refused("bad-signature", lambda: notes.verify(note, [witness.key]))


@pytest.mark.parametrize(
    ("time", "good"), [(0, False), (1, True), (2**63 - 1, True), (2**63, False)]
)
def test_cosignature_times(time: int, good: bool) -> None:
    """
    A cosignature with time 0, or one beyond 63 bits, claims nothing about a checkpoint.
    """
    (witness,) = witnesses(1)
    note = Note("text\n", (witness.sign("text\n", time),))

    if good:
        assert (witness.key,) == notes.verify(note, [witness.key])
    else:
        refused("bad-signature", lambda: notes.verify(note, [witness.key]))


def test_cosignature_signs_its_time() -> None:
    """
    The time of a cosignature cannot be moved.
    """
    (witness,) = witnesses(1)
    good = witness.sign("text\n", 1_700_000_000).signature
    later = (1_700_000_001).to_bytes(8, "big") + good[8:]
    note = Note("text\n", (witness.line(later),))

    refused("bad-signature", lambda: notes.verify(note, [witness.key]))
