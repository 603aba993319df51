"""A ledger whose trust file names a status key, and status files about it."""

from __future__ import annotations

from typing import Any

from tests.verifier.making import NOW, ORIGIN, Signer, World
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedKey, keys_by_hint
from verifier.trust.revocation import Revocation
from verifier.trust.status import Mark, Status, StatusPayload

DAY, HOUR = 86_400, 3600
STATUS_KEY = Signer()
MARKS = (Mark(0, NOW - 9 * DAY), Mark(3, NOW - 2 * DAY), Mark(7, NOW - DAY))


class Ledger:
    """A world, and a status key beside its approving key.

    Its entry at 4 is younger than the mark at 3, two days ago, and older than the one at 7.
    """

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()

    @property
    def trust(self) -> TrustRoot:
        """What the verifier believes."""
        key = TrustedKey("status", "status", STATUS_KEY.public, ())
        return self.world.trust._replace(keys=keys_by_hint([self.world.key, key]))

    def payload(self, version: int = 7, **changes: Any) -> StatusPayload:
        """Return a status payload about the world's ledger, made just now."""
        good = StatusPayload(ORIGIN, version, NOW, NOW + 2 * HOUR, self.world.note, MARKS, ())
        return good._replace(**changes)

    def status(self, version: int = 7, **changes: Any) -> Status:
        """Return the status that the status key signed."""
        return self.read(self.payload(version, **changes))

    def read(self, payload: StatusPayload, key: Any = STATUS_KEY) -> Status:
        """Read the status file as `key` signs it."""
        return Status.parse(payload.sealed(key), self.trust)

    def next(self, old: StatusPayload, new: StatusPayload) -> Status:
        """Read the status file `new` as one that follows `old`."""
        return self.read(old).successor(new.sealed(STATUS_KEY), self.trust)


def revoked(entry: int, index: int) -> Revocation:
    """Return the revocation of `entry`, logged at `index`; nothing proves it."""
    return Revocation("entry", str(entry), "a mistake", index, bundle=b"{}")
