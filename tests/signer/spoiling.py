"""Keys, stores and anchors that count, wait or fail, to put into a running service.

with running(world, lambda service: put_store(service, SlowStore)) as service: …
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ledger.store import Batch
from signer.keys import CheckedKey
from tests.signer.asking import PATIENCE_S
from tests.signer.running import InProcess
from verifier.publickey import Key, PublicKey

S = TypeVar("S")


class CountingKey:
    """Any key, remembering what it signed."""

    workers = None
    attributes: Mapping[str, str] = {}

    def __init__(self, inner: Key) -> None:
        self._inner = inner
        self.signed: list[tuple[bytes, bytes]] = []  # message, signature

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self._inner.public

    def close(self) -> None:
        """Stay."""

    def sign(self, message: bytes) -> bytes:
        """Sign, and remember."""
        signature = self._inner.sign(message)
        self.signed.append((message, signature))
        return signature

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign a hash, and remember."""
        signature = self._inner.sign_digest(digest)
        self.signed.append((digest, signature))
        return signature


def count_signatures(service: InProcess, name: str = "release") -> CountingKey:
    """Put a counting key under the default one's name, or another."""
    signing_key = service.server.keys.keys[name]
    counting = CountingKey(signing_key._key)
    signing_key._key = CheckedKey(counting)
    return counting


class Wrapper:
    """Any store or anchor, in which a subclass changes one method."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class SlowStore(Wrapper):
    """A store whose commits take a while, as on a slow disk."""

    delay_s = 0.004

    def commit(self, batch: Batch) -> None:
        """Commit after a while."""
        time.sleep(self.delay_s)
        self.inner.commit(batch)


class GatedStore(Wrapper):
    """A store whose commits wait until `gate` is open; `entered` says that one does."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.gate, self.entered = threading.Event(), threading.Event()

    def commit(self, batch: Batch) -> None:
        """Commit once the gate is open."""
        self.entered.set()
        assert self.gate.wait(PATIENCE_S)
        self.inner.commit(batch)


class GatedAnchor(Wrapper):
    """An anchor that is not written until `gate` is open: committed, and not yet published."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.gate, self.entered = threading.Event(), threading.Event()

    def write(self, tree_size: int, root: Any) -> None:
        """Write once the gate is open."""
        self.entered.set()
        assert self.gate.wait(PATIENCE_S)
        self.inner.write(tree_size, root)


class FailingStore(Wrapper):
    """A store whose commits raise `error` while there is one."""

    error: Exception | None = None

    def commit(self, batch: Batch) -> None:
        """Commit, or raise the error with nothing written."""
        if self.error is not None:
            raise self.error
        self.inner.commit(batch)


def put_store(service: InProcess, kind: Callable[[Any], S]) -> S:
    """Wrap the store of a service."""
    service.ledger._store = wrapped = kind(service.ledger._store)
    return wrapped


def put_anchor(service: InProcess, kind: Callable[[Any], S]) -> S:
    """Wrap the anchor of a service."""
    service.ledger._anchor = wrapped = kind(service.ledger._anchor)
    return wrapped
