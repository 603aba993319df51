"""A directory of trust files that only goes forward, and remembers how far it had come.

DIR/trust.json   what offline roots signed, or somebody pinned
DIR/status.json  what was revoked since; may be missing
DIR/policy.toml  what images need; may be missing
DIR/seen.json    {"type":"urn:sealbook:seen:v1","trust":7,"trust_sha256":"<hex>",
                  "status":1764115200,"status_sha256":"<hex>"}

Whoever puts an older file back, or another one of the same version, is noticed by
`seen.json`, which is written whenever a newer file was seen. On a read-only disk it stays
as it is, and judging goes on. Readers and writers wait for each other by DIR/lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import Fields, hexadecimal, json_object
from verifier.errors import (
    PolicyMismatchError,
    StatusRollbackError,
    TrustConflictError,
    TrustRollbackError,
    UnsupportedError,
    VerificationError,
)
from verifier.policy import Policy
from verifier.trust import TrustRoot
from verifier.trust.status import Status

TRUST, STATUS, POLICY = "trust.json", "status.json", "policy.toml"
_SEEN, _LOCK = "seen.json", "lock"
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


class _Seen(NamedTuple):
    """How far two files had come: their versions, 0 for none, and the SHA-256 of their payloads."""

    trust: int = 0
    trust_sha256: bytes = bytes(32)
    status: int = 0
    status_sha256: bytes = bytes(32)

    @classmethod
    def of(cls, trust: TrustRoot, status: Status | None) -> Self:
        """Return what is remembered of these."""
        seen = cls(trust.version, hashlib.sha256(trust.json()).digest())
        if status is None:
            return seen
        said = status.payload
        return cls(*seen[:2], said.version, hashlib.sha256(said.json()).digest())

    def check(self, found: _Seen) -> None:
        """Check that `found` is no older, and nothing else of the same version.

        Raises:
            TrustRollbackError, StatusRollbackError: it is older.
            TrustConflictError: there are two files of one version.
        """
        if found.trust < self.trust:
            raise TrustRollbackError(f"expected version {self.trust} or later, found {found.trust}")
        if found.status < self.status:
            raise StatusRollbackError(
                f"expected version {self.status} or later, found {found.status or 'no status.json'}"
            )
        if found.trust == self.trust and found.trust_sha256 != self.trust_sha256:
            raise TrustConflictError(f"there are two trust files of version {found.trust}")
        if found.status == self.status and found.status_sha256 != self.status_sha256:
            raise TrustConflictError(f"there are two status files of version {found.status}")


class TrustDirectory:
    """One such directory. Safe in many threads and processes."""

    def __init__(self, path: str) -> None:
        """Use the directory `path`, which must be there."""
        self._path = path

    def load(self) -> Trusted:
        """Return what lies here, once it is seen to be no older than what lay here before.

        Raises:
            TrustRollbackError, StatusRollbackError: it is older.
            TrustConflictError: it is as old, and says something else.
            VerificationError: a file is not good.
            OSError: there is no trust.json, or one of the files cannot be read.
        """
        with self._locked(exclusive=False):
            trust = TrustRoot.parse(self._read(TRUST))
            status_file, policy = self._read_if_there(STATUS), self._read_if_there(POLICY)
            status = None if status_file is None else Status.parse(status_file, trust)
            seen, found = self._seen(), _Seen.of(trust, status)
            seen.check(found)
        if found != seen:
            with contextlib.suppress(OSError):  # a read-only disk is no reason to say no
                self._remember(found)
        return Trusted(trust, status, None if policy is None else Policy.parse(policy))

    def take(self, trust_file: bytes, status_file: bytes | None, policy: bytes | None) -> Trusted:
        """Put newer files here, together, once they are seen to follow those that are here.

        Into an empty directory they are put as they are: that is pinning them. What is not
        handed in stays. A policy is taken only if the trust file pins it, so that whoever
        serves these files cannot choose the rules.

        Raises:
            PolicyMismatchError: the trust file pins another policy, or does not pin this one.
            VerificationError: one of them does not follow; then nothing was changed.
            OSError: they could not be written.
        """
        with self._locked(exclusive=True):
            old = self._old()
            new = TrustRoot.parse(trust_file)
            if old is not None and new != old.trust:
                new = old.trust.successor(trust_file)
            status = self._status(status_file, new, old)
            found = _Seen.of(new, status)
            self._seen().check(found)
            rules = self._policy(policy, new, first=old is None)
            # Should we die between two of these, the old trust file pins the old policy, and
            # judging says no until the next time. The trust file names the others, so it is last.
            for name, content in ((POLICY, policy), (STATUS, status_file), (TRUST, trust_file)):
                if content is not None:
                    self._write(name, content)
            self._write_seen(found)
        return Trusted(new, status, rules)

    def _old(self) -> Trusted | None:
        """Return the trust file that is here, with its status if that fits; None of none."""
        trust_file = self._read_if_there(TRUST)
        if trust_file is None:
            return None
        trust = TrustRoot.parse(trust_file)
        status_file = self._read_if_there(STATUS)
        if status_file is not None:
            # Else somebody died while both were replaced; `seen.json` still bounds the version.
            with contextlib.suppress(VerificationError):
                return Trusted(trust, Status.parse(status_file, trust))
        return Trusted(trust)

    def _status(self, data: bytes | None, new: TrustRoot, old: Trusted | None) -> Status | None:
        """Return the status that will lie here under `new`."""
        if data is None:
            data = self._read_if_there(STATUS)
        if data is None:
            return None
        if old is not None and old.status is not None:
            return old.status.successor(data, new)
        return Status.parse(data, new)

    def _policy(self, data: bytes | None, new: TrustRoot, *, first: bool) -> Policy | None:
        """Return the policy that will lie here under `new`."""
        here = self._read_if_there(POLICY)
        rules = here if data is None else data
        policy = None if rules is None else Policy.parse(rules)
        if new.policy_sha256:
            if policy is None or policy.sha256 != new.policy_sha256:
                raise PolicyMismatchError(
                    f"the trust file pins the policy {new.policy_sha256.hex()[:16]}…, "
                    f"found {policy.sha256.hex()[:16] + '…' if policy else 'none'}"
                )
        elif data not in (None, here) and not first:
            raise PolicyMismatchError("the trust file pins no policy, so none is taken")
        return policy

    def _seen(self) -> _Seen:
        data = self._read_if_there(_SEEN)
        if data is None:
            return _Seen()
        fields = Fields(json_object(data, limit=limits.POLICY), "seen")
        if (kind := fields.text("type")) != _TYPE:
            raise UnsupportedError(f"expected type {_TYPE}, found {kind[:80]!r}")
        trust = fields.number("trust"), hexadecimal(fields.text("trust_sha256"), size=32)
        status = fields.number("status"), hexadecimal(fields.text("status_sha256"), size=32)
        fields.done()
        return _Seen(*trust, *status)

    def _remember(self, found: _Seen) -> None:
        """Write down `found`, unless somebody has seen newer files meanwhile."""
        with self._locked(exclusive=True):
            seen = self._seen()
            if found.trust >= seen.trust and found.status >= seen.status:
                self._write_seen(found)

    def _write_seen(self, found: _Seen) -> None:
        value = {
            "type": _TYPE,
            "trust": found.trust,
            "trust_sha256": found.trust_sha256.hex(),
            "status": found.status,
            "status_sha256": found.status_sha256.hex(),
        }
        self._write(_SEEN, (json.dumps(value) + "\n").encode())

    @contextlib.contextmanager
    def _locked(self, *, exclusive: bool) -> Iterator[None]:
        """Keep writers out, and with `exclusive` readers too, of whatever process."""
        flags = os.O_RDWR | os.O_CREAT if exclusive else os.O_RDONLY
        try:
            descriptor = os.open(f"{self._path}/{_LOCK}", flags | os.O_CLOEXEC, 0o644)
        except OSError:
            if exclusive:
                raise
            yield  # nobody can have written here, or nobody can lock
            return
        try:
            # Where there are no locks, each file is replaced whole nevertheless.
            with contextlib.suppress(ImportError, OSError):
                import fcntl

                fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    def _read(self, name: str) -> bytes:
        with open(f"{self._path}/{name}", "rb") as file:  # noqa: PTH123  pathlib costs 5 ms
            return file.read(_LIMITS[name] + 1)

    def _read_if_there(self, name: str) -> bytes | None:
        try:
            return self._read(name)
        except FileNotFoundError:
            return None

    def _write(self, name: str, content: bytes) -> None:
        """Replace a file so that readers find the old one or the new one, also after a crash."""
        final, temporary = f"{self._path}/{name}", f"{self._path}/.{name}.{os.urandom(8).hex()}"
        try:
            with open(temporary, "wb") as file:  # noqa: PTH123
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, final)  # noqa: PTH105
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            raise
        directory = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
