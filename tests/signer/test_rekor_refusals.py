"""What the Rekor side does not log, and how it says so: with the original's status and shape."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import QueueFullError
from signer.rekor import v1, v2
from signer.v1 import operator_pb2
from tests.signer.asking import ORIGIN
from tests.signer.running import InProcess, running
from tests.signer.uploading import (
    V1,
    V2,
    Hand,
    Log,
    b64,
    certified,
    envelope,
    enveloped,
    hashed,
    legacy,
    legacy_envelope,
    pae,
    some_message,
)
from tests.signer.world import World
from verifier.entry import parse_any
from verifier.errors import SealbookError

_MOST = 4 << 20  # bytes
HAND, OTHER = Hand.of("ecdsa-p256"), Hand.of("ecdsa-p256")
P384, ED25519, RSA_1024 = Hand.of("ecdsa-p384"), Hand.of("ed25519"), Hand.of("rsa-1024")
RSA = Hand.of("rsa-2048")
PAYLOAD = b"{}"


@pytest.fixture(scope="module")
def log(service: InProcess) -> Log:
    return Log(service)


@pytest.fixture(autouse=True)
def nothing_logged(service: InProcess) -> Iterator[None]:
    """Whatever is refused here leaves nothing in the ledger."""
    before = service.tree_size
    yield
    assert before == service.tree_size


def check(answer: httpx.Response, status: int, number: int, code: str) -> str:
    """Check that a refusal is what the original's is, with our code, and return its message."""
    value = answer.json()
    assert (status, code) == (answer.status_code, answer.headers["sealbook-code"]), answer.text
    assert ["code", "message", "details"] == list(value)
    assert (number, []) == (value["code"], value["details"])
    assert ("application/json", "no-store") == (
        answer.headers["content-type"],
        answer.headers["cache-control"],
    )
    assert code in value["message"]
    message: str = value["message"]
    return message


def text(request: dict[str, Any]) -> str:
    return json.dumps(request)


