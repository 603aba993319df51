"""Install: a trust file takes the place of the one in force, while the service runs.

1. It follows that one: enough roots of both signed it, and its version rises.
2. Nothing in it is another that only a start reads: logs, witnesses, authorities.
3. The service can go on under it: it lists every key that signs here and is not revoked, for
   what that does and without an end; and it pins the policy that is handed out, which is
   logged first when it is another one.
4. It is written, durably, and from then on in force. A crash leaves the one or the other.
5. That is logged as an event, unless the ledger is frozen: a frozen ledger's keys end by
   trust files too.

trusted_root.json stays as it is: what it says, of logs and authorities, is the same.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import NamedTuple

from ledger.durable import write_durably
from ledger.errors import FrozenError
from signer.errors import ConfigError, KeyUntrustedError, TrustRestartError
from signer.life.parts import Parts
from verifier.errors import VerificationError
from verifier.publickey import PublicKey
from verifier.trust import TrustRoot

EVENT = "trust-installed"
_MODE = 0o644
_HINT = "let another key sign first: sealbook key rotate NAME --switch"


class Installed(NamedTuple):
    """What is in force now; `index` is where the event is that says so, if there is one."""

    trust: TrustRoot
    known: bool
    index: int | None  # type: ignore[assignment]  # tuple.index is not missed


class Installing:
    """Installs trust files, one after the other. Runs on one event loop."""

    def __init__(
        self,
        parts: Parts,
        own: Iterable[tuple[PublicKey, str]],
        follow: Callable[[TrustRoot], Awaitable[Callable[[], None]]],
    ) -> None:
        """Work with `parts`; `own` are keys of the service, each with what it is listed for.

        `follow` returns what puts the policy in force that a trust file pins.
        """
        self._parts = parts
        self._own = tuple(own)
        self._follow = follow

    async def install(self, data: bytes, requester: str) -> Installed:
        """Return once the trust file `data` is in force; the one that is, is no change.

        Raises:
            VerificationError: it does not follow the one in force.
            TrustRestartError: a running service cannot take it.
            KeyUntrustedError: it does not list a key that signs here.
            ConfigError, PolicyMismatchError: the policy that is handed out is not its.
            ApprovalNeededError: others have to agree.
            KeyBookError: it is in force, and the next draft cannot be written.
            LedgerError: it is in force, and that could not be logged, or is not published in time.
        """
        return await self._parts.turn.take(partial(self._install, data, requester))

    async def _install(self, data: bytes, requester: str) -> Installed:
        parts = self._parts
        # 1.
        old = parts.live.root
        new = await asyncio.to_thread(old.successor, data)
        if new == old:
            return Installed(new, known=True, index=None)
        # 2.
        for part, before, after in (
            ("logs", old.logs, new.logs),
            ("witnesses", old.quorum, new.quorum),
            ("authorities", old.authorities, new.authorities),
        ):
            if before != after:
                raise TrustRestartError(f"the trust file has other {part}")
        # 3.
        self._check_keys(new)
        parts.control.refuse_persons(new.publics())
        what: dict[str, object] = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "version": new.version,
        }
        known = await asyncio.to_thread(parts.standing.refresh)
        asked = what | {"after": known.last}
        parts.control.check_key_change("trust-install", requester, asked)
        policy_follows = await self._follow(new)
        # 4.
        await asyncio.to_thread(self._write, data)
        parts.live.follow(new, parts.ledger.clock.now())
        policy_follows()
        await parts.redraft(known)
        # 5.
        try:
            event = await parts.events.record(EVENT, what)
        except FrozenError:
            return Installed(new, known=False, index=None)
        return Installed(new, known=False, index=event.record.index)

    def _check_keys(self, new: TrustRoot) -> None:
        ring = self._parts.ring.keys.values()
        for raw in (key for key in ring if key.raw and key.public in new.publics()):
            raise KeyUntrustedError(f"key {raw.name} signs what nobody read, and is in the file")
        revoked = self._parts.in_force.is_revoked
        signing = [(k.public, k.purpose) for k in ring if not k.raw and not revoked(k.public)]
        tree_size = self._parts.ledger.head.tree_size
        for public, purpose in (*self._own, *signing):
            try:
                key = new.key(public.hint, purpose)
            except VerificationError as e:
                raise KeyUntrustedError(
                    f"a key that signs here is not in the trust file: {e.message}", hint=_HINT
                ) from e
            if not key.valid_at(tree_size):
                raise KeyUntrustedError(
                    f"key {key.label} signs here, and does not count at {tree_size} by the file",
                    hint=_HINT,
                )

    def _write(self, data: bytes) -> None:
        config = self._parts.config
        path = config.path(config.trust.trust)
        try:
            write_durably(path, data, _MODE)
        except OSError as e:
            raise ConfigError(f"cannot write {path}: {e.strerror}") from e
