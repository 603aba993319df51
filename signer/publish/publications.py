"""All that a service has for publishing, opened, run and stopped together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

import structlog

from ledger import labels
from ledger.ledger import Ledger
from signer.attach import Patience
from signer.audit_trail.trail import Trail
from signer.config import Config
from signer.configuring.live import Install, Live
from signer.keys.ring import KeyRing
from signer.metrics import Metrics
from signer.publish.asking import Asking
from signer.publish.attaching import Attacher, Open
from signer.publish.gathering import Gathering, seconds
from signer.publish.healing import Healing
from signer.publish.registries import Destinations
from signer.publish.rows import Counts, Heal
from signer.publish.stopping import Stopping
from signer.publish.store import Store
from signer.publish.working import Working
from signer.service.bundles import SHOWN
from signer.status.in_force import InForce
from verifier.digest import Digest
from verifier.errors import SealbookError
from verifier.pull.images import Images
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository

log = structlog.get_logger()

_LOOK_S = 10.0
# Other tools put there themselves what they had signed, a while after they had.
_OTHERS = Heal(quiet_ms=5_000, longest_ms=30_000)
_DAY_MS = 86_400_000
_PATIENCE_S = 5.0  # of the way down


class Publications:
    """The queue, and who works through it. What the configuration says of it may change."""

    def __init__(
        self, config: Config, store: Store, gathering: Gathering, ledger: Ledger, trail: Trail
    ) -> None:
        """Attach what `store` has waiting, and `gathering` finds in `ledger`."""
        self.store = store
        self._ledger = ledger
        self.open: Open = open_registry
        self.patience = Patience()
        self._destinations = Live(Destinations.of, config)
        self._section = Live(lambda config: config.publish, config)
        self._stopping = Stopping()
        destinations = self._now
        self.asking = Asking(
            store,
            gathering,
            trail,
            destinations=destinations,
            most=self._most,
            wake=self._wake,
        )
        attacher = Attacher(
            gathering, destinations, self._opened, self._stopping, lambda: self.patience
        )
        self.working = Working(
            store, attacher, workers=config.publish.workers, settled=self.asking.settled
        )
        self._healing = Healing(ledger, store, destinations, most=self._most, wake=self._wake)
        self._late = False
        self.left_behind = False

    @classmethod
    def over(
        cls,
        config: Config,
        ledger: Ledger,
        in_force: InForce,
        trail: Trail,
        keys: KeyRing,
    ) -> Self:
        """Open what `config` names; `close` it.

        Raises:
            ConfigError, KeyFileError: as `Destinations.of`.
            PublicationsError: the database is broken, or cannot be opened.
            LedgerBusyError: another process has it open.
        """
        store = Store(config.path(config.publish.database))
        gathering = Gathering(ledger, in_force, lambda: seconds(keys), store.named)
        try:
            return cls(config, store, gathering, ledger, trail)
        except BaseException:
            store.close()
            raise

    def prepare(self, config: Config) -> Install:
        """Read what `config` says of it; raises what `Destinations.of` raises."""
        installs = [part.prepare(config) for part in (self._destinations, self._section)]

        def install() -> None:
            for one in installs:
                one()
            self.working.wake()

        return install

    def say_stopping(self) -> None:
        """Begin nothing more, and let no caller wait any longer."""
        self._stopping.tell()
        self.asking.say_stopping()
        self.working.say_stopping()

    def stop(self) -> None:
        """Return once nothing is under way, after a few seconds at the latest."""
        self.say_stopping()
        self._healing.stop()
        self.left_behind = not self.working.stop(_PATIENCE_S)
        if self.left_behind:
            log.warning(
                "a registry takes too long: what waits for it is tried after the next start"
            )

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    async def keep(self) -> None:
        """Attach, and follow the ledger; say when something waits too long; forget what is old."""
        await asyncio.to_thread(self._healing.start)
        self.working.start()
        while True:
            try:
                counts = await asyncio.to_thread(self.store.counts)
                self._warn(counts)
                keep_ms = self._section.now.keep_days * _DAY_MS
                await asyncio.to_thread(self.store.purge, keep_ms)
            except SealbookError as e:
                log.warning("what waits to be attached cannot be looked at", error=e.message)
            await asyncio.sleep(_LOOK_S)

    def watch(self, metrics: Metrics) -> None:
        """Read at every scrape what waits."""
        metrics.watch_publications(
            self.counts,
            self.store.age_s,
            {
                "attached": lambda: self.working.attached,
                "failed": lambda: self.working.failed,
                "refused": lambda: self.working.refused,
            },
        )

    def note(self, repository: str, index: int) -> None:
        """Know that another tool had the entry at `index` signed, in `repository` if it says so.

        Raises:
            PublicationsError, PublicationsFullError: it is not attached without being asked for.
        """
        destinations = self._now()
        if not destinations.sections:
            return
        about = labels.decode(self._ledger.row(index).labels)
        if about["form"][0] not in SHOWN:
            return
        says = about.get("repository", ())
        for name in says or filter(None, [repository]):
            for digest in about.get("digest", ()):
                image = Repository(name), Digest(digest)
                if not says and destinations.publishes(image[0]):
                    self.store.name(image, index)
                if destinations.attaches_all(image[0]):
                    self.store.heal([image], _OTHERS, self._most())
        self._wake()

    def changed(self, ids: Sequence[int]) -> None:
        """Say that somebody changed what waits."""
        self.asking.settled(ids)
        self.working.wake()

    def counts(self) -> Counts:
        """Return how many wait; none when nobody can say."""
        try:
            return self.store.counts()
        except SealbookError:
            return Counts(0, 0, 0)

    def _warn(self, counts: Counts) -> None:
        late_s = self._section.now.late_s
        age_s = self.store.age_s(counts)
        if age_s > late_s and not self._late:
            log.warning(
                "images wait to have their signatures attached",
                waiting=counts.waiting,
                oldest_s=int(age_s),
                hint="sealbook publish list --waiting",
            )
        elif age_s <= late_s and self._late:
            log.info("images no longer wait for their signatures", waiting=counts.waiting)
        self._late = age_s > late_s

    def _now(self) -> Destinations:
        return self._destinations.now

    def _most(self) -> int:
        return self._section.now.most_waiting

    def _wake(self) -> None:
        self.working.wake()

    def _opened(self, repository: Repository, registries: Registries) -> Images:
        return self.open(repository, registries)


def open_registry(repository: Repository, registries: Registries) -> Images:
    """Return a repository of a registry; its library is loaded only then."""
    from verifier.pull.registry.client import Registry

    return Registry(repository, registries)
