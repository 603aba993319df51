"""`sealbook.v1.Access`: who is calling, and who may do what."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from pydantic import ValidationError

from signer.access.apikeys import DEFAULT_TTL_S, MOST_TTL_S, ApiKey
from signer.access.binding import Binding
from signer.access.changing import Changing
from signer.access.exchanging import Exchanging
from signer.access.giving import OF_PERSONS, check_may_give, role_named, sees
from signer.access.principal import Principal
from signer.access.state import State
from signer.access.where import Where
from signer.audit_trail.trail import Trail
from signer.config.access import BindingSection
from signer.config.values import check_network
from signer.errors import ConfigError, NotFoundError, PermissionDeniedError, RequestError
from signer.guard import Method
from signer.v1 import access_pb2 as pb
from verifier import limits
from verifier.errors import LimitError

_NAME = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
_SPKI = re.compile(r"[0-9a-f]{64}|", re.ASCII)
_MOST_TOKEN = 16 << 10
_MOST_ITEMS = 64


class AccessService:
    """`sealbook.v1.Access`."""

    def __init__(
        self, state: State, exchanging: Exchanging, changing: Changing, trail: Trail
    ) -> None:
        """Answer from `state`, and change it by the flows; what has no event is in `trail`."""
        self._state = state
        self._exchanging = exchanging
        self._changing = changing
        self._trail = trail

    def table(self) -> dict[str, Method]:
        """Return the methods, by full name."""
        prefix = "/sealbook.v1.Access/"
        return {
            prefix + "Exchange": Method(pb.ExchangeRequest, self.exchange),
            prefix + "WhoAmI": Method(pb.WhoAmIRequest, self.who_am_i),
            prefix + "CreateApiKey": Method(pb.CreateApiKeyRequest, self.create_api_key),
            prefix + "ListApiKeys": Method(pb.ListApiKeysRequest, self.list_api_keys),
            prefix + "RevokeApiKey": Method(pb.RevokeApiKeyRequest, self.revoke_api_key),
            prefix + "Bind": Method(pb.BindRequest, self.bind),
            prefix + "Unbind": Method(pb.UnbindRequest, self.unbind),
            prefix + "ListBindings": Method(pb.ListBindingsRequest, self.list_bindings),
        }

    async def exchange(
        self, principal: Principal, request: pb.ExchangeRequest
    ) -> pb.ExchangeResponse:
        """Trade a token for a session."""
        if len(request.token) > _MOST_TOKEN:
            raise LimitError(f"expected a token of at most {_MOST_TOKEN} characters")
        made = await self._exchanging.exchange(request.token, principal.caller)
        return pb.ExchangeResponse(
            session=made.session.secret,
            expires_at=made.session.expires_at,
            identity=identity(made.principal),
        )

    async def who_am_i(self, principal: Principal, _: pb.WhoAmIRequest) -> pb.WhoAmIResponse:
        """Say who the caller is taken for."""
        return pb.WhoAmIResponse(identity=identity(principal))

    async def create_api_key(
        self, principal: Principal, request: pb.CreateApiKeyRequest
    ) -> pb.CreateApiKeyResponse:
        """Make a key that may do what the caller may give."""
        role, places, ttl_s = role_named(request.role), _places(request.repositories), request.ttl_s
        if not _NAME.fullmatch(request.name):
            raise RequestError(f"expected a name of a-z, 0-9 and '-', found {request.name[:80]!r}")
        if role in OF_PERSONS:
            raise PermissionDeniedError(f"no API key is {role}", hint="bind a client certificate")
        if ttl_s > MOST_TTL_S:
            raise RequestError(f"expected at most {MOST_TTL_S} s, found {ttl_s}")
        if not _SPKI.fullmatch(request.certificate):
            raise RequestError("expected the SHA-256 of a certificate's public key, in hex")
        networks = _networks(request.networks)
        check_may_give(principal, role, places)

        def wanted(id_: str, now: int, hashed: bytes) -> ApiKey:
            return ApiKey(
                id_,
                request.name,
                role,
                places,
                now,
                now + (ttl_s or DEFAULT_TTL_S),
                principal.name,
                hashed,
                request.certificate,
                networks,
            )

        content = {"name": request.name, "role": role, "repositories": list(places)}
        with self._trail.decided(principal, "create-api-key", content):
            await asyncio.to_thread(self._trail.sync)
            made = await self._state.api_keys.create(principal.name, wanted)
        return pb.CreateApiKeyResponse(key=_api_key(made.key), secret=made.secret)

    async def list_api_keys(
        self, principal: Principal, request: pb.ListApiKeysRequest
    ) -> pb.ListApiKeysResponse:
        """Return the keys of the caller's places."""
        keys = self._state.api_keys
        return pb.ListApiKeysResponse(
            keys=[
                _api_key(one)
                for one in keys.all
                if sees(principal, one.repositories) and (request.all or not keys.ended(one))
            ]
        )

    async def revoke_api_key(
        self, principal: Principal, request: pb.RevokeApiKeyRequest
    ) -> pb.RevokeApiKeyResponse:
        """End a key of the caller's places."""
        keys = self._state.api_keys
        found = keys.named(request.id)
        if not sees(principal, found.repositories):
            raise NotFoundError("there is no such API key", hint="sealbook apikey list")
        known = keys.ended(found)
        check_may_give(principal, found.role, found.repositories)
        with self._trail.decided(principal, "revoke-api-key", {"id": found.id}):
            await asyncio.to_thread(self._trail.sync)
            ended = await keys.revoke(found.id)
        return pb.RevokeApiKeyResponse(key=_api_key(ended), known=known)

    async def bind(self, principal: Principal, request: pb.BindRequest) -> pb.BindResponse:
        """Give somebody a role."""
        done = await self._changing.bind(principal, _section(request.binding))
        return pb.BindResponse(binding=_binding(done.binding), index=done.index, known=done.known)

    async def unbind(self, principal: Principal, request: pb.UnbindRequest) -> pb.UnbindResponse:
        """Take it back."""
        done = await self._changing.unbind(principal, request.rule)
        return pb.UnbindResponse(binding=_binding(done.binding), index=done.index)

    async def list_bindings(
        self, principal: Principal, _: pb.ListBindingsRequest
    ) -> pb.ListBindingsResponse:
        """Return the bindings of the caller's places."""
        return pb.ListBindingsResponse(
            bindings=[
                _binding(one) for one in self._state.bindings.all if sees(principal, [one.where])
            ]
        )


