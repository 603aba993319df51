"""The API of the cluster, as far as pull secrets need it: two kinds of objects are read.

    GET /api/v1/namespaces/{namespace}/secrets/{name}
    GET /api/v1/namespaces/{namespace}/serviceaccounts/{name}

We are the service account of our own pod. Its token is read anew for each question, because the
kubelet changes it every hour; the connection, and with it the cluster's CA, after five minutes.

Spec: kubernetes.io "Accessing the Kubernetes API from a Pod".
"""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from verifier import limits
from verifier._strict import json_object
from verifier.errors import MalformedError
from verifier.pull.admission.errors import PullSecretError
from verifier.pull.admission.settings import ClusterSettings
from verifier.pull.errors import ImagesError
from verifier.pull.registry.connections import Connections, Origin
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.settings import RegistrySettings
from verifier.pull.registry.tls import Trusted

_FRESH_S = 300.0
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)


class Objects(Protocol):
    """Reads objects of a cluster; safe in many threads."""

    def read(self, namespace: str, kind: str, name: str, deadline: Deadline) -> dict[str, Any]:
        """Return a `secrets` or `serviceaccounts`, empty if there is none of this name.

        Raises:
            PullSecretError: the cluster does not answer, or not to us.
        """


def open_cluster(settings: ClusterSettings) -> Cluster | None:
    """Return the cluster that is configured, or that we run in, or None."""
    if settings.url:
        return Cluster(settings.url, settings.token, settings.ca)
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return None
    host = f"[{host}]" if ":" in host else host
    return Cluster(f"https://{host}:{port}", settings.token, settings.ca)


class Cluster:
    """The API of one cluster."""

    def __init__(self, url: str, token: Path, ca: Path) -> None:
        """Connect to nobody yet.

        Raises:
            PullSecretError: `url` is none.
        """
        try:
            parts = urlsplit(url)
            self._origin = Origin(parts.scheme, parts.hostname or "", parts.port or 443)
        except ValueError:
            self._origin = Origin("", "", 0)
        if self._origin.scheme != "https" or not self._origin.host:
            raise PullSecretError(f"expected the URL of a cluster, found {url[:120]!r}")
        self._token, self._ca = token, ca
        self._lock = threading.Lock()
        self._open: tuple[Connections, float] | None = None
        self._before: Connections | None = None

    def read(self, namespace: str, kind: str, name: str, deadline: Deadline) -> dict[str, Any]:
        """Return an object, empty if there is none of this name; see `Objects`."""
        for text in (namespace, name):
            if not _NAME.fullmatch(text) or ".." in text:
                raise PullSecretError(f"expected the name of one of {kind}, found {text[:80]!r}")
        what = f"{kind} {namespace}/{name}"
        headers = [
            ("Accept", "application/json"),
            ("Authorization", f"Bearer {self._read_token()}"),
        ]
        try:
            answer = self._connections().send(
                "GET",
                self._origin,
                f"/api/v1/namespaces/{namespace}/{kind}/{name}",
                headers=headers,
                content=b"",
                deadline=deadline,
            )
            content = answer.read(limits.DOCKER_CONFIG, what)
            if answer.status == 404:
                return {}
            if answer.status != 200:
                raise PullSecretError(
                    f"the cluster answers {answer.status} when asked for {what}",
                    hint="may our service account `get` it? see the Role in the manifests",
                )
            return json_object(content, limit=limits.DOCKER_CONFIG, floats=True)
        except (ImagesError, MalformedError) as e:
            raise PullSecretError(f"{what}: {e.message}", hint=e.hint) from e

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            opened, self._open = self._open, None
            before, self._before = self._before, None
        for one in (opened[0] if opened else None, before):
            if one is not None:
                one.close()

    def _connections(self) -> Connections:
        with self._lock:
            now = time.monotonic()
            if self._open is None or now - self._open[1] > _FRESH_S:
                if self._before is not None:
                    self._before.close()  # for five minutes nobody has begun anything on them
                self._before = self._open[0] if self._open else None
                trusted = Trusted((self._ca,))
                self._open = Connections(self._origin, RegistrySettings(), trusted), now
            return self._open[0]

    def _read_token(self) -> str:
        try:
            with self._token.open("rb") as file:
                token = file.read(limits.CREDENTIAL).decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as e:
            raise PullSecretError(f"cannot read the token {self._token}") from e
        if not token or not token.isprintable() or " " in token:
            raise PullSecretError(f"{self._token}: expected a token")
        return token
