"""Registries, asked as who the pod is: what a tag is now, and what is attached to an image.

Whoever pulls is tried in the order of the kubelet: each login of the pull secrets that fits, the
longest key first, and then what is configured for us. The next one is tried where a registry
does not let somebody in, or says that there is no such thing, as some do instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from verifier.digest import Digest
from verifier.pull.admission.logins import Logins, Puller
from verifier.pull.decision import Question
from verifier.pull.errors import ImagesError, NoImageError, RegistryAccessError
from verifier.pull.place import RegistryPlace
from verifier.pull.registry.client import Registry
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.settings import Registries
from verifier.pull.sources.attached import attached
from verifier.repository import Repository

_SHARE = 0.5  # of the time that is left: what the cluster, or one of several logins, may take
_NOT_LET_IN = (RegistryAccessError, NoImageError)


class Secrets(Protocol):
    """Whoever knows the logins of a pod."""

    def of(self, puller: Puller, deadline: Deadline) -> Logins:
        """Return what `puller` has; what could not be read is its `trouble`, and no error."""


class Resolver:
    """Asks registries as pods do. Safe in many threads."""

    def __init__(self, registries: Callable[[], Registries], secrets: Secrets | None) -> None:
        """Ask as pods only with `secrets`; `registries` reads what is configured, each time."""
        self._registries = registries
        self._secrets = secrets

    def resolve(self, place: RegistryPlace, puller: Puller, deadline: Deadline) -> Digest:
        """Return the digest of what the tag of `place` is now.

        Raises:
            ImagesError: the registry does not say; its message tells of pull secrets too that
                could not be read.
        """
        visit = self.visit(place.repository, puller, deadline)
        for registry in visit:
            try:
                return registry.resolve(place.tag).digest
            except _NOT_LET_IN as e:
                visit.turned_away(e)
        raise visit.error()

    def visit(self, repository: Repository, puller: Puller, deadline: Deadline) -> Visit:
        """Return the ways to ask for `repository`, in turn."""
        logins = Logins()
        if self._secrets is not None:
            # A cluster that does not answer leaves time for who we are without it.
            left_s = round(deadline.left_s() * _SHARE, 2)
            own = Deadline(left_s, f"pull secrets in {puller.namespace}")
            logins = self._secrets.of(puller, own)
        return Visit(repository, self._registries(), logins, deadline)


class Visit:
    """Goes through the ways to ask for one repository; in one thread."""

    def __init__(
        self, repository: Repository, registries: Registries, logins: Logins, deadline: Deadline
    ) -> None:
        """Ask nobody yet."""
        self._repository = repository
        self._registries = registries
        self._logins = logins
        self._deadline = deadline
        self._first: ImagesError | None = None

    def __iter__(self) -> Iterator[Registry]:
        """Yield the repository as who we may be; each is closed when the next is asked for."""
        base = self._registries.of(self._repository)
        for credential in self._logins.of(self._repository):
            as_pod = Registries(
                (base._replace(login=credential, credential=None),), self._registries.docker
            )
            yield from self._opened(as_pod, _SHARE)
        yield from self._opened(self._registries, 1)

    def _opened(self, registries: Registries, share: float) -> Iterator[Registry]:
        left_s = self._deadline.left_s() * share
        until = time.monotonic() + left_s
        with Registry(self._repository, registries, deadline_s=left_s, until=until) as registry:
            yield registry

    def turned_away(self, error: ImagesError) -> None:
        """Remember that it was not this one; the first one's reason is told."""
        self._first = self._first or error

    def error(self) -> ImagesError:
        """Return why nobody was let in."""
        first = self._first
        assert first is not None
        if not self._logins.trouble:
            return first
        trouble = f"and the pull secrets could not be read: {self._logins.trouble}"
        return type(first)(f"{first.message}; {trouble}", hint=first.hint)


class PodsRegistry:
    """What is attached to images, as the source of that name, for one pod's credentials."""

    name = "registry"

    def __init__(self, resolver: Resolver, puller: Puller) -> None:
        """Ask as `puller`, by `resolver`."""
        self._resolver, self._puller = resolver, puller

    def bundles(self, question: Question, left_s: float) -> Iterator[bytes]:
        """Yield what is attached to the image; `Source` says more.

        Raises:
            ImagesError: the registry cannot be asked.
        """
        deadline = Deadline(left_s, f"signatures of {question.repository}")
        visit = self._resolver.visit(question.repository, self._puller, deadline)
        for registry in visit:
            let_in = False
            try:
                for one in attached(registry, question.digest):
                    let_in = True
                    yield one
            except _NOT_LET_IN as e:
                if let_in:
                    raise
                visit.turned_away(e)
            else:
                return
        raise visit.error()
