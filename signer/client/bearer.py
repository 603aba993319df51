"""What a client sends as `authorization`: a secret as it is, or the session of a token.

A token is exchanged when the first call is made. Before the session ends the token is read
again: where there is a new one by then, there is a new session; an old one would not be taken
twice, so that its session is used for as long as it counts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from signer.client.credentials import Credentials
from signer.errors import RequestError, ServiceError
from signer.v1 import access_pb2

Metadata: TypeAlias = "tuple[tuple[str, str], ...]"
EXCHANGE = "/sealbook.v1.Access/Exchange"
_RENEWED_S = 60.0  # before its end
_MOST_TOKEN = 16 << 10
_ENDED = "no-session"


class Bearer:
    """Knows what to send. For one event loop."""

    def __init__(
        self,
        credentials: Credentials,
        exchange: Callable[[access_pb2.ExchangeRequest], Awaitable[access_pb2.ExchangeResponse]],
    ) -> None:
        """Send the token of `credentials`, or the session that `exchange` returns for it."""
        self._read = credentials.oidc_token
        self._exchange = exchange
        self._sent = credentials.token
        self._taken = ""  # the token that the session is of
        self._ends_at = 0.0
        self._turn = asyncio.Lock()

    async def metadata(self) -> Metadata:
        """Return what to send with a call.

        Raises:
            RequestError: what is to be the token is none.
            ServiceError: the service did not take the token.
            ServiceUnreachableError: no answer.
        """
        if self._read is not None:
            async with self._turn:
                await self._renew(self._read)
        return metadata(self._sent)

    def told(self, error: Exception) -> None:
        """Take it that a call ended so: a session that the service does not know is none."""
        if self._read is not None and isinstance(error, ServiceError) and error.code == _ENDED:
            self._ends_at = 0.0

    async def _renew(self, read: Callable[[], str]) -> None:
        left_s = self._ends_at - time.time()
        if left_s > _RENEWED_S:
            return
        token = await asyncio.to_thread(read)
        if left_s > 0 and token == self._taken:
            return
        answer = await self._exchange(request(token))
        self._sent, self._ends_at, self._taken = answer.session, float(answer.expires_at), token


def request(token: str) -> access_pb2.ExchangeRequest:
    """Return the request for a session; raises `RequestError` for what can be no token."""
    token = token.strip()
    if not token.isascii() or not 0 < len(token) <= _MOST_TOKEN:
        raise RequestError(f"expected a JSON Web Token of at most {_MOST_TOKEN} characters")
    return access_pb2.ExchangeRequest(token=token)


def metadata(secret: str) -> Metadata:
    """Return what carries `secret`, if there is one."""
    return (("authorization", f"Bearer {secret}"),) if secret else ()
