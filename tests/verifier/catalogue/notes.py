"""Bad notes and checkpoints: rows N1 to N9, N11 and N13 to N19.

Each text is judged where it would be believed: notes by who signed them, checkpoints
by a policy that pins the very key that signed, so that only their form can be at fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.verifier import examples
from tests.verifier.catalogue.case import Case
from tests.verifier.making import ORIGIN, NoteSigner, World
from verifier import limits
from verifier import note as notes
from verifier._strict import b64encode
from verifier.note import ML_DSA, Note, NoteKey, NoteSignature
from verifier.quorum import Quorum
from verifier.tlogpolicy import TlogPolicy
from verifier.trust.listed import TrustedLog

TEXT, LINE = examples.CHECKPOINT, examples.LOG_LINE
KEY_15, ROOT = "example.com/log/testdata", examples.LOG_ROOTS[15]
NOBODY = Quorum.parse("quorum none\n")
DASH = "\u2014"


def note(row: str, name: str, text: str, code: str) -> Case:
    """Read `text` as a note; what is read prints as it was."""

    def judge() -> None:
        assert text == str(Note.parse(text))

    return Case(row, name, judge, code)


def checkpoint(row: str, name: str, text: str, code: str) -> Case:
    """Ask about the checkpoint `text`, which a pinned log really signed."""
    log = NoteSigner(text.split("\n", maxsplit=1)[0])
    policy = TlogPolicy(((log.key, ""),), NOBODY)
    return Case(row, name, partial(policy.verify, Note(text, (log.sign(text),))), code)


def signed(
    row: str, name: str, lines: tuple[NoteSignature, ...], keys: tuple[NoteKey, ...], code: str
) -> Case:
    """Ask which of `keys` signed the checkpoint of 15 entries, each of which counts once."""
    read = Note.parse(str(Note(TEXT, lines)))

    def judge() -> None:
        found = notes.verify(read, keys)
        assert len(found) == len(set(found))

    return Case(row, name, judge, code)


def bundle(  # noqa: PLR0917  a row of the table
    row: str, name: str, world: World, code: str, old: bytes = b"", new: bytes = b""
) -> Case:
    """Ask about the bundle of `world`, with `new` in the place of `old`."""
    data = world.bundle.json()
    assert old in data
    judge = partial(world.verifier.verify, data.replace(old, new), world.digest, world.repository)
    return Case(row, name, judge, code)


FORMS = (
    note("N1", "no blank line", f"{TEXT}{LINE}", "malformed"),
    note("N1", "two blank lines before the signatures", f"{TEXT}\n\n{LINE}", "yes"),
    note("N1", "blank line inside the text", f"a\n\n{TEXT}\n{LINE}", "yes"),
    note("N1", "blank line between signatures", f"{TEXT}\n{LINE}\n{LINE}", "yes"),
    note("N1", "blank line alone before the signatures", f"\n\n{LINE}", "yes"),
    note("N1", "nothing", "", "malformed"),
    note("N1", "only a text", f"{TEXT}\n", "malformed"),
    note("N2", "text without newline", f"{TEXT[:-1]}\n{LINE}", "malformed"),
    note("N2", "signature without newline", f"{TEXT}\n{LINE[:-1]}", "malformed"),
    note("N2", "newline more", f"{TEXT}\n{LINE}\n", "malformed"),
    *(
        note("N3", f"byte {i:#04x}", f"a{chr(i)}\n\n{LINE}", "malformed")
        for i in (*range(10), *range(11, 32), 127)
    ),
    note("N3", "lone surrogate", f"\udc80\n\n{LINE}", "malformed"),
    note("N3", "control in a name", f"a\n\n{DASH} x\x01 AAAAAAA=\n", "malformed"),
    note("N3", "CR before each newline", f"{TEXT}\n{LINE}".replace("\n", "\r\n"), "malformed"),
    note("N4", "hyphen", f"a\n\n- {LINE[2:]}", "malformed"),
    note("N4", "en dash", f"a\n\n\u2013 {LINE[2:]}", "malformed"),
    note("N4", "horizontal bar", f"a\n\n\u2015 {LINE[2:]}", "malformed"),
    note("N4", "two spaces", f"a\n\n{DASH}  {LINE[2:]}", "bad-base64"),
    note("N4", "no-break space", f"a\n\n{DASH}\u00a0{LINE[2:]}", "malformed"),
    note("N4", "no space", f"a\n\n{DASH}{LINE[2:]}", "malformed"),
    note("N5", "empty name", f"a\n\n{DASH}  AAAAAAA=\n", "malformed"),
    note("N5", "plus in the name", f"a\n\n{DASH} x+y AAAAAAA=\n", "malformed"),
    *(
        note("N5", f"{c!r} in the name", f"a\n\n{DASH} x{c}y AAAAAAA=\n", "malformed")
        for c in "\u00a0\u1680\u2003\u2007\u202f\u205f\u3000"
    ),
    note("N6", "no bytes", f"a\n\n{DASH} x \n", "malformed"),
    note("N6", "only a key id", f"a\n\n{DASH} x AAAAAA==\n", "malformed"),
    note("N6", "not canonical", f"a\n\n{DASH} x AAAAAAB=\n", "bad-base64"),
    note("N6", "no padding", f"a\n\n{DASH} x AAAAAAA\n", "bad-base64"),
    note("N6", "url-safe", f"a\n\n{DASH} x AAAA__A=\n", "bad-base64"),
    note("N6", "trailing junk", f"a\n\n{DASH} x AAAAAAA=AAAA\n", "bad-base64"),
    note("N6", "space at the end", f"a\n\n{DASH} x AAAAAAA= \n", "bad-base64"),
    note("N6", "5 bytes", f"a\n\n{DASH} x AAAAAAA=\n", "yes"),
    *(note("N7", f"{n} lines", f"a\n\n{LINE * n}", "yes") for n in (1, 16, 17, 63, 64)),
    *(note("N7", f"{n} lines", f"a\n\n{LINE * n}", "over-limit") for n in (65, 100, 101, 10_000)),
    note("N7", "a signature of 8,192 bytes", f"a\n\n{DASH} x {b64encode(bytes(8192))}\n", "yes"),
    note("N7", "a signature of 8,193 bytes", f"a\n\n{DASH} x {b64encode(bytes(8193))}\n",
         "over-limit"),
    note("N7", "256 KiB of text", f"{'a' * (limits.NOTE - len(LINE) - 2)}\n\n{LINE}", "yes"),
    note("N7", "256 KiB of text, and one", f"{'a' * (limits.NOTE - len(LINE) - 1)}\n\n{LINE}",
         "over-limit"),
)  # fmt: skip

A, B, A6 = NoteSigner(KEY_15), NoteSigner(KEY_15), NoteSigner(KEY_15, ML_DSA)
STRANGER = NoteSigner("other.example")
GOOD_A, GOOD_B, GOOD_A6, GOOD_STRANGER = (one.sign(TEXT) for one in (A, B, A6, STRANGER))
BAD_A, BAD_B, BAD_A6, BAD_STRANGER = (
    one.sign(TEXT.replace("15", "16")) for one in (A, B, A6, STRANGER)
)
RENAMED, OTHER_ID = GOOD_A._replace(name="x"), GOOD_A._replace(key_id=b"\0\0\0\0")

LINES = (
    signed("N8", "bad alone", (BAD_A,), (A.key,), "bad-signature"),
    signed("N8", "bad before good", (BAD_A, GOOD_B), (A.key, B.key), "bad-signature"),
    signed("N8", "bad after good", (GOOD_A, BAD_B), (A.key, B.key), "bad-signature"),
    signed("N8", "good and bad by one key", (GOOD_A, BAD_A), (A.key,), "bad-signature"),
    signed("N8", "bad and good by one key", (BAD_A, GOOD_A), (A.key,), "bad-signature"),
    signed("N8", "bad post-quantum line", (GOOD_A, BAD_A6), (A.key, A6.key), "bad-signature"),
    signed("N8", "one byte", (GOOD_A, A.line(b"x")), (A.key,), "bad-signature"),
    signed("N9", "unknown key beside", (BAD_STRANGER, GOOD_A), (A.key,), "yes"),
    signed("N9", "only an unknown key", (GOOD_STRANGER,), (A.key,), "untrusted-log"),
    signed("N9", "same name, other id", (BAD_B, GOOD_A), (A.key,), "yes"),
    signed("N9", "same id, other name", (RENAMED, GOOD_A), (A.key,), "yes"),
    signed("N9", "only same id, other name", (RENAMED,), (A.key,), "untrusted-log"),
    signed("N9", "nobody is known", (GOOD_A,), (), "untrusted-log"),
    signed("N11", "one line 64 times", (GOOD_A,) * 64, (A.key,), "yes"),
    signed("N19", "two keys of one origin", (GOOD_A, GOOD_B), (A.key, B.key), "yes"),
    signed("N19", "both kinds of one origin", (GOOD_A, GOOD_A6), (A.key, A6.key), "yes"),
    signed("N19", "other key id", (OTHER_ID,), (A.key,), "untrusted-log"),
    signed("N19", "no signature of the log", (GOOD_B,), (A.key,), "untrusted-log"),
)

CHECKPOINTS = (
    checkpoint("N14", "no origin", f"\n15\n{ROOT}\n", "malformed"),
    checkpoint("N14", "space at the end", f"{KEY_15} \n15\n{ROOT}\n", "malformed"),
    checkpoint("N14", "no-break space at the end", f"{KEY_15}\u00a0\n15\n{ROOT}\n", "malformed"),
    checkpoint("N14", "plus", f"{KEY_15}+\n15\n{ROOT}\n", "malformed"),
    checkpoint("N14", "255 bytes", f"{'x' * 255}\n15\n{ROOT}\n", "yes"),
    checkpoint("N14", "256 bytes", f"{'x' * 256}\n15\n{ROOT}\n", "malformed"),
    checkpoint("N14", "255 characters of 2 bytes", f"{'é' * 255}\n15\n{ROOT}\n", "malformed"),
    *(
        checkpoint("N15", repr(size)[:30], f"{KEY_15}\n{size}\n{ROOT}\n", "bad-integer")
        for size in (
            *("", "0015", "00", "+5", "-15", "-0", "1_000", "0xf", "15.0", "1e1", " 15"),
            *("15 ", "15\u00a0", "\uff15", "\u0665", "\u00b2", str(2**63), str(2**64), "1" * 1000),
        )
    ),
    checkpoint("N15", "2**63 - 1", f"{KEY_15}\n{2**63 - 1}\n{ROOT}\n", "yes"),
    checkpoint("N16", "31 bytes", f"{KEY_15}\n15\n{b64encode(bytes(31))}\n", "bad-base64"),
    checkpoint("N16", "33 bytes", f"{KEY_15}\n15\n{b64encode(bytes(33))}\n", "bad-base64"),
    checkpoint("N16", "no bytes", f"{KEY_15}\n15\n\n", "bad-base64"),
    checkpoint("N16", "url-safe", f"{KEY_15}\n15\n{ROOT.replace('/', '_')}\n", "bad-base64"),
    checkpoint("N16", "space at the end", f"{KEY_15}\n15\n{ROOT} \n", "bad-base64"),
    checkpoint("N16", "hexadecimal", f"{KEY_15}\n15\n{'ab' * 32}\n", "bad-base64"),
    checkpoint("N17", "empty tree with a root", f"{KEY_15}\n0\n{ROOT}\n", "malformed"),
    checkpoint("N17", "empty, zeros", f"{KEY_15}\n0\n{b64encode(bytes(32))}\n", "malformed"),
    checkpoint("N17", "empty tree", f"{KEY_15}\n0\n{examples.LOG_ROOTS[0]}\n", "yes"),
    checkpoint("N18", "two lines", f"{KEY_15}\n15\n", "malformed"),
    checkpoint("N18", "root without newline", f"{KEY_15}\n15\n{ROOT}", "malformed"),
    checkpoint("N18", "empty extension line", f"{TEXT}\n", "malformed"),
    checkpoint("N18", "extension line", f"{TEXT}more\n", "malformed"),
    checkpoint("N18", "1,000 extension lines", TEXT + "more\n" * 1000, "malformed"),
    checkpoint("N18", "extension like a signature", f"{TEXT}{LINE}", "malformed"),
    checkpoint("N18", "extension like another checkpoint", f"{TEXT}\n{TEXT}", "malformed"),
    checkpoint("N19", "origin missing", f"15\n{ROOT}\n", "malformed"),
    checkpoint("N19", "size missing", f"{KEY_15}\n{ROOT}\n", "malformed"),
    checkpoint("N19", "origin not first", f"15\n{KEY_15}\n{ROOT}\n", "bad-integer"),
)


def _of(origin: str) -> World:
    """Return a world whose log speaks for `origin` with the key that is pinned for ORIGIN."""
    world = World(origin=origin)
    world.logs = (*world.logs, TrustedLog("other.example", NoteSigner("other.example").key))
    return world


def _quoted(text: str) -> bytes:
    return f'"envelope":"{text}'.encode()


BUNDLES = (
    bundle("N3", "no UTF-8", World(), "malformed", _quoted("l"), b'"envelope":"\xff'),
    bundle("N3", "overlong UTF-8", World(), "malformed", _quoted("l"), b'"envelope":"\xc0\xac'),
    bundle("N3", "surrogate as UTF-8", World(), "malformed", _quoted("l"), _quoted("\\ud800")),
    bundle("N3", "byte-order mark", World(), "untrusted-log", _quoted("l"), _quoted("\ufeffl")),
    bundle("N13", "another trusted log", _of("other.example"), "untrusted-log"),
    bundle("N13", "a log that nobody trusts", _of("third.example"), "untrusted-log"),
    bundle("N14", "Cyrillic look-alike", _of("l\u0435dger.example"), "untrusted-log"),
    bundle("N14", "composed otherwise", _of("le\u0301dger.example"), "untrusted-log"),
    bundle("N14", "zero-width space", _of("ledger\u200b.example"), "untrusted-log"),
    bundle("N14", "upper case", _of("LEDGER.example"), "untrusted-log"),
    bundle("N14", "slash at the end", _of("ledger.example/"), "untrusted-log"),
    bundle("N14", "dot at the end", _of("ledger.example."), "untrusted-log"),
    bundle("N14", "the origin itself", _of(ORIGIN), "yes"),
)


def cases() -> Iterator[Case]:
    """Return the cases of this module."""
    yield from (*FORMS, *LINES, *CHECKPOINTS, *BUNDLES)
