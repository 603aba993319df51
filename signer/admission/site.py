"""What one cluster is to have, and what its objects share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Object = dict[str, Any]

NAME = "sealbook-admission"
PORT = 8443
LABELS = {"app.kubernetes.io/name": NAME}
# Where the files lie that the settings name.
CONFIG, INITIAL, TLS = "/etc/sealbook", "/etc/sealbook-initial", "/etc/sealbook-tls"
TRUST, TOKEN = "/var/lib/sealbook", "/etc/sealbook-service"


class Site(NamedTuple):
    """What one cluster is to have.

    `files` are those of the configuration, `initial` the trust files that somebody pinned.
    Either `ca_bundle`, PEM, is there, or the name of cert-manager's `issuer`.
    """

    image: str
    files: Mapping[str, str]
    initial: Mapping[str, str]
    namespace: str = "sealbook"
    exclude: tuple[str, ...] = ("kube-system",)
    pins: bool = True
    ca_bundle: bytes = b""
    issuer: str = ""
    cluster_issuer: bool = False
    replicas: int = 3
    egress: tuple[int, ...] = (443, 6443)
    pull_secrets: tuple[str, ...] = ()
    pull_secrets_in: tuple[str, ...] = ()
    token_secret: str = ""
    own_pull_secret: str = ""

    @property
    def reads_secrets(self) -> bool:
        """Whether any pull secret may be read."""
        return bool(self.pull_secrets or self.pull_secrets_in)


def meta(site: Site, name: str, **more: Any) -> Object:
    """Return the metadata of an object in our namespace."""
    return {"name": name, "namespace": site.namespace, "labels": LABELS, **more}
