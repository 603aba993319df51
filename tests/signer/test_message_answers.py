"""A service that answers SignMessage with something else is not believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from signer.client import messages
from signer.v1 import record_pb2, signer_pb2
from tests.signer.asking import REPOSITORY, refused
from tests.signer.messaging import prepared, public, statement
from tests.signer.running import InProcess, running
from verifier._strict import b64encode
from verifier.entry import Entry, parse_any
from verifier.merkle import hash_leaf

Answer = signer_pb2.SignMessageResponse
METHOD = "/sealbook.v1.Signer/SignMessage"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A running service with a key for each kind of message."""
    with running(prepared(tmp_path_factory.mktemp("answers") / "service")) as service:
        yield service


def asked(n: int, **more: str) -> signer_pb2.SignMessageRequest:
    return signer_pb2.SignMessageRequest(message=statement(n, name=REPOSITORY), **more)


def answer(service: InProcess, request: signer_pb2.SignMessageRequest) -> Answer:
    return service.raw(request.SerializeToString(), METHOD).message(Answer)


def other_signature(answer: Answer, other: Answer) -> None:
    answer.signature = other.signature


def other_record(answer: Answer, other: Answer) -> None:
    answer.signature = other.signature
    answer.logged.CopyFrom(other.logged)
    answer.checkpoint.CopyFrom(other.checkpoint)


def other_proof(answer: Answer, other: Answer) -> None:
    answer.logged.proof.CopyFrom(other.logged.proof)
    answer.checkpoint.CopyFrom(other.checkpoint)


def no_entry(answer: Answer, _: Answer) -> None:
    answer.logged.record.entry = b"{}"


def no_note(answer: Answer, _: Answer) -> None:
    answer.checkpoint.note = ""


def broken_signature(answer: Answer, _: Answer) -> None:
    """Log another signature by itself, as a service could that has the log's key."""
    entry = parse_any(answer.logged.record.entry)
    assert isinstance(entry, Entry)
    forged = entry.signature[:-1] + bytes([entry.signature[-1] ^ 1])
    body = entry._replace(signature=forged).body()
    answer.signature = forged
    answer.logged.record.entry = body
    answer.logged.record.index = 0
    answer.logged.proof.CopyFrom(record_pb2.InclusionProof(index=0, tree_size=1))
    origin, _, lines = answer.checkpoint.note.partition("\n")
    root, signatures = b64encode(hash_leaf(body)), lines.partition("\n\n")[2]
    answer.checkpoint.note = f"{origin}\n1\n{root}\n\n{signatures}"


@pytest.mark.parametrize(
    "lie",
    [other_signature, other_record, other_proof, no_entry, no_note, broken_signature],
    ids=lambda lie: lie.__name__,
)
def test_lies(service: InProcess, lie: Callable[[Answer, Answer], None]) -> None:
    """
    An answer about another message, or one that does not hold, is refused.
    """
    request = asked(1)
    good, other = answer(service, request), answer(service, asked(2))
    assert messages.checked(good, request).signature == good.signature
    lie(good, other)
    refused("wrong-answer", lambda: messages.checked(good, request))


def test_digest(service: InProcess) -> None:
    """
    The answer to a bare digest is held against that.
    """
    request = signer_pb2.SignMessageRequest(digest=bytes(32), key="blind")
    good = answer(service, request)

    assert messages.checked(good, request).signature == good.signature
    request.digest = bytes(31) + b"\x01"
    refused("wrong-answer", lambda: messages.checked(good, request))


def test_another_key(service: InProcess) -> None:
    """
    Asked about one key, an answer about another is refused, and one without a key.
    """
    spki = public(service, "release").spki
    told = signer_pb2.GetKeyResponse(name="release", purpose="approve", spki=spki)

    assert "release" == messages.key_info(told, "").name
    refused("wrong-answer", lambda: messages.key_info(told, "plain"))
    told.spki = b"no key"
    refused("wrong-answer", lambda: messages.key_info(told, "release"))
