"""Tokens as issuers make them, and as nobody should; and an issuer that answers as it is told.

    with Serving(tmp_path) as issuer:
        issuer.says["keys"] = lambda answer: answer.send(302, location="http://127.0.0.254/")
        token = issuer.token()

Tokens are made by hand, so that a test can make what no library would.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from signer.access.oidc import Verified
from signer.access.oidc.issuers import Issuers
from signer.config.access import IssuerSection
from tests.signer.asking import refused
from tests.signer.test_tls import make_certificate
from verifier.errors import SealbookError

AUDIENCE = "ledger.example"
NOW = 1_790_000_000
Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_EC = ec.generate_private_key(ec.SECP256R1())


def b64url(raw: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def compact(value: object) -> bytes:
    """Encode as JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


@dataclass
class Pair:
    """A key of an issuer under an id, and the algorithm that it is used by."""

    kid: str = "one"
    algorithm: str = "RS256"
    private: Private = field(default_factory=lambda: _RSA)

    @classmethod
    def ec(cls, kid: str = "ec") -> Self:
        """An ECDSA key."""
        return cls(kid, "ES256", _EC)

    @classmethod
    def other(cls, kid: str = "two") -> Self:
        """Another RSA key."""
        return cls(kid, "RS256", _OTHER_RSA)

    def jwk(self, **more: object) -> dict[str, Any]:
        """Return the public key as a JWK; a member of None is left out."""
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            n, e = public.public_numbers().n, public.public_numbers().e
            kind = {
                "kty": "RSA",
                "n": b64url(n.to_bytes((n.bit_length() + 7) // 8, "big")),
                "e": b64url(e.to_bytes((e.bit_length() + 7) // 8, "big")),
            }
        elif isinstance(public, ec.EllipticCurvePublicKey):
            size, numbers = (public.curve.key_size + 7) // 8, public.public_numbers()
            kind = {
                "kty": "EC",
                "crv": _CURVES[public.curve.name],
                "x": b64url(numbers.x.to_bytes(size, "big")),
                "y": b64url(numbers.y.to_bytes(size, "big")),
            }
        else:
            kind = {"kty": "OKP", "crv": "Ed25519", "x": b64url(public.public_bytes_raw())}
        members = {"kid": self.kid, "use": "sig", "alg": self.algorithm, **kind, **more}
        return {name: value for name, value in members.items() if value is not None}

    def sign(self, message: bytes, algorithm: str = "") -> bytes:
        """Sign as JWS does, by this key's algorithm or another."""
        name = algorithm or self.algorithm
        private = self.private
        if isinstance(private, rsa.RSAPrivateKey):
            digest = _HASHES[name[2:]]
            pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
            return private.sign(message, padding.PKCS1v15() if name[0] == "R" else pss, digest)
        if isinstance(private, ec.EllipticCurvePrivateKey):
            size = (private.curve.key_size + 7) // 8
            r, s = utils.decode_dss_signature(private.sign(message, ec.ECDSA(_HASHES[name[2:]])))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        return private.sign(message)

    def token(self, header: bytes, payload: bytes) -> str:
        """Return the token of these very bytes."""
        signed = f"{b64url(header)}.{b64url(payload)}"
        return f"{signed}.{b64url(self.sign(signed.encode()))}"


def key_set(*keys: Mapping[str, Any]) -> bytes:
    """Return a key set of JWKs."""
    return compact({"keys": list(keys)})


def claims_of(issuer: str, now: int = NOW, **more: object) -> dict[str, Any]:
    """Return claims that are taken; a claim of None is left out."""
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": "job",
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "jti": "first",
        **more,
    }
    return {name: value for name, value in claims.items() if value is not None}


class Answering(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        serving = self.server.serving
        kind = "discovery" if self.path.endswith("/openid-configuration") else "keys"
        with serving.lock:
            serving.asked.append(self.path)
            say = serving.says.get(kind)
        try:
            (say or getattr(serving, kind))(self)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True  # whoever asked has heard enough

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    serving: Serving
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # whoever asked has gone


Say = Callable[[Answering], object]


class Serving:
    """An issuer over TLS: `says` is how it answers what, `asked` the paths that it was asked."""

    def __init__(self, directory: Path, *keys: Pair) -> None:
        """Prepare with its files in `directory`; `ca` is what its certificate is checked by."""
        directory.mkdir(exist_ok=True)
        make_certificate(directory)
        self.ca = directory / "tls.pem"
        self.keys_now = list(keys or [Pair()])
        self.lock = threading.Lock()
        self.says: dict[str, Say] = {}
        self.asked: list[str] = []
        self._server = _Server(("127.0.0.1", 0), Answering)
        self._server.serving = self
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "tls.pem", directory / "tls.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}/tenant"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def discovery(self, answer: Answering) -> None:
        """Say where the keys are."""
        answer.send(200, compact({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}))

    def keys(self, answer: Answering) -> None:
        """Say which keys there are."""
        answer.send(200, key_set(*(pair.jwk() for pair in self.keys_now)))

    def token(self, pair: Pair | None = None, **more: object) -> str:
        """Return a token that is taken, unless `more` says otherwise."""
        pair = pair or self.keys_now[0]
        header = {"alg": pair.algorithm, "typ": "JWT", "kid": pair.kid}
        return pair.token(compact(header), compact(claims_of(self.url, **more)))


class Sections(NamedTuple):
    """What of a configuration the issuers are read from."""

    base: Path
    issuers: Mapping[str, IssuerSection]

    def path(self, relative: Path) -> Path:
        """Return a path of it, absolute."""
        return self.base / relative


def known(base: Path, clock: Callable[[], float] = time.monotonic, **sections: Any) -> Issuers:
    """Return issuers by sections of their own, each a dictionary; the audience is ours."""
    found = {
        name: IssuerSection(**{"audience": AUDIENCE, **section})
        for name, section in sections.items()
    }
    return Issuers(Sections(base, found), clock)  # type: ignore[arg-type]


class Offline:
    """An issuer whose keys we have in a file; `refuses` is how a token of it fares."""

    URL = "https://ci.example"

    def __init__(self, base: Path, *pairs: Pair, **section: Any) -> None:
        """Let its keys be `pairs`, and say more of it in its section."""
        self.pair = pairs[0] if pairs else Pair()
        (base / "keys.json").write_bytes(key_set(*(pair.jwk() for pair in pairs or [self.pair])))
        self.issuers = known(base, ci={"issuer": self.URL, "jwks_file": "keys.json", **section})

    def token(self, header: Mapping[str, object] | None = None, **claims: object) -> str:
        """Return a token that is taken, unless header or claims say otherwise."""
        usual = {"alg": self.pair.algorithm, "typ": "JWT", "kid": self.pair.kid}
        members = {**usual, **(header or {})}
        kept = {name: value for name, value in members.items() if value is not None}
        return self.pair.token(compact(kept), compact(claims_of(self.URL, **claims)))

    def verify(self, token: str, now: float = NOW) -> Verified:
        """Judge a token."""
        return self.issuers.verify(token, now)

    def refuses(self, code: str, token: str, now: float = NOW) -> SealbookError:
        """Check that a token is refused with `code`, and return how."""
        return refused(code, lambda: self.verify(token, now))
