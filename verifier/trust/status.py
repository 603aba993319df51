r"""The status file: what was revoked since the trust file was signed, and what time it is.

The service signs it with its online status key, which the trust file names. It can only
take away: whoever steals that key can revoke, and can lie about nothing else but time.
Its payload:

    {"type":"urn:sealbook:status:v1","origin":"ledger.example","version":1764115200,
     "issued":"2026-11-26T00:00:00Z","next_update":"2026-11-26T02:00:00Z",
     "checkpoint":"<the newest published checkpoint, a signed note>",
     "marks":[[120,"2026-11-25T00:00:00Z"],[360,"2026-11-26T00:00:00Z"]],
     "revocations":[{"kind":"entry","entry":12,"index":40,"reason":"…","bundle":{…}},…]}

A mark [size, time] says that the ledger had that many entries then: so an entry at or
after `size` is younger than that. A `bundle` proves that the revocation is logged, as the
event `urn:sealbook:revocation`; `verifier.trust.revocation` has the kinds.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import Fields, json_object, rfc3339, utc
from verifier.errors import (
    ForeignTrustError,
    IntegerError,
    MalformedError,
    SplitViewError,
    StatusRollbackError,
    TrustConflictError,
    UnsupportedError,
)
from verifier.note import Note
from verifier.publickey import Key
from verifier.tlogpolicy import Endorsed
from verifier.trust import TrustRoot
from verifier.trust.revocation import Revocation
from verifier.trust.signed import SignedFile

TYPE = "urn:sealbook:status:v1"
PAYLOAD_TYPE = "application/vnd.sealbook.status+json"


class Mark(NamedTuple):
    """At `time`, POSIX seconds, the ledger had `tree_size` entries."""

    tree_size: int
    time: int


class StatusPayload(NamedTuple):
    """What a status file says. Times are POSIX seconds; marks are in order."""

    origin: str
    version: int
    issued: int
    next_update: int
    note: str
    marks: tuple[Mark, ...]
    revocations: tuple[Revocation, ...]

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Parse a payload, whoever may have signed it.

        Raises:
            LimitError: too large or too many.
            MalformedError: any other shape, or marks that go back.
        """
        fields = Fields(json_object(data, limit=limits.STATUS_FILE, floats=True), "status")
        kind = fields.text("type")
        if kind != TYPE:
            raise UnsupportedError(f"expected type {TYPE}, found {kind[:80]!r}")
        origin, version = fields.text("origin"), fields.number("version")
        issued, next_update = rfc3339(fields.text("issued")), rfc3339(fields.text("next_update"))
        note = fields.text("checkpoint")
        marks = tuple(_mark(v) for v in fields.items("marks", most=limits.MARKS))
        found = fields.items("revocations", most=limits.REVOCATIONS)
        revocations = tuple(Revocation.read(v, i) for i, v in enumerate(found))
        fields.done()
        if version < 1 or next_update <= issued:
            raise MalformedError("expected a version from 1 and a next update after the issue")
        if any(a.time >= b.time or a.tree_size > b.tree_size for a, b in pairwise(marks)):
            raise MalformedError("expected marks whose times rise and whose sizes never fall")
        if marks and marks[-1].time > issued:
            raise MalformedError("a mark is younger than the file that lists it")
        if len({one.index for one in revocations}) != len(revocations):
            raise MalformedError("two revocations are at one index")
        return cls(origin, version, issued, next_update, note, marks, revocations)

    def json(self) -> bytes:
        """Render as the payload that `read` takes."""
        value = {
            "type": TYPE,
            "origin": self.origin,
            "version": self.version,
            "issued": utc(self.issued),
            "next_update": utc(self.next_update),
            "checkpoint": self.note,
            "marks": [[mark.tree_size, utc(mark.time)] for mark in self.marks],
            "revocations": [one.json() for one in self.revocations],
        }
        return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()

    def sealed(self, key: Key) -> bytes:
        """Return the status file: this payload, signed by the status key."""
        return SignedFile.sign(PAYLOAD_TYPE, self.json(), [key]).json()


class Status(NamedTuple):
    """A status file that a status key of our trust root signed."""

    payload: StatusPayload
    endorsed: Endorsed  # its checkpoint, and who stands behind it

    @classmethod
    def parse(cls, data: bytes, trust: TrustRoot) -> Self:
        """Take the status file `data`, once it is seen to be of the service that `trust` is about.

        The proofs of its revocations are not checked here (`verifier.trust.revocation.check_logged`
        does): a signed revocation counts, logged or not.

        Raises:
            ForeignTrustError: no status key of `trust` signed it, or it is of another ledger.
            UntrustedLogError, WitnessQuorumError: its checkpoint does not count.
            SignatureError: its signature, or that of its checkpoint, does not fit.
            MalformedError: any other shape.
        """
        file = SignedFile.parse(data, PAYLOAD_TYPE, limits.STATUS_FILE)
        if not file.signers(trust.status_keys()):
            raise ForeignTrustError("no status key of the trust file signed this status file")
        payload = StatusPayload.read(file.payload)
        endorsed = trust.tlog_policy().verify(Note.parse(payload.note))
        if endorsed.checkpoint.origin != payload.origin:
            raise ForeignTrustError(
                f"a status of {payload.origin[:80]!r} has a checkpoint of another ledger"
            )
        if payload.marks and payload.marks[-1].tree_size > endorsed.checkpoint.tree_size:
            raise MalformedError("a mark is beyond the newest checkpoint")
        return cls(payload, endorsed)

    def successor(self, data: bytes, trust: TrustRoot) -> Self:
        """Return the status file `data`, once it is seen to follow this one, or to be this one.

        Raises:
            StatusRollbackError: its version or its checkpoint is older, or a revocation is gone.
            TrustConflictError: its version is ours, and it says something else.
            SplitViewError: its checkpoint is of our size, with another root.
            VerificationError: whatever else `parse` raises.
        """
        new = type(self).parse(data, trust)
        old_tree, tree = self.endorsed.checkpoint, new.endorsed.checkpoint
        if new.payload.version < self.payload.version:
            raise StatusRollbackError(
                f"expected version {self.payload.version} or later, found {new.payload.version}"
            )
        if new.payload.version == self.payload.version and new.payload != self.payload:
            raise TrustConflictError(f"there are two status files of version {new.payload.version}")
        if tree.origin != old_tree.origin:
            raise ForeignTrustError(f"expected a status of {old_tree.origin}, found {tree.origin}")
        if tree.tree_size < old_tree.tree_size:
            raise StatusRollbackError(
                f"its checkpoint has {tree.tree_size} entries, {old_tree.tree_size} were seen"
            )
        if tree.tree_size == old_tree.tree_size and tree.root != old_tree.root:
            raise SplitViewError(f"two checkpoints of {tree.tree_size} entries have other roots")
        said = {one.statement for one in new.payload.revocations}
        for one in self.payload.revocations:
            if one.statement not in said:
                raise StatusRollbackError(f"the revocation at {one.index} is gone")
        return new


def _mark(value: object) -> Mark:
    match value:
        case [int(size), str(time)] if type(size) is int:
            if not 0 <= size < limits.TREE_SIZE:
                raise IntegerError(f"expected the size of a tree, found {str(size)[:40]}")
            return Mark(size, rfc3339(time))
    raise MalformedError("expected a mark [size, time]")
