"""Keeping a trust directory fresh while a webhook runs: it only goes forward.

What a cluster mounts, trust.json as somebody pinned it and perhaps the policy and a status
file, is where an empty directory begins. What is newer comes from the service, which need not
be believed: all of it is signed.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ledger.audit.source import HttpReader
from ledger.transport import Transport, TransportError
from signer.admission.settings import Keep
from signer.errors import ConfigError
from verifier import limits
from verifier.errors import SealbookError, printable
from verifier.pull.trust_directory import POLICY, STATUS, TRUST, TrustDirectory
from verifier.trust import TrustRoot

_TIMEOUT_S = 30.0
_AGAIN_S = 30
_TOLD_S = 600.0  # the same trouble is told again after that


class _Files(NamedTuple):
    trust: bytes
    status: bytes | None
    policy: bytes | None


class Keeper:
    """Brings one trust directory up to date, again and again."""

    def __init__(
        self,
        keep: Keep,
        directory: Path,
        transport: Transport | None,
        *,
        example_keys: bool = False,
    ) -> None:
        """Keep `directory` as `keep` says."""
        self._keep = keep
        self._path = directory
        self._directory = TrustDirectory(str(directory))
        self._transport = transport
        self._example_keys = example_keys
        self._told = ("", 0.0)

    def begin(self) -> None:
        """Put what was pinned where there is nothing yet; or take what is newer of it.

        Raises:
            ConfigError: it cannot be read, or is not good.
        """
        if self._keep.initial is None:
            return
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            files = self._read(_mounted(self._keep.initial))
            self._take(files)
        except OSError as e:
            raise ConfigError(f"{e.filename}: {e.strerror}") from e
        except SealbookError as e:
            if _is_empty(self._path):
                raise ConfigError(f"{self._keep.initial}: {e.message} ({e.code})") from e
            self._tell(e.message, e.code)  # what is there is newer, and has been seen to be good

    def look(self) -> bool:
        """Take what is newer, once; what cannot be had or taken is told, and nothing changes.

        Returns whether it is as new as the service has it.
        """
        transport = self._transport
        if transport is None or not self._keep.service:
            return True
        deadline = time.monotonic() + _TIMEOUT_S

        def read(name: str, limit: int) -> bytes | None:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TransportError(f"{self._keep.service}: not done in {_TIMEOUT_S:.0f} s")
            base = self._keep.service.rstrip("/") + "/v1"
            return HttpReader(base, transport, timeout_s=left_s)(name, limit)

        try:
            self._take(self._read(read))
        except SealbookError as e:
            self._tell(e.message, e.code)
        except Exception as e:  # noqa: BLE001  it is tried again; what we have gets old meanwhile
            self._tell(f"{type(e).__name__}: {e}", "internal-error")
        else:
            self._told = ("", 0.0)
            return True
        return False

    def run(self, stopped: threading.Event) -> None:
        """Look at once, and then all the time, until `stopped`."""
        new = self.look()
        while not stopped.wait(self._keep.every_s if new else min(_AGAIN_S, self._keep.every_s)):
            new = self.look()

    def _read(self, read: Callable[[str, int], bytes | None]) -> _Files:
        policy, status = read(POLICY, limits.POLICY), read(STATUS, limits.STATUS_FILE)
        trust = read(TRUST, limits.TRUST_FILE)
        if trust is None:
            raise ConfigError(f"there is no {TRUST}")
        return _Files(trust, status, policy)

    def _take(self, files: _Files) -> None:
        trust = TrustRoot.parse(files.trust)
        if not self._example_keys:
            for public in trust.publics():
                public.refuse_example()
        # A policy that no trust file pins is the cluster's own: the service cannot choose it.
        policy = files.policy if trust.policy_sha256 or _is_empty(self._path) else None
        self._directory.take(files.trust, files.status, policy)

    def _tell(self, message: str, code: str) -> None:
        now = time.monotonic()
        if self._told[0] != code or now - self._told[1] > _TOLD_S:
            self._told = (code, now)
            told = printable(f"trust files are not brought up to date: {message} ({code})")
            print(told, file=sys.stderr, flush=True)  # noqa: T201  there is no log here


def _is_empty(directory: Path) -> bool:
    """Whether there is no trust file yet."""
    return not (directory / TRUST).exists()


def _mounted(directory: Path) -> Callable[[str, int], bytes | None]:
    """Return what reads the files that a cluster mounts: behind links, which it swaps together."""

    def read(name: str, limit: int) -> bytes | None:
        try:
            with (directory / name).open("rb") as file:
                return file.read(limit + 1)
        except FileNotFoundError:
            return None

    return read
