"""The canonical request: what somebody wants done, in the one spelling that persons sign.

RFC 8785 JSON, in one line (wrapped here); its id is the hex SHA-256 of these bytes:

    {"action":"sign","expires":"2026-11-26T05:00:00Z","keys":["release"],
     "origin":"ledger.example","repositories":["registry.bank/payments/app"],
     "requester":"urn:sealbook:token#loopback","type":"urn:sealbook:request:v1",
     "what":{"items":[{"digest":"sha256:9f86…"}],…}}

What is signed is its DSSE encoding under `PAYLOAD_TYPE`. All but `expires` is a function of the
call, so that the same call made again finds its request, and what was signed of it. `expires`
is in the signed bytes because signatures are public: without it, whoever reads the ledger could
hand in next year the approvals of today.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple, Self

from verifier import dsse
from verifier._strict import Fields, canonical_json, json_object, rfc3339, utc
from verifier.errors import LimitError, MalformedError
from verifier.repository import Repository

TYPE = "urn:sealbook:request:v1"
PAYLOAD_TYPE = "application/vnd.sealbook.request+json"
LIFETIME_S = 3600
MOST_REQUEST = 48 << 10  # bytes; its event must fit into a row of the ledger
_MOST_NAMED = 1024


class Asked(NamedTuple):
    """What somebody wants done: the same for the same call.

    `repositories` is empty for what names none, and `keys` for what signs with none. `what` has
    all that decides what happens, as JSON without fractions, its names in ASCII.
    """

    action: str
    requester: str
    repositories: tuple[Repository, ...]
    keys: tuple[str, ...]
    what: Mapping[str, object]

    @property
    def call(self) -> bytes:
        """32 bytes by which the same call is known again."""
        return hashlib.sha256(canonical_json(self.json())).digest()

    def json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "action": self.action,
            "keys": list(self.keys),
            "repositories": list(self.repositories),
            "requester": self.requester,
            "type": TYPE,
            "what": dict(self.what),
        }


class Request(NamedTuple):
    """What somebody asked of the ledger `origin`; `expires` is in POSIX seconds."""

    origin: str
    asked: Asked
    expires: int

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Take a request in its one spelling.

        Raises:
            LimitError: it is too long.
            MalformedError, RepositoryError: it is anything else than what `canonical` prints.
        """
        value = json_object(data, limit=MOST_REQUEST)
        request = cls.read(value)
        if request.canonical() != data:
            raise MalformedError("expected a request in canonical JSON")
        return request

    @classmethod
    def read(cls, value: object) -> Self:
        """Take a request from decoded JSON; raises like `parse`."""
        fields = Fields(value, "request")
        if (kind := fields.text("type")) != TYPE:
            raise MalformedError(f"expected a request of type {TYPE}, found {kind[:80]!r}")
        asked = Asked(
            fields.text("action"),
            fields.text("requester"),
            tuple(map(Repository, _names(fields, "repositories"))),
            _names(fields, "keys"),
            fields.take("what", dict),
        )
        request = cls(fields.text("origin"), asked, rfc3339(fields.text("expires")))
        fields.done()
        return request

    def json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {**self.asked.json(), "expires": utc(self.expires), "origin": self.origin}

    def canonical(self) -> bytes:
        """Print it in its one spelling.

        Raises:
            LimitError: it is longer than a request may be.
        """
        data = canonical_json(self.json())
        if len(data) > MOST_REQUEST:
            raise LimitError(
                f"expected at most {MOST_REQUEST} bytes of request, found {len(data)}",
                hint="ask for fewer images at once: others have to read what they approve",
            )
        return data

    @property
    def id(self) -> str:
        """Hex SHA-256 of its one spelling."""
        return id_of(self.canonical())

    @property
    def message(self) -> bytes:
        """The bytes that persons sign."""
        return message_of(self.canonical())


def id_of(canonical: bytes) -> str:
    """Return the id of a request."""
    return hashlib.sha256(canonical).hexdigest()


def message_of(canonical: bytes) -> bytes:
    """Return the bytes that persons sign of a request."""
    return dsse.pae(PAYLOAD_TYPE, canonical)


def _names(fields: Fields, field: str) -> tuple[str, ...]:
    found = fields.items(field, most=_MOST_NAMED)
    if not all(isinstance(name, str) for name in found):
        raise MalformedError(f"request.{field}: expected only strings")
    return tuple(found)
