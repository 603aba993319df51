"""A key in a device that does not do what it is asked: a double, and never a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from signer.keys.home import Workers
from signer.keys.memory import MemoryKey
from verifier.publickey import PublicKey

T = TypeVar("T")

Spoil = Callable[[MemoryKey, bytes], Any]  # what comes back for a message


class InlineWorkers:
    """The threads of a device that has none of its own."""

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Do the job here and now."""
        future: Future[T] = Future()
        try:
            future.set_result(job())
        except Exception as e:  # noqa: BLE001  it is the caller's
            future.set_exception(e)
        return future


class FaultyDeviceKey:
    """A key whose public half is good; what it gives out as signatures, `spoil` says."""

    attributes: Mapping[str, str] = {"home": "double"}

    def __init__(self, inner: MemoryKey, spoil: Spoil) -> None:
        self._inner = inner
        self._spoil = spoil
        self.asked = 0

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self._inner.public

    @property
    def workers(self) -> Workers:
        """Where it signs, which makes it a device's."""
        return InlineWorkers()

    def close(self) -> None:
        """Stay."""

    def sign(self, message: bytes) -> bytes:
        """Return something."""
        self.asked += 1
        made: bytes = self._spoil(self._inner, message)
        return made

    def sign_digest(self, digest: bytes) -> bytes:
        """Return something of the same kind, as if the hash were the message."""
        return self.sign(digest)
