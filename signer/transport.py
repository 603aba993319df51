"""HTTP by httpx, as `ledger.transport` wants it: no redirects, a limit on size and on time."""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from ledger.transport import Request, Response, TransportError
from signer.errors import KeyFileError
from signer.keys.secret_files import read_secret


class HttpTransport:
    """Sends requests over connections that are kept; safe in many threads.

    A server's certificate is checked against `ca`, PEM roots, or else the system's.
    Proxies are not taken from the environment: whom we talk to is configured.
    """

    def __init__(
        self, ca: Path | None = None, certificate: Path | None = None, key: Path | None = None
    ) -> None:
        """Trust `ca`, or the system's roots; show the `certificate` with this `key`, if any.

        Raises:
            KeyFileError: others can read the key, or it is not the certificate's.
        """
        import ssl

        verify: ssl.SSLContext | bool = True
        if ca or certificate:
            verify = ssl.create_default_context(cafile=str(ca) if ca else None)
        if certificate and key and isinstance(verify, ssl.SSLContext):
            read_secret(key)
            try:
                verify.load_cert_chain(certificate, key)
            except ssl.SSLError as e:
                raise KeyFileError(f"{key} is not the key of {certificate}") from e
        self._client = httpx.Client(verify=verify, follow_redirects=False, trust_env=False)

    def __call__(self, request: Request) -> Response:
        """Return the answer to `request`; see `ledger.transport`."""
        deadline = time.monotonic() + request.timeout_s
        try:
            with self._client.stream(
                request.method,
                request.url,
                content=request.body or None,
                headers=dict(request.headers),
                timeout=request.timeout_s,
            ) as answer:
                body = bytearray()
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > request.limit:
                        raise TransportError(
                            f"{request.url}: expected at most {request.limit} bytes"
                        )
                    if time.monotonic() > deadline:
                        raise TransportError(f"{request.url}: no answer in {request.timeout_s} s")
                media_type = answer.headers.get("content-type", "")
                return Response(answer.status_code, media_type, bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as e:
            raise TransportError(f"{request.url}: {type(e).__name__}: {e}") from e

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
