"""What this host believes now: its trust directory, read again whenever a file in it changes.

Of a file that was written a moment ago a further change may not show in its times, so that it
is read each time until it has rested.
"""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.pull.errors import UnreadableSourceError
from verifier.pull.trust_directory import POLICY, STATUS, TRUST, TrustDirectory
from verifier.trust.freshness import MAX_AGE_S, check_fresh
from verifier.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.certified import CertificateJudge, Certified
    from verifier.pull.trust_directory import Trusted

_RESTED_S = 2.0
_Stamp = tuple[tuple[int, ...], ...]


class Believed(NamedTuple):
    """A judge, and what stands for all that it believes: equal only if that is the same."""

    verifier: Verifier
    version: bytes


class _Read(NamedTuple):
    stamp: _Stamp
    trusted: Trusted
    believed: Believed


class Beliefs:
    """What one trust directory says. Safe in many threads."""

    def __init__(
        self,
        directory: str,
        *,
        trusted_root: str = "",
        example_keys: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Believe what is in `directory`; `trusted_root` is a file of another root."""
        self._directory = directory
        self._trusted_root = trusted_root
        self._example_keys = example_keys
        self._clock = clock
        self._read: _Read | None = None

    def now(self) -> Believed:
        """Return what is believed now, and is fresh.

        Raises:
            UnreadableSourceError: there is no trust file, or one of them cannot be read.
            VerificationError: one of them is not good, not fresh, or older than was seen.
        """
        read, rests = self._read, False
        stamp = self._stamp()
        if read is not None and read.stamp == stamp:
            rests = self._rests(stamp)
        if read is None or not rests:
            read = self._load(stamp)
            self._read = read  # the last one wins, and either is as new as its stamp
        trust, status, policy = read.trusted
        check_fresh(trust, status, policy.max_trust_age_s if policy else MAX_AGE_S, self._clock())
        return read.believed

    def _load(self, stamp: _Stamp) -> _Read:
        try:
            trusted = TrustDirectory(self._directory).load()
        except OSError as e:
            raise UnreadableSourceError(
                f"cannot read {e.filename or self._directory}: {e.strerror}",
                hint="sealbook trust sync URL DIR",
            ) from e
        trust, status, policy = trusted
        if not self._example_keys:
            for public in trust.publics():
                public.refuse_example()
        verifier = Verifier(
            trust,
            self._clock,
            status=status,
            policy=policy,
            certificates=_Certificates(self._trusted_root, trusted),
        )
        version = hashlib.sha256(hashlib.sha256(trust.json()).digest())
        version.update(hashlib.sha256(status.payload.json()).digest() if status else bytes(32))
        version.update(policy.sha256 if policy else bytes(32))
        version.update(self._trusted_root.encode())
        return _Read(stamp, trusted, Believed(verifier, version.digest()))

    def _stamp(self) -> _Stamp:
        found: list[tuple[int, ...]] = []
        for name in (TRUST, STATUS, POLICY):
            try:
                said = os.stat(f"{self._directory}/{name}")  # noqa: PTH116
            except OSError:
                found.append((0,))
            else:
                found.append((said.st_ino, said.st_size, said.st_mtime_ns, said.st_ctime_ns))
        return tuple(found)

    def _rests(self, stamp: _Stamp) -> bool:
        now = time.time()
        return all(now - one[-1] / 1e9 > _RESTED_S for one in stamp)


class _Certificates:
    """Judges certificates, ours and those of another root; loads what that needs when it must."""

    def __init__(self, trusted_root: str, trusted: Trusted) -> None:
        self._trusted_root, self._trusted = trusted_root, trusted
        self._judge: CertificateJudge | None = None

    def certified(self, data: bytes) -> Certified:
        """Answer as `CertificateJudge` says; raise `MissingExtraError` without the extra."""
        if self._judge is None:
            from verifier.pull.keyless import SigstoreJudge
            from verifier.trusted_root import trusted_root

            others = [_content(self._trusted_root)] if self._trusted_root else []
            trust, status, _ = self._trusted
            revocations = status.payload.revocations if status else ()
            self._judge = SigstoreJudge(trusted_root(trust, revocations), *others)
        return self._judge.certified(data)


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(limits.TRUST_FILE + 1)
    except OSError as e:
        raise UnreadableSourceError(f"cannot read {path}: {e.strerror}") from e
