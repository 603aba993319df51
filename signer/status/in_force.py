"""What is revoked, as the ledger has it: read from its events, and asked before anything is signed.

Events name the last one of their kind, so that one which the store does not show is missed.
"""

from __future__ import annotations

from collections.abc import Container
from threading import Lock

from ledger.ledger import Ledger
from signer.events import logged
from verifier._strict import Fields
from verifier.digest import Digest
from verifier.errors import RevokedError
from verifier.publickey import PublicKey
from verifier.trust.revocation import EVENT, Revocation, Revocations


class InForce:
    """The revocations of one ledger. Safe in many threads."""

    def __init__(self, ledger: Ledger) -> None:
        """Know what `ledger` has now.

        Raises:
            DamagedError: an event cannot be read, or one is missing.
        """
        self._ledger = ledger
        self._lock = Lock()
        self._all: tuple[Revocation, ...] = ()
        self._indexed = Revocations(())
        self.refresh()

    def refresh(self) -> tuple[Revocation, ...]:
        """Return all that were logged, oldest first and without proofs; from now on they count.

        Also those that are not published yet: nobody needs a proof to stop signing.

        Raises:
            DamagedError: an event cannot be read, or one is missing.
        """
        with self._lock:
            known = self._all
            last = known[-1].index if known else None
            found = logged(self._ledger, EVENT, last, _claimed)
            new = tuple(one._replace(index=index) for index, one in found)
            if new:
                self._all = known + new
                self._indexed = Revocations(self._all)
            return self._all

    def check_key(self, public: PublicKey, name: str) -> None:
        """Raise `RevokedError` if the key is revoked, from whatever position on."""
        found = self._indexed.of_key(public.hint)
        if found is not None:
            raise RevokedError(
                f"key {name} was revoked by entry {found.index}: {found.reason}",
                hint="sign with another key",
            )

    def is_revoked(self, public: PublicKey) -> bool:
        """Whether the key is revoked, from whatever position on."""
        return self._indexed.of_key(public.hint) is not None

    def end_of(self, hint: str) -> int | None:
        """Return the first position where a key does not count by its revocation, if any."""
        found = self._indexed.of_key(hint)
        return None if found is None else found.after

    def check_authorities(self, fingerprints: Container[str]) -> None:
        """Raise `RevokedError` if an authority is revoked that is known by one of these."""
        for one in self._all:
            if one.kind == "authority" and one.target in fingerprints:
                raise RevokedError(
                    f"who certifies keys was revoked by entry {one.index}: {one.reason}",
                    hint="ask for another form, until the service has a new authority",
                )

    def check_digest(self, digest: Digest, *names: str) -> None:
        """Raise `RevokedError` if `digest` is revoked in one of the repositories `names`."""
        try:
            self._indexed.check_digest(digest, *names)
        except RevokedError as e:
            raise RevokedError(e.message, hint="build another image; this one stays revoked") from e

    def check_entry(self, index: int, public: PublicKey) -> None:
        """Raise `RevokedError` if the entry at `index`, signed by `public`, is revoked."""
        try:
            self._indexed.check_entry(index, public.hint)
        except RevokedError as e:
            raise RevokedError(
                e.message, hint="if the image is good, sign it again with renew (--renew)"
            ) from e


def _claimed(fields: Fields) -> Revocation:
    return Revocation.claimed(fields, 0)
