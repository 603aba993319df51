"""Rekor v1: entries of two kinds in one spelling each, and a promise about one entry."""

from __future__ import annotations

import hashlib
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.verifier.making import Signer, refused, rows
from tests.verifier.paths import GONE, Path, inside, put
from verifier import limits
from verifier._strict import b64encode
from verifier.entry import Entry, parse_any
from verifier.errors import VerificationError
from verifier.rekor_v1 import EnvelopeEntry, LegacyEntry, Promise, log_id_of, parse, promise_message

MESSAGE, TEXT, PAYLOAD = b"a message", b'{"payload":"e30="}', b"{}"
SIGNER, SECOND, LOG = Signer(), Signer("ed25519"), Signer()
LEGACY = LegacyEntry.of(MESSAGE, SIGNER.sign(MESSAGE), SIGNER.public)
LINES = ((b"one", SIGNER.public), (b"two", SECOND.public))
ENVELOPE = EnvelopeEntry.of(TEXT, PAYLOAD, *LINES)
ENTRIES = {"hashedrekord": LEGACY, "dsse": ENVELOPE}
PEM = b64encode(SIGNER.public.pem())
CHECKPOINTS_ONLY = b64encode(Signer("ml-dsa-44").public.pem())


def written(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def test_legacy_body() -> None:
    """
    A legacy signature is logged as Rekor's `hashedrekord` 0.0.1, byte for byte.
    """
    expected = (
        '{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":'
        f'{{"algorithm":"sha256","value":"{hashlib.sha256(MESSAGE).hexdigest()}"}}}},'
        f'"signature":{{"content":"{b64encode(LEGACY.signature)}",'
        f'"publicKey":{{"content":"{PEM}"}}}}}}}}'
    )

    assert expected.encode() == LEGACY.body()


def test_envelope_body() -> None:
    """
    An envelope is logged as Rekor's `dsse` 0.0.1, byte for byte, with each of its signatures.
    """
    second = b64encode(SECOND.public.pem())
    expected = (
        '{"apiVersion":"0.0.1","kind":"dsse","spec":{"envelopeHash":'
        f'{{"algorithm":"sha256","value":"{hashlib.sha256(TEXT).hexdigest()}"}},"payloadHash":'
        f'{{"algorithm":"sha256","value":"{hashlib.sha256(PAYLOAD).hexdigest()}"}},"signatures":'
        f'[{{"signature":"b25l","verifier":"{PEM}"}},{{"signature":"dHdv","verifier":"{second}"}}'
        "]}}"
    )

    assert expected.encode() == ENVELOPE.body()


@pytest.mark.parametrize("kind", ENTRIES)
def test_round_trip(kind: str) -> None:
    """
    An entry is read as its kind, whether or not the reader knew which it would be.
    """
    entry = ENTRIES[kind]

    assert entry == type(entry).parse(entry.body()) == parse(entry.body())
    assert entry == parse_any(entry.body())


def test_any_takes_ours() -> None:
    """
    Entries of Rekor v2 are read beside those of v1.
    """
    entry = Entry.of(MESSAGE, b"signature", SIGNER.public)

    assert entry == parse_any(entry.body())


def test_other_kind() -> None:
    """
    An entry is not read as another kind or version, nor is a kind that we do not know.
    """
    newer = Entry.of(MESSAGE, b"signature", SIGNER.public).body()
    unknown = LEGACY.body().replace(b'"hashedrekord"', b'"intoto"')

    refused("unsupported-version", lambda: LegacyEntry.parse(ENVELOPE.body()))
    refused("unsupported-version", lambda: EnvelopeEntry.parse(LEGACY.body()))
    refused("unsupported-version", lambda: parse(newer))
    refused("unsupported-version", lambda: parse_any(unknown))
    refused("unsupported-version", lambda: Entry.parse(LEGACY.body()))


PLACES = [
    pytest.param(kind, *place.values, id=f"{kind} {place.id}")
    for kind, entry in ENTRIES.items()
    for place in inside(json.loads(entry.body()), dict, list, str)
]


@pytest.mark.parametrize("value", [GONE, None, 1, "", "x", "AA==", {}, []], ids=repr)
@pytest.mark.parametrize(("kind", "path"), PLACES)
def test_tampered(kind: str, path: Path, value: object) -> None:
    """
    Any other value in any place is refused, or it is another entry that prints to those bytes.
    """
    body = written(put(json.loads(ENTRIES[kind].body()), path, value))
    try:
        entry = parse_any(body)
    except VerificationError:
        return

    assert body == entry.body() != ENTRIES[kind].body()


@pytest.mark.parametrize("kind", ENTRIES)
@pytest.mark.parametrize(
    ("old", "new", "code"),
    rows(
        ("space", b'":', b'": ', "malformed"),
        ("escape", b'"spec"', b'"s\\u0070ec"', "malformed"),
        ("key twice", b"{", b'{"kind":"dsse",', "duplicate-key"),
        ("unknown field", b"{", b'{"a":"",', "malformed"),
        ("unknown field, deeper", b'"spec":{', b'"spec":{"a":"",', "malformed"),
        ("other hash", b"sha256", b"sha512", "unsupported-version"),
        ("other version", b"0.0.1", b"0.0.3", "unsupported-version"),
        ("short hash", b'"value":"', b'"value":"00', "malformed"),
        ("key in another encoding", PEM.encode(), PEM.encode()[4:], "unsupported-key"),
        ("other key", PEM.encode(), CHECKPOINTS_ONLY.encode(), "unsupported-key"),
    ),
)
def test_bad_bodies(kind: str, old: bytes, new: bytes, code: str) -> None:
    """
    A body that we would not print is no entry.
    """
    body = ENTRIES[kind].body()
    assert old in body

    refused(code, lambda: parse(body.replace(old, new, 1)))


@pytest.mark.parametrize("kind", ENTRIES)
def test_upper_case_hash(kind: str) -> None:
    """
    Hashes are in lower case.
    """
    document = json.loads(ENTRIES[kind].body())
    path: Path = ("spec", "data", "hash", "value")
    if kind == "dsse":
        path = ("spec", "payloadHash", "value")

    refused("malformed", lambda: parse(written(put(document, path, "AB" * 32))))


def test_ends() -> None:
    """
    A body has nothing before or after it, and is not too long.
    """
    for body in (LEGACY.body() + b"\n", b" " + LEGACY.body(), b"", b"[]", b"{}"):
        refused("malformed", lambda body=body: parse(body))
    refused("over-limit", lambda: parse(b" " * (limits.ENTRY + 1)))


def test_envelope_without_signatures() -> None:
    """
    An envelope that nobody signed is not logged.
    """
    refused("malformed", lambda: parse(ENVELOPE._replace(signatures=()).body()))


@pytest.mark.parametrize("algorithm", ["ecdsa-p384", "ed25519", "ml-dsa-65"])
def test_keys_of_other_hashes(algorithm: str) -> None:
    """
    A key that does not sign SHA-256 has no legacy entry: its readers hash with nothing else.
    """
    other = Signer(algorithm)

    refused("unsupported-key", lambda: LegacyEntry.of(MESSAGE, b"", other.public))
    refused("unsupported-key", lambda: parse(LEGACY._replace(key=other.public).body()))


def test_keys_of_notes() -> None:
    """
    A key that signs checkpoints only signs no envelope.
    """
    key = Signer("ml-dsa-44").public

    refused("unsupported-key", lambda: EnvelopeEntry.of(TEXT, PAYLOAD, (b"", key)))


ENTRY = LEGACY.body()
WHEN, INDEX = 1_795_608_000, 42


class Keyed(Signer):
    """The log's key as a `Key`."""

    def sign_digest(self, digest: bytes) -> bytes:
        raise AssertionError(digest)


KEY = Keyed()
PROMISE = Promise.make(KEY, ENTRY, WHEN, INDEX)


def test_promise_message() -> None:
    """
    A promise covers entry, time, log and index as RFC 8785 writes them.
    """
    log = log_id_of(KEY.public)
    expected = (
        f'{{"body":"{b64encode(ENTRY)}","integratedTime":1795608000,'
        f'"logID":"{log.hex()}","logIndex":42}}'
    )

    assert expected.encode() == promise_message(ENTRY, WHEN, log, INDEX)
    assert hashlib.sha256(KEY.public.spki).digest() == log


def test_promise_for_others() -> None:
    """
    A promise is ECDSA over SHA-256 in ASN.1, as any other library checks it.
    """
    key = load_der_public_key(KEY.public.spki)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    scheme = ec.ECDSA(hashes.SHA256())
    message = promise_message(ENTRY, WHEN, PROMISE.log_id, INDEX)

    key.verify(PROMISE.signature, message, scheme)
    with pytest.raises(InvalidSignature):
        key.verify(PROMISE.signature, message + b" ", scheme)


def test_promise_is_kept() -> None:
    """
    A promise verifies, also when it was stored and read again.
    """
    again = Promise.parse(PROMISE.stored())
    again.verify(KEY.public, ENTRY, WHEN, INDEX)

    assert PROMISE == again


def test_promise_of_something_else() -> None:
    """
    A promise is about one entry, time and index, under one log's key.
    """
    other = Signer()
    stolen = PROMISE._replace(log_id=log_id_of(other.public))
    spoiled = PROMISE._replace(signature=PROMISE.signature[:-1])
    message = promise_message(ENTRY, WHEN, stolen.log_id, INDEX)
    confused = stolen._replace(signature=KEY.sign(message))

    for entry, when, index in (
        (ENTRY + b" ", WHEN, INDEX),
        (ENTRY, WHEN + 1, INDEX),
        (ENTRY, WHEN, INDEX + 1),
    ):
        refused("bad-signature", lambda a=(entry, when, index): PROMISE.verify(KEY.public, *a))
    refused("bad-signature", lambda: PROMISE.verify(other.public, ENTRY, WHEN, INDEX))
    refused("bad-signature", lambda: stolen.verify(other.public, ENTRY, WHEN, INDEX))
    refused("bad-signature", lambda: stolen.verify(KEY.public, ENTRY, WHEN, INDEX))
    refused("bad-signature", lambda: confused.verify(KEY.public, ENTRY, WHEN, INDEX))
    refused("bad-signature", lambda: spoiled.verify(KEY.public, ENTRY, WHEN, INDEX))


@pytest.mark.parametrize("size", [0, 31, 32, 33 + limits.SIGNATURE])
def test_no_promise(size: int) -> None:
    """
    What is too short or too long was never stored as a promise.
    """
    refused("malformed", lambda: Promise.parse(bytes(size)))
