"""An approval as the ledger keeps it: the predicate of the event `urn:sealbook:request-approved`.

    {"key":"<hint>","person":"alice","previous":40,"request":{…},"request_sha256":"<id>",
     "signature":"<b64>"}

It holds the whole request, so that an auditor who has the person's public key can see who said
yes to what, without asking anybody: the signature is over the request, not over the event.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Self

from ledger.errors import DamagedError
from ledger.ledger import Ledger
from signer.approvals.request import Request
from signer.events import logged
from verifier import dsse, limits
from verifier._strict import Fields, b64, b64encode
from verifier.errors import LimitError, MalformedError, SignatureError, VerificationError
from verifier.publickey import PublicKey
from verifier.statement import EVENT_PREFIX, Statement

EVENT = "request-approved"
PREDICATE_TYPE = EVENT_PREFIX + EVENT


class Approval(NamedTuple):
    """Somebody's signature over a request; `key` is their key's hint."""

    request: Request
    person: str
    key: str
    signature: bytes

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Take the predicate of an event, without its `previous`; nothing in it is believed yet.

        Raises:
            VerificationError: it is none, or its request is not the one that it names.
        """
        request = Request.read(fields.take("request", dict))
        named = fields.text("request_sha256")
        if request.id != named:
            raise MalformedError(f"expected the request {named[:80]!r}, found {request.id}")
        person, key = fields.text("person"), fields.text("key")
        found = cls(request, person, key, b64(fields.text("signature")))
        fields.done()
        if len(found.signature) > limits.SIGNATURE:
            raise LimitError(f"expected at most {limits.SIGNATURE} bytes of signature")
        return found

    def predicate(self) -> dict[str, object]:
        """Return what its event says, without `previous`."""
        return {
            "key": self.key,
            "person": self.person,
            "request": self.request.json(),
            "request_sha256": self.request.id,
            "signature": b64encode(self.signature),
        }

    def verify(self, public: PublicKey) -> None:
        """Check that the holder of `public` signed this very request.

        Raises:
            SignatureError: they did not.
        """
        if self.key != public.hint:
            raise SignatureError(f"the approval by {self.person} names another key than {public!r}")
        public.verify(self.signature, self.request.message)


def read_event(body: bytes) -> tuple[Approval, int | None]:
    """Return the approval in an event's body, and the index of the last event of the kind.

    Raises:
        VerificationError: it is no such event.
    """
    statement = Statement.parse(dsse.parse_pae(body)[1])
    if statement.predicate_type != PREDICATE_TYPE:
        raise MalformedError(f"expected an approval, found {statement.predicate_type[:80]!r}")
    fields = Fields(statement.predicate, "predicate")
    previous = fields.nullable("previous", int)
    return Approval.read(fields), previous


class LoggedApprovals:
    """Reads the approvals of one ledger, each once. For one thread at a time."""

    def __init__(self, ledger: Ledger, since: int) -> None:
        """Read those of `since`, POSIX seconds, and later."""
        self._ledger = ledger
        self._last = _last_before(ledger, ledger.store.position(since))

    def fresh(self) -> Iterator[tuple[int, Approval]]:
        """Yield index and content of what was logged since the last time, published or not.

        Raises:
            DamagedError: an event cannot be read, or one is missing.
        """
        for index, approval in logged(self._ledger, EVENT, self._last, Approval.read):
            self._last = index
            yield index, approval


def _last_before(ledger: Ledger, position: int) -> int | None:
    """Return where the last approval before `position` is, as the first one after it says."""
    first = ledger.store.search("predicate_type", PREDICATE_TYPE, position - 1, 1)
    if not first:
        return ledger.store.last("predicate_type", PREDICATE_TYPE)
    try:
        return read_event(ledger.stored(first[0]).body or b"")[1]
    except VerificationError as e:
        raise DamagedError(f"the {EVENT} at {first[0]} cannot be read: {e.message}") from e
