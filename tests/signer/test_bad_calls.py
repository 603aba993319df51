"""Bad calls: bytes that are no request, callers without the token, methods that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.signer.asking import REPOSITORY, SIGN, SIGN_BATCH, digest, order
from tests.signer.running import InProcess

GOOD = order(1).SerializeToString()
READS = [
    "/sealbook.v1.Ledger/GetCheckpoint",
    "/sealbook.v1.Ledger/GetEntry",
    "/sealbook.v1.Ledger/GetInclusionProof",
    "/sealbook.v1.Ledger/GetConsistencyProof",
    "/sealbook.v1.Ledger/ListEntries",
    "/sealbook.v1.Ledger/Search",
    "/sealbook.v1.Signer/GetBundles",
]
SECRET = "secret /var/keys pin=1234"


def field(number: int, payload: bytes) -> bytes:
    """Return a length-delimited protobuf field."""
    key = number << 3 | 2
    assert len(payload) < 128
    assert number < 16
    return bytes([key, len(payload)]) + payload


UNKNOWN = b"\xf8\x07\x01"  # field 127, a varint of 1
ITEM = field(1, digest(1).encode())
UNKNOWN_FIELDS = {
    "varint": GOOD + UNKNOWN,
    "at the start": UNKNOWN + GOOD,
    "fixed64": GOOD + b"\xf9\x07" + bytes(8),
    "fixed32": GOOD + b"\xfd\x07" + bytes(4),
    "bytes": GOOD + b"\xfa\x07\x01x",
    "group": GOOD + b"\xfb\x07\x08\x01\xfc\x07",
    "next number": GOOD + b"\x68\x01",
    "other type": GOOD + b"\x08\x01",
    "in an annotation": GOOD + field(6, field(1, b"k") + field(2, b"v") + field(3, b"x")),
}
BATCH = field(1, REPOSITORY.encode())
UNKNOWN_IN_BATCH = {
    "beside the items": BATCH + b"\x2a" + bytes([len(ITEM)]) + ITEM + UNKNOWN,
    "in an item": BATCH + b"\x2a" + bytes([len(ITEM) + 3]) + ITEM + UNKNOWN,
    "in the second item": BATCH
    + (b"\x2a" + bytes([len(ITEM)]) + ITEM)
    + (b"\x2a" + bytes([len(ITEM) + 3]) + ITEM + UNKNOWN),
}


@pytest.fixture(autouse=True)
def _nothing_is_signed(service: InProcess) -> Iterator[None]:
    """No test of this module makes an entry."""
    yield
    assert 1 == service.tree_size


@pytest.mark.parametrize("name", UNKNOWN_FIELDS)
def test_unknown_field(service: InProcess, name: str) -> None:
    """
    A request with a field that the contract does not have is refused, wherever it is.
    """
    answer = service.raw(UNKNOWN_FIELDS[name])

    assert ("INVALID_ARGUMENT", "unknown-field") == (answer.status, answer.code)


@pytest.mark.parametrize("name", UNKNOWN_IN_BATCH)
def test_unknown_field_in_batch(service: InProcess, name: str) -> None:
    """
    An unknown field in one item refuses the whole batch: it may change what all of it means.
    """
    answer = service.raw(UNKNOWN_IN_BATCH[name], SIGN_BATCH)

    assert ("INVALID_ARGUMENT", "unknown-field") == (answer.status, answer.code)


@pytest.mark.parametrize("method", READS)
def test_unknown_field_in_a_question(service: InProcess, method: str) -> None:
    """
    Questions are read as strictly as requests to sign.
    """
    answer = service.raw(UNKNOWN, method)

    assert ("INVALID_ARGUMENT", "unknown-field") == (answer.status, answer.code)


@pytest.mark.parametrize(
    "bytes_",
    [b"\xff", b"not protobuf", GOOD[:-1], b"\x0a\x05abc", b"\x0a\x02\xff\xfe", b"\x0c", b"\x00"],
    ids=["tag", "text", "cut", "short", "UTF-8", "end group", "field 0"],
)
def test_no_request(service: InProcess, bytes_: bytes) -> None:
    """
    Bytes that are no request of the contract are refused.
    """
    answer = service.raw(bytes_)

    assert ("INVALID_ARGUMENT", "bad-request") == (answer.status, answer.code)


def test_too_large(service: InProcess) -> None:
    """
    A message over 1 MiB is refused before it is read.
    """
    large = order(1, reason="x" * (1 << 20)).SerializeToString()

    assert "RESOURCE_EXHAUSTED" == service.raw(large).status
    assert "RESOURCE_EXHAUSTED" == service.raw(large, SIGN_BATCH).status


def test_up_to_the_limit(service: InProcess) -> None:
    """
    A message of 1 MiB is read, and judged by what is in it.
    """
    overhead = len(order(1, reason="x" * 1_000_000).SerializeToString()) - 1_000_000
    largest = order(1, reason="x" * ((1 << 20) - overhead)).SerializeToString()

    assert 1 << 20 == len(largest)
    assert "over-limit" == service.raw(largest).code


# TOKEN stands for the good one.
GOOD_TOKEN = ("authorization", "Bearer TOKEN")
WRONG_TOKEN = ("authorization", "Bearer sealbook_wrong")
BAD_TOKENS: dict[str, list[tuple[str, str | bytes]]] = {
    "none": [],
    "other header": [("x-authorization", "Bearer TOKEN")],
    "empty": [("authorization", "")],
    "scheme alone": [("authorization", "Bearer")],
    "empty token": [("authorization", "Bearer ")],
    "token alone": [("authorization", "TOKEN")],
    "basic": [("authorization", "Basic TOKEN")],
    "lower case": [("authorization", "bearer TOKEN")],
    "two spaces": [("authorization", "Bearer  TOKEN")],
    "wrong": [WRONG_TOKEN],
    "longer": [("authorization", "Bearer TOKENx")],
    "binary": [("authorization-bin", b"Bearer TOKEN")],
    "binary beside it": [GOOD_TOKEN, ("authorization-bin", b"Bearer TOKEN")],
    "two words in one": [("authorization", "Bearer TOKEN TOKEN")],
    "upper case": [("authorization", "BEARER TOKEN")],
    "twice": [GOOD_TOKEN, GOOD_TOKEN],
    "good and wrong": [GOOD_TOKEN, WRONG_TOKEN],
    "wrong and good": [WRONG_TOKEN, GOOD_TOKEN],
    "two in one": [("authorization", "Bearer TOKEN, Bearer TOKEN")],
    "7 KB": [("authorization", "Bearer " + "x" * 7000)],
}


@pytest.mark.parametrize("name", BAD_TOKENS)
@pytest.mark.parametrize("method", [SIGN, SIGN_BATCH, *READS])
def test_no_token(service: InProcess, method: str, name: str) -> None:
    """
    Whoever does not send the token, once and exactly, gets nothing from any method; without one,
    bundles by their digest and no more, and that on this machine (A13).
    """
    if method == READS[-1] and name in {"none", "other header"}:
        assert "bad-digest" == service.raw(b"", method, []).code
        return
    metadata: list[Any] = [
        (key, value.replace("TOKEN", service.token) if isinstance(value, str) else value)
        for key, value in BAD_TOKENS[name]
    ]
    answer = service.raw(GOOD, method, metadata)

    assert ("UNAUTHENTICATED", "unauthenticated") == (answer.status, answer.code)
    assert service.token not in answer.details


def test_enormous_token(service: InProcess) -> None:
    """
    Metadata of 10 MB is refused, and the next caller is not hurt.
    """
    answer = service.raw(GOOD, metadata=[("authorization", "Bearer " + "x" * 10_000_000)])

    assert "RESOURCE_EXHAUSTED" == answer.status
    assert "empty-batch" == service.raw(BATCH, SIGN_BATCH).code


@pytest.mark.parametrize(
    "method",
    [
        "",
        "/",
        "sealbook.v1.Signer/Sign",
        "//sealbook.v1.Signer/Sign",
        "/sealbook.v1.Signer/Sign/",
        "/sealbook.v1.Signer//Sign",
        "/sealbook.v1.Signer/Sign?x=1",
        "/sealbook.v1.Signer/Sign#x",
        "/sealbook.v1.Signer/%53ign",
        "/sealbook.v1.Signer%2fSign",
        "/sealbook.v1.Signer/../Signer/Sign",
        "/sealbook.v1.Signer/./Sign",
        "/sealbook.v1.Signer/sign",
        "/sealbook.v1.signer/Sign",
        "/Signer/Sign",
        "/sealbook.v1.Signer/Unpublish",
        "/sealbook.v2.Signer/Sign",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.channelz.v1.Channelz/GetServers",
    ],
)
def test_unknown_method(service: InProcess, method: str) -> None:
    """
    A method is known by its exact name, and every other one is refused (GHSA-hrxh-6v49-42gf).
    """
    answer = service.raw(GOOD, method)

    assert ("UNIMPLEMENTED", "unknown-method") == (answer.status, answer.code)


@pytest.mark.parametrize("method", ["GetCheckpoint", "ListEntries"])
def test_internal_error(
    service: InProcess,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    method: str,
) -> None:
    """
    An error that nobody expected tells the caller a reference and nothing else.
    """

    def fail(*_: object) -> Any:
        raise ValueError(SECRET)

    monkeypatch.setattr(type(service.ledger), "published", property(fail))
    answer = service.raw(b"", f"/sealbook.v1.Ledger/{method}")
    monkeypatch.undo()
    told = f"{answer.details} {answer.metadata}"
    reference = answer.details.split("reference ")[1].split(" ")[0]

    assert ("INTERNAL", "internal-error") == (answer.status, answer.code)
    assert not [word for word in SECRET.split() if word in told]
    assert "ValueError" not in told
    assert reference in capsys.readouterr().err
