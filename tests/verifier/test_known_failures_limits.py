"""What brought other verifiers to their knees, and costs ours a refusal.

Each test is named after the published failure. No clock is read: that a limit comes before
the work is seen by what the work would have found, and by the memory that it never took.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest

from tests.verifier import examples
from tests.verifier.dossiers import members, packed
from tests.verifier.making import ORIGIN, World, refused, rows, witnesses
from tests.verifier.paths import Path, get, inside, put
from tests.verifier.pinned import CHAINS, DOCUMENT, GOOD, parse
from verifier import jws, limits
from verifier._strict import b64encode
from verifier.bundle import Bundle
from verifier.digest import Digest
from verifier.dossier import Dossier
from verifier.entry import parse_any
from verifier.errors import VerificationError
from verifier.evidence import Evidence
from verifier.note import Note, NoteKey
from verifier.proof import TlogProof
from verifier.quorum import Quorum
from verifier.repository import Repository, Scope
from verifier.statement import Statement
from verifier.tlogpolicy import TlogPolicy
from verifier.trust import PAYLOAD_TYPE, TrustRoot
from verifier.trust.signed import SignedFile
from verifier.trust.status import Mark, StatusPayload


class Reader(NamedTuple):
    """A good document, and what reads it."""

    good: bytes
    read: Callable[[bytes], object]

    @property
    def document(self) -> Any:
        """The good document as JSON values."""
        return json.loads(self.good)


WORLD = World(witnesses=witnesses(1))
SEEN = ("2026-11-23T21:06:41Z", "2026-11-23T21:07:01Z")
STATUS = StatusPayload(ORIGIN, 1, 1_700_000_000, 1_700_003_600, WORLD.note, (Mark(5, 9),), ())
READERS = {
    "bundle": Reader(WORLD.bundle.json(), Bundle.parse),
    "statement": Reader(WORLD.payload, Statement.parse),
    "entry": Reader(WORLD.entry, parse_any),
    "trust file": Reader(GOOD.json(), TrustRoot.parse),
    "signed file": Reader(
        SignedFile(PAYLOAD_TYPE, b"{}", {"hint": b"x"}).json(),
        partial(SignedFile.parse, payload_type=PAYLOAD_TYPE, limit=limits.TRUST_FILE),
    ),
    "status file": Reader(STATUS.json(), StatusPayload.read),
    "evidence": Reader(
        Evidence.fork(WORLD.note, WORLD.note, WORLD.checkpoint.root, (), SEEN).json(),
        Evidence.parse,
    ),
}
EACH = pytest.mark.parametrize("reader", READERS.values(), ids=READERS)


@EACH
def test_readers(reader: Reader) -> None:
    """
    The documents that the tests below spoil are good ones.
    """
    reader.read(reader.good)


@EACH
def test_cve_2026_23831_null_in_every_place(reader: Reader) -> None:
    """
    JSON's null in the place of any value is refused in our own words (CVE-2023-33199 too).
    """
    places = inside(reader.document, str, int, dict, list, bool, top=True)
    refusals = 0
    for place in places:
        path: Path = place.values[0]
        spoiled = put(reader.document, path, None) if path else None
        with pytest.raises(VerificationError):
            reader.read(json.dumps(spoiled).encode())
        refusals += 1

    assert len(places) == refusals > 0


@EACH
@pytest.mark.parametrize("empty", ["", " ", "\n", [], {}, [None], [[]], [{}]], ids=repr)
def test_cosign_4648_empty_and_blank_values(reader: Reader, empty: Any) -> None:
    """
    An empty or blank value anywhere is read or refused in our own words; nothing else is raised.
    """
    for place in inside(reader.document, str, int, dict, list, bool):
        path: Path = place.values[0]
        spoiled = json.dumps(put(reader.document, path, empty)).encode()
        try:
            reader.read(spoiled)
        except VerificationError:
            continue
        found = get(reader.document, path)
        assert isinstance(found, type(empty)), "a value of another type was taken"


@EACH
@pytest.mark.parametrize("depth", [65, 101, 100_000])
@pytest.mark.parametrize("opening", ['{"a":', "[", '[{"a":'])
def test_cve_2025_4565_depth(reader: Reader, depth: int, opening: str) -> None:
    """
    JSON that is nested deeper than 64 levels is refused before it is decoded (CVE-2026-0994 too).
    """
    # It never ends, which a decoder would say, were it asked.
    deep = b'{"a":' + opening.encode() * depth

    refused("over-limit", lambda: reader.read(deep))


def test_pyjwt_ghsa_8wjv_nested_header_and_payload() -> None:
    """
    The header and the payload of a JWS are no deeper than any other JSON (GHSA-w6j9 too).
    """
    deep = jws._encode(b'{"alg":' + b"[" * 100_000 + b"]" * 100_000 + b"}")

    for message in (deep + b"." + deep, deep + b"."):
        assert len(message) > 2 * limits.PAYLOAD
        refused("malformed", partial(jws.parse, message))
    nested = jws._encode(b'{"alg":' + b"[" * 20_000 + b"]" * 20_000 + b"}")
    refused("over-limit", lambda: jws.parse(nested + b".e30"))


def test_cve_2024_45395_entries_are_counted_before_they_are_read() -> None:
    """
    Of 33 log entries none is read: that each of them is broken is not even noticed.
    """
    document = READERS["bundle"].document
    entries = ("verificationMaterial", "tlogEntries")
    many = json.dumps(put(document, entries, [7] * 33)).encode()

    refused("over-limit", lambda: Bundle.parse(many))
    few = json.dumps(put(document, entries, [7] * 32)).encode()
    refused("unsupported-version", lambda: Bundle.parse(few))


@pytest.mark.parametrize(
    ("place", "most"),
    [
        (("verificationMaterial", "tlogEntries", 0, "inclusionProof", "hashes"), limits.PATH),
        (("verificationMaterial", "timestampVerificationData"), limits.TIMESTAMPS),
    ],
)
def test_sigstore_go_630_lists_are_counted_before_they_are_read(
    place: tuple[str | int, ...], most: int
) -> None:
    """
    A list that is too long is refused for that, and not for the broken values that it holds.
    """
    document = READERS["bundle"].document
    for count, code in ((most, "malformed"), (most + 1, "over-limit"), (10_000, "over-limit")):
        values: Any = [7] * count
        if place[-1] == "timestampVerificationData":
            values = {"rfc3161Timestamps": values}
            document["verificationMaterial"]["timestampVerificationData"] = {}
        data = json.dumps(put(document, place, values)).encode()
        refused(code, partial(Bundle.parse, data))


@pytest.mark.parametrize(
    ("field", "most"), [("keys", 1024), ("logs", 32), ("authorities", 32), ("roots", 32)]
)
def test_sigstore_go_630_lists_of_a_trust_file(field: str, most: int) -> None:
    """
    So it is with the lists of a trust file.
    """
    for count, code in ((most, "malformed"), (most + 1, "over-limit")):
        values: Any = [7] * count
        if field == "roots":
            values = {"threshold": 1, "keys": values}
        refused(code, partial(parse, DOCUMENT | {field: values}))


def test_cve_2023_30551_a_file_that_inflates() -> None:
    """
    A packed file says how large it becomes, and is not unpacked beyond that (CVE-2026-48702 too).
    """
    content = members(WORLD)
    for name in ("README.txt", "bundle.json", "proof.tlog-proof", "checkpoint.txt"):
        bomb = packed(content | {name: bytes(64 << 20)})
        assert len(bomb) < 1 << 20
        tracemalloc.start()
        refused("over-limit", partial(Dossier.parse, bomb))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1 << 20


TEXTS: list[tuple[str, Callable[[str], object]]] = [
    ("note", Note.parse),
    ("verifier key", NoteKey.parse),
    ("proof file", TlogProof.parse),
    ("quorum", Quorum.parse),
    ("policy of logs", TlogPolicy.parse),
    ("digest", Digest),
    ("repository", Repository),
    ("scope", Scope),
    ("JWS", lambda text: jws.parse(text.encode())),
]


@pytest.mark.parametrize(
    "separator", [".", "/", "\n", "\n\n", "+", " ", ":", "\u2014 x AAAAAAA=\n"]
)
@pytest.mark.parametrize("read", rows(*TEXTS))
def test_cve_2025_66506_a_text_of_separators(read: Callable[[str], object], separator: str) -> None:
    """
    Four million separators are refused for their length, and not taken apart (CVE-2025-30204 too).
    """
    text = separator * (4_000_000 // len(separator))
    tracemalloc.start()
    with pytest.raises(VerificationError):
        read(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # Once over for a copy; a list of four million pieces would be 32 MB and more.
    assert peak < 3 * len(text.encode())


@pytest.mark.parametrize("length", [9, 30, 1000])
def test_cve_2026_69249_chains_are_short(length: int) -> None:
    """
    A chain of more than 8 certificates is refused before any of them is decoded.
    """
    chain = {"kind": "certificate", "chain": ["!"] * length}
    doubled = {"kind": "certificate", "chain": [b64encode(CHAINS[0][1])] * length}

    refused("over-limit", lambda: parse(DOCUMENT | {"authorities": [chain]}))
    refused("over-limit", lambda: parse(DOCUMENT | {"authorities": [doubled]}))


def test_cve_2024_29902_signatures_under_a_checkpoint() -> None:
    """
    Of 10,000 signature lines none is decoded, whatever they hold (CVE-2024-29903 too).
    """
    lines = "\u2014 x !\n" * 10_000

    refused("over-limit", lambda: Note.parse(f"{examples.CHECKPOINT}\n{lines}"))
