"""What a client makes of an answer: it is checked to be about what was asked.

Whom to trust is another matter, the verifier's.
"""

from __future__ import annotations

from typing import NamedTuple

import grpc

from signer.errors import ServiceError, ServiceUnreachableError, WrongAnswerError
from signer.order import Item
from signer.v1 import record_pb2, signer_pb2
from verifier import dsse
from verifier.bundle import Record
from verifier.checkpoint import Checkpoint
from verifier.entry import Entry
from verifier.errors import SealbookError, VerificationError
from verifier.merkle import Hash, InclusionProof, hash_leaf, verify_inclusion
from verifier.note import Note
from verifier.statement import APPROVAL, RESERVED, Statement


class Signed(NamedTuple):
    """One signature with its proof; `note` is the signed checkpoint that it leads to."""

    record: Record
    proof: InclusionProof
    note: str
    log_id: bytes

    def bundle(self) -> bytes:
        """Render as a Sigstore bundle."""
        return self.record.bundle(self.proof, self.note, self.log_id).json()


def checked(
    answer: signer_pb2.SignBatchResponse.Answer,
    checkpoint: record_pb2.Checkpoint,
    item: Item,
    repository: str,
) -> Signed | SealbookError:
    """Return the answer to `item` once it is seen to be one."""
    if answer.HasField("refusal"):
        refusal = answer.refusal
        return ServiceError(refusal.code, refusal.message, refusal.hint)
    if not answer.signatures:
        raise WrongAnswerError("an answer without a signature")
    signature = answer.signatures[0]
    try:
        path = proof(signature.proof)
        signed = Signed(record(signature.record), path, checkpoint.note, checkpoint.log_id)
        _check(signed, item, repository)
    except VerificationError as e:
        raise WrongAnswerError(f"the answer does not hold: {e.message} ({e.code})") from e
    return signed


def _check(signed: Signed, item: Item, repository: str) -> None:
    """Check an answer against what was asked. Whom to trust is the verifier's matter."""
    record = signed.record
    entry = Entry.parse(record.entry)
    if Entry.of(record.body, entry.signature, entry.key) != entry:
        raise WrongAnswerError("the entry is not of the message that came with it")
    _, payload = dsse.parse_pae(record.body)
    statement = Statement.parse(payload)
    subject = statement.subjects[0]
    said = {k: v for k, v in subject.annotations.items() if not k.startswith(RESERVED)}
    if (len(statement.subjects), statement.predicate_type) != (1, APPROVAL):
        raise WrongAnswerError("asked for an approval of one image, answered with something else")
    if (subject.digest, subject.name, said) != (item.digest, repository, dict(item.annotations)):
        raise WrongAnswerError(f"asked about {item.digest}, answered about {subject.digest}")
    tree = Checkpoint.parse(Note.parse(signed.note).text)
    if signed.proof.tree_size != tree.tree_size or signed.proof.index != record.index:
        raise WrongAnswerError("the proof is for another tree or entry")
    verify_inclusion(hash_leaf(record.entry), signed.proof, tree.root)


def record(message: record_pb2.Record) -> Record:
    """Read a record; its content is judged elsewhere."""
    return Record(message.index, message.form, message.entry, message.body)


def proof(message: record_pb2.InclusionProof) -> InclusionProof:
    """Read a proof; raises `MalformedError` for a hash that is none."""
    return InclusionProof(message.index, message.tree_size, tuple(Hash(h) for h in message.path))


def error(failed: grpc.aio.AioRpcError, target: str) -> SealbookError:
    """Return the refusal, or the failure to get an answer, that ended a call."""
    trailing = dict(failed.trailing_metadata() or ())
    code, details = trailing.get("sealbook-code"), failed.details() or ""
    if isinstance(code, str):
        hint = str(trailing.get("sealbook-hint", ""))
        return ServiceError(code, details.removesuffix(f" ({code})"), hint)
    if failed.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return ServiceUnreachableError(f"no answer from {target}: {details}")
    return ServiceError(failed.code().name.lower().replace("_", "-"), details)
