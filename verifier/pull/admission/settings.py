"""What a cluster decides of our webhook: the table [admission] of admission.toml.

[admission]
tags = "pin"                   # or "refuse": only digests may run
exclude = ["kube-system"]      # namespaces that are not looked at; our own never is
warn = ["staging"]             # there a refusal is only told
deadline_s = 8                 # for all of an answer; the cluster waits 10 s
image_s = 6                    # for each image in it
pull_secrets = true            # read those of pods, and of their service accounts
own_namespace = "sealbook"     # where it is not the one that our pod is told

[admission.cluster]            # outside a cluster, or another one
url = "https://10.0.0.1:6443"
token = "token"                # files, from this file's directory
ca = "ca.crt"
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import Fields
from verifier.errors import MalformedError
from verifier.pull.admission.errors import AdmissionSettingsError

DEADLINE_S, IMAGE_S = 8.0, 6.0
_LONGEST_S = 29  # the cluster waits 30 s at most
_MOST = 1024
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_URL = re.compile(r"https://(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[1-9][0-9]{0,4})?")
_MOUNTED = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ClusterSettings(NamedTuple):
    """How the cluster's API is asked; no `url` is the cluster that we run in, if we do."""

    url: str = ""
    token: Path = _MOUNTED / "token"
    ca: Path = _MOUNTED / "ca.crt"


class AdmissionSettings(NamedTuple):
    """See the module."""

    pins: bool = True
    exclude: frozenset[str] = frozenset({"kube-system"})
    warn: frozenset[str] = frozenset()
    deadline_s: float = DEADLINE_S
    image_s: float = IMAGE_S
    pull_secrets: bool = True
    cluster: ClusterSettings = ClusterSettings()

    @classmethod
    def of(cls, fields: Fields, base: Path) -> Self:
        """Read the table; relative paths start at `base`.

        Raises:
            AdmissionSettingsError: it is not as the module shows it.
        """
        try:
            found = cls._of(fields, base)
            fields.done()
        except MalformedError as e:
            raise AdmissionSettingsError(e.message) from e
        return found

    @classmethod
    def _of(cls, fields: Fields, base: Path) -> Self:
        tags = fields.text("tags") if fields.has("tags") else "pin"
        if tags not in ("pin", "refuse"):
            raise MalformedError(f'tags: expected "pin" or "refuse", found {tags[:80]!r}')
        own = fields.text("own_namespace") if fields.has("own_namespace") else _own_namespace()
        exclude = _namespaces(fields, "exclude") if fields.has("exclude") else cls().exclude
        warn = _namespaces(fields, "warn") if fields.has("warn") else frozenset()
        seconds = [
            float(fields.number(key)) if fields.has(key) else default
            for key, default in (("deadline_s", DEADLINE_S), ("image_s", IMAGE_S))
        ]
        if not all(1 <= one <= _LONGEST_S for one in seconds):
            raise MalformedError(f"deadline_s, image_s: expected 1 to {_LONGEST_S} seconds")
        if own and not _NAMESPACE.fullmatch(own):
            raise MalformedError(f"own_namespace: expected a namespace, found {own[:80]!r}")
        if both := exclude & warn:
            raise MalformedError(f"{min(both)!r} is excluded, so that nothing warns there")
        return cls(
            tags == "pin",
            exclude | {own} if own else exclude,
            warn,
            seconds[0],
            min(seconds),
            fields.take("pull_secrets", bool) if fields.has("pull_secrets") else True,
            _cluster(fields.inside("cluster"), base) if fields.has("cluster") else cls().cluster,
        )


def _cluster(fields: Fields, base: Path) -> ClusterSettings:
    url = fields.text("url") if fields.has("url") else ""
    token, ca = (
        base / fields.text(key) if fields.has(key) else default
        for key, default in (("token", ClusterSettings().token), ("ca", ClusterSettings().ca))
    )
    fields.done()
    if url and not _URL.fullmatch(url):
        raise MalformedError(f"cluster.url: expected https://host[:port], found {url[:120]!r}")
    return ClusterSettings(url, token, ca)


def _namespaces(fields: Fields, key: str) -> frozenset[str]:
    found = fields.items(key, most=_MOST)
    for one in found:
        if not isinstance(one, str) or not _NAMESPACE.fullmatch(one):
            raise MalformedError(f"{key}: expected namespaces, found {one!r:.80}")
    return frozenset(found)


def _own_namespace() -> str:
    """Return where our own pod runs, or nothing: outside a cluster nobody tells."""
    try:
        with (_MOUNTED / "namespace").open("rb") as file:
            return file.read(limits.NAME).decode("ascii", "replace").strip()
    except OSError:
        return ""
