"""Keeping status.json: made anew from the ledger, at start, at each revocation, and in time.

1. What is revoked is read from the ledger's events, each with its proof under the newest
   published checkpoint. What is not published yet goes without a proof, and gets it later.
2. That checkpoint is a further mark.
3. The version is the time in milliseconds, or one more than the last: so it does not go back
   when the file is lost, unless many were made in one millisecond.
4. It is signed, and put in the place of the last one, durably.
5. trusted_root.json says the same of authorities, for clients that read nothing else.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Lock

import structlog

from ledger.durable import write_durably
from ledger.errors import LedgerError
from ledger.ledger import Ledger
from ledger.publication import Published
from signer.errors import SigningError, StatusFileError
from signer.status import marks
from signer.status.in_force import InForce
from signer.trust_files import Handed
from verifier import limits
from verifier.errors import VerificationError
from verifier.note import Note
from verifier.publickey import Key
from verifier.trust import TrustRoot
from verifier.trust.revocation import Revocation
from verifier.trust.signed import SignedFile
from verifier.trust.status import PAYLOAD_TYPE, Mark, StatusPayload

log = structlog.get_logger()

_RETRY_S = 5.0
_MODE = 0o644  # whoever serves files may serve these
_UNPROVEN = b"{}"


def read_status(path: Path, trust: TrustRoot, origin: str) -> StatusPayload | None:
    """Return what the status file at `path` says, or None when there is none.

    Raises:
        StatusFileError: it cannot be read, or is not this ledger's and signed by its status key.
    """
    try:
        with path.open("rb") as file:
            signed = SignedFile.parse(
                file.read(limits.STATUS_FILE + 1), PAYLOAD_TYPE, limits.STATUS_FILE
            )
        if not signed.signers(trust.status_keys()):
            raise StatusFileError(f"no status key of the trust file signed {path}")
        payload = StatusPayload.read(signed.payload)
    except FileNotFoundError:
        return None
    except OSError as e:
        raise StatusFileError(f"cannot read {path}: {e.strerror}") from e
    except VerificationError as e:
        raise StatusFileError(f"{path}: {e.message}") from e
    if payload.origin != origin:
        raise StatusFileError(f"expected a status of {origin}, found {payload.origin[:80]!r}")
    return payload


class StatusKeeper:
    """Makes the status file of one ledger. Safe in many threads."""

    def __init__(
        self,
        ledger: Ledger,
        key: Key,
        handed: Handed,
        *,
        every_s: float,
        previous: StatusPayload | None,
    ) -> None:
        """Sign with `key` what `ledger` has revoked, into the files `handed`; promise `every_s`.

        Raises:
            DamagedError: a revocation in the ledger cannot be read, or is missing.
        """
        self.in_force = InForce(ledger)
        self._ledger = ledger
        self._key = key
        self._handed = handed
        self._every_s = every_s
        self._lock = Lock()
        self._last = previous
        self._settled = False

    @property
    def version(self) -> int:
        """The version of the newest file; 0 before there is one."""
        return self._last.version if self._last else 0

    @property
    def age_s(self) -> float:
        """How old the newest file is, in seconds."""
        return max(0.0, self._ledger.clock.now() - (self._last.issued if self._last else 0))

    async def keep(self) -> None:
        """Make the file in time, until cancelled; what keeps us from it is tried again soon."""
        while True:
            await asyncio.sleep(self._every_s if self._settled else min(_RETRY_S, self._every_s))
            try:
                await asyncio.to_thread(self.make)
            except (LedgerError, SigningError, VerificationError) as e:
                self._settled = False
                log.warning("status.json could not be made", code=e.code, error=e.message)

    def make(self) -> StatusPayload:
        """Put a new status file in the place of the last one, durably, and return what it says.

        Raises:
            StatusFileError: it, or trusted_root.json, could not be written.
            KeyFailedError: the status key failed.
            DamagedError: a revocation in the ledger cannot be read, or is missing.
        """
        with self._lock:
            # 1.
            published = self._ledger.published
            logged = self.in_force.refresh()
            proven = tuple(self._proven(one, published) for one in logged)
            # 2.
            moment = self._ledger.clock.now()
            now = int(moment)
            found = self._marks(published, now)
            # 3.
            payload = StatusPayload(
                self._ledger.store.origin,
                max(self.version + 1, int(moment * 1000)),
                now,
                now + max(1, int(2 * self._every_s)),
                published.note,
                found,
                proven,
            )
            # 4.
            self._write(self._handed.status, self._sealed(payload))
            self._last = payload
            # 5.
            self._end_authorities(logged)
            self._settled = all(one.bundle != _UNPROVEN for one in proven) and self._counts(
                published
            )
            return payload

    def _proven(self, logged: Revocation, published: Published) -> Revocation:
        tree_size = published.checkpoint.tree_size
        if logged.index >= tree_size:
            return logged._replace(bundle=_UNPROVEN)
        record = self._ledger.record(logged.index)
        proof = self._ledger.prove(logged.index, tree_size)
        log_id = self._ledger.log_key.log_id
        return logged._replace(bundle=record.bundle(proof, published.note, log_id).json())

    def _marks(self, published: Published, now: int) -> tuple[Mark, ...]:
        size, store = published.checkpoint.tree_size, self._ledger.store
        known = self._last.marks if self._last else ()
        if not known:
            known = marks.rebuilt(store.position, self._ledger.row(0).time, now)
        # What is durable and not published yet is younger than its own date, not than now.
        waits = self._ledger.head.tree_size > size
        newest = Mark(size, min(now, self._ledger.row(size).time) if waits else now)
        return marks.thinned([*(mark for mark in known if mark.tree_size <= size), newest], now)

    def _sealed(self, payload: StatusPayload) -> bytes:
        data = payload.sealed(self._key)
        if len(data) <= limits.STATUS_FILE:
            return data
        # Long reasons and many witnesses: what is revoked matters more than that it is proven here.
        bare = tuple(one._replace(bundle=_UNPROVEN) for one in payload.revocations)
        return payload._replace(revocations=bare).sealed(self._key)

    def _end_authorities(self, logged: tuple[Revocation, ...]) -> None:
        fresh = self._handed.ended(logged)
        if fresh is not None:
            self._write(self._handed.trusted_root, fresh)

    def _counts(self, published: Published) -> bool:
        """Whether verifiers take the checkpoint: after a change of the quorum not at once."""
        try:
            self._handed.trust.tlog_policy().verify(Note.parse(published.note))
        except VerificationError:
            return False
        return True

    def _write(self, path: Path, content: bytes) -> None:
        try:
            write_durably(path, content, _MODE)
        except OSError as e:
            raise StatusFileError(
                f"cannot write {path}: {e.strerror}",
                hint="what was revoked is logged, and honoured here; make room, and run it again",
            ) from e
