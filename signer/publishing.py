"""Publishing, as configured: who must have a tree before readers may see it.

Which witnesses there are, and how many suffice, is in the trust file, because
verifiers ask for the same; where they answer is in the configuration, or in the
policy itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog

from ledger.alarm import keep_evidence
from ledger.errors import LedgerError, WitnessAheadError
from ledger.ledger import Ledger
from ledger.mirrored import Mirrored
from ledger.publisher import Patience, Publisher, Release
from signer.config import Config
from signer.errors import ConfigError
from signer.metrics import Metrics
from signer.transport import HttpTransport
from verifier.errors import SealbookError
from verifier.quorum import NONE
from verifier.trust import TrustRoot

if TYPE_CHECKING:
    from ledger.witness.client import WitnessClient

log = structlog.get_logger()


def asks(config: Config, trust: TrustRoot) -> bool:
    """Whether anybody must have a tree before readers may see it."""
    return trust.quorum.name != NONE or config.mirror.synchronous


class Publishing:
    """The publisher of one service, if it needs one, and everybody whom that asks."""

    def __init__(
        self, config: Config, trust: TrustRoot, ledger: Ledger, mirrored: Mirrored
    ) -> None:
        """Set up whom `config` and `trust` name.

        Raises:
            ConfigError: nothing says where a witness answers.
        """
        self._ledger = ledger
        self._quorum = trust.quorum
        self._needed = asks(config, trust)
        self._synchronous = config.mirror.synchronous
        waits = [config.witnesses.deadline_s] if trust.quorum.name != NONE else []
        waits += [config.mirror.deadline_s] if config.mirror.synchronous else []
        self._patience = Patience(max(waits, default=0.0), config.witnesses.fail == "open")
        self._publisher: Publisher | None = None
        self._troubled = False
        self._evidence = config.home.anchor / "evidence"
        self.mirrored = mirrored
        self.witnesses = _witnesses(config, trust, ledger)

    @property
    def patience_s(self) -> float:
        """How long callers wait for a tree to be published."""
        return self._patience.deadline_s

    @property
    def alarm(self) -> WitnessAheadError | None:
        """Why nothing is published any more, if so."""
        return self._publisher.alarm if self._publisher else None

    def start(self, release: Release, on_failure: Callable[[SealbookError], None]) -> None:
        """Publish from now on, telling `release` after each round, and `on_failure` of the end."""
        if not self._needed:
            return
        self._publisher = Publisher(
            self._ledger,
            self._quorum,
            self.witnesses,
            self.mirrored if self._synchronous else None,
            patience=self._patience,
            release=partial(self._release, release),
            on_alarm=self._raise_alarm,
            on_failure=on_failure,
        )
        self._publisher.start()

    def wake(self) -> None:
        """Say that there is something to publish."""
        if self._publisher:
            self._publisher.wake()

    def stop(self) -> None:
        """Publish no more."""
        if self._publisher:
            self._publisher.stop()

    def _release(
        self, release: Release, why: SealbookError | None = None, *, hopeless: bool = False
    ) -> None:
        """Answer callers; the log is told when publishing stops and when it goes on."""
        if why is not None and not self._troubled:
            told = {witness.name: witness.error for witness in self.witnesses if witness.error}
            log.warning("not published", code=why.code, error=why.message, witnesses=told)
        if why is None and self._troubled:
            log.info("published again")
        self._troubled = why is not None
        release(why, hopeless=hopeless)

    def _raise_alarm(self, error: WitnessAheadError) -> None:
        kept = ""
        if error.note:
            try:
                kept = keep_evidence(self._ledger, self._evidence, error.note)
            except LedgerError as e:  # the alarm is worth more than its evidence
                log.warning("the evidence cannot be kept", code=e.code, error=e.message)
        log.critical(
            "a witness has seen another tree of ours: nothing is published any more",
            code=error.code,
            error=error.message,
            evidence=kept,
            hint=error.hint,
        )

    def watch(self, metrics: Metrics) -> None:
        """Read witnesses, mirror and alarm at every scrape."""
        metrics.watch_publishing(
            lambda: self.alarm is not None,
            {witness.name: lambda w=witness: float(w.tree_size) for witness in self.witnesses},  # type: ignore[misc]
            self.mirrored,
        )


def _witnesses(config: Config, trust: TrustRoot, ledger: Ledger) -> tuple[WitnessClient, ...]:
    if trust.quorum.name == NONE:
        return ()
    from ledger.witness.client import WitnessClient  # most services have none

    section = config.witnesses
    transport = HttpTransport(config.path(section.ca) if section.ca else None)
    witnesses = []
    for name, key in trust.quorum.witnesses.items():
        at = section.at.get(name)
        url = at.url if at else trust.quorum.urls.get(name, "")
        if not url:
            raise ConfigError(
                f"nothing says where the witness {name} answers",
                hint=f"add witnesses.at.{name}.url to the configuration",
            )
        witnesses.append(
            WitnessClient(
                name,
                key,
                url,
                (at.monitoring if at else None) or url,
                transport,
                section.timeout_s,
                # Also keys that have rotated away: what they signed is ours all the same.
                log_keys=tuple({*ledger.log_keys, *trust.log_keys(config.origin)}),
                root_at=ledger.root_at,
            )
        )
    return tuple(witnesses)
