"""Turns: who does something under one name waits for who is doing the same.

One asks for a token where many were turned away, and one puts a blob where many need it:
docker-registry writes the link of a blob anew when the blob is put again, and who checks a
manifest meanwhile finds it empty: it then refuses the manifest with DIGEST_INVALID.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from verifier.pull.registry.deadline import Deadline


class Turns:
    """A lock for each key that somebody holds or waits for; safe in many threads."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._lock = threading.Lock()
        self._held: dict[Hashable, tuple[threading.Lock, list[int]]] = {}

    @contextmanager
    def of(self, key: Hashable, deadline: Deadline) -> Iterator[None]:
        """Be the only one with `key`.

        Raises:
            RegistryTimeoutError: not by the deadline.
        """
        with self._lock:
            lock, users = self._held.setdefault(key, (threading.Lock(), [0]))
            users[0] += 1
        try:
            if not lock.acquire(timeout=deadline.left_s()):
                raise deadline.passed()
            try:
                yield
            finally:
                lock.release()
        finally:
            with self._lock:
                users[0] -= 1
                if not users[0]:
                    del self._held[key]
