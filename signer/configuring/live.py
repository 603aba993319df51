"""What may change while the service runs: built whole beside what is in force, then swapped.

prepare = reads and checks what a configuration says; raises, and changes nothing
install = one assignment; calls under way finish under what they began with
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from signer.config import Config

_T = TypeVar("_T")
Install = Callable[[], None]


class Reloads(Protocol):
    """A part of the service that can follow the configuration without a restart."""

    def prepare(self, config: Config) -> Install:
        """Build what `config` says, and return what puts it in force.

        It has no effect by itself: what it returns may never be called. That may not fail.

        Raises:
            SealbookError: `config` cannot be followed; ConfigRestartError: not without a restart.
        """


class Live(Generic[_T]):
    """Something that is read from the configuration. Safe in many threads: it is swapped whole."""

    def __init__(self, read: Callable[[Config], _T], config: Config) -> None:
        """Let what `read` makes of `config` be in force; raises what it raises."""
        self._read = read
        self._now = read(config)

    @property
    def now(self) -> _T:
        """What is in force."""
        return self._now

    def prepare(self, config: Config) -> Install:
        """Read it from `config`; raises what `read` raises."""
        new = self._read(config)

        def install() -> None:
            self._now = new

        return install
