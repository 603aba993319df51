"""The calls that the crash tests make, by the wire contract alone: no client of ours in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Self

import grpc

from ledger import labels
from signer.client import answer as answered
from signer.v1 import (
    ledger_pb2,
    ledger_pb2_grpc,
    operator_pb2,
    operator_pb2_grpc,
    record_pb2,
    signer_pb2,
    signer_pb2_grpc,
)
from tests.crash.service import Service
from verifier import dsse
from verifier.digest import Digest
from verifier.merkle import Hash, InclusionProof
from verifier.record import Record
from verifier.repository import Repository
from verifier.statement import APPROVAL, Statement

REPOSITORY = Repository("registry.example/team/app")
_TIMEOUT_S = 30.0


class Answer(NamedTuple):
    """A signature with its proof; `note` is the signed checkpoint that the proof leads to."""

    record: Record
    proof: InclusionProof
    note: str


class Listed(NamedTuple):
    """An entry as the ledger lists it, and the digest that it approves."""

    record: Record
    digest: Digest


class Caller:
    """Calls one service; an async context manager. Raises `grpc.aio.AioRpcError`."""

    def __init__(self, service: Service) -> None:
        """Call `service`, which runs, over a connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.aio.insecure_channel(service.addresses.grpc, options)
        self._signer = signer_pb2_grpc.SignerStub(self._channel)  # type: ignore[no-untyped-call]
        self._ledger = ledger_pb2_grpc.LedgerStub(self._channel)  # type: ignore[no-untyped-call]
        self._admin = grpc.aio.insecure_channel(f"unix:{service.operator_socket}")
        self._operator = operator_pb2_grpc.OperatorStub(self._admin)  # type: ignore[no-untyped-call]
        self.listed = 0  # entries, when they were listed last
        self._options = {
            "metadata": (("authorization", f"Bearer {service.token}"),),
            "timeout": _TIMEOUT_S,
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()
        await self._admin.close()

    async def status(self) -> operator_pb2.GetStatusResponse:
        """Return what the operator is told."""
        request = operator_pb2.GetStatusRequest()
        status: operator_pb2.GetStatusResponse = await self._operator.GetStatus(
            request, timeout=_TIMEOUT_S
        )
        return status

    async def accept_clock(self, reason: str) -> int:
        """Have the machine's clock taken as right, and return where that was logged."""
        request = operator_pb2.AcceptClockRequest(reason=reason)
        answer = await self._operator.AcceptClock(request, timeout=_TIMEOUT_S)
        return int(answer.index)

    async def settle(self) -> None:
        """Return when readers may see everything that is durable."""
        await self.wait_until(lambda now: now.published_size == now.tree_size)

    async def wait_until(self, holds: Callable[[operator_pb2.GetStatusResponse], bool]) -> None:
        """Return when the status is such that `holds`; looks often, and not for ever."""
        async with asyncio.timeout(_TIMEOUT_S):
            while not holds(await self.status()):  # noqa: ASYNC110  another process changes it
                await asyncio.sleep(0.01)

    async def sign(self, digest: Digest) -> Answer:
        """Approve one digest."""
        request = signer_pb2.SignRequest(digest=digest, repository=REPOSITORY)
        answer = await self._signer.Sign(request, **self._options)
        [signature] = answer.signatures
        return _answer(signature, answer.checkpoint.note)

    async def sign_batch(self, digests: list[Digest]) -> list[Answer]:
        """Approve up to 256 digests in one commit."""
        items = [signer_pb2.SignBatchRequest.Item(digest=digest) for digest in digests]
        request = signer_pb2.SignBatchRequest(repository=REPOSITORY, items=items)
        messages = [message async for message in self._signer.SignBatch(request, **self._options)]
        note = messages[0].checkpoint.note
        return [_answer(a.signatures[0], note) for message in messages for a in message.answers]

    async def refusals(self, digests: list[Digest]) -> list[str]:
        """Ask for digests in one commit that are all refused, and return the codes."""
        items = [signer_pb2.SignBatchRequest.Item(digest=digest) for digest in digests]
        request = signer_pb2.SignBatchRequest(repository=REPOSITORY, items=items)
        messages = [message async for message in self._signer.SignBatch(request, **self._options)]
        return [answer.refusal.code for message in messages for answer in message.answers]

    async def checkpoint(self) -> str:
        """Return the newest signed checkpoint."""
        answer = await self._ledger.GetCheckpoint(
            ledger_pb2.GetCheckpointRequest(), **self._options
        )
        return str(answer.note)

    async def entries(self) -> list[Listed]:
        """Return the approvals in the ledger, all that there is besides events of its own."""
        found: list[Listed] = []
        self.listed = 0
        request = ledger_pb2.ListEntriesRequest(start=0)
        async for message in self._ledger.ListEntries(request, **self._options):
            for record in message.records:
                assert self.listed == record.index
                self.listed += 1
                if record.form != labels.EVENT:
                    found.append(_listed(answered.record(record)))
        return found

    async def prove(self, index: int) -> tuple[InclusionProof, str]:
        """Return a fresh proof of the entry at `index`, and the checkpoint that it leads to."""
        request = ledger_pb2.GetInclusionProofRequest(index=index)
        answer = await self._ledger.GetInclusionProof(request, **self._options)
        return _proof(answer.proof), answer.checkpoint.note

    async def prove_consistency(self, old_size: int, tree_size: int) -> list[Hash]:
        """Return the proof that one tree grew out of the other."""
        request = ledger_pb2.GetConsistencyProofRequest(old_size=old_size, tree_size=tree_size)
        answer = await self._ledger.GetConsistencyProof(request, **self._options)
        return [Hash(h) for h in answer.path]


def _answer(signature: record_pb2.Signature, note: str) -> Answer:
    return Answer(answered.record(signature.record), _proof(signature.proof), note)


def _proof(proof: record_pb2.InclusionProof) -> InclusionProof:
    return InclusionProof(proof.index, proof.tree_size, tuple(Hash(h) for h in proof.path))


def _listed(record: Record) -> Listed:
    statement = Statement.parse(dsse.parse_pae(record.body)[1])
    assert APPROVAL == statement.predicate_type
    [subject] = statement.subjects
    assert REPOSITORY == subject.name
    return Listed(record, subject.digest)
