"""Sending requests about one repository, as who we are in its registry."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, Self
from urllib.parse import quote

from verifier import limits
from verifier.digest import Digest
from verifier.errors import MalformedError
from verifier.pull.errors import ImagesError
from verifier.pull.registry.answers import Answer
from verifier.pull.registry.connections import Headers
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.faults import fault
from verifier.pull.registry.host import Host
from verifier.pull.registry.listing import Otherwise, pages
from verifier.pull.registry.settings import Registries
from verifier.pull.registry.sharing import shared_host
from verifier.pull.registry.tokens import Scope, Scopes
from verifier.repository import Repository

TAG = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{limits.TAG - 1}}}", re.ASCII)


class Reply(NamedTuple):
    """An answer as it came, for who looks into what a registry does."""

    status: int
    headers: dict[str, str]
    content: bytes


class Asking:
    """One repository of a registry, and what is needed to ask for things in it."""

    def __init__(
        self,
        repository: Repository,
        registries: Registries,
        *,
        deadline_s: float | None = None,
        until: float = math.inf,
    ) -> None:
        """Connect to nobody yet; `deadline_s`, or what is configured, is for each method.

        All of them are over by `until`, of the monotonic clock.

        Raises:
            RegistrySettingsError: a file that is configured for it cannot be used.
        """
        name, _, path = repository.partition("/")
        self.repository = repository
        self._path = path
        settings = registries.of(repository)
        self._deadline_s = deadline_s or settings.timeout_s
        self._until = until
        self._share = shared_host(name, settings, registries)
        self._pull = (Scope("repository", path, ("pull",)),)
        self._push = (Scope("repository", path, ("pull", "push")),)
        self._delete = (Scope("repository", path, ("pull", "push", "delete")),)
        self._writes = False

    @property
    def name(self) -> str:
        """How a person would write it."""
        return self.repository

    @property
    def origin(self) -> str:
        """Where it is talked to, and how: https://registry.example."""
        return str(self._host.origin)

    @property
    def challenge(self) -> str:
        """What the registry last wanted to know of us: a WWW-Authenticate header, or nothing."""
        return self._host.access.challenge

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Headers = (),
        content: bytes = b"",
        limit: int = limits.MANIFEST,
    ) -> Reply:
        """Send any request under this repository, as in `tags/list`, and return what comes back.

        Whatever the status is, it is no error; only 401 is dealt with.

        Raises:
            LimitError: the body has more than `limit` bytes.
        """
        answer = self._send(method, path, headers=headers, content=content, scopes=self._delete)
        body = answer.read(limit, f"{method} {path}")
        return Reply(answer.status, dict(answer.headers), body)

    def close(self) -> None:
        """Let go of the registry, whose connections are kept a while for others."""
        self._share.close()

    def __enter__(self) -> Self:
        """Use it as a context."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        self.close()

    @property
    def _host(self) -> Host:
        return self._share.host

    @property
    def _scopes(self) -> Scopes:
        """What to ask for: whoever has written once reads with the same token."""
        return self._push if self._writes else self._pull

    def _deadline(self, what: str) -> Deadline:
        return Deadline(self._deadline_s, what, self._until)

    def _send(
        self,
        method: str,
        path: str,
        *,
        headers: Headers = (),
        content: bytes = b"",
        deadline: Deadline | None = None,
        scopes: Scopes | None = None,
    ) -> Answer:
        return self._host.send(
            method,
            f"/v2/{self._path}/{path}",
            scopes or self._scopes,
            deadline or self._deadline(f"{self.repository}, {method} {path:.100}"),
            headers=headers,
            content=content,
        )

    def _pages(
        self, path: str, media_type: str, what: str, otherwise: Otherwise
    ) -> Iterator[dict[str, Any]]:
        return pages(
            self._host,
            f"/v2/{self._path}/{path}",
            self._scopes,
            self._deadline(what),
            media_type=media_type,
            what=what,
            otherwise=otherwise,
        )

    def _unread(self, what: str, answer: Answer) -> ImagesError:
        return fault(what, answer.status, answer.discard(), writes=False)


def in_url(reference: str) -> str:
    """Return a tag or digest as it may stand in a URL.

    Raises:
        MalformedError: it is neither.
    """
    if ":" in reference:
        return Digest(reference)
    if not TAG.fullmatch(reference):
        raise MalformedError(f"expected a tag or a digest, found {reference[:80]!r}")
    return quote(reference)


def media_type_of(answer: Answer) -> str:
    """Return what an answer says its body is, without parameters."""
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()
