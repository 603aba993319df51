"""One registry as its repositories share it: connections, tokens, and what it said of itself."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterable

import httpx

from verifier import limits
from verifier.pull.errors import RedirectError, RegistryAnswerError
from verifier.pull.registry.addresses import is_loopback
from verifier.pull.registry.answers import Answer
from verifier.pull.registry.connections import Connections, Headers, Origin, is_web
from verifier.pull.registry.credentials import DOCKER_HUB, find_credential
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.settings import Registries, RegistrySettings
from verifier.pull.registry.tls import Trusted, trusted
from verifier.pull.registry.tokens import Access, Scopes
from verifier.pull.registry.turns import Turns

_HUB = "registry-1.docker.io"  # where docker.io answers
_REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)
_SAFE = ("GET", "HEAD")
_BUSY = (429, 503)
_WAITS, _LONGEST_WAIT_S = 3, 20
_SECONDS = re.compile(r"[0-9]{1,4}", re.ASCII)
_OWN_URL = "does it know its own URL? http.host of docker-registry, external_url of Harbor"


class Host:
    """A registry: `host[:port]` as images name it. Safe in many threads."""

    def __init__(self, name: str, settings: RegistrySettings, registries: Registries) -> None:
        """Connect to nobody yet.

        Raises:
            RegistrySettingsError: a file that is configured for it cannot be used.
        """
        found = trusted(name, settings, docker=registries.docker)
        self.name = name
        self.origin = _origin(name, settings, found)
        self._connections = Connections(self.origin, settings, found)
        self.access = Access(
            name,
            self._connections,
            settings,
            lambda deadline: find_credential(name, settings, registries, deadline),
        )
        self.without_referrers: set[str] = set()  # paths of repositories: their lists are in tags
        self.turns = Turns()

    def send(
        self,
        method: str,
        target: str,
        scopes: Scopes,
        deadline: Deadline,
        *,
        headers: Headers = (),
        content: bytes | Iterable[bytes] = b"",
        length: int | None = None,
    ) -> Answer:
        """Send a request to the registry as who we are there, and follow where it leads.

        Whatever it answers is returned, once it has let us in. `length` of a `content` in pieces.

        Raises:
            ImagesError: as of `Connections.send`, and of `Access.challenged`.
            RedirectError: it leads where we do not go, or too far.
        """
        size = len(content) if isinstance(content, bytes) else length
        headers = list(headers)
        if size or method not in _SAFE:
            headers.append(("Content-Length", str(size)))
        sent = self.access.early(scopes, deadline)
        for attempt in range(3):
            answer = self._patiently(
                method,
                target,
                headers=[*headers, ("Authorization", sent)] if sent else headers,
                content=content,
                deadline=deadline,
            )
            if answer.status != 401 or not isinstance(content, bytes):
                break
            words = answer.discard().decode(errors="replace")
            if attempt == 2 or (attempt and sent == self.access.header(scopes)):
                raise self.access.refused(words[:200] or "it answers 401 to the token it asked for")
            sent = self.access.challenged(answer.challenges, scopes, sent, deadline)
        if answer.status in _MOVED:
            return self._follow(
                method=method,
                target=target,
                headers=headers,
                sent=sent,
                answer=answer,
                deadline=deadline,
            )
        return answer

    def _patiently(
        self,
        method: str,
        target: str,
        *,
        headers: Headers,
        content: bytes | Iterable[bytes],
        deadline: Deadline,
    ) -> Answer:
        """Send a request, and again, if the registry says that it can soon answer it."""
        for left in reversed(range(_WAITS + 1)):
            answer = self._connections.send(
                method,
                self.origin,
                target,
                headers=headers,
                content=content,
                deadline=deadline,
            )
            pause = _pause_s(answer)
            if not left or pause is None or not isinstance(content, bytes):
                break
            if pause >= deadline.left_s():
                break
            answer.discard()
            time.sleep(pause)
        return answer

    def _follow(
        self,
        *,
        method: str,
        target: str,
        headers: Headers,
        sent: str,
        answer: Answer,
        deadline: Deadline,
    ) -> Answer:
        """Go where `answer` leads; what says who we are is `sent` to the registry alone."""
        url, known = httpx.URL(f"{self.origin}{target}"), bool(sent)
        for _ in range(_REDIRECTS):
            location = answer.headers.get("location", "")
            answer.discard()
            if method not in _SAFE:
                raise RedirectError(f"{self.name} redirects what was to be written there")
            url = self.led_to(url, location)
            origin = Origin.of(url)
            known = known and origin == self.origin  # whoever was elsewhere comes back as nobody
            answer = self._connections.send(
                method,
                origin,
                url.raw_path.decode("ascii"),
                headers=[*headers, ("Authorization", sent)] if known else headers,
                content=b"",
                deadline=deadline,
            )
            if answer.status not in _MOVED:
                return answer
        answer.close()
        raise RedirectError(f"{self.name}: expected at most {_REDIRECTS} redirects")

    def led_to(self, url: httpx.URL, location: str) -> httpx.URL:
        """Return where `location` leads from `url`.

        Raises:
            RedirectError: to nowhere, away from HTTP or from TLS, or with a password in it.
        """
        if not location or len(location) > limits.LOCATION:
            raise RedirectError(f"{self.name} redirects to nowhere, or too far to write down")
        try:
            found = url.join(location).copy_with(fragment=None)
        except (httpx.InvalidURL, ValueError):
            found = httpx.URL("")
        if not is_web(found):
            raise RedirectError(f"{self.name} redirects to {location[:200]!r}")
        if found.scheme == "http" and url.scheme == "https":
            raise RedirectError(f"{self.name} redirects away from TLS, to {location[:200]!r}")
        return found

    def own_target(self, location: str, target: str) -> str:
        """Return the path and query of a `location` that goes on where `target` began.

        Raises:
            RegistryAnswerError: it is at another registry, or nowhere.
        """
        try:
            found = self.led_to(httpx.URL(f"{self.origin}{target}"), location)
        except RedirectError as e:
            raise RegistryAnswerError(e.message, hint=_OWN_URL) from e
        if Origin.of(found) != self.origin:
            raise RegistryAnswerError(
                f"{self.name} tells to go on at {Origin.of(found)}, expected {self.origin}",
                hint=_OWN_URL,
            )
        return found.raw_path.decode("ascii")

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()


def _pause_s(answer: Answer) -> float | None:
    """Return how long a registry that is busy wants us to wait, if that is not long."""
    said = answer.headers.get("retry-after", "")
    if answer.status not in _BUSY or not _SECONDS.fullmatch(said):
        return None
    pause = int(said) + random.uniform(0.1, 0.5)  # noqa: S311  so that not all come back at once
    return pause if pause <= _LONGEST_WAIT_S else None


def _origin(name: str, settings: RegistrySettings, found: Trusted) -> Origin:
    host, _, port = name.partition(":")
    plain = settings.plain_http
    if plain is None:
        plain = is_loopback(host) and found == Trusted()
    scheme = "http" if plain else "https"
    host = _HUB if host == DOCKER_HUB else host
    return Origin(scheme, host, int(port) if port else (80 if plain else 443))
