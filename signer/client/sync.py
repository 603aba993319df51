"""The client for programs without an event loop; see `signer.client`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from signer.client.aio import TIMEOUT_S, AsyncClient
from signer.client.answer import Signed
from signer.client.approvals import Approved, OpenRequest
from signer.client.attesting import Attested
from signer.client.credentials import Credentials
from signer.client.listing import Listed
from signer.client.messages import KeyInfo, SignedMessage
from signer.client.publishing import Publication
from signer.client.pulled import Pulls
from signer.order import Item
from signer.v1 import access_pb2, ledger_pb2
from verifier.errors import SealbookError
from verifier.merkle import InclusionProof
from verifier.record import Record

_T = TypeVar("_T")


class Client:
    """The same for programs without an event loop; safe in many threads."""

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
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="sealbook-client", daemon=True
        )
        self._thread.start()
        self._client: AsyncClient = self._run(_make(target, credentials, timeout_s))

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
        self, repository: str, items: Sequence[Item], **more: Any
    ) -> list[Signed | SealbookError]:
        """Approve up to 256 items in one commit; see `AsyncClient.sign_batch`."""
        return self._run(self._client.sign_batch(repository, items, **more))

    def attest(
        self,
        digests: Sequence[str],
        repository: str,
        predicate_type: str,
        predicate: Path | bytes,
        **more: Any,
    ) -> Attested:
        """Attest a predicate about images in `repository`; see `AsyncClient.attest`."""
        return self._run(
            self._client.attest(digests, repository, predicate_type, predicate, **more)
        )

    def bundles(self, digest: str, repository: str = "") -> list[bytes]:
        """Return every bundle about `digest`, oldest first."""
        return self._run(self._client.bundles(digest, repository))

    def listed(
        self,
        digest: str,
        repository: str = "",
        *,
        where: Callable[[Listed], Path] | None = None,
    ) -> list[Listed]:
        """Return what was signed about `digest`; see `AsyncClient.listed`."""
        return self._run(self._client.listed(digest, repository, where=where))

    def publish(
        self, repository: str, digests: Sequence[str], *, wait_s: float = 0, reason: str = ""
    ) -> list[Publication]:
        """Have the service attach what was signed about `digests`; see `AsyncClient.publish`."""
        return self._run(self._client.publish(repository, digests, wait_s=wait_s, reason=reason))

    def publications(
        self, repository: str = "", *, waiting: bool = False, limit: int = 0
    ) -> list[Publication]:
        """Return what waits to be attached, and what became of the rest, the newest first."""
        return self._run(self._client.publications(repository, waiting=waiting, limit=limit))

    def pulls(self, repository: str = "", *, since: str = "", until: str = "") -> list[Pulls]:
        """Return what hosts told of their pulls between two days; see `AsyncClient.pulls`."""
        return self._run(self._client.pulls(repository, since=since, until=until))

    def sign_message(self, message: bytes = b"", **more: Any) -> SignedMessage:
        """Sign a whole message that another tool made; see `AsyncClient.sign_message`."""
        return self._run(self._client.sign_message(message, **more))

    def key(self, name: str = "") -> KeyInfo:
        """Return what a signing key is, and what it may be used for."""
        return self._run(self._client.key(name))

    def requests(self) -> list[OpenRequest]:
        """Return the requests that wait for approvals, the oldest first, without their bytes."""
        return self._run(self._client.requests())

    def request(self, id_: str) -> OpenRequest:
        """Return one of them, with its bytes; see `AsyncClient.request`."""
        return self._run(self._client.request(id_))

    def approve(self, id_: str, person: str, signature: bytes) -> Approved:
        """Hand in a signature over the request; see `AsyncClient.approve`."""
        return self._run(self._client.approve(id_, person, signature))

    def checkpoint(self) -> str:
        """Return the newest signed checkpoint."""
        return self._run(self._client.checkpoint())

    def entry(self, index: int) -> ledger_pb2.GetEntryResponse:
        """Return one entry with its labels."""
        return self._run(self._client.entry(index))

    def inclusion_proof(self, index: int) -> tuple[InclusionProof, str]:
        """Return the proof of the entry at `index`, and the note of its tree."""
        return self._run(self._client.inclusion_proof(index))

    def search(self, name: str, value: str, start: int = 0, **limits: Any) -> Iterator[Record]:
        """Yield every entry with this label, oldest first; see `AsyncClient.search`."""
        while True:
            page, start = self._run(self._client.search(name, value, start, **limits))
            yield from page
            if not start:
                return

    def call(self, name: str, request: Any, answer: Any) -> Any:
        """Return the message `answer` of the method with this full name; raises as `sign` does."""
        return self._run(self._client.call(name, request, answer))

    def exchange(self, request: access_pb2.ExchangeRequest) -> access_pb2.ExchangeResponse:
        """Return a session for a token, which counts no more; raises as `sign` does."""
        return self._run(self._client.exchange(request))

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _make(target: str, credentials: Credentials, timeout_s: float) -> AsyncClient:
    return AsyncClient(target, **credentials._asdict(), timeout_s=timeout_s)
