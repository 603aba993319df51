"""The client on an event loop; see `signer.client`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import grpc

from signer.client import answer as answered
from signer.client import approvals, attesting, messages, publishing, pulled
from signer.client.answer import Signed
from signer.client.approvals import Approved, OpenRequest
from signer.client.attesting import Attested, Predicate
from signer.client.bearer import EXCHANGE, Bearer, Metadata
from signer.client.credentials import Credentials
from signer.client.listing import Listed, gathered
from signer.client.messages import KeyInfo, SignedMessage
from signer.client.publishing import Publication
from signer.client.pulled import Pulls
from signer.errors import (
    RequestError,
    ServiceError,
    ServiceUnreachableError,
    WrongAnswerError,
)
from signer.order import Item
from signer.v1 import access_pb2, approvals_pb2, ledger_pb2, record_pb2, signer_pb2
from verifier import limits
from verifier.errors import SealbookError
from verifier.merkle import InclusionProof
from verifier.record import Record

TIMEOUT_S = 30.0
_UPLOAD_S = 150.0  # the service gives up before
_CLOSED = "the client was closed"
_OPTIONS = (("grpc.max_receive_message_length", 8 << 20),)


class _Call(NamedTuple):
    """What can travel together: all but the item."""

    repository: str
    key: str
    reason: str
    forms: tuple[str, ...]


class _Waiting(NamedTuple):
    item: Item
    future: asyncio.Future[Signed]


class AsyncClient:
    """A client on the running event loop; use as an async context manager."""

    def __init__(
        self,
        target: str,
        token: str = "",
        *,
        ca: bytes | None = None,
        certificate: bytes | None = None,
        key: bytes | None = None,
        oidc_token: Callable[[], str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Talk to `target`, as HOST:PORT, with these `Credentials`."""
        credentials = Credentials(token, ca, certificate, key, oidc_token)
        self._channel = credentials.aio_channel(target, _OPTIONS)
        self._target = target
        self._bearer = Bearer(credentials, self.exchange)
        self._timeout_s = timeout_s
        self._closed = False
        self._waiting: dict[_Call, list[_Waiting]] = {}
        self._senders: dict[_Call, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the channel."""
        await self.close()

    async def close(self) -> None:
        """Close the channel; calls under way, and those that wait behind them, fail."""
        self._closed = True
        await self._channel.close()
        senders = list(self._senders.values())
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)
        for waiting in self._waiting.values():  # those whose sender never got to run
            _fail(waiting)
        self._waiting.clear()

    async def sign(
        self,
        digest: str,
        repository: str,
        *,
        key: str = "",
        reason: str = "",
        forms: Sequence[str] = (),
        annotations: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Signed:
        """Approve `digest` in `repository`; `more` are the other fields of `Item`.

        The answer is the signature in the first form, with those in the others.

        Raises:
            RequestError: a value that no request can carry.
            ServiceError: the service refused; `code` says why.
            ServiceUnreachableError: no answer. Calling again is safe.
            WrongAnswerError: the answer is about something else.
        """
        if self._closed:
            raise ServiceUnreachableError(_CLOSED)
        call = _Call(repository, key, reason, tuple(forms))
        item = Item(digest, annotations=annotations or {}, **more)
        _message(item)  # a value that no message can carry is this caller's fault alone
        waiting = _Waiting(item, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(call, []).append(waiting)
        if call not in self._senders:
            self._senders[call] = asyncio.create_task(self._send(call))
        return await waiting.future

    async def sign_batch(
        self,
        repository: str,
        items: Sequence[Item],
        *,
        key: str = "",
        reason: str = "",
        forms: Sequence[str] = (),
    ) -> list[Signed | SealbookError]:
        """Approve up to 256 items in one commit; answers in their order.

        Raises:
            ServiceError: the batch was refused as a whole.
            ServiceUnreachableError: no answer. Calling again is safe.
            WrongAnswerError: an answer is missing or about something else.
        """
        request = signer_pb2.SignBatchRequest(
            repository=repository,
            key=key,
            reason=reason,
            forms=forms,
            items=[_message(item) for item in items],
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
                item = items[answer.item]
                answers[answer.item] = answered.checked(answer, checkpoint, item, repository, forms)
        if any(answer is None for answer in answers):
            raise WrongAnswerError("the service answered only a part of the batch")
        return [answer for answer in answers if answer is not None]

    async def attest(
        self,
        digests: Sequence[str],
        repository: str,
        predicate_type: str,
        predicate: Path | bytes,
        *,
        progress: attesting.Progress | None = None,
        **more: Any,
    ) -> Attested:
        """Attest a predicate, a file or bytes, about images in `repository`.

        `predicate_type` is a URI; `more` are the other fields of `AttestRequest.Start`;
        `progress` is told how many bytes were sent, and of how many. Raises as `sign` does.
        """
        said = Predicate(predicate)
        try:
            start = attesting.start_of(digests, repository, predicate_type, **more)
        except (TypeError, ValueError) as e:
            raise RequestError(f"not a request: {e}") from e
        call = self._channel.stream_unary(
            "/sealbook.v1.Signer/Attest",
            request_serializer=signer_pb2.AttestRequest.SerializeToString,
            response_deserializer=signer_pb2.AttestResponse.FromString,
        )
        answer = await self._answered(
            call,
            attesting.requests(start, said, progress),
            max(self._timeout_s, _UPLOAD_S),
        )
        return await asyncio.to_thread(attesting.checked, answer, start, said)

    async def bundles(self, digest: str, repository: str = "") -> list[bytes]:
        """Return every bundle about `digest`, oldest first."""
        request = signer_pb2.GetBundlesRequest(digest=digest, repository=repository)
        name = "/sealbook.v1.Signer/GetBundles"
        found: list[bytes] = []
        parts: list[bytes] = []
        async for message in self._stream(name, request, signer_pb2.GetBundlesResponse):
            parts.append(message.signature.bundle)
            if not message.continues:
                found.append(b"".join(parts))
                parts = []
        if parts:
            raise WrongAnswerError("the service sent only a part of a bundle")
        return found

    async def listed(
        self,
        digest: str,
        repository: str = "",
        *,
        where: Callable[[Listed], Path] | None = None,
    ) -> list[Listed]:
        """Return what was signed about `digest`, oldest first, without the bundles.

        With `where` each bundle is fetched too, into the file that it says.
        """
        request = signer_pb2.GetBundlesRequest(
            digest=digest, repository=repository, without_bundles=where is None
        )
        name = "/sealbook.v1.Signer/GetBundles"
        return await gathered(self._stream(name, request, signer_pb2.GetBundlesResponse), where)

    async def publish(
        self, repository: str, digests: Sequence[str], *, wait_s: float = 0, reason: str = ""
    ) -> list[Publication]:
        """Have the service attach what was signed about `digests` in `repository`.

        It will, also when the answer says that they still wait after `wait_s`, at most 60.
        Raises as `sign` does.
        """
        asked = publishing.request(repository, digests, wait_s, reason)
        call = self._method("/sealbook.v1.Signer/Publish", asked, signer_pb2.PublishResponse)
        answer = await self._answered(call, asked, self._timeout_s + wait_s)
        return publishing.checked(answer, asked)

    async def publications(
        self, repository: str = "", *, waiting: bool = False, limit: int = 0
    ) -> list[Publication]:
        """Return what waits to be attached, and what became of the rest, the newest first."""
        request = signer_pb2.ListPublicationsRequest(
            repository=repository, waiting=waiting, limit=limit
        )
        name = "/sealbook.v1.Signer/ListPublications"
        messages = self._stream(name, request, signer_pb2.ListPublicationsResponse)
        return [publishing.publication(one.publication) async for one in messages]

    async def pulls(self, repository: str = "", *, since: str = "", until: str = "") -> list[Pulls]:
        """Return what hosts told of their pulls between two days, by day; see `Pulls`."""
        request = signer_pb2.ListPullsRequest(repository=repository, since=since, until=until)
        name = "/sealbook.v1.Signer/ListPulls"
        messages = self._stream(name, request, signer_pb2.ListPullsResponse)
        return [pulled.read(one) async for one in messages]

    async def sign_message(
        self,
        message: bytes = b"",
        *,
        digest: bytes = b"",
        key: str = "",
        repository: str = "",
        reason: str = "",
    ) -> SignedMessage:
        """Sign a whole message that another tool made; `digest` alone is for raw keys.

        Raises as `sign` does.
        """
        request = signer_pb2.SignMessageRequest(
            message=message, digest=digest, key=key, repository=repository, reason=reason
        )
        name = "/sealbook.v1.Signer/SignMessage"
        answer = await self._unary(name, request, signer_pb2.SignMessageResponse)
        return messages.checked(answer, request)

    async def key(self, name: str = "") -> KeyInfo:
        """Return what a signing key is, and what it may be used for."""
        request = signer_pb2.GetKeyRequest(key=name)
        method = "/sealbook.v1.Signer/GetKey"
        answer = await self._unary(method, request, signer_pb2.GetKeyResponse)
        return messages.key_info(answer, name)

    async def requests(self) -> list[OpenRequest]:
        """Return the requests that wait for approvals, the oldest first, without their bytes."""
        name = "/sealbook.v1.Approvals/ListRequests"
        request = approvals_pb2.ListRequestsRequest()
        answer = await self._unary(name, request, approvals_pb2.ListRequestsResponse)
        return [approvals.open_request(one) for one in answer.requests]

    async def request(self, id_: str) -> OpenRequest:
        """Return one of them, with its bytes, once they are seen to be those of this id."""
        name = "/sealbook.v1.Approvals/GetRequest"
        request = approvals_pb2.GetRequestRequest(id=id_)
        return approvals.checked(await self._unary(name, request, approvals_pb2.OpenRequest), id_)

    async def approve(self, id_: str, person: str, signature: bytes) -> Approved:
        """Hand in the signature of `person` over the request; raises as `sign` does."""
        name = "/sealbook.v1.Approvals/Approve"
        request = approvals_pb2.ApproveRequest(id=id_, person=person, signature=signature)
        answer = await self._unary(name, request, approvals_pb2.ApproveResponse)
        return approvals.approved(answer)

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
        return answered.proof(answer.proof), answer.checkpoint.note

    async def search(
        self,
        name: str,
        value: str,
        start: int = 0,
        *,
        also: Sequence[tuple[str, str]] = (),
        stop: int = 0,
        since: int = 0,
        until: int = 0,
    ) -> tuple[list[Record], int]:
        """Return a page of the entries with these labels, and where the next one starts, or 0.

        `stop` is the index after the last; `since` and `until` are POSIX seconds; 0 is no limit.
        """
        request = ledger_pb2.SearchRequest(
            name=name,
            value=value,
            start=start,
            also=[ledger_pb2.SearchRequest.Label(name=n, value=v) for n, v in also],
            stop=stop,
            since=since,
            until=until,
        )
        method = "/sealbook.v1.Ledger/Search"
        answer = await self._unary(method, request, ledger_pb2.SearchResponse)
        return [answered.record(record) for record in answer.records], answer.next

    async def _send(self, call: _Call) -> None:
        """Send what waits for `call`, batch after batch, until nothing does."""
        batch: list[_Waiting] = []
        try:
            while waiting := self._waiting.get(call):
                batch = waiting[: limits.MANIFESTS]
                del waiting[: limits.MANIFESTS]
                await self._deliver(call, batch)
        finally:  # whoever still waits here, waits for a client that was closed
            _fail([*batch, *self._waiting.pop(call, ())])
            del self._senders[call]

    async def _deliver(self, call: _Call, batch: Sequence[_Waiting]) -> None:
        items = [waiting.item for waiting in batch]
        answers: Sequence[Signed | Exception]
        try:
            answers = await self.sign_batch(items=items, **call._asdict())
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
            [answer] = await self.sign_batch(items=[item], **call._asdict())
        except SealbookError as e:
            return e
        return answer

    async def call(self, name: str, request: Any, answer: Any) -> Any:
        """Return the message `answer` of the method with this full name; raises as `sign` does."""
        return await self._unary(name, request, answer)

    async def exchange(self, request: access_pb2.ExchangeRequest) -> access_pb2.ExchangeResponse:
        """Return a session for a token, which counts no more; raises as `sign` does."""
        answer: access_pb2.ExchangeResponse
        call = self._method(EXCHANGE, request, access_pb2.ExchangeResponse)
        answer = await self._awaited(call, request, self._timeout_s, ())
        return answer

    async def _unary(self, name: str, request: Any, answer: Any) -> Any:
        return await self._answered(self._method(name, request, answer), request, self._timeout_s)

    def _method(self, name: str, request: Any, answer: Any) -> Any:
        return self._channel.unary_unary(
            name,
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )

    async def _answered(self, call: Any, request: Any, timeout_s: float) -> Any:
        return await self._awaited(call, request, timeout_s, await self._bearer.metadata())

    async def _awaited(self, call: Any, request: Any, timeout_s: float, metadata: Metadata) -> Any:
        try:
            return await call(request, timeout=timeout_s, metadata=metadata)
        except grpc.aio.AioRpcError as e:
            raise self._told(e) from e
        except grpc.aio.UsageError as e:
            raise ServiceUnreachableError(_CLOSED) from e
        except asyncio.CancelledError:
            if self._closed:  # it was the channel that was cancelled, not the caller
                raise ServiceUnreachableError(_CLOSED) from None
            raise

    async def _stream(self, name: str, request: Any, answer: Any) -> AsyncIterator[Any]:
        call = self._channel.unary_stream(
            name,
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        metadata = await self._bearer.metadata()
        try:
            async for message in call(request, timeout=self._timeout_s, metadata=metadata):
                if message is None:  # what grpc makes of bytes that are no message
                    raise WrongAnswerError(f"an answer that is no {answer.DESCRIPTOR.full_name}")
                yield message
        except grpc.aio.AioRpcError as e:
            raise self._told(e) from e
        except grpc.aio.UsageError as e:
            raise ServiceUnreachableError(_CLOSED) from e
        except asyncio.CancelledError:
            if self._closed:  # it was the channel that was cancelled, not the caller
                raise ServiceUnreachableError(_CLOSED) from None
            raise

    def _told(self, failed: grpc.aio.AioRpcError) -> SealbookError:
        error = answered.error(failed, self._target)
        self._bearer.told(error)
        return error


def _fail(waiting: Sequence[_Waiting]) -> None:
    """Tell whoever still waits that nobody is going to answer."""
    for left in waiting:
        if not left.future.done():
            left.future.set_exception(ServiceUnreachableError(_CLOSED))


def _message(item: Item) -> signer_pb2.SignBatchRequest.Item:
    """Print an item; raises `RequestError` for a value that no message can carry."""
    try:
        return signer_pb2.SignBatchRequest.Item(**item._asdict())
    except (TypeError, ValueError) as e:
        raise RequestError(f"not an item: {e}") from e
