"""Reload: the main flow of a configuration that changes while the service runs.

1. The file is read, as a start reads it.
2. What differs may change live; else all of it is refused, and named.
3. Every part of the service reads what it is about; one that cannot, refuses for all.
4. What is to count is logged as an event, if it is anything new.
5. Each part takes what it read. Calls under way end under what they began with.

All or nothing: until the last step nothing is in force, and that step cannot fail. The policy
changes with the trust file that pins it too: then the same steps are taken, from the third on.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import structlog

from ledger.errors import FrozenError
from signer.config import Config
from signer.config.canonical import Canonical, canonical, sections
from signer.configuring.live import Install, Live, Reloads
from signer.configuring.logged import Configured, same
from signer.errors import ConfigError, ConfigRestartError, ReloadError
from signer.gates.rules import Rules
from signer.trust_files import LiveTrust
from verifier.errors import SealbookError
from verifier.trust import TrustRoot

log = structlog.get_logger()

# What may change while the service runs, with all that is below it; `files.…` are contents.
LIVE = (
    "access",
    "approvers",
    "bindings",
    "gates",
    "issuers",
    "key_changes",
    "listen.client_ca",
    "listen.tls_certificate",
    "listen.tls_key",
    "policy",
    "protected",
    "publish",
    "registries",
    "trail.retain_days",
    "trail.syslog",
    "trust.policy",
    "warn",
)
_NOT_LIVE = ("access.database", "publish.database", "publish.workers")


class Reloaded(NamedTuple):
    """What changed, and where that is logged; None when nothing did, or nothing can be logged."""

    changed: Sequence[str]
    index: int | None  # type: ignore[assignment]  # tuple.index is not missed


class LivePolicy:
    """The policy in force and the gates that ask it. Safe in many threads: swapped whole."""

    def __init__(self, config: Config, trust: LiveTrust) -> None:
        """Let what `config` names be in force; raises like `Rules.read`."""
        self._trust = trust
        self.now = Rules.read(config, trust.root)

    def read(self, config: Config, trust: TrustRoot | None = None) -> Rules:
        """Read what would be in force, perhaps under another trust file."""
        return Rules.read(config, trust or self._trust.root)

    def install(self, new: Rules) -> None:
        """Let `new` be in force."""
        self.now = new


class Reloading:
    """Loads the configuration again. Runs on one event loop."""

    def __init__(
        self,
        config: Live[Config],
        policy: LivePolicy,
        configured: Configured,
        parts: Iterable[Reloads],
    ) -> None:
        """Follow the file of `config` with `policy` and `parts`, and say so in the ledger."""
        self._config = config
        self._policy = policy
        self._configured = configured
        self._parts = tuple(parts)
        self._turn = asyncio.Lock()
        self._under_way: set[asyncio.Task[Reloaded]] = set()
        self.refused = False

    async def start(self) -> None:
        """Log what is in force, unless the ledger says it already; from now on heed SIGHUP.

        Raises:
            LedgerError: it cannot be logged; nothing may be done under it.
            ConfigError, KeyFileError: as `canonical`.
        """
        async with self._turn:
            config, policy = self._config.now, self._policy.now.content
            index = await self._record(await asyncio.to_thread(canonical, config, policy))
        if index is not None:
            log.info("the configuration is logged", index=index)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._on_signal)

    async def reload(self) -> Reloaded:
        """Return once what the file says is in force; also when its caller is cancelled.

        Raises:
            ReloadError: it is not, and all that was in force still is.
            LedgerError: the same: what is to count cannot be logged.
        """
        task = asyncio.ensure_future(self._reload())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Return when everything that was under way has its answer."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def follow(self, trust: TrustRoot) -> Install:
        """Return what puts the policy in force that `trust` pins, once it is logged.

        Raises:
            ReloadError: there is no such policy, or it is not what the gates ask.
            PolicyMismatchError, PolicyError: as `Rules.read`.
            LedgerError: it cannot be logged.
        """
        async with self._turn:
            config = self._config.now
            try:
                rules = await asyncio.to_thread(self._policy.read, config, trust)
            except ConfigError as e:
                raise ReloadError(e.code, e.message, e.hint) from e
            if rules.content != self._policy.now.content:
                now = dict(self._configured.now)
                now.pop("policy", None)
                policy = {} if rules.content is None else {"policy": rules.content.decode()}
                await self._record(now | policy)
            return partial(self._policy.install, rules)

    def _on_signal(self) -> None:
        self._telling = asyncio.ensure_future(self._tell())  # held, or nobody would

    async def _tell(self) -> None:
        """Load it again, and log what comes of that."""
        try:
            done = await self.reload()
        except SealbookError as e:
            told = {"code": e.code, "error": e.message, "hint": e.hint}
            log.error("the configuration was not loaded again", **told)  # noqa: TRY400  said
        else:
            log.info("the configuration was loaded again", changed=done.changed, index=done.index)

    async def _reload(self) -> Reloaded:
        async with self._turn:
            try:
                changed, content, installs = await asyncio.to_thread(self._prepared)
            except SealbookError as e:
                self.refused = True
                raise ReloadError(e.code, e.message, e.hint) from e
            # 4.
            try:
                index = await self._record(content) if changed else None
            except SealbookError:
                self.refused = True
                raise
            # 5.
            for install in installs:
                install()
            self.refused = False
            return Reloaded(changed, index)

    def _prepared(self) -> tuple[list[str], Canonical, list[Install]]:
        """Do the steps 1 to 3."""
        # 1.
        old, new = self._config.now, Config.load(self._config.now.file)
        # 2.
        fixed = [name for name in differing(old, new) if not _is_live(name)]
        if fixed:
            raise ConfigRestartError(f"{', '.join(fixed)} cannot change while the service runs")
        # 3.
        rules = self._policy.read(new)
        content = self._content(new, rules)
        installs = [part.prepare(new) for part in self._parts]
        if not same(content, self._content(new, rules)):
            raise ConfigRestartError("a file is being replaced", hint="try again in a moment")
        installs += [partial(self._policy.install, rules), self._config.prepare(new)]
        return sections(self._configured.now, content), content, installs

    def _content(self, config: Config, rules: Rules) -> Canonical:
        """Return what is to be logged: files that only a start reads are as they were then."""
        found = dict(canonical(config, rules.content))
        was = self._configured.now.get("files", {})
        live = {name: h for name, h in found["files"].items() if _is_live(name)}
        found["files"] = live | {name: h for name, h in was.items() if not _is_live(name)}
        return found

    async def _record(self, content: Canonical) -> int | None:
        try:
            return await self._configured.record(content)
        except FrozenError:
            # It takes no more entries and signs nothing; who may read may still change.
            log.warning("the ledger is frozen: this configuration is not in it")
            self._configured.now = content
            return None


def differing(old: Config, new: Config) -> list[str]:
    """Return the settings that differ, by their names in the file."""
    was, now = (one.model_dump(by_alias=True, exclude={"base", "file"}) for one in (old, new))
    return sorted(_differing(was, now, ""))


def _differing(old: Mapping[str, Any], new: Mapping[str, Any], above: str) -> Iterator[str]:
    for name in old.keys() | new.keys():
        was, now = old.get(name), new.get(name)
        if isinstance(was, dict) and isinstance(now, dict):
            yield from _differing(was, now, f"{above}{name}.")
        elif was != now:
            yield above + name


def _is_live(name: str) -> bool:
    def below(names: Iterable[str]) -> bool:
        return any(name == one or name.startswith(f"{one}.") for one in names)

    return below(LIVE) and not below(_NOT_LIVE)
