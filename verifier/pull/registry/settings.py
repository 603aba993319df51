"""What is configured of registries: who we are there, whom we believe, where tokens come from.

    [[registry]]
    prefix = "harbor.bank.example/payments"   # a host, or a host and the start of a path
    credential = "robot"                      # a file: user:secret
    ca = "harbor-ca.pem"
    client_certificate = "client.pem"
    client_key = "client.key"
    token_hosts = ["auth.bank.example"]       # may hand out tokens for this registry
    redirect_hosts = ["s3.bank.example"]      # inside our network, and it may send us there
    plain_http = true                         # never guessed, but on loopback
    timeout_s = 60                            # for each thing that is asked of it, in all

Of all that fit a repository the longest prefix alone counts. The file is the first of
$SEALBOOK_REGISTRIES, $XDG_CONFIG_HOME/sealbook/registries.toml and /etc/sealbook/registries.toml;
a service says the same in sealbook.toml, under [[registries]].
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from verifier.repository import Repository, Scope

if TYPE_CHECKING:
    from verifier.pull.registry.credentials import Credential

DEADLINE_S = 60.0


class RegistrySettings(NamedTuple):
    """What is configured of registries under `prefix`; paths are absolute.

    `credential` is a file with `user:secret`. `token_hosts` and `redirect_hosts` are
    `host[:port]`; hosts on the Internet need no leave to be redirected to. `plain_http` None: on
    loopback, where no certificates are configured, and nowhere else. `login` is who we are where
    that is in no file: a pull secret of a cluster.
    """

    prefix: Scope = Scope("*")
    credential: Path | None = None
    ca: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    token_hosts: tuple[str, ...] = ()
    plain_http: bool | None = None
    redirect_hosts: tuple[str, ...] = ()
    timeout_s: float = DEADLINE_S
    login: Credential | None = None


class Registries(NamedTuple):
    """All that is configured, and whether docker's own configuration counts besides."""

    configured: Sequence[RegistrySettings] = ()
    docker: bool = True

    def of(self, repository: Repository | Scope) -> RegistrySettings:
        """Return what counts for `repository`: the longest prefix that covers it, or defaults."""
        fitting = [one for one in self.configured if one.prefix.covers(repository)]
        return max(fitting, key=lambda one: len(one.prefix), default=RegistrySettings())
