"""Stands in for GitHub: an issuer of tokens for jobs, on loopback, over TLS.

It answers what GitHub's issuer does (the discovery document, its keys), and what a runner asks for
the token of a job: ACTIONS_ID_TOKEN_REQUEST_URL with the audience, and a bearer that is the job's.
"""

from __future__ import annotations

import json
import secrets
import ssl
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from signer.access.first_authority import FirstAuthority, Issued

_LIFE_S = 300


class GitHub:
    """An issuer with a certificate by an authority of its own, whose PEM is at `ca`."""

    def __init__(self, folder: Path) -> None:
        """Listen; `close` ends it."""
        folder.mkdir()
        authority = FirstAuthority.make("servers", 1)
        loaded = FirstAuthority.load(authority.certificate, authority.key)
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(authority.certificate)
        self._key = RSAKey.generate_key(2048, {"kid": "of-github", "use": "sig", "alg": "RS256"})
        self._bearers: dict[str, dict[str, Any]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = _tls(folder, loaded.server(["localhost"], 1)).wrap_socket(
            self._server.socket, server_side=True
        )
        self.issuer = f"https://localhost:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def job(self, repository: str, **claims: str) -> dict[str, str]:
        """Begin a job of a repository, and return what a runner finds in its environment."""
        bearer = secrets.token_urlsafe()
        self._bearers[bearer] = {
            "repository": repository,
            "repository_owner": repository.partition("/")[0],
            "sub": f"repo:{repository}:ref:refs/heads/main",
            "ref": "refs/heads/main",
            "ref_protected": "true",
            "event_name": "push",
            **claims,
        }
        return {
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer,
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.issuer}/token?api-version=2.0",
            "GITHUB_REPOSITORY": repository,
        }

    def token(self, bearer: str, audience: str) -> str:
        """Return a token of the job that `bearer` belongs to."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": audience,
            "jti": secrets.token_hex(16),
            "iat": now,
            "nbf": now,
            "exp": now + _LIFE_S,
            **self._bearers[bearer],
        }
        return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": "of-github"}, claims, self._key)

    def _answer(self, path: str, authorization: str) -> dict[str, Any] | None:
        url = urllib.parse.urlsplit(path)
        match url.path:
            case "/.well-known/openid-configuration":
                return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/.well-known/jwks"}
            case "/.well-known/jwks":
                return dict(KeySet([self._key]).as_dict(private=False))
            case "/token" if (bearer := authorization.removeprefix("bearer ")) in self._bearers:
                [audience] = urllib.parse.parse_qs(url.query)["audience"]
                return {"value": self.token(bearer, audience)}
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = answer(self.path, self.headers.get("Authorization", ""))
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
