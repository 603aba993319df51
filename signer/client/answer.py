"""What a client makes of an answer: it is checked to be about what was asked.

Whom to trust is another matter, the verifier's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import grpc

from ledger import labels
from signer.errors import ServiceError, ServiceUnreachableError, WrongAnswerError
from signer.order import Item
from signer.v1 import record_pb2, signer_pb2
from verifier import dsse, jws
from verifier._strict import decimal
from verifier.checkpoint import Checkpoint
from verifier.entry import Entry, parse_any
from verifier.errors import SealbookError, VerificationError
from verifier.merkle import Hash, InclusionProof, hash_leaf, verify_inclusion
from verifier.note import Note
from verifier.publickey import PublicKey
from verifier.record import Record
from verifier.rekor_v1 import EnvelopeEntry
from verifier.simplesigning import SimpleSigning
from verifier.statement import APPROVAL, PROMOTES, RESERVED, Statement


class Signed(NamedTuple):
    """One signature with its proof; `note` is the signed checkpoint that it leads to.

    `more` are those that the same call made: in other forms, and then the same statement
    again, as a bundle of its own, by each key that signs also.
    """

    record: Record
    proof: InclusionProof
    note: str
    log_id: bytes
    more: tuple[Signed, ...] = ()

    def bundle(self) -> bytes:
        """Render as readers of its form take it; the form `bundle` as a Sigstore bundle."""
        return self.record.rendered(self.proof, self.note, self.log_id)


def checked(
    answer: signer_pb2.SignBatchResponse.Answer,
    checkpoint: record_pb2.Checkpoint,
    item: Item,
    repository: str,
    forms: Sequence[str] = (),
) -> Signed | SealbookError:
    """Return the answer to `item` once it is seen to be one, in these forms if any are named."""
    if answer.HasField("refusal"):
        refusal = answer.refusal
        return ServiceError(refusal.code, refusal.message, refusal.hint)
    if not answer.signatures:
        raise WrongAnswerError("an answer without a signature")
    made = tuple(signature.record.form for signature in answer.signatures)
    if forms and set(made) != set(forms):
        raise WrongAnswerError(f"asked for {', '.join(forms)}, answered with {', '.join(made)}")
    first, *more = (_signed(s, checkpoint, item, repository) for s in answer.signatures)
    by = {(one.record.form, key_of(one.record)) for one in (first, *more)}
    again = [form for form, n in Counter(made).items() if n > 1 and form != labels.BUNDLE]
    if len(by) != len(made) or again:
        raise WrongAnswerError(f"answered twice with one form by one key: {', '.join(made)}")
    return first._replace(more=tuple(more))


def _signed(
    signature: record_pb2.Signature,
    checkpoint: record_pb2.Checkpoint,
    item: Item,
    repository: str,
) -> Signed:
    try:
        path = proof(signature.proof)
        signed = Signed(record(signature.record), path, checkpoint.note, checkpoint.log_id)
        _check(signed, item, repository)
    except VerificationError as e:
        raise WrongAnswerError(f"the answer does not hold: {e.message} ({e.code})") from e
    return signed


def _check(signed: Signed, item: Item, repository: str) -> None:
    """Check an answer against what was asked. Whom to trust is the verifier's matter."""
    check_logged(signed)
    digest, named, annotations = _said(signed.record)
    said = {k: v for k, v in annotations.items() if not k.startswith(RESERVED)}
    if (digest, named, said) != (item.digest, repository, dict(item.annotations)):
        raise WrongAnswerError(f"asked about {item.digest}, answered about {digest}")
    promotes = annotations.get(PROMOTES)
    stands = None if promotes is None else decimal(promotes)
    # What was there first is named, so that it may be an earlier entry than was asked for.
    if (stands is None) != (item.promotes is None) or (stands or 0) > (item.promotes or 0):
        raise WrongAnswerError(f"asked to promote {item.promotes}, answered with {promotes}")


def key_of(record: Record) -> PublicKey:
    """Return the key that signed, as the entry has it; raises `WrongAnswerError` for others'."""
    logged = parse_any(record.entry)
    if isinstance(logged, EnvelopeEntry):
        raise WrongAnswerError("an entry of a kind that is never made here")
    return logged.key


def check_logged(signed: Signed) -> None:
    """Check that the entry is of the message that came with it, and in the tree of the note.

    Raises:
        WrongAnswerError, VerificationError: it is not.
    """
    record = signed.record
    logged = parse_any(record.entry)
    if isinstance(logged, EnvelopeEntry):
        raise WrongAnswerError("an entry of a kind that is never made here")
    more = (logged.certificate,) if isinstance(logged, Entry) else ()
    if type(logged).of(record.body, logged.signature, logged.key, *more) != logged:
        raise WrongAnswerError("the entry is not of the message that came with it")
    check_included(signed)


def check_included(signed: Signed) -> None:
    """Check that the entry is in the tree of the note.

    Raises:
        WrongAnswerError, VerificationError: it is not.
    """
    record = signed.record
    tree = Checkpoint.parse(Note.parse(signed.note).text)
    if signed.proof.tree_size != tree.tree_size or signed.proof.index != record.index:
        raise WrongAnswerError("the proof is for another tree or entry")
    verify_inclusion(hash_leaf(record.entry), signed.proof, tree.root)


def _said(record: Record) -> tuple[str, str, Mapping[str, str]]:
    """Return digest, repository and annotations of an approval in any form."""
    if record.form == labels.SIMPLESIGNING:
        simple = SimpleSigning.parse(record.body)
        return simple.digest, simple.repository, simple.annotations
    if record.form == labels.NOTATION:
        target = jws.parse(record.body).target
        annotations = dict(target.annotations)
        return target.digest, annotations.pop(labels.REPOSITORY, ""), annotations
    _, payload = dsse.parse_pae(record.body)
    statement = Statement.parse(payload)
    if (len(statement.subjects), statement.predicate_type) != (1, APPROVAL):
        raise WrongAnswerError("asked for an approval of one image, answered with something else")
    return statement.subjects[0]


def record(message: record_pb2.Record) -> Record:
    """Read a record; its content is judged elsewhere."""
    return Record(
        message.index,
        message.form,
        message.entry,
        message.body,
        message.promise,
        message.timestamp,
        message.chain,
        message.integrated_at,
        message.body_size,
    )


def proof(message: record_pb2.InclusionProof) -> InclusionProof:
    """Read a proof; raises `MalformedError` for a hash that is none."""
    return InclusionProof(message.index, message.tree_size, tuple(Hash(h) for h in message.path))


def error(failed: grpc.aio.AioRpcError, target: str) -> SealbookError:
    """Return the refusal, or the failure to get an answer, that ended a call."""
    trailing = dict(failed.trailing_metadata() or ())
    code, details = trailing.get("sealbook-code"), failed.details() or ""
    if isinstance(code, str):
        more = (str(trailing.get(f"sealbook-{n}", "")) for n in ("hint", "request", "reference"))
        return ServiceError(code, details.removesuffix(f" ({code})"), *more)
    if failed.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return ServiceUnreachableError(f"no answer from {target}: {details}")
    return ServiceError(failed.code().name.lower().replace("_", "-"), details)
