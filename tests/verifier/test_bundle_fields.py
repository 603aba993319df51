"""Every field of a good bundle, wrong in every way that a field can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.verifier.making import World, refused, rows
from tests.verifier.paths import GONE, Path, get, inside, named, put
from verifier._strict import b64encode
from verifier.bundle import Bundle
from verifier.errors import VerificationError
from verifier.verdict import Verified

WORLD = World()
DOCUMENT = json.loads(WORLD.bundle.json())
ENTRY: Path = ("verificationMaterial", "tlogEntries", 0)
PROOF: Path = (*ENTRY, "inclusionProof")
HASHES: Path = (*PROOF, "hashes")
ENVELOPE: Path = ("dsseEnvelope",)


def parse(document: object) -> Bundle:
    return Bundle.parse(json.dumps(document).encode())


def verify(document: object) -> Verified:
    return WORLD.verify(json.dumps(document).encode())


@pytest.mark.parametrize("path", inside(DOCUMENT, dict, list, str))
def test_null(path: Path) -> None:
    """
    Null stands for nothing, at no position.
    """
    refused("malformed", lambda: parse(put(DOCUMENT, path, None)))


@pytest.mark.parametrize("path", inside(DOCUMENT, dict, list, str))
@pytest.mark.parametrize("value", [0, True, "\u00e9", [], {}, [[]], {"": 0}], ids=repr)
def test_other_types(path: Path, value: object) -> None:
    """
    A value of another type is refused with a code, never with an exception of Python's.
    """
    with pytest.raises(VerificationError):
        verify(put(DOCUMENT, path, value))


@pytest.mark.parametrize("path", inside(DOCUMENT, dict, list, str))
def test_gone(path: Path) -> None:
    """
    Every field is needed, and every item of a list.
    """
    with pytest.raises(VerificationError):
        verify(put(DOCUMENT, path, GONE))


@pytest.mark.parametrize("path", inside(DOCUMENT, dict, top=True))
def test_unknown_field(path: Path) -> None:
    """
    No object has room for a field that nobody checks.
    """
    refused("unknown-field", lambda: parse(put(DOCUMENT, (*path, "zzz"), "")))


@pytest.mark.parametrize("path", inside(DOCUMENT, dict, top=True))
def test_repeated_key(path: Path) -> None:
    """
    No object has a key twice, so that no two readers see two bundles.
    """
    first = min(get(DOCUMENT, path))
    text = json.dumps(put(DOCUMENT, (*path, "zzz"), "")).replace('"zzz"', f'"{first}"')

    refused("duplicate-key", lambda: Bundle.parse(text.encode()))


NUMBERS = ((*ENTRY, "logIndex"), (*PROOF, "logIndex"), (*PROOF, "treeSize"))


@pytest.mark.parametrize("path", NUMBERS, ids=named)
@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "-1",
            "-0",
            "+4",
            "04",
            " 4",
            "4 ",
            "4\n",
            "4.0",
            "4e0",
            "0x4",
            "1_0",
            "\uff14",
            "\u0664",
        ),
        *("\u00b2", str(2**63), str(2**64), str(2**70), "9" * 100_000, "NaN"),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_bad_integers(path: Path, text: str) -> None:
    """
    A 64-bit number is text in its one spelling.
    """
    refused("bad-integer", lambda: parse(put(DOCUMENT, path, text)))


@pytest.mark.parametrize("path", NUMBERS, ids=named)
@pytest.mark.parametrize(
    "number", ["4", "-1", "4.0", "1e999", "NaN", "9" * 100_000], ids=lambda n: n[:9]
)
def test_numbers_are_no_integers(path: Path, number: str) -> None:
    """
    A JSON number in the place of a 64-bit number is refused, even a right one.
    """
    text = json.dumps(put(DOCUMENT, path, "zzz")).replace('"zzz"', number)

    refused("malformed", lambda: Bundle.parse(text.encode()))


BINARY = (
    (*ENVELOPE, "payload"),
    (*ENVELOPE, "signatures", 0, "sig"),
    (*ENTRY, "logId", "keyId"),
    (*ENTRY, "canonicalizedBody"),
    (*PROOF, "rootHash"),
    (*HASHES, 0),
    (*HASHES, 2),
)


@pytest.mark.parametrize("path", BINARY, ids=named)
@pytest.mark.parametrize(
    "spoil",
    rows(
        ("newline after", lambda text: f"{text}\n"),
        ("newline inside", lambda text: f"{text[:4]}\n{text[4:]}"),
        ("space before", lambda text: f" {text}"),
        ("junk before", lambda text: f"!!{text}"),
        ("both alphabets", lambda text: f"-+{text[2:]}"),
        ("one character less", lambda text: text[:-1]),
        ("more padding", lambda text: f"{text}="),
        ("spare bits", lambda text: f"{text.rstrip('=')[:-3]}YR=="),
        ("full-width", lambda text: f"\uff21{text[1:]}"),
        ("no Base64", lambda text: "?" * len(text)),
    ),
)
def test_bad_base64(path: Path, spoil: Callable[[str], str]) -> None:
    """
    Binary fields have the one canonical Base64 of their bytes.
    """
    text = get(DOCUMENT, path)

    refused("bad-base64", lambda: parse(put(DOCUMENT, path, spoil(text))))


@pytest.mark.parametrize("path", [BINARY[2], *BINARY[4:]], ids=named)
@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_hashes_of_another_size(path: Path, size: int) -> None:
    """
    Hashes and log ids have 32 bytes.
    """
    refused("bad-base64", lambda: parse(put(DOCUMENT, path, b64encode(bytes(size)))))


ESCAPES = "\x1b[2K\ryes: approved\n\u202e\x9b"


@pytest.mark.parametrize("path", inside(DOCUMENT, str))
def test_messages_are_safe_to_print(path: Path) -> None:
    """
    What a bundle holds cannot move the cursor, or write a line of its own, in a refusal.
    """
    with pytest.raises(VerificationError) as caught:
        verify(put(DOCUMENT, path, ESCAPES))

    assert caught.value.message.isprintable()
