"""A directory of trust files that only goes forward, and remembers how far it had come.

DIR/trust.json   what offline roots signed, or somebody pinned
DIR/status.json  what was revoked since; may be missing
DIR/policy.toml  what images need; may be missing
DIR/seen.json    {"type":"urn:sealbook:seen:v1","trust":7,"status":1764115200}

Whoever puts an older file back is noticed by `seen.json`, which is written whenever a newer
one was seen. On a read-only disk it stays as it is, and judging goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import NamedTuple

from verifier import limits
from verifier._strict import Fields, json_object
from verifier.errors import StatusRollbackError, TrustRollbackError, UnsupportedError
from verifier.policy import Policy
from verifier.status import Status
from verifier.trust import TrustRoot

TRUST, STATUS, POLICY = "trust.json", "status.json", "policy.toml"
_SEEN = "seen.json"
_TYPE = "urn:sealbook:seen:v1"
_LIMITS = {
    TRUST: limits.TRUST_FILE,
    STATUS: limits.STATUS_FILE,
    POLICY: limits.POLICY,
    _SEEN: limits.POLICY,
}


class Trusted(NamedTuple):
    """What a verifier needs, as read together."""

    trust: TrustRoot
    status: Status | None = None
    policy: Policy | None = None


class TrustDirectory:
    """One such directory."""

    def __init__(self, path: str) -> None:
        """Use the directory `path`, which must be there."""
        self._path = path

    def load(self) -> Trusted:
        """Return what lies here, once it is seen to be no older than what lay here before.

        Raises:
            TrustRollbackError, StatusRollbackError: it is older.
            VerificationError: a file is not good.
            OSError: there is no trust.json, or one of the files cannot be read.
        """
        trust = TrustRoot.parse(self._read(TRUST))
        with contextlib.suppress(FileNotFoundError):
            return self._checked(trust, Status.parse(self._read(STATUS), trust))
        return self._checked(trust, None)

    def take(self, trust_file: bytes, status_file: bytes | None, policy: bytes | None) -> Trusted:
        """Put newer files here, together, once they are seen to follow those that are here.

        Into an empty directory they are put as they are: that is pinning them. The policy
        goes first and trust.json, which names its hash, last.

        Raises:
            VerificationError: one of them does not follow; then nothing was changed.
            OSError: they could not be written.
        """
        new, follows = self._following(trust_file)
        status = None
        if status_file is not None:
            status = (
                follows.successor(status_file, new) if follows else Status.parse(status_file, new)
            )
        if policy is not None:
            Policy.parse(policy)
            self._write(POLICY, policy)
        if status_file is not None:
            self._write(STATUS, status_file)
        self._write(TRUST, trust_file)
        return self._checked(new, status)

    def _following(self, trust_file: bytes) -> tuple[TrustRoot, Status | None]:
        try:
            pinned = self._read(TRUST)
        except FileNotFoundError:
            return TrustRoot.parse(trust_file), None
        old = self.load()
        if pinned == trust_file:
            return old.trust, old.status
        return old.trust.successor(trust_file), old.status

    def _checked(self, trust: TrustRoot, status: Status | None) -> Trusted:
        seen_trust, seen_status = self._seen()
        if trust.version < seen_trust:
            raise TrustRollbackError(
                f"expected version {seen_trust} or later, found {trust.version}"
            )
        version = status.payload.version if status else 0
        if version < seen_status:
            raise StatusRollbackError(
                f"expected version {seen_status} or later, found {version or 'no status.json'}"
            )
        policy = None
        with contextlib.suppress(FileNotFoundError):
            policy = Policy.parse(self._read(POLICY))
        if (trust.version, version) != (seen_trust, seen_status):
            with contextlib.suppress(OSError):  # a read-only disk is no reason to say no
                self._remember(trust.version, version)
        return Trusted(trust, status, policy)

    def _seen(self) -> tuple[int, int]:
        try:
            data = self._read(_SEEN)
        except FileNotFoundError:
            return 0, 0
        fields = Fields(json_object(data, limit=limits.POLICY), "seen")
        if (kind := fields.text("type")) != _TYPE:
            raise UnsupportedError(f"expected type {_TYPE}, found {kind[:80]!r}")
        seen = fields.number("trust"), fields.number("status")
        fields.done()
        return seen

    def _remember(self, trust: int, status: int) -> None:
        value = {"type": _TYPE, "trust": trust, "status": status}
        self._write(_SEEN, (json.dumps(value) + "\n").encode())

    def _read(self, name: str) -> bytes:
        with open(f"{self._path}/{name}", "rb") as file:  # noqa: PTH123  pathlib costs 5 ms
            return file.read(_LIMITS[name] + 1)

    def _write(self, name: str, content: bytes) -> None:
        """Replace a file so that readers find the old one or the new one, also after a crash."""
        final, temporary = f"{self._path}/{name}", f"{self._path}/.{name}.{os.getpid()}"
        with open(temporary, "wb") as file:  # noqa: PTH123
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, final)  # noqa: PTH105
        directory = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
