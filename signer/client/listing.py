"""What a client makes of the answer to GetBundles: a list of what there is, and the files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, NamedTuple

from signer.client.answer import proof, record
from signer.errors import WrongAnswerError
from signer.v1 import signer_pb2
from verifier import limits
from verifier.errors import VerificationError
from verifier.record import Record


class Listed(NamedTuple):
    """One signature; `committed_at` is POSIX seconds by the service's clock, and not proven."""

    record: Record
    predicate_type: str
    committed_at: int


async def gathered(
    messages: AsyncIterator[signer_pb2.GetBundlesResponse],
    where: Callable[[Listed], Path] | None,
) -> list[Listed]:
    """Return what is listed, oldest first; `where` says into which file each bundle goes.

    Raises:
        WrongAnswerError: it holds something else, or only a part of a bundle.
    """
    found: list[Listed] = []
    with ExitStack() as stack:
        file: BinaryIO | None = None
        continues, size = False, 0
        async for message in messages:
            if not continues:
                found.append(_listed(message))
                stack.close()
                size = 0
                if where is not None:
                    file = stack.enter_context(where(found[-1]).open("wb"))
            size += len(message.signature.bundle)
            if size > limits.ATTESTATION:
                raise WrongAnswerError(f"a bundle of over {limits.ATTESTATION} bytes")
            if file is not None:
                file.write(message.signature.bundle)
            continues = message.continues
    if continues:
        raise WrongAnswerError("the service sent only a part of a bundle")
    return found


def _listed(message: signer_pb2.GetBundlesResponse) -> Listed:
    try:
        made, path = record(message.signature.record), proof(message.signature.proof)
    except VerificationError as e:
        raise WrongAnswerError(f"the answer does not hold: {e.message} ({e.code})") from e
    if path.index != made.index:
        raise WrongAnswerError("the proof is for another entry")
    return Listed(made, message.predicate_type, message.committed_at)
