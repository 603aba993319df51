"""What ends, and when: looked at all the time, and said in time.

    trust              trust.json's `expires`: afterwards no verifier accepts anything
    tls                listen.tls_certificate: afterwards no caller connects
    clients            listen.client_ca: afterwards none with a certificate does
    timestamp          the chain of the timestamp authority, ours or an outside one
    issuer             the chain of who makes the certificates
    certificate:NAME   the chain of a signing key, for notation
    rotation:NAME      a signing key is as old as its `rotate_every_days`

Of a chain it is the certificate that ends first. A key's age counts from the ledger position
from which trust.json takes it, which nobody can backdate; a rotation that is due stops nothing.
How old status.json is, which the service makes itself, is a series of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog
from cryptography import x509

from ledger.ledger import Ledger
from signer.config import Config
from signer.configuring.live import Install
from signer.errors import ConfigError
from signer.keys.ring import KeyRing
from verifier._strict import utc
from verifier.trust import TrustRoot

log = structlog.get_logger()

_DAY_S = 86_400
_LOOK_S = 600.0
_URGENT_DAYS, _LAST_DAYS = 7, 1
_WHAT_TO_DO = {
    "trust": "sealbook trust create --from trust.json, and have the roots sign it",
    "tls": "renew listen.tls_certificate: it is taken at once",
    "clients": "put a new authority beside the old one into listen.client_ca, and certify anew",
    "timestamp": "a new chain, first in trust.json and then here, and restart",
    "issuer": "a new chain, first in trust.json and then here, and restart",
    "certificate": "a new certificate for the key, under a root that notation's readers have",
    "rotation": "sealbook key rotate",
}


class Ending(NamedTuple):
    """What ends, and when, POSIX seconds."""

    what: str
    at: int

    @property
    def to_do(self) -> str:
        """What there is to be done about it."""
        return _WHAT_TO_DO[self.what.partition(":")[0]]


class Expiry:
    """Knows what ends of one service, and warns. Safe in many threads."""

    def __init__(
        self,
        config: Config,
        keys: KeyRing,
        ledger: Ledger,
        trust: Callable[[], TrustRoot],
        tls: Callable[[], Mapping[str, int]],
    ) -> None:
        """Look at `keys`, `trust` and `tls` as they are at any time, and once at other files.

        Raises:
            ConfigError: a file with certificates cannot be read.
        """
        self._keys = keys
        self._ledger = ledger
        self._trust = trust
        self._tls = tls
        self._warn_s = config.warn.days * _DAY_S
        self._rotate_days = {
            name: section.rotate_every_days
            for name, section in config.signing.keys.items()
            if section.rotate_every_days is not None
        }
        # As they were read last: a file that changes meanwhile serves nobody before that.
        self._fixed = _fixed(config)
        self._told: dict[str, tuple[int, int, int]] = {}

    def prepare(self, config: Config) -> Install:
        """Read from `config` how early to warn, and when certificates in files end.

        Raises:
            ConfigError: one cannot be read.
        """
        warn_s, fixed = config.warn.days * _DAY_S, _fixed(config)

        def install() -> None:
            self._warn_s, self._fixed = warn_s, fixed

        return install

    def endings(self) -> list[Ending]:
        """Return everything that ends, the soonest first."""
        return sorted(self._all(), key=lambda ending: ending.at)

    def soon(self) -> list[Ending]:
        """Return what ended, or ends within the days that the configuration says."""
        end = self._ledger.clock.now() + self._warn_s
        return [ending for ending in self.endings() if ending.at <= end]

    async def keep(self) -> None:
        """Warn at start and then once a day, and when a week or a day is left, until cancelled."""
        while True:
            await asyncio.to_thread(self.warn)
            await asyncio.sleep(_LOOK_S)

    def warn(self) -> None:
        """Log what ends soon, once a day each; louder within a week, and once it is a day.

        A rotation that is due stays a warning.
        """
        now = self._ledger.clock.now()
        for ending in self.soon():
            days = (ending.at - now) / _DAY_S
            urgency = (days <= _URGENT_DAYS) + (days <= _LAST_DAYS)
            this = (ending.at, int(now // _DAY_S), urgency)
            if self._told.get(ending.what) == this:
                continue
            self._told[ending.what] = this
            loud = (log.warning, log.error, log.critical)
            say = log.warning if ending.what.startswith("rotation:") else loud[urgency]
            say(
                "it ends soon" if days > 0 else "it has ended",
                what=ending.what,
                at=utc(ending.at),
                days=round(days, 1),
                to_do=ending.to_do,
            )

    def _all(self) -> Iterator[Ending]:
        trust = self._trust()
        yield Ending("trust", trust.expires)
        yield from self._fixed
        for what, at in self._tls().items():
            yield Ending(what, at)
        for key in self._keys.keys.values():
            if key.chain:
                yield Ending(f"certificate:{key.name}", _chain_ends(key.chain))
            days, listed = self._rotate_days.get(key.name), trust.keys.get(key.public.hint)
            if days is None or listed is None:
                continue
            position = listed.valid_from_tree_size
            if position < self._ledger.head.tree_size:
                since = self._ledger.row(position).time
                yield Ending(f"rotation:{key.name}", since + days * _DAY_S)


def check_certificates(config: Config) -> None:
    """Raise `ConfigError` if a certificate that the service is to look at cannot be read."""
    _fixed(config)


def _chain_ends(chain: Sequence[bytes]) -> int:
    return first_end([x509.load_der_x509_certificate(one) for one in chain])


def _fixed(config: Config) -> list[Ending]:
    return [
        Ending(what, _ends(config.path(path)))
        for what, path in _files(config).items()
        if path is not None
    ]


def _files(config: Config) -> dict[str, Path | None]:
    outside = config.timestamp
    return {
        "timestamp": outside.chain if outside else config.certificates.timestamp,
        "issuer": config.certificates.issuer,
    }


def _ends(path: Path) -> int:
    try:
        return first_end(x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as e:
        raise ConfigError(f"{path}: expected PEM certificates") from e


def first_end(certificates: Sequence[x509.Certificate]) -> int:
    """Return when the first of `certificates` ends, POSIX seconds."""
    return min(int(one.not_valid_after_utc.timestamp()) for one in certificates)
