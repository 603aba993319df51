"""One request to OpenBao or Vault, and its answer: JSON over HTTP, in time and of bounded size."""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx

from signer.errors import KeyUnavailableError
from verifier._strict import json_object
from verifier.errors import MalformedError

_CONNECT_S, _SILENCE_S, _WHOLE_S = 1.0, 1.5, 1.75
_IDLE_S = 60.0  # for which a connection is kept that nobody uses
_LIMIT = 1 << 20  # a key with 2,000 versions
_SAID = 200  # characters of what a server says of itself
_SECRET = 12  # characters; no secret is shorter, and what is may be any word
_ODD = re.compile(r"[^\x20-\x7e]+")
# The server refuses, and says so to whoever asks again; all others, as 503 of one that is
# sealed and 429 of one with too much to do, say that it is not there for us now.
_REFUSALS = (400, 403, 404)


class Answer(NamedTuple):
    """What came back: of 200 and 204 the body, of a refusal what was said."""

    status: int
    body: Mapping[str, Any]
    said: str


class Client:
    """Asks one server, over one connection that is kept. For one thread at a time.

    No redirects: a token goes where the configuration says and nowhere else. No proxy from
    the environment, for the same reason.
    """

    def __init__(self, server: str, namespace: str, context: ssl.SSLContext) -> None:
        """Prepare to ask `server`; nothing is sent yet."""
        headers = {"accept-encoding": "identity", "x-vault-request": "true"}
        if namespace:
            headers["x-vault-namespace"] = namespace
        self._server = server
        self._client = httpx.Client(
            verify=context,
            headers=headers,
            timeout=httpx.Timeout(_SILENCE_S, connect=_CONNECT_S),
            limits=httpx.Limits(max_connections=1, keepalive_expiry=_IDLE_S),
            follow_redirects=False,
            trust_env=False,
        )

    def ask(
        self, method: str, path: str, body: Mapping[str, object] | None, token: str = ""
    ) -> Answer:
        """Return the answer: 200, 204, or one of the refusals 400, 403 and 404.

        Raises:
            KeyUnavailableError: the server is not there, is sealed, or something else answers.
        """
        secrets = [token, *(str(value) for value in (body or {}).values())]
        status, raw = self._exchange(method, path, body, token)
        if status == httpx.codes.NO_CONTENT:
            return Answer(status, {}, "")
        try:
            found = json_object(raw, limit=_LIMIT, floats=True)
        except MalformedError:
            found = {}
        said = _said(found, secrets)
        if status not in (httpx.codes.OK, *_REFUSALS):
            raise KeyUnavailableError(f"{self._server} answers {status} to {path}{said}")
        if status == httpx.codes.OK and not found:
            raise KeyUnavailableError(f"{self._server} does not answer {path} as OpenBao would")
        return Answer(status, found, said)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _exchange(
        self, method: str, path: str, body: Mapping[str, object] | None, token: str
    ) -> tuple[int, bytes]:
        content = None if body is None else json.dumps(body).encode()
        headers = {"x-vault-token": token} if token else {}
        until = time.monotonic() + _WHOLE_S
        try:
            with self._client.stream(
                method, f"{self._server}/v1/{path}", content=content, headers=headers
            ) as answer:
                raw = bytearray()
                for chunk in answer.iter_raw():
                    raw += chunk
                    if len(raw) > _LIMIT or time.monotonic() > until:
                        raise KeyUnavailableError(f"{self._server} does not end its answer")
                return answer.status_code, bytes(raw)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as e:
            why = f"{type(e).__name__}: {_plain(str(e))}"
        # Raised out here: the exception above holds the request, and that holds the token.
        raise KeyUnavailableError(f"{self._server} does not answer: {why}")


def _said(found: Mapping[str, Any], secrets: list[str]) -> str:
    """Return the first error, for people; nothing if it repeats what we sent."""
    errors = found.get("errors")
    if not isinstance(errors, list) or not errors or not isinstance(errors[0], str):
        return ""
    if any(len(secret) >= _SECRET and secret in errors[0] for secret in secrets):
        return ""
    return f": {_plain(errors[0])}"


def _plain(text: str) -> str:
    return _ODD.sub(" ", text)[:_SAID].strip()