def identity(principal: Principal) -> pb.Identity:
    """Print a principal."""
    return pb.Identity(
        issuer=principal.issuer,
        subject=principal.subject,
        proof=principal.proof,
        pipeline=principal.pipeline,
        address=principal.caller.address,
        certificate=principal.caller.certificate,
        grants=[
            pb.Identity.Grant(action=action, where=grant.where, rule=grant.rule)
            for action, grants in sorted(principal.grants.items())
            for grant in grants
        ],
    )


def _places(texts: Sequence[str]) -> tuple[Where, ...]:
    if not 1 <= len(texts) <= _MOST_ITEMS:
        raise RequestError(f"expected 1 to {_MOST_ITEMS} repositories, found {len(texts)}")
    return tuple(dict.fromkeys(map(Where, texts)))


def _networks(texts: Sequence[str]) -> tuple[str, ...]:
    if len(texts) > _MOST_ITEMS:
        raise RequestError(f"expected at most {_MOST_ITEMS} networks, found {len(texts)}")
    try:
        return tuple(dict.fromkeys(map(check_network, texts)))
    except ConfigError as e:
        raise RequestError(e.message) from e


def _section(message: pb.Binding) -> BindingSection:
    """Read a binding as the configuration is read, with what a call may not say left out."""
    if message.rule or message.bound_by:
        raise RequestError("expected a binding without rule and bound_by")
    if len(message.networks) > _MOST_ITEMS or len(message.claims) > _MOST_ITEMS:
        raise LimitError(f"expected at most {_MOST_ITEMS} networks and claims")
    said = {
        "role": message.role,
        "repository": message.repository,
        "certificate": message.certificate or None,
        "issuer": message.issuer or None,
        "claims": dict(message.claims),
        "from": tuple(message.networks),
    }
    if len(message.repository) > limits.REPOSITORY + len("/**"):
        raise LimitError("expected a shorter repository")
    try:
        return BindingSection.model_validate(said)
    except ValidationError as e:
        first = e.errors(include_url=False, include_input=False)[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise RequestError(where + first["msg"].removeprefix("Value error, ")) from e


def _binding(one: Binding) -> pb.Binding:
    return pb.Binding(
        role=one.role,
        repository=one.repository,
        certificate=one.certificate,
        issuer=one.issuer,
        claims=dict(one.claims),
        networks=one.networks,
        rule=one.rule,
        bound_by=one.bound_by,
    )


def _api_key(one: ApiKey) -> pb.ApiKey:
    return pb.ApiKey(
        id=one.id,
        name=one.name,
        role=one.role,
        repositories=one.repositories,
        created_at=one.created_at,
        expires_at=one.expires_at,
        revoked_at=one.revoked_at,
        created_by=one.created_by,
        certificate=one.certificate,
        networks=one.networks,
    )
