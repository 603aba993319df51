"""Where Podman, CRI-O and skopeo look for signatures: a file for registries.d.

    docker:
      "registry.example:5000/team":
        lookaside: "https://sealbook.example/lookaside/registry.example:5000"
        use-sigstore-attachments: true

Without one they look nowhere, and a policy that wants signatures refuses everything. Of all
entries that fit an image the longest that says something counts, for either of the two lines.
Files that speak of one registry twice spoil each other, as would `default-docker`, which
distributions have already: so each place is named.

Spec: containers-registries.d(5).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import NamedTuple, Self

from verifier.errors import MalformedError
from verifier.repository import EVERYWHERE, Repository, Scope

_URL = re.compile(r"https?://[!#-\[\]-~]+", re.ASCII)


class Remap(NamedTuple):
    """Images in the repository `there` were signed for the repository `signed`."""

    there: Repository
    signed: Repository

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take "DST=SRC".

        Raises:
            RepositoryError, MalformedError: these are no two repositories.
        """
        there, _, signed = text.partition("=")
        one = cls(Repository(there), Repository(signed))
        if one.there == one.signed:
            raise MalformedError(f"expected two repositories, found {text[:120]!r}")
        return one


class Lookups(NamedTuple):
    """Where to look: in the service at `lookaside`, if any, and beside the image."""

    lookaside: str
    attachments: bool

    def config(
        self, scopes: Iterable[str], remaps: Iterable[Remap] = ()
    ) -> dict[str, dict[str, object]]:
        """Return what to say of each place: where keys approve, and what was signed elsewhere."""
        named = {
            str(scope): self._place(str(scope).partition("/")[0])
            for scope in sorted(scopes)
            if scope != EVERYWHERE
        }
        for there, signed in remaps:
            # They ask for the path of the repository that they pull from.
            names = there.count("/")
            named[str(there)] = self._place(f"{signed}/-{names}")
        return named

    def _place(self, base: str) -> dict[str, object]:
        looked = {"lookaside": f"{self.lookaside}/lookaside/{base}"} if self.lookaside else {}
        return {**looked, **({"use-sigstore-attachments": True} if self.attachments else {})}


def url(text: str) -> str:
    """Take the address of a service, without the slash at its end.

    Raises:
        MalformedError: it is none that goes into such a file.
    """
    if not _URL.fullmatch(text) or set("?#") & set(text):
        raise MalformedError(f"expected http(s)://HOST[:PORT][/PATH], found {text[:120]!r}")
    return text.rstrip("/")


def place(text: str) -> Scope:
    """Take a registry, or a place in one; raises `RepositoryError`, `MalformedError`."""
    scope = Scope(text)
    if scope == EVERYWHERE:
        raise MalformedError("expected HOST[:PORT][/PATH], found '*'")
    return scope


def yaml(config: dict[str, dict[str, object]]) -> str:
    """Print for registries.d; strings and truth are written alike in JSON and YAML."""
    lines = ["docker:"] if config else ["docker: {}"]
    for scope, said in config.items():
        lines.append(f"  {json.dumps(scope)}:")
        lines += [f"    {name}: {json.dumps(value)}" for name, value in said.items()]
    return "\n".join(lines) + "\n"
