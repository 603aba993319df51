"""The canonical name of a repository: `host[:port]/path`, in lower case.

An approval is for an image *in a repository*, so two spellings of one
repository must not exist. The host is always written: `team/app` could mean
any registry. The path follows the OCI distribution-spec grammar.
"""

from __future__ import annotations

import re
from typing import Self

from verifier import limits
from verifier.errors import RepositoryError

_HOST = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*"
_PATH = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"({_HOST})(?::([1-9][0-9]{{0,4}}))?((?:/{_PATH})+)", re.ASCII)
_SCOPE = re.compile(rf"{_HOST}(?::[1-9][0-9]{{0,4}})?(?:/{_PATH})*", re.ASCII)
_DOCKER_ALIASES = frozenset({"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
EVERYWHERE = "*"


class Repository(str):
    """A canonical repository name that has been checked."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Take `text` as a repository, or raise `RepositoryError`."""
        match = _REPOSITORY.fullmatch(text) if len(text) <= limits.REPOSITORY else None
        if match is None:
            raise RepositoryError(f"expected host[:port]/path in lower case, found {text[:120]!r}")
        host, port, path = match.groups()
        if not port and "." not in host and host != "localhost":
            raise RepositoryError(f"expected a host before the path, found {text[:120]!r}")
        if port and int(port) > 65_535:
            raise RepositoryError(f"expected a port below 65536, found {port}")
        if host in _DOCKER_ALIASES:
            raise RepositoryError(f"{host} is an alias", hint="write docker.io")
        if host == "docker.io" and path.count("/") == 1:
            raise RepositoryError(
                f"expected docker.io/<namespace>/<name>, found {text!r}",
                hint=f"write docker.io/library{path}",
            )
        return super().__new__(cls, text)


class Scope(str):
    """Where a key may approve: `*`, or a host and path that every repository starts with.

    Compared by whole path segments: `a.example/team` covers `a.example/team/app`
    and not `a.example/team-evil/app`.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Take `text` as a scope, or raise `RepositoryError`."""
        if text != EVERYWHERE and (len(text) > limits.REPOSITORY or not _SCOPE.fullmatch(text)):
            raise RepositoryError(f"expected '*' or host[:port][/path], found {text[:120]!r}")
        return super().__new__(cls, text)

    def covers(self, repository: Repository | Scope) -> bool:
        """Whether `repository`, or all of another scope, lies in this scope."""
        return self == EVERYWHERE or f"{repository}/".startswith(f"{self}/")
