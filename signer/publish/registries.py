"""Which registries the service writes to, as configured: who it is there, and what it attaches."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple, Self

from signer.config import Config
from signer.config.registries import RegistrySection
from signer.errors import ConfigError, NotPublishedHereError
from signer.keys.secret_files import read_secret
from signer.publish.rows import host_of
from verifier.pull.registry.settings import Registries, RegistrySettings
from verifier.pull.registry.tls import trusted
from verifier.repository import Repository, Scope

_SYSTEMD = "systemd:"
_DIRECTORY = "CREDENTIALS_DIRECTORY"  # systemd says where they are, not what


class Destinations(NamedTuple):
    """Where the service may write; of the prefixes that cover a repository the longest counts."""

    registries: Registries
    sections: tuple[RegistrySection, ...]

    @classmethod
    def of(cls, config: Config) -> Self:
        """Read what `config` says.

        Raises:
            ConfigError, RegistrySettingsError: a file that it names cannot be used.
            KeyFileError: a credential cannot be read, or others can read it too.
        """
        settings = [_settings(config, one) for one in config.registries]
        # Docker's configuration is of people: the service is whom its own says, and nobody else.
        return cls(Registries(settings, docker=False), config.registries)

    def check(self, repository: Repository) -> None:
        """Raise `NotPublishedHereError` if nothing is to be written to `repository`."""
        if not self.publishes(repository):
            raise NotPublishedHereError(f"nothing is published to {repository} from here")

    def publishes(self, repository: Repository) -> bool:
        """Whether anything may be written to `repository`."""
        found = self._of(repository)
        return found is not None and found.publish

    def attaches_all(self, repository: Repository) -> bool:
        """Whether what is signed for `repository` is attached without being asked for."""
        found = self._of(repository)
        return found is not None and found.publish and found.attach == "all"

    def attaches_also(self, repository: Repository) -> bool:
        """Whether what second keys sign is attached in `repository` too."""
        found = self._of(repository)
        return found is not None and found.also

    @property
    def any_all(self) -> bool:
        """Whether anything anywhere is attached without being asked for."""
        return any(one.attach == "all" for one in self.sections)

    def _of(self, repository: Repository) -> RegistrySection | None:
        fitting = [one for one in self.sections if Scope(one.prefix).covers(repository)]
        return max(fitting, key=lambda one: len(one.prefix), default=None)


def _settings(config: Config, section: RegistrySection) -> RegistrySettings:
    where = f"registries: {section.prefix}"
    files = {
        name: _there(config, getattr(section, name), f"{where}: {name}")
        for name in ("ca", "client_certificate", "client_key")
    }
    settings = RegistrySettings(
        Scope(section.prefix),
        _credential(config, section),
        files["ca"],
        files["client_certificate"],
        files["client_key"],
        section.token_hosts,
        section.plain_http,
        section.redirect_hosts,
        float(section.timeout_s),
    )
    if any(files.values()):
        trusted(host_of(section.prefix), settings, docker=False).context(show=True)
    return settings


def _credential(config: Config, section: RegistrySection) -> Path | None:
    if section.credential is None:
        return None
    path = config.path(Path(section.credential))
    if section.credential.startswith(_SYSTEMD):
        directory = os.environ.get(_DIRECTORY, "")
        if not directory:
            raise ConfigError(
                f"registries: {section.prefix}: there are no credentials of systemd",
                hint="run it in a systemd unit with LoadCredential= or LoadCredentialEncrypted=",
            )
        path = Path(directory) / section.credential.removeprefix(_SYSTEMD)
    if b":" not in read_secret(path):
        raise ConfigError(f"registries: {section.prefix}: expected user:secret in {path}")
    return path


def _there(config: Config, path: Path | None, what: str) -> Path | None:
    if path is None:
        return None
    found = config.path(path)
    if not found.is_file():
        raise ConfigError(f"{what}: there is no file {found}")
    return found
