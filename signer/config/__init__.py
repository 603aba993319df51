"""The configuration: one TOML file, `sealbook.toml`, as `sealbook init` writes it.

Unknown keys are refused: a misspelt setting must not fall back to a default.
Relative paths start at the directory of the file.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from ledger.opening import Home
from ledger.signatory import LogKeys
from signer.address import is_loopback
from signer.config.access import AccessSection, BindingSection, IssuerSection, ListenSection
from signer.config.agreeing import (
    ApproverSection,
    GateSection,
    KeyChangesSection,
    ProtectedSection,
)
from signer.config.keys import CertificatesSection, KeysSection, SigningSection, TimestampSection
from signer.config.ledger import AnchorSection, LedgerSection, MirrorSection, WitnessesSection
from signer.config.lines import line_of
from signer.config.record import AtRestSection, PullsSection, TrailSection
from signer.config.registries import PublishSection, RegistrySection
from signer.config.trust import TrustSection, WarnSection
from signer.config.values import Name, Origin, Section
from signer.errors import ConfigError, KeyFileError, ListenError
from signer.keys import open_key
from signer.keys.home import Role
from signer.keys.secret_files import read_secret

_SEAL_BYTES = 32
_NAMED = re.compile(r"([a-z_]+)\.([0-9]+): ")
_LOG = Role("", "log")  # there may be several at once


class Config(Section):
    """Everything that `sealbook serve` needs to know.

    `file` is where it was read; `base`, its directory, is where relative paths start.
    """

    file: Path
    base: Path
    origin: Origin
    ledger: LedgerSection
    keys: KeysSection
    signing: SigningSection
    access: AccessSection
    trust: TrustSection
    certificates: CertificatesSection = CertificatesSection()
    timestamp: TimestampSection | None = None
    listen: ListenSection = ListenSection()
    anchor: AnchorSection = AnchorSection()
    witnesses: WitnessesSection = WitnessesSection()
    mirror: MirrorSection = MirrorSection()
    warn: WarnSection = WarnSection()
    approvers: dict[Name, ApproverSection] = Field(default_factory=dict)
    protected: tuple[ProtectedSection, ...] = ()
    key_changes: KeyChangesSection | None = None
    issuers: dict[Name, IssuerSection] = Field(default_factory=dict)
    bindings: tuple[BindingSection, ...] = ()
    gates: tuple[GateSection, ...] = ()
    trail: TrailSection = TrailSection()
    at_rest: AtRestSection | None = None
    registries: tuple[RegistrySection, ...] = ()
    publish: PublishSection = PublishSection()
    pulls: PullsSection = PullsSection()

    @model_validator(mode="after")
    def _bindings_fit(self) -> Self:
        """Check each binding against the issuer that it names, and that a URL is one issuer's."""
        urls = [section.issuer for section in self.issuers.values()]
        if len(set(urls)) != len(urls):
            raise ValueError("two issuers have one URL: nobody could say whose its tokens are")
        for i, binding in enumerate(self.bindings):
            try:
                binding.check_against(self.issuers)
            except ValueError as e:
                raise ValueError(f"bindings.{i}: {e}") from e
        return self

    @model_validator(mode="after")
    def _registries_differ(self) -> Self:
        """Check that no two of them are about the same."""
        known: set[str] = set()
        for i, registry in enumerate(self.registries):
            if registry.prefix in known:
                raise ValueError(f"registries.{i}: {registry.prefix} is there twice")
            known.add(registry.prefix)
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file at `path`.

        Raises:
            ConfigError: it is not there, not TOML, or says something that we do not know.
            ListenError: it would listen beyond loopback without TLS.
        """
        try:
            text = path.read_bytes().decode()
        except OSError as e:
            raise ConfigError(
                f"cannot read {path}: {e.strerror}",
                hint="make a service with `sealbook init DIR`, or name its file with --config",
            ) from e
        except UnicodeDecodeError as e:
            raise ConfigError(f"{path}: {e}") from e
        config = cls.parse(text, path)
        config.refuse_bare_listening()
        return config

    @classmethod
    def parse(cls, text: str, path: Path) -> Self:
        """Read `text`, the file at `path`, of a service that may not listen yet.

        Raises:
            ConfigError: it is not TOML, or says something that we do not know.
        """
        file = path.absolute()
        try:
            config = cls(file=file, base=file.parent, **tomllib.loads(text))
        except ValidationError as e:
            raise _refusal(e, text, path) from e
        except (ValueError, TypeError) as e:
            raise ConfigError(f"{path}: {e}") from e
        return config

    @property
    def home(self) -> Home:
        """Where the ledger lives, absolute."""
        return Home(
            self.base / self.ledger.directory,
            self.base / self.ledger.anchor,
            self.origin,
            each_second=self.ledger.anchor_sync == "each-second",
        )

    def log_keys(self) -> LogKeys:
        """Open the keys that the ledger signs and seals with.

        Raises:
            KeyFileError: one of them cannot be used.
        """
        seal = read_secret(self.path(self.keys.seal))
        if len(seal) != _SEAL_BYTES:
            raise KeyFileError(f"expected {_SEAL_BYTES} bytes in {self.keys.seal}")
        quantum = self.keys.log_post_quantum
        return LogKeys(
            open_key(self.keys.log, self.base, _LOG),
            seal,
            tuple(open_key(uri, self.base, _LOG) for uri in self.keys.log_also),
            open_key(quantum, self.base, _LOG) if quantum else None,
            open_key(self.keys.promise, self.base, Role("promise", "promise")),
        )

    def path(self, relative: Path) -> Path:
        """Return a configured path, absolute."""
        return self.base / relative

    def refuse_bare_listening(self) -> None:
        """Raise `ListenError` if it would listen beyond loopback without TLS."""
        for address in (self.listen.grpc, self.listen.http):
            if not is_loopback(address) and self.listen.tls_certificate is None:
                raise ListenError(
                    f"{address} is beyond loopback, and there is no TLS certificate",
                    hint="set listen.tls_certificate and listen.tls_key",
                )


def _refusal(error: ValidationError, text: str, path: Path) -> ConfigError:
    """Return the first thing that is wrong with `text`, and where."""
    errors = error.errors()
    place, message = errors[0]["loc"], errors[0]["msg"].removeprefix("Value error, ")
    if not place and (match := _NAMED.match(message)):  # found by looking at two sections
        place, message = (match[1], int(match[2])), message.removeprefix(match[0])
    where = ".".join(str(part) for part in place) or "file"
    line = line_of(text, place)
    told = f"{path}: {where}: {message}" + (f" (line {line})" if line else "")
    hint = "" if len(errors) == 1 else f"there is more: {len(errors)} settings are wrong"
    return ConfigError(told, hint=hint)
