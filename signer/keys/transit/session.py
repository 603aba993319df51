"""The requests that concern a key: look at it, sign with it, make it."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from pathlib import Path

from signer.errors import (
    KeyAccessError,
    KeyFailedError,
    KeyHomeError,
    KeyObjectError,
    KeyUnavailableError,
    KeyUriError,
)
from signer.keys.transit.client import Answer, Client
from signer.keys.transit.description import Description, describe
from signer.keys.transit.lease import NOT_ALLOWED, Lease
from signer.keys.transit.login import LOGINS
from signer.keys.transit.place import Place
from verifier._strict import Fields, b64
from verifier.errors import MalformedError

_SIGNATURE = re.compile(r"vault:v([1-9][0-9]{0,9}):([A-Za-z0-9+/]+={0,2})", re.ASCII)


class Access:
    """A server that lets us in: what sessions have in common. Safe in many threads."""

    def __init__(self, place: Place, base: Path) -> None:
        """Log in.

        Raises:
            KeyHomeError: the credentials or roots cannot be read, or the server takes neither.
            KeyUnavailableError: it does not answer.
        """
        self._server, self._namespace = place.server, place.namespace
        self._context = _context(place, base)
        login = LOGINS[place.auth](place.auth_mount, place.settings, base)
        client = self.client()
        try:
            self.lease = Lease(client, login, place.server)
        except BaseException:
            client.close()
            raise

    def client(self) -> Client:
        """Return a connection of its own."""
        return Client(self._server, self._namespace, self._context)

    def close(self) -> None:
        """Give the token back."""
        self.lease.close()


class Session:
    """Asks about one key. For one thread at a time."""

    def __init__(self, access: Access, place: Place) -> None:
        """Prepare to ask about the key at `place`."""
        self._lease = access.lease
        self._client = access.client()
        self.place = place

    def read(self) -> Description | None:
        """Return what the server says of the key, or None when there is none.

        Raises:
            KeyObjectError: it is one that we refuse.
            KeyAccessError: we may not look.
            KeyUnavailableError: the server does not answer.
        """
        answer = self._ask("GET", "keys/{}")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise KeyObjectError(f"{self.place.called} cannot be looked at{answer.said}")
        return describe(answer.body, self.place)

    def sign(self, body: Mapping[str, object]) -> bytes:
        """Return the signature that the server makes by the place's version of the key.

        Raises:
            KeyFailedError: it is one of another version, or none.
            KeyUnavailableError: the server does not answer, or does not sign.
        """
        place = self.place
        try:
            answer = self._ask("POST", "sign/{}", {**body, "key_version": place.version})
        except KeyHomeError as e:
            # Who comes to look why finds out more than this answer says: the session is over.
            raise KeyUnavailableError(e.message) from e
        if answer.status != 200:
            raise KeyUnavailableError(f"{place.called} does not sign{answer.said}")
        try:
            text = Fields(answer.body, "answer").inside("data").text("signature")
            match = _SIGNATURE.fullmatch(text)
            if match is None:
                raise KeyFailedError(f"{place.called} made no signature")
            if int(match[1]) != place.version:
                raise KeyFailedError(f"{place.called}: a signature by version {match[1]}")
            return b64(match[2])
        except MalformedError as e:
            raise KeyFailedError(f"{place.called} made no signature: {e.message}") from e

    def make(self, kind: str) -> None:
        """Let the server make a key that never leaves it; raises like `_change`."""
        body = {
            "type": kind,
            "exportable": False,
            "allow_plaintext_backup": False,
            "derived": False,
        }
        self._change("keys/{}", body)

    def rotate(self) -> None:
        """Let the server make the next version of the key; raises like `_change`."""
        self._change("keys/{}/rotate", {})

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _change(self, path: str, body: Mapping[str, object]) -> None:
        """Raise `KeyObjectError`, `KeyAccessError` or `KeyUnavailableError`, or it is done."""
        answer = self._ask("POST", path, body)
        if answer.status not in (200, 204):
            raise KeyObjectError(f"{self.place.called} cannot be made{answer.said}")

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Answer:
        """Ask; with another token, and once, if the server does not take the one that we have."""
        full = f"{self.place.mount}/{path.format(self.place.key)}"
        token = self._lease.token
        answer = self._client.ask(method, full, body, token.text)
        if answer.status == 403:
            token = self._lease.again(token)
            answer = self._client.ask(method, full, body, token.text)
        if answer.status == 403:
            raise KeyAccessError(
                f"{self.place.called}: {method} {full} is not for us{answer.said}",
                hint=NOT_ALLOWED,
            )
        return answer


def _context(place: Place, base: Path) -> ssl.SSLContext:
    if place.server.startswith("http:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not needed, and trusts nobody
    try:
        return ssl.create_default_context(cafile=str(base / place.ca) if place.ca else None)
    except OSError as e:  # ssl.SSLError is one
        raise KeyUriError(f"cannot read roots from {base / place.ca}: {e.strerror or e}") from e