def changed(request: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
    """Return the request with another value at `path`."""
    holder: Any = request
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = to
    return request


REQUEST = "hashedRekordRequestV002"
SIGNATURE = (REQUEST, "signature")
VERIFIER = (*SIGNATURE, "verifier")
GOOD = hashed(HAND, b"good")
SIGNED = HAND.sign(pae(PAYLOAD))
ENVELOPED = enveloped(HAND, PAYLOAD, SIGNED)
LINE = {"sig": b64(SIGNED), "keyid": ""}
BY = ENVELOPED["dsseRequestV002"]["verifiers"][0]


def good() -> dict[str, Any]:
    return json.loads(text(GOOD))  # type: ignore[no-any-return]


def good_envelope() -> dict[str, Any]:
    return json.loads(text(ENVELOPED))  # type: ignore[no-any-return]


V2_REFUSED: dict[str, tuple[str, dict[str, Any] | bytes]] = {
    "no JSON": ("malformed", b"nothing"),
    "a list": ("malformed", b"[]"),
    "not UTF-8": ("malformed", text(GOOD).encode() + b"\xff"),
    "something behind": ("malformed", text(GOOD).encode() + b"{}"),
    "no spec": ("unsupported-version", {}),
    "another spec": ("unsupported-version", {"intotoRequestV002": {}}),
    "unknown field": ("unknown-field", {**GOOD, "foo": 1}),
    "unknown field inside": ("unknown-field", changed(good(), *VERIFIER, "hint", to="")),
    "two specs": ("unknown-field", {**GOOD, **ENVELOPED}),
    "duplicate key": (
        "duplicate-key",
        text(GOOD).replace('"digest"', '"digest":"","digest"').encode(),
    ),
    "both spellings": ("malformed", changed(good(), *VERIFIER, "key_details", to="PKIX_ED25519")),
    "both spellings of the spec": ("malformed", {**GOOD, "hashed_rekord_request_v002": {}}),
    "no keyDetails": ("malformed", text(GOOD).replace("keyDetails", "content").encode()),
    "keyDetails of RSA": (
        "key-details",
        hashed(HAND, b"1", keyDetails="PKIX_RSA_PKCS1V15_2048_SHA256"),
    ),
    "keyDetails of another size": (
        "key-details",
        hashed(RSA, b"1", keyDetails="PKIX_RSA_PKCS1V15_3072_SHA256"),
    ),
    "keyDetails of PSS": ("key-details", hashed(RSA, b"1", keyDetails="PKIX_RSA_PSS_2048_SHA256")),
    "keyDetails as a number": ("malformed", changed(good(), *VERIFIER, "keyDetails", to=5)),
    "P-384": ("unsupported-key", hashed(P384, b"1")),
    "P-384 under a certificate": (
        "unsupported-key",
        certified(P384, b"1", P384.certificate()),
    ),
    "Ed25519": ("unsupported-key", hashed(ED25519, b"1")),
    "Ed25519ph": ("unsupported-key", hashed(ED25519, b"1", keyDetails="PKIX_ED25519_PH")),
    "RSA of 1024 bits": ("unsupported-key", hashed(RSA_1024, b"1")),
    "no key": ("unsupported-key", hashed(HAND, b"1", rawBytes=b"key")),
    "no certificate": ("bad-certificate", certified(HAND, b"1", b"certificate")),
    "another's certificate": ("bad-signature", certified(HAND, b"1", OTHER.certificate())),
    "key and certificate": (
        "unknown-field",
        changed(certified(HAND, b"1", HAND.certificate()), *VERIFIER, "publicKey", to={}),
    ),
    "another's signature": ("bad-signature", hashed(HAND, b"1", content=OTHER.sign(b"1"))),
    "signature of something else": ("bad-signature", hashed(HAND, b"1", content=HAND.sign(b"2"))),
    "a short digest": ("bad-signature", hashed(HAND, b"1", digest=HAND.digest(b"1")[:31])),
    "a long digest": ("bad-signature", hashed(HAND, b"1", digest=HAND.digest(b"1") + b"\0")),
    "a digest in hex": ("bad-signature", changed(good(), REQUEST, "digest", to="ab" * 32)),
    "an empty signature": ("bad-base64", hashed(HAND, b"1", content=b"")),
    "a signature with more behind": (
        "bad-signature",
        hashed(HAND, b"1", content=HAND.sign(b"1") + b"\0"),
    ),
    "no Base64": ("bad-base64", changed(good(), *SIGNATURE, "content", to="MEUC!A==")),
    "Base64 with a space": ("bad-base64", changed(good(), REQUEST, "digest", to="YWJj ZGVm")),
    "Base64 of both alphabets": ("bad-base64", changed(good(), REQUEST, "digest", to="-+AA")),
    "Base64 half padded": ("bad-base64", changed(good(), REQUEST, "digest", to="YQ=")),
    "nested too deep": ("over-limit", b'{"foo":' * 65 + b"1" + b"}" * 65),
    "an envelope's other payload": (
        "bad-signature",
        changed(good_envelope(), "dsseRequestV002", "envelope", "payload", to=b64(b"[]")),
    ),
    "an envelope's other type": (
        "bad-signature",
        changed(good_envelope(), "dsseRequestV002", "envelope", "payloadType", to="text/plain"),
    ),
    "two signatures": (
        "over-limit",
        changed(good_envelope(), "dsseRequestV002", "envelope", "signatures", to=[LINE, LINE]),
    ),
    "no signature": (
        "unsupported-version",
        changed(good_envelope(), "dsseRequestV002", "envelope", "signatures", to=[]),
    ),
    "two verifiers": (
        "over-limit",
        changed(good_envelope(), "dsseRequestV002", "verifiers", to=[BY, BY]),
    ),
    "an envelope under P-384": (
        "unsupported-key",
        enveloped(P384, PAYLOAD, P384.sign(pae(PAYLOAD))),
    ),
}


@pytest.mark.parametrize("case", V2_REFUSED)
def test_v2(log: Log, case: str) -> None:
    """
    Whatever is not exactly a request, or could never verify at some client, is refused with 400
    and a code that says why.
    """
    code, request = V2_REFUSED[case]

    check(log.post(request), 400, 3, code)


LEGACY = legacy(HAND, b"good")
ENVELOPE = envelope(PAYLOAD, HAND)


def good_legacy() -> dict[str, Any]:
    return json.loads(text(LEGACY))  # type: ignore[no-any-return]


V1_REFUSED: dict[str, tuple[str, dict[str, Any] | bytes]] = {
    "another kind": ("unsupported-version", {**LEGACY, "kind": "rekord"}),
    "another version": ("unsupported-version", {**LEGACY, "apiVersion": "0.0.2"}),
    "unknown field": ("unknown-field", {**LEGACY, "foo": 1}),
    "duplicate key": (
        "duplicate-key",
        text(LEGACY).replace('"kind"', '"kind":"dsse","kind"').encode(),
    ),
    "another hash": (
        "unsupported-version",
        changed(good_legacy(), "spec", "data", "hash", "algorithm", to="sha512"),
    ),
    "hash in upper case": ("malformed", legacy(HAND, b"1", value="AB" * 32)),
    "another's signature": ("bad-signature", legacy(HAND, b"1", content=OTHER.sign(b"1"))),
    "P-384": ("unsupported-key", legacy(P384, b"1")),
    "Ed25519": ("unsupported-key", legacy(ED25519, b"1")),
    "a certificate": ("unsupported-key", legacy(HAND, b"1", pem=b"-----BEGIN CERTIFICATE-----")),
    "two keys": ("unsupported-key", legacy(HAND, b"1", pem=HAND.pem + OTHER.pem)),
    "an envelope by somebody else": ("bad-signature", legacy_envelope(ENVELOPE, OTHER)),
    "a verifier who did not sign": ("bad-signature", legacy_envelope(ENVELOPE, HAND, OTHER)),
    "a signature without verifier": (
        "bad-signature",
        legacy_envelope(envelope(PAYLOAD, HAND, OTHER), HAND),
    ),
    "nobody": ("bad-signature", legacy_envelope(envelope(PAYLOAD))),
    "an envelope under P-384": ("unsupported-key", legacy_envelope(envelope(b"", P384), P384)),
    "no envelope": ("malformed", legacy_envelope("envelope", HAND)),
    "an envelope with more": (
        "unknown-field",
        legacy_envelope(ENVELOPE.replace('"payload"', '"more": 1, "payload"'), HAND),
    ),
    "an envelope with more in a line": (
        "unknown-field",
        legacy_envelope(ENVELOPE.replace('"sig"', '"more": 1, "sig"'), HAND),
    ),
    "an envelope with a key twice": (
        "duplicate-key",
        legacy_envelope(ENVELOPE.replace('"payload"', '"payload": "", "payload"'), HAND),
    ),
}


@pytest.mark.parametrize("case", V1_REFUSED)
def test_v1(log: Log, case: str) -> None:
    """
    Proposals of version 1 are read as strictly.
    """
    code, request = V1_REFUSED[case]

    check(log.post(request, V1), 400, 3, code)


def positions(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to each value in a request."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in items if isinstance(value, dict | list) else ():
        yield from positions(item, (*path, name))


ALTERED: dict[str, tuple[dict[str, Any], Callable[[bytes, int], object]]] = {
    "v2": (GOOD, v2.parse),
    "certificate": (certified(HAND, b"1", HAND.certificate()), v2.parse),
    "dsse": (ENVELOPED, v2.parse),
    "v1": (LEGACY, v1.parse),
    "v1 dsse": (legacy_envelope(ENVELOPE, HAND), v1.parse),
}
REQUESTS = pytest.mark.parametrize(
    ("request_", "where"),
    [
        pytest.param(GOOD, V2, id="v2"),
        pytest.param(certified(HAND, b"1", HAND.certificate()), V2, id="v2 certificate"),
        pytest.param(ENVELOPED, V2, id="v2 dsse"),
        pytest.param(LEGACY, V1, id="v1"),
        pytest.param(legacy_envelope(ENVELOPE, HAND), V1, id="v1 dsse"),
    ],
)


@REQUESTS
def test_more_fields(log: Log, request_: dict[str, Any], where: str) -> None:
    """
    A field that is not in the format is refused in whatever object it stands.
    """
    for path in [(), *positions(request_)]:
        again = json.loads(text(request_))
        holder = again
        for name in path:
            holder = holder[name]
        if isinstance(holder, dict):
            holder["foo"] = 1
            check(log.post(again, where), 400, 3, "unknown-field")


@REQUESTS
def test_other_types(log: Log, request_: dict[str, Any], where: str) -> None:
    """
    A null, or a value of another type, is refused wherever it stands.
    """
    for path in positions(request_):
        for other in (None, "", 0, 1.5, True, [], {}, [None], "\0"):
            again = changed(json.loads(text(request_)), *path, to=other)
            if other == "" and path[-1] == "keyid":
                continue  # as cosign sends it
            answer = log.post(again, where)
            assert (400, 3) == (answer.status_code, answer.json()["code"]), (path, other)


def test_hint(log: Log) -> None:
    """
    Whoever brings a key of the wrong kind is told which one every client takes.
    """
    answer = log.post(hashed(P384, b"1"))

    assert "ECDSA P-256 is the one key that every client accepts" in answer.json()["message"]


def test_size(service: InProcess, log: Log) -> None:
    """
    A body of 4 MiB is read, and one of a byte more is refused in the original's words, also when
    nobody says beforehand how long it is.
    """

    def pieces() -> Iterator[bytes]:
        yield from [b" " * (_MOST // 4)] * 4
        yield b" "

    raw = text(hashed(OTHER, b"1", content=HAND.sign(b"1"))).encode()
    check(log.post(raw + b" " * (_MOST - len(raw))), 400, 3, "bad-signature")
    told = check(log.post(raw + b" " * (_MOST + 1 - len(raw))), 400, 3, "over-limit")
    answer = httpx.post(log.url + V2, content=pieces(), auth=log.auth)

    assert told.startswith("http: request body too large")
    assert told == check(answer, 400, 3, "over-limit")


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v1/log/entries/other", "/api/v2/log", "/api/v3/log/entries"]
)
def test_unknown_path(log: Log, path: str) -> None:
    """
    A path that is not served is 404, as the original says it.
    """
    check(log.post({}, path), 404, 5, "not-found")
    if not path.startswith(V1):  # there it would be the name of an entry
        check(log.get(path), 404, 5, "not-found")


def test_frozen(world: World) -> None:
    """
    A ledger that takes no more says so in the plain text that clients know, and still answers
    with what it has.
    """
    with running(world) as service:
        log, known = Log(service), hashed(HAND, some_message())
        first = log.post(known)
        freeze = operator_pb2.FreezeRequest(origin=ORIGIN, reason="moved")
        service.operate("/sealbook.v1.Operator/Freeze", freeze.SerializeToString())
        answer = log.post(hashed(HAND, some_message()))
        again = log.post(known)

    assert (405, "This log has been frozen, please switch to the latest log.\n") == (
        answer.status_code,
        answer.text,
    )
    assert answer.headers["content-type"].startswith("text/plain")
    assert "ledger-frozen" == answer.headers["sealbook-code"]
    assert (201, first.json()["logIndex"]) == (again.status_code, again.json()["logIndex"])


def test_pushback(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    When too much waits already, a client is told to come again: 503.
    """

    def full(*_: object, **__: object) -> None:
        raise QueueFullError("expected at most 8192 entries to wait")

    monkeypatch.setattr("ledger.sequencer.Sequencer.append", full)
    answer = log.post(hashed(HAND, some_message()))

    check(answer, 503, 14, "queue-full")
    assert "1" == answer.headers["retry-after"]


def test_broken(service: InProcess, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What nobody foresaw is 500 with a reference, and nothing of what happened.
    """

    def broken(*_: object, **__: object) -> Callable[[], None]:
        raise RuntimeError("nobody is to read this")

    monkeypatch.setattr("signer.rekor.v2.parse", broken)
    told = check(log.post(GOOD), 500, 13, "internal-error")

    assert "nobody is to read this" not in told


NAMES = sorted(
    {name for one in (GOOD, ENVELOPED, LEGACY) for name in re.findall(r"\w+", text(one))}
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(NAMES),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
)


@given(VALUES, st.sampled_from([v1.parse, v2.parse]))
def test_any_json(value: Any, parse: Callable[[bytes, int], object]) -> None:
    """
    Whatever JSON comes, it is refused by an error of ours: a 500 would be a bug.
    """
    with pytest.raises(SealbookError):
        parse(text(value).encode(), _MOST)


@given(st.data(), st.sampled_from(["v2", "certificate", "dsse", "v1", "v1 dsse"]))
def test_altered_bytes(data: st.DataObject, which: str) -> None:
    """
    A request with a byte changed is refused by an error of ours, or is an entry that the ledger
    reads back as it is.
    """
    request, parse = ALTERED[which]
    raw = bytearray(text(request).encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        entry: Any = parse(bytes(raw), _MOST)
    except SealbookError:
        return

    assert entry == parse_any(entry.body())
