"""What repositories a registry has, as far as it tells.

Spec: distribution, "Catalog"; OCI leaves it out, and large registries do not have it.
"""

from __future__ import annotations

from collections.abc import Iterator

from verifier import limits
from verifier.errors import LimitError, RepositoryError
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.faults import fault
from verifier.pull.registry.listing import JSON, pages, texts
from verifier.pull.registry.settings import Registries
from verifier.pull.registry.sharing import shared_host
from verifier.pull.registry.tokens import Scope as TokenScope
from verifier.repository import Repository, Scope

_SCOPES = (TokenScope("registry", "catalog", ("*",)),)


def catalog(
    host: str, registries: Registries, prefix: str = "", *, deadline_s: float | None = None
) -> Iterator[Repository]:
    """Yield the repositories of `host`; of them, those under `prefix`, a path.

    Names that are none of ours (in upper case, say) are passed by.

    Raises:
        NoImageError: the registry does not tell.
        RegistryAccessError: it does not tell us.
        LimitError: there are more than `limits.REPOSITORIES`.
    """
    wanted = Scope(f"{host}/{prefix.strip('/')}" if prefix.strip("/") else host)
    what = f"the catalog of {host}"
    settings = registries.of(wanted)
    share = shared_host(host, settings, registries)
    count = 0
    try:
        for page in pages(
            share.host,
            "/v2/_catalog?n=1000",
            _SCOPES,
            Deadline(deadline_s or settings.timeout_s, what),
            media_type=JSON,
            what=what,
            otherwise=lambda answer: fault(what, answer.status, answer.discard(), writes=False),
        ):
            for path in texts(page.get("repositories"), what):
                count += 1
                if count > limits.REPOSITORIES:
                    raise LimitError(f"{what}: expected at most {limits.REPOSITORIES}")
                try:
                    repository = Repository(f"{host}/{path}")
                except RepositoryError:
                    continue
                if wanted.covers(repository):
                    yield repository
    finally:
        share.close()
