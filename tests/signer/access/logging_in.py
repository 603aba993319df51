"""A service with an issuer that looks like GitLab, and those who log in there.

    site = Site(found_in(tmp_path / "service"))
    with running(site.world) as service:
        session = site.login(service, site.token())

Its tokens live an hour and name their project by id; the service has the issuer's keys in a file.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from signer.client import Client
from signer.v1 import access_pb2 as pb
from tests.signer.access.oidc.issuing import AUDIENCE, Pair, compact, key_set
from tests.signer.running import InProcess
from tests.signer.world import World

ISSUER = "https://gitlab.example"
PLAIN = "https://ci.example"
ACCESS = "/sealbook.v1.Access/"
HOUR_S = 3600
SECTIONS = f"""
[issuers.gitlab]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
preset = "gitlab"
jwks_file = "keys.json"

[issuers.plain]  # its tokens have no id of their own
issuer = "{PLAIN}"
audience = "{AUDIENCE}"
jwks_file = "keys.json"

[[bindings]]
role = "developer"
repository = "registry.example/{{namespace_path}}/**"
issuer = "gitlab"
pin = "namespace_id"

[[bindings]]
role = "prefix-admin"
repository = "registry.example/team/**"
issuer = "gitlab"
claims = {{ project_id = "500" }}

[[bindings]]
role = "admin"
issuer = "gitlab"
claims = {{ project_id = "600" }}

[[bindings]]
role = "developer"
repository = "registry.example/plain/**"
issuer = "plain"
claims = {{ sub = "job" }}
"""


class Site:
    """A founded service that knows the issuer, and the issuer."""

    def __init__(self, world: World, more: str = "") -> None:
        """Configure `world`; `more` is added to its configuration."""
        self.world = world
        self._pair = Pair()
        (world.directory / "keys.json").write_bytes(key_set(self._pair.jwk()))
        with world.config.open("a") as file:
            file.write(SECTIONS + more)

    def token(self, **claims: object) -> str:
        """Return the token of a job, unlike any other; a claim of None is left out."""
        now = int(time.time())
        said = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "project_path:team/app:ref_type:branch:ref:main",
            "jti": secrets.token_hex(8),
            "iat": now,
            "nbf": now,
            "exp": now + HOUR_S,
            "namespace_id": "42",
            "namespace_path": "team",
            "project_id": "4711",
            "project_path": "team/app",
            "pipeline_source": "push",
            "ref": "main",
            "ref_protected": "true",
            **claims,
        }
        return self._signed(said)

    def plain(self, **claims: object) -> str:
        """Return a token of the issuer that gives no ids."""
        now = int(time.time())
        said = {"iss": PLAIN, "aud": AUDIENCE, "sub": "job", "iat": now, "exp": now + 600}
        return self._signed({**said, **claims})

    def _signed(self, said: Mapping[str, object]) -> str:
        header = {"alg": "RS256", "typ": "JWT", "kid": self._pair.kid}
        kept = {name: value for name, value in said.items() if value is not None}
        return self._pair.token(compact(header), compact(kept))

    def prefix_admin(self) -> str:
        """Return a token of whoever may bind below registry.example/team."""
        return self.token(project_id="500", namespace_id="7", namespace_path="ops")

    def admin(self) -> str:
        """Return a token of an admin."""
        return self.token(project_id="600", namespace_id="7", namespace_path="ops")


def login(service: InProcess, token: str) -> pb.ExchangeResponse:
    """Exchange `token`."""
    with Client(service.addresses.grpc) as client:
        return client.exchange(pb.ExchangeRequest(token=token))


def asking(service: InProcess, token: str) -> Client:
    """Return a client, to be closed, whose session is of `token`."""
    return client_of(service, lambda: token)


def client_of(service: InProcess, token: Callable[[], str], **more: Any) -> Client:
    """Return a client, to be closed, that reads its token by `token`."""
    return Client(service.addresses.grpc, oidc_token=token, **more)


def bound(client: Client, role: str, repository: str, **more: Any) -> pb.BindResponse:
    """Have somebody bound."""
    who = more or {"certificate": "spiffe://bank.example/ci"}
    wanted = pb.Binding(role=role, repository=repository, **who)
    answer: pb.BindResponse
    answer = client.call(ACCESS + "Bind", pb.BindRequest(binding=wanted), pb.BindResponse)
    return answer


def api_key(client: Client, repository: str, **more: Any) -> pb.CreateApiKeyResponse:
    """Have a key made for a developer in `repository`."""
    said = {"name": "nightly", "role": "developer", "repositories": [repository], **more}
    answer: pb.CreateApiKeyResponse
    request = pb.CreateApiKeyRequest(**said)
    answer = client.call(ACCESS + "CreateApiKey", request, pb.CreateApiKeyResponse)
    return answer
