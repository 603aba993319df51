"""Who a pod is at a registry: by its pull secrets, or else those of its service account.

    kubernetes.io/dockerconfigjson   .dockerconfigjson   {"auths":{"registry.example":{"auth":"…"}}}
    kubernetes.io/dockercfg          .dockercfg          {"registry.example":{"auth":"…"}}

What fits an image is chosen as the kubelet does: the key of an entry is a host, perhaps with `*`
in a part of its name, and perhaps the start of a path; the longest key first, and several may
fit. A secret that is not there is passed by, as the kubelet does.

What was read holds for half a minute: a burst of pods asks the cluster once.

Spec: kubernetes.io "Images", "Interpretation of config.json".
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from verifier import limits
from verifier._strict import b64, json_object
from verifier.errors import MalformedError, VerificationError
from verifier.pull.admission.cluster import Objects
from verifier.pull.registry.credentials import DOCKER_HUB, Credential, read_entry
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.turns import Turns
from verifier.repository import Repository

_FRESH_S = 30.0
_MOST = 4096  # pods' ways to pull that are remembered
_SECRETS = 32  # of one pod
_FORMS = {
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
    "kubernetes.io/dockercfg": ".dockercfg",
}
_HUB = ("index.docker.io", "registry-1.docker.io", DOCKER_HUB)
_VERSION = re.compile(r"/v[12](?=/|$)")


class Puller(NamedTuple):
    """Whose secrets count: those that are named, or else of the service account."""

    namespace: str
    service_account: str
    secrets: tuple[str, ...] = ()


class Login(NamedTuple):
    """One entry of a secret: `key` without scheme, as in registry.example/team."""

    key: str
    credential: Credential

    def fits(self, repository: Repository) -> bool:
        """Whether the kubelet would pull `repository` with it."""
        host, _, path = self.key.partition("/")
        target, _, below = repository.partition("/")
        if host in _HUB and not path:
            return target == DOCKER_HUB
        parts, wanted = _parts(host), _parts(target)
        return (
            len(parts) == len(wanted)
            and below.startswith(path)
            and all(map(fnmatchcase, wanted, parts))
        )


class Logins(NamedTuple):
    """What a pod has; `trouble` says what of it could not be read."""

    found: tuple[Login, ...] = ()
    trouble: str = ""

    def of(self, repository: Repository) -> tuple[Credential, ...]:
        """Return those for `repository`, in the order in which they are tried."""
        fitting = [one for one in self.found if one.fits(repository)]
        fitting.sort(key=lambda one: len(one.key), reverse=True)
        return tuple(dict.fromkeys(one.credential for one in fitting))


class PullSecrets:
    """Reads them from a cluster; safe in many threads."""

    def __init__(self, objects: Objects) -> None:
        """Ask nobody yet."""
        self._objects = objects
        self._lock = threading.Lock()
        self._turns = Turns()
        self._known: dict[Puller, tuple[Logins, float]] = {}

    def of(self, puller: Puller, deadline: Deadline) -> Logins:
        """Return what `puller` has; what could not be read is its `trouble`, and no error."""
        if (known := self._fresh(puller)) is not None:
            return known
        try:
            with self._turns.of(puller, deadline):  # of many who want the same, one asks
                if (known := self._fresh(puller)) is not None:
                    return known
                logins = self._read(puller, deadline)
                if not logins.trouble:
                    self._keep(puller, logins)
                return logins
        except VerificationError as e:
            return Logins((), e.message)

    def _fresh(self, puller: Puller) -> Logins | None:
        with self._lock:
            known = self._known.get(puller)
        fresh = known is not None and time.monotonic() - known[1] < _FRESH_S
        return known[0] if known is not None and fresh else None

    def _keep(self, puller: Puller, logins: Logins) -> None:
        with self._lock:
            self._known.pop(puller, None)
            while len(self._known) >= _MOST:
                self._known.pop(next(iter(self._known)))
            self._known[puller] = logins, time.monotonic()

    def _read(self, puller: Puller, deadline: Deadline) -> Logins:
        found: list[Login] = []
        trouble = ""
        for name in self._names(puller, deadline)[:_SECRETS]:
            try:
                secret = self._objects.read(puller.namespace, "secrets", name, deadline)
                found += read_secret(secret, f"secret {puller.namespace}/{name}")
            except VerificationError as e:
                trouble = e.message
        return Logins(tuple(found), trouble)

    def _names(self, puller: Puller, deadline: Deadline) -> Sequence[str]:
        if puller.secrets:
            return puller.secrets
        account = self._objects.read(
            puller.namespace, "serviceaccounts", puller.service_account, deadline
        )
        listed = account.get("imagePullSecrets")
        names = [one.get("name") for one in listed or () if isinstance(one, dict)]
        return [name for name in names if isinstance(name, str) and name]


def read_secret(secret: Mapping[str, Any], where: str) -> Iterator[Login]:
    """Yield the logins of a pull secret; none of a secret of another type, or of none.

    Raises:
        MalformedError: it is not as its type says.
        RegistrySettingsError: an entry of it is not what docker writes.
    """
    key = _FORMS.get(str(secret.get("type")))
    data = secret.get("data")
    if key is None or not isinstance(data, dict):
        return
    encoded = data.get(key)
    if not isinstance(encoded, str):
        raise MalformedError(f"{where}: expected {key}, found none")
    try:
        value = json_object(b64(encoded), limit=limits.DOCKER_CONFIG, floats=True)
    except MalformedError as e:
        # What was found is not shown: it is a secret.
        raise MalformedError(f"{where}: {key} is not JSON of docker's ({e.code})") from e
    auths = value.get("auths") if key == ".dockerconfigjson" else value
    for named, entry in auths.items() if isinstance(auths, dict) else ():
        if isinstance(entry, dict):
            credential = read_entry(entry, f"{where}, {named[:100]!r}")
            if credential is not None:
                yield Login(_bare(named), credential)


def _bare(key: str) -> str:
    """Return a key as images are named: https://registry.example/v1/team is …/team."""
    bare = key.removeprefix("https://").removeprefix("http://")
    host, slash, path = bare.partition("/")
    path = _VERSION.sub("", f"/{path}", count=1) if slash else ""
    return f"{host}{path}".rstrip("/")


def _parts(host: str) -> list[str]:
    """Return the parts of a host's name, and its port as one of them, empty if there is none."""
    name, _, port = host.partition(":")
    return [*name.split("."), port]
