"""How far the mirror is: what it said last, and whoever waits for it to say more."""

from __future__ import annotations

import threading
import time

from ledger.errors import RollbackError


class Mirrored:
    """What a mirror says that it holds. Safe in many threads."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self._changed = threading.Condition()
        self._tree_size = 0
        self._heard_at = 0.0

    @property
    def tree_size(self) -> int:
        """The most entries that a mirror said it holds durably; 0 before it first did."""
        return self._tree_size

    @property
    def heard_at(self) -> float:
        """When a mirror last said so, POSIX seconds; 0 for never."""
        return self._heard_at

    def hear(self, tree_size: int, durable: int) -> None:
        """Take a mirror's word that it holds `tree_size` entries durably, of our `durable`.

        Raises:
            RollbackError: it holds more than we do, so we have lost some.
        """
        if tree_size > durable:
            raise RollbackError(f"the mirror holds {tree_size} entries, this ledger {durable}")
        with self._changed:
            self._tree_size = max(self._tree_size, tree_size)
            self._heard_at = time.time()
            self._changed.notify_all()

    def wait_for(self, tree_size: int, timeout_s: float) -> bool:
        """Return whether the mirror holds `tree_size` entries, at the latest after `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._tree_size >= tree_size, timeout_s)
