"""A ledger to ask questions about: 305 approvals in five commits."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from google.protobuf.message import Message

from signer.v1 import ledger_pb2, record_pb2
from tests.signer.asking import OTHER_REPOSITORY, REPOSITORY, item
from tests.signer.running import Answer, InProcess
from verifier.checkpoint import Checkpoint
from verifier.note import Note, verify

M = TypeVar("M", bound=Message)


BATCHES = (1, 3, 44, 252, 5)


SIZES = (2, 5, 49, 301, 306)  # of the tree after each of them


SIZE = SIZES[-1]


class Question(NamedTuple):
    """The Ledger service of one running service."""

    service: InProcess

    def raw(self, method: str, request: Message) -> Answer:
        """Ask."""
        return self.service.raw(request.SerializeToString(), f"/sealbook.v1.Ledger/{method}")

    def unary(self, method: str, request: Message, kind: type[M]) -> M:
        """Ask, and return the answer."""
        return self.raw(method, request).message(kind)

    def checkpoint(self, note: str) -> Checkpoint:
        """Return what a note says, once the log's key is seen to have signed it."""
        verify(Note.parse(note), [self.service.trust.logs[0].checkpoint_key])
        return Checkpoint.parse(Note.parse(note).text)

    def at(self, tree_size: int) -> Checkpoint:
        """Return the checkpoint that is kept for a size."""
        request = ledger_pb2.GetCheckpointRequest(tree_size=tree_size)
        answer = self.unary("GetCheckpoint", request, record_pb2.Checkpoint)
        assert answer.log_id == self.service.trust.logs[0].checkpoint_key.log_id
        return self.checkpoint(answer.note)


def fill(service: InProcess) -> None:
    """Have 305 images approved, the last five of them in another repository."""
    start = 0
    for count in BATCHES:
        items = [item(n) for n in range(start, start + count)]
        where = OTHER_REPOSITORY if count == BATCHES[-1] else REPOSITORY
        answers = service.asking(lambda c, w=where, i=items: c.sign_batch(w, i))
        assert count == len([service.verify(answer, where) for answer in answers])
        start += count
