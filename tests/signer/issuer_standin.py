"""Stands in for an issuer of OpenID Connect: its documents and its keys, on loopback, over TLS."""

from __future__ import annotations

import json
import secrets
import ssl
import threading
import time
import urllib.parse
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from signer.access.first_authority import FirstAuthority, Issued

_LIFE_S = 300
_KEY = "of-the-issuer"


class Issuer:
    """An issuer with a certificate by an authority of its own, whose PEM is at `ca`."""

    def __init__(self, folder: Path, path: str = "") -> None:
        """Listen; `close` ends it. `path` is where its address goes on, as in "/oidc"."""
        folder.mkdir()
        authority = FirstAuthority.make("servers", 1)
        loaded = FirstAuthority.load(authority.certificate, authority.key)
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(authority.certificate)
        self._key = RSAKey.generate_key(2048, {"kid": _KEY, "use": "sig", "alg": "RS256"})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = _tls(folder, loaded.server(["localhost"], 1)).wrap_socket(
            self._server.socket, server_side=True
        )
        self._path = path
        self.issuer = f"https://localhost:{self._server.server_address[1]}{path}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def token(self, audience: str, claims: Mapping[str, Any]) -> str:
        """Return a token for `audience`, that says this, too."""
        now = int(time.time())
        said = {
            "iss": self.issuer,
            "aud": audience,
            "jti": secrets.token_hex(16),
            "iat": now,
            "nbf": now,
            "exp": now + _LIFE_S,
            **claims,
        }
        return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": _KEY}, said, self._key)

    def answer(
        self,
        url: urllib.parse.SplitResult,
        authorization: str,  # noqa: ARG002  for issuers that derive from this one
    ) -> dict[str, Any] | None:
        """Return what is at a URL, for this caller; None: nothing."""
        match url.path.removeprefix(self._path):
            case "/.well-known/openid-configuration":
                return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/.well-known/jwks"}
            case "/.well-known/jwks":
                return dict(KeySet([self._key]).as_dict(private=False))
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urllib.parse.urlsplit(self.path)
                found = answer(url, self.headers.get("Authorization", ""))
                content = json.dumps(found).encode()
                self.send_response(200 if found is not None else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def _tls(folder: Path, issued: Issued) -> ssl.SSLContext:
    (folder / "server.pem").write_bytes(issued.certificate)
    (folder / "server.key").write_bytes(issued.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context
