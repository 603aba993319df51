"""API keys: for what cannot have a token, at most a day.

    sbk_<16 of a-z and 2-7>.<48 of Base64url: 256 bits, and 4 bytes that check them>

What stands before the dot is no secret. The check tells a key that was cut, or mistyped, from
one that counts no more; it says nothing about what would count. Only a hash of the whole is
kept. An unknown id is compared as a known one is, with the hash of nothing that was ever given.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self, cast

from signer.access.network import within
from signer.access.principal import Action, Caller, Grant, Principal
from signer.access.roles import ROLES, RoleName
from signer.access.store import KEPT_S, Store
from signer.access.where import Where
from signer.errors import AccessError, ApiKeyError, NotFoundError, RateError, SigningError
from verifier import limits
from verifier._strict import Fields, canonical_json, hexadecimal, json_object
from verifier.errors import MalformedError, VerificationError

PREFIX = "sbk_"
ISSUER = "urn:sealbook:api-key"
MOST_TTL_S, DEFAULT_TTL_S = 86_400, 3_600
_KEY = re.compile(rf"({PREFIX}[a-z2-7]{{16}})\.([A-Za-z0-9_-]{{48}})", re.ASCII)
_SECRET_BYTES, _CHECK_BYTES = 32, 4
_MOST, _MOST_OF_ONE = 50_000, 5_000  # those too that ended lately
_MOST_ITEMS = 256
_NOBODYS = hashlib.sha256(secrets.token_bytes(32)).digest()


class ApiKey(NamedTuple):
    """What is known of a key; `hash` is of the whole key, and `revoked_at` is 0 for never."""

    id: str
    name: str
    role: RoleName
    repositories: tuple[Where, ...]
    created_at: int
    expires_at: int
    created_by: str
    hash: bytes
    certificate: str = ""
    networks: tuple[str, ...] = ()
    revoked_at: int = 0

    @classmethod
    def parse(cls, record: bytes) -> Self:
        """Take what `record` returns; raises `AccessError` for anything else."""
        try:
            fields = Fields(json_object(record, limit=limits.STATEMENT), "api_key")
            role = fields.text("role")
            if role not in ROLES:
                raise MalformedError(f"expected a role, found {role[:40]!r}")
            found = cls(
                fields.text("id"),
                fields.text("name"),
                cast("RoleName", role),
                tuple(map(Where, fields.items("repositories", most=_MOST_ITEMS))),
                fields.number("created_at"),
                fields.number("expires_at"),
                fields.text("created_by"),
                hexadecimal(fields.text("hash"), size=32),
                fields.text("certificate"),
                tuple(fields.items("networks", most=_MOST_ITEMS)),
                fields.number("revoked_at"),
            )
            fields.done()
        except (VerificationError, SigningError) as e:
            raise AccessError(f"an API key cannot be read: {e.message}") from e
        return found

    def record(self) -> bytes:
        """Return what the database keeps."""
        lists = {"repositories": list(self.repositories), "networks": list(self.networks)}
        return canonical_json({**self._asdict(), **lists, "hash": self.hash.hex()})

    def ended(self, now: float) -> bool:
        """Whether it counts no more."""
        return bool(self.revoked_at) or now >= self.expires_at


class Made(NamedTuple):
    """A key that was made; `secret` is the whole of it, for its holder alone."""

    key: ApiKey
    secret: str

    def __repr__(self) -> str:
        """Show which key, and not the key."""
        return f"<the API key {self.key.id}>"


class ApiKeys:
    """All API keys. For one event loop."""

    def __init__(self, kept: Store, clock: Callable[[], float] = time.time) -> None:
        """Know those that `kept` has; raises `AccessError` if they cannot be read."""
        self._store = kept
        self._clock = clock
        read = map(ApiKey.parse, kept.api_keys())
        self._keys = {one.id: one for one in read}

    @property
    def all(self) -> list[ApiKey]:
        """The newest first, those too that have ended."""
        return sorted(self._keys.values(), key=lambda one: (-one.created_at, one.id))

    def named(self, id_: str) -> ApiKey:
        """Return what is known of the key with this id; raises `NotFoundError` for nothing."""
        found = self._keys.get(id_)
        if found is None:
            raise NotFoundError("there is no such API key", hint="sealbook apikey list")
        return found

    def ended(self, key: ApiKey) -> bool:
        """Whether `key` counts no more."""
        return key.ended(self._clock())

    async def create(self, who: str, wanted: Callable[[str, int, bytes], ApiKey]) -> Made:
        """Make a key for `who`, durably, that is what `wanted` says with an id, a time and a hash.

        Raises:
            RateError: there are too many, of `who` or of all.
            AccessError: it cannot be written.
        """
        now = self._clock()
        self._keys = {id_: one for id_, one in self._keys.items() if now < one.expires_at + KEPT_S}
        of_one = sum(one.created_by == who for one in self._keys.values())
        if of_one >= _MOST_OF_ONE or len(self._keys) >= _MOST:
            raise RateError(f"expected at most {_MOST_OF_ONE} API keys in two days of {who}")
        id_ = PREFIX + base64.b32encode(secrets.token_bytes(10)).decode().lower()
        secret = secrets.token_bytes(_SECRET_BYTES)
        whole = f"{id_}.{base64.urlsafe_b64encode(secret + _check(id_, secret)).decode()}"
        key = wanted(id_, int(now), _hash(whole))
        await self._store.put_api_key(key.id, key.expires_at, key.record())
        self._keys[key.id] = key
        return Made(key, whole)

    async def revoke(self, id_: str) -> ApiKey:
        """End a key, and return it once that is durable; no call is let in by it from now on.

        Raises:
            NotFoundError: there is none.
            AccessError: it cannot be written; the key is ended until a restart.
        """
        key = self.named(id_)
        if not key.revoked_at:
            key = self._keys[id_] = key._replace(revoked_at=int(self._clock()))
        # Again for one that was revoked before: that time it may not have been written.
        await self._store.put_api_key(key.id, key.expires_at, key.record())
        return key

    def holder(self, secret: str, caller: Caller) -> Principal | None:
        """Return who holds this key; None for another kind of secret.

        Raises:
            ApiKeyError: it is cut, unknown, expired or revoked, or does not count from there.
        """
        if not secret.startswith(PREFIX):
            return None
        parts = _KEY.fullmatch(secret)
        if parts is None or not _is_whole(parts[1], parts[2]):
            raise ApiKeyError("the API key is not whole", hint="was it cut, or typed by hand?")
        key = self._keys.get(parts[1])
        known = key.hash if key is not None else _NOBODYS
        if not hmac.compare_digest(_hash(secret), known) or key is None:
            raise ApiKeyError("the API key is not known here")
        if self.ended(key):
            raise ApiKeyError("the API key was revoked" if key.revoked_at else "the API key ended")
        bound, shown = key.certificate.encode(), caller.certificate.encode()
        if bound and not hmac.compare_digest(bound, shown):
            raise ApiKeyError("the API key is bound to another client certificate")
        if key.networks and not within(caller.address, key.networks):
            raise ApiKeyError("the API key does not count from there")
        return Principal(
            ISSUER,
            key.id,
            self._granted(key),
            "api-key",
            # Whoever has it could be a person.
            pipeline=False,
            claims={"name": key.name},
            caller=caller,
        )

    def _granted(self, key: ApiKey) -> Mapping[Action, tuple[Grant, ...]]:
        grants = tuple(Grant(where, f"api-key:{key.id}") for where in key.repositories)
        return dict.fromkeys(ROLES[key.role], grants)


def _is_whole(id_: str, coded: str) -> bool:
    raw = base64.urlsafe_b64decode(coded)
    secret, check = raw[:_SECRET_BYTES], raw[_SECRET_BYTES:]
    return hmac.compare_digest(check, _check(id_, secret))


def _check(id_: str, secret: bytes) -> bytes:
    return hashlib.sha256(b"sealbook api key\0" + id_.encode() + secret).digest()[:_CHECK_BYTES]


def _hash(whole: str) -> bytes:
    return hashlib.sha256(whole.encode()).digest()
