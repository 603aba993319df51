"""What signing keys sign: messages that say by their type what they are for.

A key takes messages of its own purpose and no others, so that no mix-up of bytes can make it
speak for another: what builds a message knows what it says, and nothing else makes one.
The service's own keys need no types: each lies in the one object that builds its messages
(`Events`, `StatusKeeper`, the ledger's `Signatory`, the authorities).
"""

from __future__ import annotations

from typing import ClassVar


class Message(bytes):
    """Bytes to be signed by a key of this `purpose`."""

    __slots__ = ()
    purpose: ClassVar[str]


class Approving(Message):
    """An approval in one of its forms."""

    __slots__ = ()
    purpose = "approve"


class Attesting(Message):
    """An attestation, or the hash of one."""

    __slots__ = ()
    purpose = "attest"


class Unread(Message):
    """The hash of what nobody read: for raw keys alone."""

    __slots__ = ()
    purpose = "raw"


class Announcing(Message):
    """What a key says of itself when it is announced: that whoever announces it has it."""

    __slots__ = ()
    purpose = "announce"


PURPOSED = {kind.purpose: kind for kind in (Approving, Attesting, Unread)}
