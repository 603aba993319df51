"""The client library: sign from CI, in a program of yours.

    with Client("127.0.0.1:8640", token) as client:
        signed = client.sign("sha256:…", "registry.example/team/app", annotations={"env": "prod"})
        Path("bundle.json").write_bytes(signed.bundle())

Calls that are made at the same time, from many threads or tasks, for the same
repository and key travel together in one SignBatch: whatever waits while a call
is under way is the next one. When a batch is refused, its calls are made singly,
so that one caller's fault is not another's. Every answer is checked: it is about
the digest and repository that were asked for, and its proof leads to its checkpoint.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self, TypeVar

import grpc

from signer.errors import ServiceError, ServiceUnreachableError, WrongAnswerError
from signer.order import Item
from signer.v1 import ledger_pb2, record_pb2, signer_pb2
from verifier import dsse, limits
from verifier.bundle import Record
from verifier.checkpoint import Checkpoint
from verifier.entry import Entry
from verifier.errors import SealbookError, VerificationError
from verifier.merkle import Hash, InclusionProof, hash_leaf, verify_inclusion
from verifier.note import Note
from verifier.statement import Statement

_T = TypeVar("_T")
_TIMEOUT_S = 30.0
_OPTIONS = (("grpc.max_receive_message_length", 8 << 20),)


class Signed(NamedTuple):
    """One signature with its proof; `note` is the signed checkpoint that it leads to."""

    record: Record
    proof: InclusionProof
    note: str
    log_id: bytes

    def bundle(self) -> bytes:
        """Render as a Sigstore bundle."""
        return self.record.bundle(self.proof, self.note, self.log_id).json()


class _Call(NamedTuple):
    """What can travel together: all but the item."""

    repository: str
    key: str
    reason: str


class _Waiting(NamedTuple):
    item: Item
    future: asyncio.Future[Signed]


class AsyncClient:
    """A client on the running event loop; use as an async context manager."""

    def __init__(
        self, target: str, token: str, *, ca: bytes | None = None, timeout_s: float = _TIMEOUT_S
    ) -> None:
        """Talk to `target`, as HOST:PORT; over TLS if `ca`, PEM roots, is given."""
        if ca is None:
            self._channel = grpc.aio.insecure_channel(target, _OPTIONS)
        else:
            credentials = grpc.ssl_channel_credentials(ca)
            self._channel = grpc.aio.secure_channel(target, credentials, _OPTIONS)
        self._target = target
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._timeout_s = timeout_s
        self._waiting: dict[_Call, list[_Waiting]] = {}
        self._senders: dict[_Call, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the channel."""
        await self.close()

    async def close(self) -> None:
        """Close the channel; calls under way fail."""
        await self._channel.close()

    async def sign(
        self,
        digest: str,
        repository: str,
        *,
        key: str = "",
        reason: str = "",
        annotations: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Signed:
        """Approve `digest` in `repository`; `more` are the other fields of `Item`.

        Raises:
            ServiceError: the service refused; `code` says why.
            ServiceUnreachableError: no answer. Calling again is safe.
            WrongAnswerError: the answer is about something else.
        """
        call = _Call(repository, key, reason)
        item = Item(digest, annotations=annotations or {}, **more)
        waiting = _Waiting(item, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(call, []).append(waiting)
        if call not in self._senders:
            self._senders[call] = asyncio.create_task(self._send(call))
        return await waiting.future

    async def sign_batch(
        self, repository: str, items: Sequence[Item], *, key: str = "", reason: str = ""
    ) -> list[Signed | SealbookError]:
        """Approve up to 256 items in one commit; answers in their order.

        Raises:
            ServiceError: the batch was refused as a whole.
            ServiceUnreachableError: no answer. Calling again is safe.
            WrongAnswerError: an answer is missing or about something else.
        """
        request = signer_pb2.SignBatchRequest(
            repository=repository, key=key, reason=reason, items=[_item(item) for item in items]
        )
        answers: list[Signed | SealbookError | None] = [None] * len(items)
        checkpoint: record_pb2.Checkpoint | None = None
        async for message in self._stream(
            "/sealbook.v1.Signer/SignBatch", request, signer_pb2.SignBatchResponse
        ):
            checkpoint = checkpoint or message.checkpoint
            for answer in message.answers:
                if answer.item >= len(items):
                    raise WrongAnswerError(f"an answer for item {answer.item}")
                answers[answer.item] = _checked(answer, checkpoint, items[answer.item], repository)
        if any(answer is None for answer in answers):
            raise WrongAnswerError("the service answered only a part of the batch")
        return [answer for answer in answers if answer is not None]

    async def bundles(self, digest: str, repository: str = "") -> list[bytes]:
        """Return every bundle about `digest`, oldest first."""
        request = signer_pb2.GetBundlesRequest(digest=digest, repository=repository)
        name = "/sealbook.v1.Signer/GetBundles"
        stream = self._stream(name, request, signer_pb2.GetBundlesResponse)
        return [message.signature.bundle async for message in stream]

    async def checkpoint(self) -> str:
        """Return the newest signed checkpoint."""
        request = ledger_pb2.GetCheckpointRequest()
        name = "/sealbook.v1.Ledger/GetCheckpoint"
        answer = await self._unary(name, request, record_pb2.Checkpoint)
        return str(answer.note)

    async def entry(self, index: int) -> ledger_pb2.GetEntryResponse:
        """Return one entry with its labels."""
        name = "/sealbook.v1.Ledger/GetEntry"
        request = ledger_pb2.GetEntryRequest(index=index)
        answer: ledger_pb2.GetEntryResponse
        answer = await self._unary(name, request, ledger_pb2.GetEntryResponse)
        return answer

    async def inclusion_proof(self, index: int) -> tuple[InclusionProof, str]:
        """Return the proof of the entry at `index`, and the note of its tree."""
        name = "/sealbook.v1.Ledger/GetInclusionProof"
        request = ledger_pb2.GetInclusionProofRequest(index=index)
        answer = await self._unary(name, request, ledger_pb2.GetInclusionProofResponse)
        return _proof(answer.proof), answer.checkpoint.note

    async def search(self, name: str, value: str, start: int = 0) -> tuple[list[Record], int]:
        """Return a page of the entries with this label, and where the next one starts, or 0."""
        request = ledger_pb2.SearchRequest(name=name, value=value, start=start)
        method = "/sealbook.v1.Ledger/Search"
        answer = await self._unary(method, request, ledger_pb2.SearchResponse)
        return [_record(record) for record in answer.records], answer.next

    async def _send(self, call: _Call) -> None:
        """Send what waits for `call`, batch after batch, until nothing does."""
        try:
            while waiting := self._waiting.get(call):
                batch = waiting[: limits.MANIFESTS]
                del waiting[: limits.MANIFESTS]
                await self._deliver(call, batch)
        finally:
            self._waiting.pop(call, None)
            del self._senders[call]

    async def _deliver(self, call: _Call, batch: Sequence[_Waiting]) -> None:
        items = [waiting.item for waiting in batch]
        answers: Sequence[Signed | Exception]
        try:
            answers = await self.sign_batch(
                call.repository, items, key=call.key, reason=call.reason
            )
        except ServiceError as e:
            answers = [e] if len(batch) == 1 else [await self._single(call, i) for i in items]
        except Exception as e:  # noqa: BLE001  each of them waits for an answer
            answers = [e] * len(batch)
        for waiting, answer in zip(batch, answers, strict=True):
            if waiting.future.done():  # its caller has gone
                continue
            if isinstance(answer, Exception):
                waiting.future.set_exception(answer)
            else:
                waiting.future.set_result(answer)

    async def _single(self, call: _Call, item: Item) -> Signed | Exception:
        try:
            [answer] = await self.sign_batch(
                call.repository, [item], key=call.key, reason=call.reason
            )
        except SealbookError as e:
            return e
        return answer

    async def _unary(self, name: str, request: Any, answer: Any) -> Any:
        call = self._channel.unary_unary(
            name,
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        try:
            return await call(request, timeout=self._timeout_s, metadata=self._metadata)
        except grpc.aio.AioRpcError as e:
            raise _error(e, self._target) from e

    async def _stream(self, name: str, request: Any, answer: Any) -> AsyncIterator[Any]:
        call = self._channel.unary_stream(
            name,
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        try:
            async for message in call(request, timeout=self._timeout_s, metadata=self._metadata):
                yield message
        except grpc.aio.AioRpcError as e:
            raise _error(e, self._target) from e


class Client:
    """The same for programs without an event loop; safe in many threads."""

    def __init__(
        self, target: str, token: str, *, ca: bytes | None = None, timeout_s: float = _TIMEOUT_S
    ) -> None:
        """Talk to `target`, as HOST:PORT; over TLS if `ca`, PEM roots, is given."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="sealbook-client", daemon=True
        )
        self._thread.start()
        self._client: AsyncClient = self._run(_make(target, token, ca, timeout_s))

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the channel."""
        self.close()

    def close(self) -> None:
        """Close the channel and end the thread."""
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def sign(self, digest: str, repository: str, **more: Any) -> Signed:
        """Approve `digest` in `repository`; see `AsyncClient.sign`."""
        return self._run(self._client.sign(digest, repository, **more))

    def sign_batch(
        self, repository: str, items: Sequence[Item], *, key: str = "", reason: str = ""
    ) -> list[Signed | SealbookError]:
        """Approve up to 256 items in one commit; see `AsyncClient.sign_batch`."""
        return self._run(self._client.sign_batch(repository, items, key=key, reason=reason))

    def bundles(self, digest: str, repository: str = "") -> list[bytes]:
        """Return every bundle about `digest`, oldest first."""
        return self._run(self._client.bundles(digest, repository))

    def checkpoint(self) -> str:
        """Return the newest signed checkpoint."""
        return self._run(self._client.checkpoint())

    def entry(self, index: int) -> ledger_pb2.GetEntryResponse:
        """Return one entry with its labels."""
        return self._run(self._client.entry(index))

    def inclusion_proof(self, index: int) -> tuple[InclusionProof, str]:
        """Return the proof of the entry at `index`, and the note of its tree."""
        return self._run(self._client.inclusion_proof(index))

    def search(self, name: str, value: str) -> Iterator[Record]:
        """Yield every entry with this label, oldest first."""
        start = 0
        while True:
            page, start = self._run(self._client.search(name, value, start))
            yield from page
            if not start:
                return

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _make(target: str, token: str, ca: bytes | None, timeout_s: float) -> AsyncClient:
    return AsyncClient(target, token, ca=ca, timeout_s=timeout_s)


def _item(item: Item) -> signer_pb2.SignBatchRequest.Item:
    return signer_pb2.SignBatchRequest.Item(**item._asdict())


def _checked(
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
    signed = Signed(
        _record(signature.record), _proof(signature.proof), checkpoint.note, checkpoint.log_id
    )
    try:
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
    [subject] = Statement.parse(payload).subjects
    if (subject.digest, subject.name) != (item.digest, repository):
        raise WrongAnswerError(f"asked about {item.digest}, answered about {subject.digest}")
    tree = Checkpoint.parse(Note.parse(signed.note).text)
    if signed.proof.tree_size != tree.tree_size or signed.proof.index != record.index:
        raise WrongAnswerError("the proof is for another tree or entry")
    verify_inclusion(hash_leaf(record.entry), signed.proof, tree.root)


def _record(record: record_pb2.Record) -> Record:
    return Record(record.index, record.form, record.entry, record.body)


def _proof(proof: record_pb2.InclusionProof) -> InclusionProof:
    return InclusionProof(proof.index, proof.tree_size, tuple(Hash(h) for h in proof.path))


def _error(error: grpc.aio.AioRpcError, target: str) -> SealbookError:
    trailing = dict(error.trailing_metadata() or ())
    code, details = trailing.get("sealbook-code"), error.details() or ""
    if isinstance(code, str):
        hint = str(trailing.get("sealbook-hint", ""))
        return ServiceError(code, details.removesuffix(f" ({code})"), hint)
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return ServiceUnreachableError(f"no answer from {target}: {details}")
    return ServiceError(error.code().name.lower().replace("_", "-"), details)


__all__ = ["AsyncClient", "Client", "Item", "Signed"]
