"""Registries that are kept between their users, because commands open many repositories in turn.

`shared_host` gives the same one to all who ask for the same registry under the same settings.
After the last let go it is kept while there is room, and no longer than files of certificates
and credentials may be believed without being read again.
"""

from __future__ import annotations

import atexit
import threading
import time
from typing import NamedTuple

from verifier.pull.registry.host import Host
from verifier.pull.registry.settings import Registries, RegistrySettings

_FRESH_S = 300.0  # then files of certificates and credentials are read again
_IDLE = 32  # registries that are kept while nobody uses them


class _Key(NamedTuple):
    name: str
    settings: RegistrySettings
    docker: bool


class _Shared:
    """A host, how many use it, and since when it is there."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.users = 0
        self.since = time.monotonic()


_lock = threading.Lock()
_shared: dict[_Key, _Shared] = {}
_left: list[_Shared] = []  # stale ones that somebody still uses


class Share:
    """One user's part in a host; `close` it once."""

    def __init__(self, kept: _Shared) -> None:
        """Count as one user of `kept`."""
        self.host = kept.host
        self._kept: _Shared | None = kept

    def close(self) -> None:
        """Let go of the host; the last one out of a stale host closes it."""
        with _lock:
            kept, self._kept = self._kept, None
            if kept is not None:
                kept.users -= 1
            _tidy()


def shared_host(name: str, settings: RegistrySettings, registries: Registries) -> Share:
    """Return a part in the registry `name`.

    Raises:
        RegistrySettingsError: a file that is configured for it cannot be used.
    """
    key = _Key(name, settings, registries.docker)
    with _lock:
        kept = _shared.get(key)
        if kept is None or time.monotonic() - kept.since > _FRESH_S:
            if kept is not None:
                _shared.pop(key)
                _left.append(kept)
            kept = _shared[key] = _Shared(Host(name, settings, registries))
        kept.users += 1
        _tidy()
        return Share(kept)


def _tidy() -> None:
    """Close what nobody uses and nobody would get, or what is too much to keep."""
    for kept in [one for one in _left if not one.users]:
        _left.remove(kept)
        kept.host.close()
    idle = [key for key, kept in _shared.items() if not kept.users]
    for key in idle[: max(0, len(idle) - _IDLE)]:
        _shared.pop(key).host.close()


def close_idle() -> None:
    """Close the connections of every registry that nobody uses now."""
    with _lock:
        for key in [key for key, kept in _shared.items() if not kept.users]:
            _shared.pop(key).host.close()


atexit.register(close_idle)
