"""Clients and servers that nobody here wrote, made available to the tests.

Debian's programs come from newer suites of the mirror that this machine already
uses (`debian`), Podman and skopeo with the C library that they need (`chroot`),
npm's @sigstore/verify by npm (`npm`). All stay in a cache directory outside the
repository ($SEALBOOK_CACHE, else ~/.cache/sealbook), so that only the first run
needs the network. Removing that directory is always safe, and brings the
versions that the suites have by then.

What cannot be had raises `PeerUnavailable`, which says why.
"""

from __future__ import annotations

from tests.interop.peers.cache import PeerUnavailable
from tests.interop.peers.chroot import Containers, containers
from tests.interop.peers.debian import (
    containerd,
    cosign,
    cosign2,
    docker_registry,
    notation,
    oras,
    rekor_cli,
    version_of,
)
from tests.interop.peers.npm import JsPeer, sigstore_js

__all__ = [
    "Containers",
    "JsPeer",
    "PeerUnavailable",
    "containerd",
    "containers",
    "cosign",
    "cosign2",
    "docker_registry",
    "notation",
    "oras",
    "rekor_cli",
    "sigstore_js",
    "version_of",
]
