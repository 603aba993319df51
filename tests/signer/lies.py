"""Lies: what a service could answer instead of the truth, each a function on its messages."""

from __future__ import annotations

import json

from signer.v1 import record_pb2, signer_pb2
from tests.signer.asking import OTHER_REPOSITORY
from tests.signer.lying import Lie, Messages, signature
from verifier import dsse
from verifier._strict import canonical_json
from verifier.checkpoint import Checkpoint
from verifier.entry import Entry
from verifier.merkle import hash_leaf
from verifier.note import Note
from verifier.statement import APPROVAL

LIES: dict[str, Lie] = {}


def lie(made: Lie) -> Lie:
    """Add a lie to the table, under its own name."""
    LIES[made.__name__.replace("_", " ")] = made
    return made


@lie
def swapped(messages: Messages) -> None:
    answers = messages[0].answers
    answers[0].item, answers[1].item = 1, 0


@lie
def other_digest(messages: Messages) -> None:
    answers = messages[0].answers
    answers[0].signatures[0].CopyFrom(answers[1].signatures[0])


@lie
def other_entry(messages: Messages) -> None:
    answers = messages[0].answers
    other = answers[1].signatures[0]
    answers[0].signatures[0].record.entry = other.record.entry
    answers[0].signatures[0].proof.CopyFrom(other.proof)
    answers[0].signatures[0].record.index = other.record.index


@lie
def other_body(messages: Messages) -> None:
    answers = messages[0].answers
    answers[1].signatures[0].record.body = answers[0].signatures[0].record.body


@lie
def edited_body(messages: Messages) -> None:
    record = signature(messages).record
    record.body = record.body.replace(b"loopback", b"somebody")


@lie
def bad_path(messages: Messages) -> None:
    path = signature(messages).proof.path
    path[0] = bytes([path[0][0] ^ 1]) + path[0][1:]


@lie
def short_path(messages: Messages) -> None:
    del signature(messages).proof.path[-1]


@lie
def long_path(messages: Messages) -> None:
    signature(messages).proof.path.append(bytes(32))


@lie
def short_hash(messages: Messages) -> None:
    path = signature(messages).proof.path
    path[0] = path[0][:31]


@lie
def no_proof(messages: Messages) -> None:
    signature(messages).ClearField("proof")


@lie
def other_index(messages: Messages) -> None:
    signature(messages).record.index += 1


@lie
def other_index_in_proof(messages: Messages) -> None:
    signature(messages).proof.index += 1


@lie
def other_size(messages: Messages) -> None:
    signature(messages).proof.tree_size += 1


@lie
def no_checkpoint(messages: Messages) -> None:
    messages[0].ClearField("checkpoint")


@lie
def edited_checkpoint(messages: Messages) -> None:
    lines = messages[0].checkpoint.note.split("\n")
    lines[2] = "A" * 43 + "="
    messages[0].checkpoint.note = "\n".join(lines)


@lie
def garbage_checkpoint(messages: Messages) -> None:
    messages[0].checkpoint.note = "hello"


@lie
def garbage_entry(messages: Messages) -> None:
    signature(messages).record.entry = b"{}"


@lie
def garbage_body(messages: Messages) -> None:
    signature(messages).record.body = b"hello"


@lie
def too_few(messages: Messages) -> None:
    del messages[0].answers[-1]


@lie
def none(_: Messages) -> Messages:
    return []


@lie
def unknown_item(messages: Messages) -> None:
    messages[0].answers[0].item = 3


@lie
def twice(messages: Messages) -> None:
    messages[0].answers[0].item = 1


@lie
def no_signature(messages: Messages) -> None:
    del messages[0].answers[0].signatures[:]


@lie
def no_content(_: Messages) -> Messages:
    answers = [signer_pb2.SignBatchResponse.Answer(item=n) for n in range(3)]
    return [signer_pb2.SignBatchResponse(answers=answers)]


def consistent(messages: Messages, payload: bytes) -> None:
    """Answer with another statement, whose entry is proven in a tree of its own."""
    record = signature(messages).record
    entry = Entry.parse(record.entry)
    record.body = dsse.pae(dsse.IN_TOTO, payload)
    record.entry = Entry.of(record.body, entry.signature, entry.key).body()
    record.index = 0
    signature(messages).proof.CopyFrom(record_pb2.InclusionProof(index=0, tree_size=1))
    note = Note.parse(messages[0].checkpoint.note)
    tree = Checkpoint("ledger.example", 1, hash_leaf(record.entry))
    messages[0].checkpoint.note = str(note._replace(text=str(tree)))
    del messages[0].answers[1:]


def payload(messages: Messages) -> bytes:
    """Return the statement of the first answer."""
    return dsse.parse_pae(signature(messages).record.body)[1]


@lie
def two_subjects(messages: Messages) -> None:
    value = json.loads(payload(messages))
    value["subject"] *= 2
    consistent(messages, canonical_json(value))


@lie
def no_statement(messages: Messages) -> None:
    consistent(messages, b"{}")


@lie
def no_approval(messages: Messages) -> None:
    consistent(messages, payload(messages).replace(APPROVAL.encode(), b"urn:sealbook:x"))


@lie
def other_annotations(messages: Messages) -> None:
    value = json.loads(payload(messages))
    value["subject"][0]["annotations"]["env"] = "prod"
    consistent(messages, canonical_json(value))


@lie
def other_repository(messages: Messages) -> None:
    value = json.loads(payload(messages))
    value["subject"][0]["name"] = OTHER_REPOSITORY
    consistent(messages, canonical_json(value))


CONSISTENT = {
    "two subjects",
    "no statement",
    "no approval",
    "other annotations",
    "other repository",
}
