"""Being let in: what a registry's challenge is answered with, and for how long that holds.

    registry    401 WWW-Authenticate: Bearer realm="https://auth.example/token",service="…"
    we          GET that realm, with the service, and the scope that *we* need, as ourselves;
                POST it with a refresh token, when we have an identity token
    realm       {"token": "…", "expires_in": 300}

A challenge decides where our password goes, so a realm is asked only on the registry's own
origin, or on a host that was configured: `token_hosts`, and for Docker Hub its own. It does not
decide what for: the scope is ours, so that no registry gets a token for another repository.

Spec: distribution, spec/auth/token.md and oauth.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

import httpx

from verifier import limits
from verifier._strict import b64encode, json_object
from verifier.errors import MalformedError
from verifier.pull.errors import (
    RegistryAccessError,
    RegistryAnswerError,
    RegistryBusyError,
    TokenRealmError,
)
from verifier.pull.registry.challenges import Challenge, choose
from verifier.pull.registry.connections import Connections, Origin, is_web
from verifier.pull.registry.credentials import DOCKER_HUB, Credential
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.settings import RegistrySettings
from verifier.pull.registry.turns import Turns

PRESET = {DOCKER_HUB: ("auth.docker.io",)}
_SHORT_S, _LONG_S = 60, 3600  # what a token is good for when nobody says, and at most
_EARLY_S = 10  # before its end it is not used any more
_MOST = 4096  # tokens that are remembered
_CLIENT = "sealbook"

Find = Callable[[Deadline], Credential | None]


class Scope(NamedTuple):
    """What is asked for: actions on a repository (by its path), or on the registry."""

    kind: str
    name: str
    actions: tuple[str, ...]

    def __str__(self) -> str:
        """Write it as token servers read it."""
        return f"{self.kind}:{self.name}:{','.join(self.actions)}"


Scopes = tuple[Scope, ...]


class _Held(NamedTuple):
    header: str
    until: float


class Access:
    """Who we are at one registry, and the tokens that we have for it; safe in many threads."""

    def __init__(
        self, host: str, connections: Connections, settings: RegistrySettings, find: Find
    ) -> None:
        """Ask `find` who we are, when somebody wants to know."""
        self._host = host
        self._connections = connections
        self._settings = settings
        self._find = find
        self._turns = Turns()
        self._held: dict[Scopes, _Held] = {}
        self._basic = ""
        self._who: tuple[Credential | None] | None = None  # once somebody wanted to know
        self._tokens: Sequence[str] = ()  # the challenge that was answered with a token
        self.challenge = ""  # the last one, as it came: for who looks into a registry's set-up

    def header(self, scopes: Scopes) -> str:
        """Return what to send with a request without being asked, or nothing."""
        if self._basic:
            return self._basic
        held = self._held.get(scopes)
        return held.header if held is not None and held.until > time.monotonic() else ""

    def early(self, scopes: Scopes, deadline: Deadline) -> str:
        """Return what to send with a request: also a token that the registry will ask for."""
        if (now := self.header(scopes)) or not self._tokens:
            return now
        try:
            return self.challenged(self._tokens, scopes, "", deadline)
        except RegistryAccessError:
            return ""  # it may not ask this time

    def challenged(
        self, challenges: Sequence[str], scopes: Scopes, sent: str, deadline: Deadline
    ) -> str:
        """Return what to send after a 401, to a request that was `sent` with this.

        Raises:
            RegistryAccessError: nobody knows who we are, or we were refused.
            TokenRealmError: the realm is on a host that was not configured.
            RegistryAnswerError: the challenge, or the realm's answer, cannot be read.
        """
        with self._turns.of(scopes, deadline):
            # Of many threads that were turned away, one asks.
            if (now := self.header(scopes)) and now != sent:
                return now
            self._basic, _ = "", self._held.pop(scopes, None)
            self.challenge = ", ".join(challenges)[: limits.CHALLENGE]
            challenge = choose(challenges)
            if challenge is None:
                raise RegistryAnswerError(
                    f"{self._host} answers 401, and asks for neither Basic nor Bearer"
                )
            credential = self._credential(deadline, again=bool(sent))
            try:
                if challenge.scheme == "basic":
                    return self._with_basic(credential, sent)
                self._tokens = challenges
                return self._with_token(challenge, credential, scopes, deadline)
            except RegistryAccessError:
                self._who = None  # who we are may be set right meanwhile
                raise

    def refused(self, why: str) -> RegistryAccessError:
        """Return the error that says that we may not."""
        return RegistryAccessError(
            f"{self._host} does not let us: {why}",
            hint=f"docker login {self._host}, or name a credential for it in registries.toml",
        )

    def _credential(self, deadline: Deadline, *, again: bool) -> Credential | None:
        """Return who we are; it is looked up once, and `again` when that was not good."""
        with self._turns.of("who", deadline):
            if (who := self._who) is None or again:
                who = self._who = (self._find(deadline),)
            return who[0]

    def _with_basic(self, credential: Credential | None, sent: str) -> str:
        if credential is None or not credential.user:
            raise self.refused("it wants a user and a password, and we have none")
        header = _basic(credential)
        if header == sent:
            raise self.refused(f"it does not take the password of {credential.user!r:.80}")
        self._basic = header
        return header

    def _with_token(
        self,
        challenge: Challenge,
        credential: Credential | None,
        scopes: Scopes,
        deadline: Deadline,
    ) -> str:
        if credential is not None and credential.registry_token:
            return f"Bearer {_token_text(credential.registry_token)}"
        realm = self._realm(challenge)
        query = [("service", challenge.parameters.get("service", ""))]
        query += [("scope", str(scope)) for scope in scopes]
        headers = [("Accept", "application/json")]
        if credential is not None and credential.identity_token:
            body = urlencode(
                [
                    ("grant_type", "refresh_token"),
                    ("client_id", _CLIENT),
                    ("refresh_token", credential.identity_token),
                    *query[:1],
                    ("scope", " ".join(str(scope) for scope in scopes)),
                ]
            ).encode()
            method, target = "POST", realm.raw_path.decode("ascii")
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
            headers.append(("Content-Length", str(len(body))))
        else:
            method, body = "GET", b""
            path = realm.raw_path.decode("ascii")
            target = f"{path}{'&' if '?' in path else '?'}{urlencode(query)}"
            if credential is not None:
                headers.append(("Authorization", _basic(credential)))
        answer = self._connections.send(
            method,
            Origin.of(realm),
            target,
            headers=headers,
            content=body,
            deadline=deadline,
        )
        if answer.status != 200:
            answer.discard()
            raise self._no_token(answer.status, realm, credential)
        held = _read_token(answer.read(limits.TOKEN_ANSWER, f"the token of {realm.host}"))
        while len(self._held) >= _MOST:
            self._held.pop(next(iter(self._held)), None)
        self._held[scopes] = held
        return held.header

    def _realm(self, challenge: Challenge) -> httpx.URL:
        """Return where to ask, if that is where our password may go."""
        said = challenge.parameters.get("realm", "")
        own = self._connections.own
        try:
            realm = httpx.URL(said)
        except httpx.InvalidURL:
            realm = httpx.URL("")
        if not is_web(realm):
            raise TokenRealmError(f"{self._host} sends us for a token to {said[:200]!r}")
        origin = Origin.of(realm)
        if origin == own:
            return realm
        if realm.scheme == "http" and own.scheme == "https":
            raise TokenRealmError(
                f"{self._host} sends us for a token to {origin}, where everybody would read it"
            )
        named = (*self._settings.token_hosts, *PRESET.get(self._host, ()))
        if origin.netloc not in named:
            hosts = ", ".join(f'"{one}"' for one in (*self._settings.token_hosts, origin.netloc))
            raise TokenRealmError(
                f"{self._host} sends us for a token to {origin.netloc}, which is not configured",
                hint="if that is right, add to registries.toml, "
                f'under prefix = "{self._host}": token_hosts = [{hosts}]',
            )
        return realm

    def _no_token(
        self, status: int, realm: httpx.URL, credential: Credential | None
    ) -> RegistryAccessError | RegistryAnswerError | RegistryBusyError:
        if status == 429 or status >= 500:
            return RegistryBusyError(f"{realm.host} gives no token now: it answers {status}")
        if status in (400, 401, 403, 404):
            who = "us, whoever we are," if credential is None else repr(credential.user or "token")
            return self.refused(f"{realm.host} gives {who} no token, and answers {status}")
        return RegistryAnswerError(f"{realm.host}: expected a token, found answer {status}")


def _read_token(content: bytes) -> _Held:
    try:
        value = json_object(content, limit=limits.TOKEN_ANSWER, floats=True)
    except MalformedError as e:
        raise RegistryAnswerError(f"expected a token: {e.message}") from e
    token = value.get("token") or value.get("access_token")
    if not isinstance(token, str):
        raise RegistryAnswerError("expected a token, found none in the answer")
    seconds = value.get("expires_in")
    if not isinstance(seconds, int | float) or seconds <= 0:
        seconds = _SHORT_S
    lasts = min(seconds, _LONG_S)
    return _Held(
        f"Bearer {_token_text(token)}", time.monotonic() + max(lasts - _EARLY_S, lasts / 2)
    )


def _token_text(token: str) -> str:
    """Return a token that a header can hold."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise RegistryAnswerError("expected a token of printable characters")
    return token


def _basic(credential: Credential) -> str:
    return "Basic " + b64encode(f"{credential.user}:{credential.secret}".encode())
