"""Fetching what an issuer publishes: pinned addresses, over TLS, small, at once, and no further.

    https://issuer.example/.well-known/openid-configuration
    {"issuer":"https://issuer.example","jwks_uri":"https://issuer.example/keys"}

No redirect is followed: whoever can make the issuer's server send one would choose the keys. What
its discovery document says is taken from the issuer's own origin alone; keys that are elsewhere
are configured by `jwks_url`. All of an answer, headers too, has to be there within a time limit.
"""

from __future__ import annotations

import asyncio
import ssl

import httpx

from signer.access.oidc.jwks import SET_BYTES, KeySet
from signer.errors import IssuerError
from verifier._strict import json_object
from verifier.errors import MalformedError

DISCOVERY = "/.well-known/openid-configuration"
WHOLE_S = 5.0
_DOCUMENT_BYTES = 64 * 1024
_HEADERS = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "sealbook"}


async def fetch_keys(issuer: str, jwks_url: str | None, trust: ssl.SSLContext) -> KeySet:
    """Return the keys that `issuer` publishes, at `jwks_url` or where its discovery says.

    Raises:
        IssuerError: no answer within `WHOLE_S`, another status than 200, or too much of it; or
            the discovery document is another issuer's, or leads elsewhere.
        KeySetError: what is there is no key set that we would use.
    """
    try:
        async with (
            asyncio.timeout(WHOLE_S),
            httpx.AsyncClient(
                verify=trust, follow_redirects=False, trust_env=False, timeout=WHOLE_S
            ) as client,
        ):
            if jwks_url is None:
                url = issuer.removesuffix("/") + DISCOVERY
                jwks_url = _discovered(issuer, await _get(client, url, _DOCUMENT_BYTES))
            return KeySet.parse(await _get(client, jwks_url, SET_BYTES))
    except TimeoutError:
        raise IssuerError(f"{issuer} gave no answer in {WHOLE_S:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, ValueError) as e:
        raise IssuerError(f"{issuer} cannot be asked for its keys: {type(e).__name__}") from e


async def _get(client: httpx.AsyncClient, url: str, limit: int) -> bytes:
    """Return at most `limit` bytes that are at `url`, as they were sent."""
    async with client.stream("GET", url, headers=_HEADERS) as answer:
        if answer.status_code != httpx.codes.OK:
            raise IssuerError(f"expected 200 from {url}, found {answer.status_code}")
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise IssuerError(f"expected an answer that is not compressed from {url}")
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > limit:
                raise IssuerError(f"expected at most {limit} bytes from {url}")
        return bytes(body)


def _discovered(issuer: str, document: bytes) -> str:
    """Return where the keys are, by the issuer's discovery document."""
    try:
        found = json_object(document, limit=_DOCUMENT_BYTES, floats=True)
    except MalformedError as e:
        raise IssuerError(f"the discovery document of {issuer} is no JSON object") from e
    if found.get("issuer") != issuer:
        raise IssuerError(f"the discovery document at {issuer} is another issuer's")
    url = found.get("jwks_uri")
    if not isinstance(url, str) or not url.startswith(_origin(issuer) + "/") or not url.isascii():
        raise IssuerError(
            f"the discovery document of {issuer} leads elsewhere for its keys",
            hint="name the address of its keys with jwks_url",
        )
    return url


def _origin(url: str) -> str:
    """Return the scheme, host and port of a configured URL."""
    scheme, _, host = url.split("/", 3)[:3]
    return f"{scheme}//{host}"
