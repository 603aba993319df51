"""What a client does about an attestation: sends its predicate in pieces, and checks the answer.

A predicate may be 16 MiB. It is read from where it is each time it is needed, and never
held whole, nor is the bundle, which is rendered around it; but for the moment in which a
signature is checked that is over the message itself, as those of a second algorithm are.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from signer.client.answer import Signed, check_included, key_of, proof, record
from signer.errors import WrongAnswerError
from signer.v1 import record_pb2, signer_pb2
from verifier import dsse
from verifier.entry import Entry
from verifier.errors import VerificationError
from verifier.statement import BEFORE, Statement

PIECE = 256 << 10
_SPACE = b" \t\r\n"

Progress = Callable[[int, int], object]


class Predicate:
    """A predicate as its file or its bytes have it, without white space around it."""

    def __init__(self, source: Path | bytes) -> None:
        """Read `source`, each time anew."""
        self._source = source

    @property
    def size(self) -> int:
        """Bytes, with white space around it."""
        return len(self._source) if isinstance(self._source, bytes) else self._source.stat().st_size

    def pieces(self) -> Iterator[bytes]:
        """Yield it in pieces of at most 256 KiB, whatever is around it too."""
        if isinstance(self._source, bytes):
            for at in range(0, len(self._source), PIECE):
                yield self._source[at : at + PIECE]
            return
        with self._source.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece

    def trimmed(self) -> Iterator[bytes]:
        """Yield it in pieces, without white space around it: as it becomes part of a statement."""
        held, started = b"", False
        for whole in self.pieces():
            piece = whole if started else whole.lstrip(_SPACE)
            started = started or bool(piece)
            kept = piece.rstrip(_SPACE)
            if kept:
                yield held
                yield kept
                held = b""
            held += piece[len(kept) :]


class Attested(NamedTuple):
    """An attestation with its proof; `after` follows the predicate in its statement.

    `also` are the same by each key that signs also, as bundles of their own.
    """

    signed: Signed
    predicate: Predicate
    after: bytes
    also: tuple[Attested, ...] = ()

    def pieces(self) -> Iterator[bytes]:
        """Render the bundle, piece by piece.

        Raises:
            WrongAnswerError: the predicate's file is another one by now; what came is no bundle.
        """
        signed = self.signed
        hashed = hashlib.sha256()

        def body() -> Iterator[bytes]:
            for piece in _body(self.predicate, self.after):
                hashed.update(piece)
                yield piece

        yield from signed.record.pieces(body(), signed.proof, signed.note, signed.log_id)
        if hashed.digest() != Entry.parse(signed.record.entry).data_digest:
            raise WrongAnswerError("the predicate was changed since it was attested")

    def write(self, path: Path) -> None:
        """Write the bundle to `path`, whole or not at all; raises like `pieces`."""
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with fresh.open("wb") as file:
                file.writelines(self.pieces())
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)


async def requests(
    start: signer_pb2.AttestRequest.Start, predicate: Predicate, progress: Progress | None
) -> AsyncIterator[signer_pb2.AttestRequest]:
    """Yield what is sent; `progress` is told the bytes so far, and all."""
    yield signer_pb2.AttestRequest(start=start)
    done, total = 0, predicate.size
    for piece in predicate.pieces():
        yield signer_pb2.AttestRequest(predicate=piece)
        done += len(piece)
        if progress is not None:
            progress(done, total)


def checked(
    answer: signer_pb2.AttestResponse, start: signer_pb2.AttestRequest.Start, predicate: Predicate
) -> Attested:
    """Return the answer once it is seen to be about what was asked.

    Raises:
        WrongAnswerError: it is about something else, or does not hold.
    """
    parts = [(answer.signature, answer.after), *((one.signature, one.after) for one in answer.also)]
    first, *also = (
        _checked(signature, after, answer.checkpoint, start, predicate)
        for signature, after in parts
    )
    if len({key_of(one.signed.record) for one in (first, *also)}) != 1 + len(also):
        raise WrongAnswerError("answered twice by one key")
    return first._replace(also=tuple(also))


def _checked(
    signature: record_pb2.Signature,
    after: bytes,
    note: record_pb2.Checkpoint,
    start: signer_pb2.AttestRequest.Start,
    predicate: Predicate,
) -> Attested:
    try:
        made = record(signature.record)
        signed = Signed(made, proof(signature.proof), note.note, note.log_id)
        attested = Attested(signed, predicate, after or _after(made.body, predicate))
        said = Statement.parse(BEFORE + b"{}" + attested.after)
        asked = [(digest, start.repository) for digest in start.digests]
        if [(subject.digest, subject.name) for subject in said.subjects] != asked:
            raise WrongAnswerError("the answer is about other images than were asked about")
        if said.predicate_type != start.predicate_type:
            raise WrongAnswerError(f"the answer is of type {said.predicate_type[:80]!r}")
        logged, hashed = Entry.parse(made.entry), hashlib.sha256()
        for piece in _body(predicate, attested.after):
            hashed.update(piece)
        if logged.data_digest != hashed.digest():
            raise WrongAnswerError("the entry is of another predicate than was sent")
        if logged.key.signs_hashes:
            logged.key.verify_digest(logged.signature, logged.data_digest)
        else:  # ML-DSA signs the message itself, which has to be here as a whole for once
            logged.key.verify(logged.signature, b"".join(_body(predicate, attested.after)))
        check_included(signed)
    except VerificationError as e:
        raise WrongAnswerError(f"the answer does not hold: {e.message} ({e.code})") from e
    return attested


def _after(body: bytes, predicate: Predicate) -> bytes:
    """Return what follows the predicate in a body that was sent along."""
    _, payload = dsse.parse_pae(body)
    size = len(BEFORE) + sum(map(len, predicate.trimmed()))
    return payload[size:]


def _body(predicate: Predicate, after: bytes) -> Iterator[bytes]:
    """Yield the message that is signed."""
    size = len(BEFORE) + sum(map(len, predicate.trimmed())) + len(after)
    yield dsse.pae_prefix(size)
    yield BEFORE
    yield from predicate.trimmed()
    yield after


def start_of(
    digests: Sequence[str],
    repository: str,
    predicate_type: str,
    *,
    key: str = "",
    renew: bool = False,
    idempotency_key: str = "",
    reason: str = "",
) -> signer_pb2.AttestRequest.Start:
    """Return what an attestation is to be about; `predicate_type` is a URI."""
    return signer_pb2.AttestRequest.Start(
        digests=digests,
        repository=repository,
        predicate_type=predicate_type,
        key=key,
        renew=renew,
        idempotency_key=idempotency_key,
        reason=reason,
    )
