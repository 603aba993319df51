"""Where the service listens, who may call from where, and what they may do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from signer.access.roles import ANONYMOUS, RoleName
from signer.config.values import Address, Name, Network, Section, SpkiHash

_HTTPS = r"^https://[^\s@/?#]+(/[^\s@?#]*)?$"
_CLAIM = r"^[A-Za-z0-9_./:-]{1,128}$"
ClaimName = Annotated[str, Field(pattern=_CLAIM)]
ClaimValue = Annotated[str, Field(min_length=1, max_length=1024)]


class ListenSection(Section):
    """Where to listen. Beyond loopback only with TLS.

    With `client_ca`, PEM of an authority for clients alone, gRPC wants a certificate of each
    caller, and HTTP looks at those that are shown. `public_url` is where clients find the HTTP
    side, when that is another address.
    """

    grpc: Address = "127.0.0.1:8640"
    http: Address = "127.0.0.1:8641"
    operator: Path = Path("run/operator.sock")
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    reflection: bool = False
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s@/?#]+(/[^\s@?#]*)?$")] | None = None

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if self.client_ca is not None and self.tls_certificate is None:
            raise ValueError("client_ca needs tls_certificate and tls_key")
        return self


class RateSection(Section):
    """How many calls a second each principal may make, and all of them together."""

    each_per_s: Annotated[float, Field(gt=0, le=1e6)] = 2_000
    each_burst: Annotated[int, Field(gt=0, le=10**6)] = 4_000
    all_per_s: Annotated[float, Field(gt=0, le=1e6)] = 8_000
    all_burst: Annotated[int, Field(gt=0, le=10**6)] = 16_000


class AccessSection(Section):
    """The files with the tokens of callers, and what holds for all of them.

    `token` does all that callers do: it never leaves the machine, and counts from loopback alone.
    With `append_token` one may append to the log and no more, with `approver_token` look, and
    agree to what others ask for. Only `allow` may connect, when it is said; an empty list is
    nobody. Of `proxies`, and of nobody else, the header X-Forwarded-For is believed.
    """

    token: Path | None = None
    append_token: Path | None = None
    approver_token: Path | None = None
    database: Path = Path("access.db")
    allow: tuple[Network, ...] | None = None
    proxies: tuple[Network, ...] = ()
    deny_certificates: tuple[SpkiHash, ...] = ()
    session_s: Annotated[int, Field(ge=60, le=900)] = 900
    rate: RateSection = RateSection()


class IssuerSection(Section):
    """Somebody who vouches for callers by JSON Web Tokens (OpenID Connect).

    Its keys come from `jwks_file`, or `jwks_url`, or where its discovery document says, over TLS
    that is checked against `ca` or the system's roots. A `preset` knows the claims of a kind of
    issuer, and how long its tokens live; `lifetime_s` says otherwise. With `people` its tokens
    are persons', and no pipeline's.
    """

    issuer: Annotated[str, Field(pattern=_HTTPS, max_length=512)]
    audience: Annotated[str, Field(min_length=1, max_length=256)]
    preset: Literal["github", "gitlab", "jenkins", "kubernetes"] | None = None
    jwks_file: Path | None = None
    jwks_url: Annotated[str, Field(pattern=_HTTPS, max_length=512)] | None = None
    ca: Path | None = None
    lifetime_s: Annotated[int, Field(ge=60, le=86_400)] | None = None
    people: bool = False
    pull_requests: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.jwks_file is not None and (self.jwks_url is not None or self.ca is not None):
            raise ValueError("expected jwks_file, or jwks_url and ca")
        return self


class BindingSection(Section):
    """That somebody has a role somewhere.

    Who: the URI of a client `certificate`; or whose token of an `issuer` has these `claims`; or
    whoever calls `from` a network, for roles that change nothing. `from` narrows the others too.
    `repository` is a place ("*", "host/path/app", "host/path/**"); of an issuer it may name claims,
    as in "harbor.bank/{namespace_path}/**", when `claims` hold a numeric id of what it names, or
    `pin` says which claim is that id: the first one seen with a name keeps it.
    """

    role: RoleName
    repository: Annotated[str, Field(min_length=1, max_length=512)] = "*"
    certificate: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    issuer: Name | None = None
    claims: dict[ClaimName, ClaimValue] = Field(default_factory=dict)
    pin: ClaimName | None = None
    networks: Annotated[tuple[Network, ...], Field(alias="from")] = ()
    people: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.certificate is not None and self.issuer is not None:
            raise ValueError("expected either certificate or issuer")
        if self.issuer is None and (self.claims or self.pin):
            raise ValueError("claims and pin are of an issuer")
        if self.issuer is not None and not self.claims and self.pin is None:
            raise ValueError("expected claims: whoever the issuer knows is too many")
        if self.certificate is None and self.issuer is None:
            if not self.networks:
                raise ValueError("expected certificate, issuer or from")
            if self.role not in ANONYMOUS:
                raise ValueError(f"a network alone may be one of {', '.join(sorted(ANONYMOUS))}")
        return self
