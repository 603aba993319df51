"""`FakeTokenServer`: hands out tokens that a real docker-registry takes; a double of what
registries have beside them.

It knows one user by password and one by identity token, lets them push, everybody pull what is
under `open/`, and remembers what it was asked. Its tokens are JWTs, signed with a certificate
that the registry is told to trust, as of distribution's spec/auth/jwt.md.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.pull.hostile import Asked, HostileRegistry, answer, told
from tests.pull.papers import Authority

USER, PASSWORD, IDENTITY = "robot", "secret", "who-we-are"
SERVICE = "the registry"


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class FakeTokenServer:
    """Answers at `realm`; `lasts_s` is how long a token is good for."""

    def __init__(self, server: HostileRegistry, directory: Path, *, lasts_s: int = 300) -> None:
        authority = Authority(directory, "tokens")
        pair = authority.issue("signer")
        self._chain = [pair.certificate.read_bytes()]
        key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        self._server = server
        self.realm = f"http://{server.address}/token"
        self.lasts_s = lasts_s
        self.environment = {
            "REGISTRY_AUTH_TOKEN_REALM": self.realm,
            "REGISTRY_AUTH_TOKEN_SERVICE": SERVICE,
            "REGISTRY_AUTH_TOKEN_ISSUER": "tests",
            "REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE": str(authority.certificate),
        }
        server.sends["/token"] = self._answer

    @property
    def asked(self) -> list[dict[str, list[str]]]:
        """What was asked for, each as the fields of its query or body."""
        return [self._fields(one) for one in self._server.to("/token")]

    def _fields(self, asked: Asked) -> dict[str, list[str]]:
        text = asked.body.decode() if asked.method == "POST" else urlsplit(asked.target).query
        return parse_qs(text)

    def _answer(self, asked: Asked) -> Iterable[bytes]:
        fields = self._fields(asked)
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        said = asked.headers.get("authorization", "")
        known = said == basic or fields.get("refresh_token") == [IDENTITY]
        if not known and (said or asked.method == "POST"):
            return answer(401)
        access = []
        for scope in " ".join(fields.get("scope", [])).split():
            kind, name, actions = scope.split(":")
            allowed = (
                actions.split(",") if known else (["pull"] if name.startswith("open/") else [])
            )
            access.append({"type": kind, "name": name, "actions": allowed})
        called = "access_token" if asked.method == "POST" else "token"
        return told({called: self._token(access), "expires_in": self.lasts_s})

    def _token(self, access: list[dict[str, object]]) -> str:
        now = int(time.time())
        der = x509.load_pem_x509_certificate(self._chain[0]).public_bytes(
            serialization.Encoding.DER
        )
        head = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
        body = {
            "iss": "tests",
            "sub": USER,
            "aud": SERVICE,
            "nbf": now - 60,
            "iat": now,
            "exp": now + self.lasts_s,
            "jti": str(now),
            "access": access,
        }
        signed = ".".join(_b64(json.dumps(part).encode()) for part in (head, body))
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
