"""What a registry lets signatures do, found out by trying it in a scratch repository."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from signer.registries.trying.findings import Findings
from signer.registries.trying.scratch import Scratch
from signer.registries.trying.steps import Trial
from verifier.errors import VerificationError
from verifier.pull.images import Descriptor
from verifier.pull.registry.client import Registry
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository

__all__ = ["Findings", "scratch_below", "try_registry"]

_PREFIX = "sealbook-check-"
_MOST_TAGS = 16  # that are looked at for an image


def scratch_below(repository: Repository) -> Repository:
    """Return a repository that nobody has, below this one; beside it, on Docker Hub."""
    name = f"{_PREFIX}{secrets.token_hex(4)}"
    if repository.startswith("docker.io/"):
        return Repository(f"{repository.rpartition('/')[0]}/{name}")
    return Repository(f"{repository}/{name}")


def try_registry(
    repository: Repository,
    scratch: Repository,
    registries: Registries,
    told: Callable[[int, int], None] = lambda _done, _total: None,
) -> Findings:
    """Return what the registry of `repository` lets signatures do, as tried in `scratch`.

    Whatever happens, what was put into `scratch` is deleted, or named as left. Blobs go when the
    registry collects its garbage. `repository` is only read.
    """
    mounted = None if scratch == repository else _some_blob(repository, registries)
    with Registry(scratch, registries) as registry:
        trial = Trial(Scratch(registry), registries, mounted)
        left = trial.run(told)
    return Findings(repository, scratch, trial.found, left)


def _some_blob(
    repository: Repository, registries: Registries
) -> tuple[Repository, Descriptor] | None:
    """Return the configuration of any image in `repository`, if it has one that we may read."""
    try:
        with Registry(repository, registries) as registry:
            for _, tag in zip(range(_MOST_TAGS), registry.tags(), strict=False):
                found = registry.manifest(tag)
                if found.is_index and found.children:
                    found = registry.manifest(found.children[0].digest)
                if found.config is not None:
                    return repository, found.config
    except VerificationError:
        pass  # the tries themselves will say why nothing can be read
    return None
