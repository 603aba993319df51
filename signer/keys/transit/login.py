"""How a token is had. Each way is a class in `LOGINS`, and adding one is adding one there.

    auth=token      token-source=file:/run/bao/token
                    made by somebody else, as an agent, who may replace it
    auth=approle    role-id-source=… secret-id-source=…
    auth=jwt        role=sealbook jwt-file=/var/run/secrets/tokens/bao
                    with auth-mount=kubernetes too, which is asked in the same way

A source is what `signer.keys.passphrase` reads: file:, credential: or prompt. They are read
again for each login, since what issues them also rotates them; what was typed is kept.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from signer.errors import (
    KeyAccessError,
    KeyFileError,
    KeyUnavailableError,
    KeyUriError,
    PassphraseError,
)
from signer.keys.passphrase import read_source
from signer.keys.transit.client import Answer, Client
from verifier import limits
from verifier._strict import Fields
from verifier.errors import MalformedError

_PROMPT = "prompt"
_SECRET = re.compile(rb"[!-~]{1,8192}")


@dataclass(frozen=True, slots=True)
class Token:
    """What lets us in, for `lease_s` seconds from now; 0 is for ever."""

    text: str = field(repr=False)
    lease_s: int
    renewable: bool


class Login(ABC):
    """One way to have a token, for which the URI gives the settings in `NEEDS`."""

    NEEDS: ClassVar[tuple[str, ...]]
    MAKES: ClassVar[bool]  # whether each login makes a token, which is ours to give back
    REFUSED_S: ClassVar[float]  # for which refused credentials are not presented again

    @abstractmethod
    def __init__(self, mount: str, settings: Mapping[str, str], base: Path) -> None:
        """Use the method at `mount`; relative paths start at `base`."""

    @staticmethod
    @abstractmethod
    def checked(name: str, value: str) -> str:
        """Return the value of a setting; raises `KeyUriError`, which does not show it."""

    @abstractmethod
    def credentials(self) -> tuple[str, ...]:
        """Return what is to be presented, read anew; raises `KeyHomeError`."""

    @abstractmethod
    def log_in(self, client: Client, credentials: tuple[str, ...]) -> Token:
        """Return a token.

        Raises:
            KeyAccessError: the server does not take the credentials.
            KeyUnavailableError: it does not answer.
        """


class _Sourced(Login):
    """A login whose settings all are sources of secrets."""

    def __init__(self, mount: str, settings: Mapping[str, str], base: Path) -> None:
        self._mount = mount
        self._settings = settings
        self._base = base
        self._typed: dict[str, str] = {}

    @staticmethod
    def checked(name: str, value: str) -> str:
        """Return a source of secrets."""
        if value != _PROMPT and not value.startswith(("file:", "credential:")):
            raise KeyUriError(f"expected {name} to be file:PATH, credential:NAME or prompt")
        return value

    def credentials(self) -> tuple[str, ...]:
        """Read all sources."""
        return tuple(self._typed.get(name) or self._read(name) for name in self.NEEDS)

    def _read(self, name: str) -> str:
        source = self._settings[name]
        secret = _secret(read_source(source, self._base, f"openbao {name}"), name)
        if source == _PROMPT:
            self._typed[name] = secret
        return secret


class TokenLogin(_Sourced):
    """A token that somebody else made, and may replace."""

    NEEDS = ("token-source",)
    MAKES = False
    REFUSED_S = 2.0

    def log_in(self, client: Client, credentials: tuple[str, ...]) -> Token:
        """Ask what the token is good for."""
        [text] = credentials
        answer = client.ask("GET", "auth/token/lookup-self", None, text)
        return _token(answer, "data", "ttl", "token", text)


class AppRoleLogin(_Sourced):
    """The name of a role for programs, and its password."""

    NEEDS = ("role-id-source", "secret-id-source")
    MAKES = True
    # The server locks the role for 15 minutes after five wrong passwords in that time.
    REFUSED_S = 300.0

    def log_in(self, client: Client, credentials: tuple[str, ...]) -> Token:
        """Present both."""
        role_id, secret_id = credentials
        body = {"role_id": role_id, "secret_id": secret_id}
        answer = client.ask("POST", f"auth/{self._mount}/login", body)
        return _token(answer, "auth", "lease_duration", "role-id and secret-id")


class JwtLogin(Login):
    """A JWT, as a workload has from its platform."""

    NEEDS = ("role", "jwt-file")
    MAKES = True
    REFUSED_S = 2.0

    def __init__(self, mount: str, settings: Mapping[str, str], base: Path) -> None:
        """Present the JWT in a file, for a role."""
        self._mount = mount
        self._role = settings["role"]
        self._path = base / settings["jwt-file"]

    @staticmethod
    def checked(name: str, value: str) -> str:  # noqa: ARG004
        """Return any name or path."""
        return value

    def credentials(self) -> tuple[str, ...]:
        """Read the JWT, which a platform puts behind a link that it turns.

        Who else can read it is the platform's choice: it is valid for minutes.
        """
        try:
            with self._path.open("rb") as file:
                raw = file.read(limits.KEY + 2)
        except OSError as e:
            raise KeyFileError(f"cannot read {self._path}: {e.strerror}") from e
        return self._role, _secret(raw.removesuffix(b"\n"), "jwt-file")

    def log_in(self, client: Client, credentials: tuple[str, ...]) -> Token:
        """Present it."""
        role, jwt = credentials
        answer = client.ask("POST", f"auth/{self._mount}/login", {"role": role, "jwt": jwt})
        return _token(answer, "auth", "lease_duration", "JWT")


LOGINS: Mapping[str, type[Login]] = {
    "token": TokenLogin,
    "approle": AppRoleLogin,
    "jwt": JwtLogin,
}


def renewed(client: Client, token: Token) -> Token | None:
    """Return the same token with a new lease, or None when it has no new one.

    Raises:
        KeyUnavailableError: the server does not answer.
    """
    answer = client.ask("POST", "auth/token/renew-self", {}, token.text)
    try:
        return _token(answer, "auth", "lease_duration", "token", token.text)
    except KeyAccessError:
        return None


def _token(answer: Answer, where: str, lease: str, what: str, known: str = "") -> Token:
    """Return the token that an answer is about, which is `known` or in there."""
    if answer.status != 200:
        raise KeyAccessError(f"the server does not take our {what}{answer.said}")
    try:
        found = Fields(answer.body, "answer").inside(where)
        text = known or _secret(found.text("client_token").encode(), "token")
        return Token(text, found.number(lease), found.take("renewable", bool))
    except (MalformedError, PassphraseError):
        # Not `from`: what was found may be the token.
        raise KeyUnavailableError("the server answers a login as OpenBao would not") from None


def _secret(raw: bytes, what: str) -> str:
    # It becomes part of a header or of JSON; and where HTTP refuses it, it would be shown.
    if not _SECRET.fullmatch(raw):
        raise PassphraseError(f"openbao {what}: expected one line of printable ASCII")
    return raw.decode("ascii")
