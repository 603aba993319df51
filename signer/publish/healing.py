"""Where the configuration wants all of it attached: what is signed there is noticed by itself.

The published ledger is followed, entry by entry, from where it was followed to: nothing that was
signed while the service died is missed, whoever signed it and in which way. Nothing is attached
at once, but when nothing more was signed about an image for a moment, and it is looked at again
a while later: other clients write the same tags, and what they lose is put there again.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

import structlog

from ledger import labels
from ledger.ledger import Ledger
from signer.errors import PublicationsFullError
from signer.publish.registries import Destinations
from signer.publish.rows import Heal, Image
from signer.publish.store import Store
from signer.service.bundles import SHOWN
from verifier.digest import Digest
from verifier.errors import SealbookError, VerificationError
from verifier.repository import Repository

log = structlog.get_logger()

_PAGE = 256  # entries at a time
_PATIENCE_S = 0.5
_AGAIN_S = 5.0


class Healing:
    """Follows one ledger on a thread of its own."""

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        destinations: Callable[[], Destinations],
        *,
        most: Callable[[], int],
        wake: Callable[[], object],
    ) -> None:
        """Let `store` have what `ledger` gets for `destinations`, and call `wake` then."""
        self._ledger = ledger
        self._store = store
        self._destinations = destinations
        self._most = most
        self._wake = wake
        self._told_to_stop = False
        self._at: int | None = None
        self._thread = Thread(target=self._run, name="sealbook-healing", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._at = self._store.healed()
        self._thread.start()

    def stop(self) -> None:
        """Follow no further."""
        self._told_to_stop = True
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._told_to_stop:
            try:
                self._follow()
            except PublicationsFullError:
                self._pause()  # it goes on where it is once there is room
            except SealbookError as e:
                log.warning("what was signed cannot be followed", code=e.code, error=e.message)
                self._pause()

    def _follow(self) -> None:
        """Take the next page of entries, or wait a moment for one."""
        destinations = self._destinations()
        published = self._ledger.published.checkpoint.tree_size
        if not destinations.any_all:
            if self._at is not None:  # what is signed meanwhile, nobody wants attached
                self._store.forget_healed()
                self._at = None
            self._ledger.wait_past(self._ledger.head.tree_size, _PATIENCE_S)
            return
        if self._at is None:  # from now on
            self._store.heal([], Heal(), self._most(), published)
            self._at = published
        if self._at >= published:
            self._ledger.wait_past(self._at, _PATIENCE_S)
            if self._ledger.published.checkpoint.tree_size <= self._at:
                self._pause(_PATIENCE_S / 10)  # durable, and not published yet
            return
        stop = min(published, self._at + _PAGE)
        images = self._images(self._at, stop, destinations)
        self._store.heal(images, Heal(), self._most(), stop)
        self._at = stop
        if images:
            self._wake()

    def _images(self, start: int, stop: int, destinations: Destinations) -> list[Image]:
        """Return what entries are about that are to be attached, each image once."""
        found: dict[Image, None] = {}
        for row in self._ledger.store.rows(start, stop):
            about = labels.decode(row.labels)
            if about["form"][0] not in SHOWN:
                continue
            for image in _named(about):
                if destinations.attaches_all(image[0]):
                    found[image] = None
        return list(found)

    def _pause(self, pause_s: float = _AGAIN_S) -> None:
        """Wait, but no longer than whoever stops us likes to."""
        left_s = pause_s
        while left_s > 0 and not self._told_to_stop:
            self._ledger.wait_past(1 << 62, min(left_s, _PATIENCE_S))
            left_s -= _PATIENCE_S


def _named(about: labels.Labels) -> list[Image]:
    """Return the images that an entry is about, by its labels."""
    try:
        return [
            (Repository(repository), Digest(digest))
            for repository in about.get("repository", ())
            for digest in about.get("digest", ())
        ]
    except VerificationError:  # no name of a place where anything could be attached
        return []
