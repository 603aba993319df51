"""Where the service listens, who may call from where, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from signer.access.certificates import spiffe_id
from signer.access.oidc.presets import PresetName, preset, why_not_bound
from signer.access.roles import ANONYMOUS, RoleName
from signer.access.templates import Template
from signer.config.values import Address, Name, Network, Section, SpkiHash
from signer.errors import CertificateError, WhereError

_HTTPS = (
    r"^https://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?"
    r"(/[A-Za-z0-9._~!$&'()*+,;=:%-]+)*/?$"
)
_CLAIM = r"^[A-Za-z0-9_./:-]{1,128}$"
Algorithm = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
]
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
    issuer, how long its tokens live, and what they are signed by; `lifetime_s` and `algorithms`
    say otherwise. With `people` its tokens are persons', and no pipeline's. Builds of pull and
    merge requests are refused without `pull_requests`.
    """

    issuer: Annotated[str, Field(pattern=_HTTPS, max_length=512)]
    audience: Annotated[str, Field(min_length=1, max_length=256)]
    preset: PresetName | None = None
    jwks_file: Path | None = None
    jwks_url: Annotated[str, Field(pattern=_HTTPS, max_length=512)] | None = None
    ca: Path | None = None
    lifetime_s: Annotated[int, Field(ge=60, le=86_400)] | None = None
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] | None = None
    people: bool = False
    pull_requests: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.jwks_file is not None and (self.jwks_url is not None or self.ca is not None):
            raise ValueError("expected jwks_file, or jwks_url and ca")
        if self.people and self.preset is not None:
            raise ValueError(f"tokens of {self.preset} are pipelines', not people's")
        return self

    @property
    def longest_s(self) -> int:
        """How long its tokens live at most, in seconds."""
        return self.lifetime_s or preset(self.preset).lifetime_s

    @property
    def signed_by(self) -> tuple[str, ...]:
        """The algorithms that its tokens are signed by."""
        return self.algorithms or preset(self.preset).algorithms


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
        try:
            made_of = Template(self.repository).names
            if self.certificate is not None:
                spiffe_id(self.certificate)
        except (WhereError, CertificateError) as e:
            raise ValueError(e.message) from e
        if self.issuer is None and made_of:
            raise ValueError("a place is made of the claims of an issuer")
        if self.certificate is None and self.issuer is None:
            if not self.networks:
                raise ValueError("expected certificate, issuer or from")
            if self.role not in ANONYMOUS:
                raise ValueError(f"a network alone may be one of {', '.join(sorted(ANONYMOUS))}")
        return self

    def check_against(self, issuers: Mapping[str, IssuerSection]) -> None:
        """Check that it is for whom it seems to be for; raises `ValueError` when it may not be."""
        if self.issuer is None:
            return
        if self.issuer not in issuers:
            raise ValueError(f"expected an issuer of [issuers], found {self.issuer!r}")
        issuer = issuers[self.issuer]
        made_of = bool(Template(self.repository).names)
        why = why_not_bound(issuer.preset, issuer.issuer, self.claims, self.pin, made_of=made_of)
        if why:
            raise ValueError(why)
