"""What a home of keys is: where private keys live, and how they are asked to sign.

A home is a module of `signer.keys.homes`, named as the scheme of its URIs: `file:`, `pkcs11:`,
`openbao:`. Adding one, as a cloud's KMS, is adding a module there, and touches nothing else;
what it needs from others is in the extra of the same name. It is imported when its scheme is
used, and has the two functions of `Home`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from verifier.publickey import Key

T = TypeVar("T")

DEADLINE_S = 2.0  # in which a call to a device ends, with a signature or a refusal


class Role(NamedTuple):
    """What a key is called and what it is for.

    `purpose` is one of trust.json's (approve, attest, event, status, log, witness), or one of
    ours: promise, timestamp, certificate, transparency; authority makes certificates, root signs
    trust files, person requests.
    An empty name is any: whoever brings a key by hand.
    """

    name: str
    purpose: str


class Workers(Protocol):
    """Threads of a device's own, each with a session. Safe in many threads."""

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Run `job` in one of the threads, in which the device's keys sign without another hop.

        The future fails with `KeyUnavailableError` within `DEADLINE_S`, whatever the device
        does; a late result is dropped. Raises the same at once while the device is known to
        be away.
        """


def waits(key: Key) -> bool:
    """Whether a signature by `key` has to be waited for: it lives in a device, not in here."""
    return getattr(key, "workers", None) is not None


class HomeKey(Key, Protocol):
    """A private key in its home.

    Its `sign` and `sign_digest` end within `DEADLINE_S`; they raise `KeyUnavailableError` while
    nothing is wrong but the connection, and `KeyFailedError` when the key itself failed. They
    check what they hand to a device (a digest's length, say), not what comes back.
    """

    @property
    def workers(self) -> Workers | None:
        """Where it signs; None when that is here and takes microseconds."""

    @property
    def attributes(self) -> Mapping[str, str]:
        """What the home says of the key, for people and transcripts; nothing secret."""

    def close(self) -> None:
        """Give back what it holds; signs no more."""


class Home(Protocol):
    """A module of `signer.keys.homes`; `rest` is a URI behind its scheme and colon.

    Relative paths start at `base`.
    """

    def open_key(self, rest: str, role: Role, base: Path) -> HomeKey:
        """Open a key.

        Raises:
            KeyHomeError: it cannot be used, must not be, or is not there.
        """

    def create_key(self, rest: str, role: Role, base: Path, algorithm: str) -> HomeKey:
        """Make a new key of `algorithm`, durably, and open it; nothing is ever overwritten.

        `algorithm` is a name of `verifier.algorithms`, as "ecdsa-p256".

        Raises:
            KeyHomeError: there is one already, or the home cannot make it.
        """


class Neighbourly(Protocol):
    """What a home may have too, for who rotates a key and does not say where the next one lives."""

    def beside(self, rest: str, name: str, version: int) -> str:
        """Return where version `version` of the key `name` is to live, beside the one at `rest`.

        Empty when that cannot be told. Nothing is looked at or made.
        """
