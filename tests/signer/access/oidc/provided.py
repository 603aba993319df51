"""A second issuer that nobody here wrote: npm's oidc-provider, over TLS on loopback."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from pathlib import Path
from typing import Self

import httpx
import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tests.interop.peers.cache import PeerUnavailable
from tests.interop.peers.npm import packages
from tests.signer.asking import PATIENCE_S
from tests.signer.test_tls import make_certificate

_HERE = Path(__file__).with_name("provider")


class Provided:
    """A running oidc-provider; `url` is its issuer, and `ca` in its directory checks its TLS."""

    def __init__(self, directory: Path) -> None:
        """Install it when it is new here, and start it; in CI it has to be there."""
        try:
            peer = packages(_HERE, "oidc-provider", "oidc-provider")
        except PeerUnavailable as e:
            if os.environ.get("CI") == "true":
                pytest.fail(f"in CI every peer must be there: {e}", pytrace=False)
            pytest.skip(str(e))
        print(f"oidc-provider {peer.version}")
        make_certificate(directory)
        self.directory = directory
        self._process = subprocess.Popen(
            [
                peer.node,
                _HERE / "provider.mjs",
                directory / "tls.pem",
                directory / "tls.key",
                peer.home,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"keys": _keys()}).encode())
        self._process.stdin.close()
        self.url = self._process.stdout.readline().decode().strip()
        assert self.url.startswith("https://127.0.0.1:")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def token(self, resource: str = "urn:ledger", **form: object) -> str:
        """Return a token of its client; `claims` in the form are further claims."""
        fields = {"grant_type": "client_credentials", "resource": resource, **form}
        answer = httpx.post(
            f"{self.url}/token",
            data={
                name: value if isinstance(value, str) else json.dumps(value)
                for name, value in fields.items()
            },
            auth=("ci", "nobody-else-knows-it"),
            verify=ssl.create_default_context(cafile=str(self.directory / "tls.pem")),
            trust_env=False,
            timeout=PATIENCE_S,
        )
        assert 200 == answer.status_code, answer.text
        return str(answer.json()["access_token"])


def _keys() -> list[dict[str, object]]:
    made = (
        ("RS256", RSAKey.generate_key(2048)),
        ("PS256", RSAKey.generate_key(2048)),
        ("ES256", ECKey.generate_key("P-256")),
        ("Ed25519", OKPKey.generate_key("Ed25519")),
    )
    return [
        {**key.as_dict(private=True), "kid": name, "alg": name, "use": "sig"} for name, key in made
    ]
