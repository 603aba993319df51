"""Dating: an RFC 3161 timestamp for each signature that foreign clients want one on.

Our own authority answers at once, unless its key is in a device. That, and an outside one,
is asked from threads, a few at a time, and without its answer nothing is appended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from signer.authority import TimestampAuthority

_AT_ONCE = 8  # requests to one that waits
_YIELD_EVERY = 64  # stamps made before other callers get a turn


class Dating:
    """Has signatures dated by `authority`, or not at all where there is none."""

    def __init__(self, authority: TimestampAuthority | None) -> None:
        """Ask `authority`."""
        self._authority = authority
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def stamps(self, signatures: Sequence[bytes]) -> list[bytes]:
        """Return a TimeStampResp (DER) for each signature, in order; empty without an authority.

        Raises:
            TimestampError: the authority did not give one that holds.
        """
        authority = self._authority
        if authority is None:
            return [b""] * len(signatures)
        if authority.waits:
            return await asyncio.gather(*(self._asked(authority, s) for s in signatures))
        made = []
        for n, signature in enumerate(signatures, 1):
            made.append(authority.stamp(signature))
            if n % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        return made

    async def _asked(self, authority: TimestampAuthority, signature: bytes) -> bytes:
        async with self._turn:
            return await asyncio.to_thread(authority.stamp, signature)
