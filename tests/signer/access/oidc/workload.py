"""Builds that an OpenBao knows, and the identity tokens that it gives them."""

from __future__ import annotations

import base64
import time

import httpx

from tests.signer.access.oidc.issuing import AUDIENCE
from tests.signer.asking import PATIENCE_S
from tests.signer.openbao.server import Bao

_TEMPLATE = """
{"pipeline": {"team": {{identity.entity.metadata.team}}, "id": {{identity.entity.id}} } }
"""


class Workload:
    """An OpenBao whose identity tokens a build can have."""

    def __init__(self, bao: Bao) -> None:
        """Make a build that logs in by a password, and who it is."""
        self._bao = bao
        self._given: set[str] = set()
        self.url = f"https://{bao.address}/v1/identity/oidc"
        bao.write("identity/oidc/config", issuer=f"https://{bao.address}")
        bao.write("sys/auth/userpass", type="userpass")
        reads = 'path "identity/oidc/token/*" { capabilities = ["read"] }'
        bao.write("sys/policies/acl/oidc", policy=reads)
        bao.write("auth/userpass/users/build", password="known", token_policies=["oidc"])
        [accessor] = [
            one["accessor"]
            for one in bao.read("sys/auth").values()
            if isinstance(one, dict) and one.get("type") == "userpass"
        ]
        made = bao.write("identity/entity", name="build", metadata={"team": "payments"})
        self.entity = made["data"]["id"]
        bao.write(
            "identity/entity-alias",
            name="build",
            canonical_id=self.entity,
            mount_accessor=accessor,
        )
        logged_in = bao.write("auth/userpass/login/build", password="known")
        self._token = logged_in["auth"]["client_token"]

    def role(self, name: str, algorithm: str = "RS256", **more: object) -> str:
        """Let there be a kind of token."""
        self._bao.write(f"identity/oidc/key/{name}", algorithm=algorithm, allowed_client_ids="*")
        template = base64.b64encode(_TEMPLATE.encode()).decode()
        fields = {"key": name, "ttl": "10m", "client_id": AUDIENCE, "template": template, **more}
        self._bao.write(f"identity/oidc/role/{name}", **fields)
        return name

    def rotate(self, name: str) -> None:
        """Replace the key of a kind of token; the old one is forgotten at once."""
        self._bao.write(f"identity/oidc/key/{name}/rotate", verification_ttl="0s")

    def token(self, name: str) -> str:
        """Return a new token: what OpenBao makes of a kind within one second is the same."""
        while (token := self._asked(name)) in self._given:
            time.sleep(0.1)
        self._given.add(token)
        return token

    def _asked(self, name: str) -> str:
        answer = httpx.get(
            f"http://{self._bao.plain}/v1/identity/oidc/token/{name}",
            headers={"x-vault-token": self._token},
            trust_env=False,
            timeout=PATIENCE_S,
        )
        return str(answer.json()["data"]["token"])
