"""Everything that was signed about a digest: found by label, proven, and rendered piece by piece.

An attestation may be 16 MiB; it is read from its file while it is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

from ledger import labels
from ledger.answer import make_record
from ledger.errors import BodyDeletedError
from ledger.ledger import Ledger
from ledger.publication import Published
from signer.access import Principal
from signer.guard import Method
from signer.seeing import FETCH, Sight
from signer.service import wire
from signer.signing import Proven
from signer.v1 import record_pb2, signer_pb2
from verifier.digest import Digest
from verifier.merkle import InclusionProof
from verifier.record import Record
from verifier.repository import Repository

_PAGE = 64  # signatures
SHOWN = (labels.BUNDLE, labels.SIMPLESIGNING, labels.CERTIFICATE, labels.NOTATION)


class Found(NamedTuple):
    """A signature about the digest; `committed_at` is POSIX seconds by the service's own clock."""

    record: Record
    proof: InclusionProof
    predicate_type: str
    committed_at: int


class Bundles:
    """`GetBundles`, and the same for HTTP."""

    def __init__(self, ledger: Ledger) -> None:
        """Find in `ledger`."""
        self._ledger = ledger

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        name = "/sealbook.v1.Signer/GetBundles"
        return {name: Method(signer_pb2.GetBundlesRequest, streaming=self.get_bundles)}

    async def get_bundles(
        self, principal: Principal, request: signer_pb2.GetBundlesRequest
    ) -> AsyncIterator[signer_pb2.GetBundlesResponse]:
        """Stream every signature about a digest that the caller is shown, under one checkpoint."""
        repository = Repository(request.repository) if request.repository else None
        published = self._ledger.published
        log_id = self._ledger.log_key.log_id
        checkpoint = record_pb2.Checkpoint(note=published.note, log_id=log_id)
        digest, start = Digest(request.digest), 0
        sight = Sight(principal, FETCH)
        while True:
            page, start = await asyncio.to_thread(
                self.find, published, digest, repository, start, sight=sight
            )
            for found in page:
                message = signer_pb2.GetBundlesResponse(
                    checkpoint=checkpoint,
                    committed_at=found.committed_at,
                    predicate_type=found.predicate_type,
                )
                if request.without_bundles:
                    listed = Proven(found.record._replace(body=b""), found.proof)
                    message.signature.CopyFrom(wire.signature(listed))
                    yield message
                    continue
                message.signature.CopyFrom(wire.signature(Proven(found.record, found.proof)))
                parts = self.rendered(found, published.note)
                part = await asyncio.to_thread(next, parts, b"")
                while part:
                    message.signature.bundle = part
                    part = await asyncio.to_thread(next, parts, b"")
                    message.continues = bool(part)
                    yield message
                    message = signer_pb2.GetBundlesResponse()
            if not start:
                return

    def find(
        self,
        published: Published,
        digest: Digest,
        repository: Repository | None,
        start: int,
        forms: tuple[str, ...] = SHOWN,
        *,
        sight: Sight,
    ) -> tuple[list[Found], int]:
        """Return a page of the signatures about `digest`, oldest first, from index `start` on.

        All are proven under `published`. With it comes where the next page starts, or 0.
        One whose body was deleted is left out, and so is what `sight` does not show: a page ends
        where the next that is shown begins, so that nothing tells how many others there are.

        Raises:
            BodyDeletedError: of all that is shown, every body was deleted.
        """
        if repository is not None and not sight.covers(repository):
            return [], 0
        tree_size = published.checkpoint.tree_size
        page: list[Found] = []
        begun, deleted = start, False
        while True:
            indices = self._ledger.store.search("digest", digest, start - 1, _PAGE + 1, tree_size)
            for index in indices:
                row = self._ledger.row(index)
                about = labels.decode(row.labels)
                if about["form"][0] not in forms or not _is_in(about, repository):
                    continue
                if not sight.shows(row.labels):
                    continue
                if row.body is None and not row.body_size:
                    deleted = True
                    continue
                if len(page) == _PAGE:
                    return page, index
                says = about.get("predicate_type", [""])[0]
                proof = self._ledger.prove(index, tree_size)
                page.append(Found(make_record(index, row), proof, says, row.time))
            if len(indices) <= _PAGE:
                if deleted and not page and not begun:
                    raise BodyDeletedError(f"what was attested about {digest} was deleted")
                return page, 0
            start = indices[-1] + 1

    def rendered(self, found: Found, note: str) -> Iterator[bytes]:
        """Yield the bytes that readers of the form take, in pieces."""
        record, log_id = found.record, self._ledger.log_key.log_id
        if not record.body_size:
            yield record.rendered(found.proof, note, log_id)
            return
        name = labels.body_name(record.entry)
        assert name is not None
        body = self._ledger.bodies.pieces(name, record.body_size)
        yield from record.pieces(body, found.proof, note, log_id)


def _is_in(about: labels.Labels, repository: Repository | None) -> bool:
    return repository is None or repository in about.get("repository", ())
