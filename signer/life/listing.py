"""What is known of keys, a row for each version: from ledger, trust file, book and ring."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from signer.errors import UnknownSigningKeyError
from signer.keys import SigningKey
from signer.life import versions
from signer.life.parts import Parts
from signer.life.standing import Known
from signer.life.versions import Version
from verifier.repository import Scope

ACTIVE, ANNOUNCED, REPLACED, RETIRED, REVOKED = (
    "active",
    "announced",
    "replaced",
    "retired",
    "revoked",
)


class Shown(NamedTuple):
    """One version of a key.

    `end` is the first position where it does not count, by whoever says so first; `uri` is
    empty when nobody knows where its private half lives.
    """

    version: Version
    scope: tuple[Scope, ...]
    standing: str
    trusted: bool
    start: int
    end: int | None
    announced_at: int | None
    uri: str
    forms: tuple[str, ...]
    attributes: Mapping[str, str]
    healthy: bool
    available: bool


class Listing:
    """Tells of keys. Runs on one event loop."""

    def __init__(self, parts: Parts) -> None:
        """Look at `parts`."""
        self._parts = parts

    async def all(self, name: str = "") -> list[Shown]:
        """Return every version of `name`, or of all names: by name, the first version first.

        Raises:
            UnknownSigningKeyError: there is no such name.
        """
        known = await asyncio.to_thread(self._parts.standing.refresh)
        names = set(self._parts.config.signing.keys) | set(known.active)
        names |= {one.announcement.name for one in known.announced.values()}
        if name and name not in names:
            raise UnknownSigningKeyError(
                f"no key is called {name[:80]!r}", hint=f"there are: {', '.join(sorted(names))}"
            )
        return [
            self._shown(version, known)
            for one in ([name] if name else sorted(names))
            for version in versions.versions(self._parts, known, one)
        ]

    def one(self, version: Version) -> Shown:
        """Return a version that was just found."""
        return self._shown(version, self._parts.standing.known)

    def _shown(self, version: Version, known: Known) -> Shown:
        parts, hint = self._parts, version.hint
        signs = parts.signs(version.name, version.public)
        opened: SigningKey | None = signs or parts.held.get(hint)
        listed, announced = parts.live.root.keys.get(hint), known.announced.get(hint)
        section, row = parts.config.signing.keys.get(version.name), parts.book.find(hint)
        configured = section if section and announced is None else None
        scope: tuple[Scope, ...] = announced.announcement.scope if announced else ()
        return Shown(
            version,
            listed.scope if listed else scope,
            self._standing(version, known),
            listed is not None and listed.purpose == version.purpose,
            listed.valid_from_tree_size if listed else announced.index if announced else 0,
            self._end(hint, known),
            announced.index if announced else None,
            row.uri if row else configured.uri if configured else "",
            opened.forms if opened else row.forms if row else (),
            opened.attributes if opened else {},
            opened.healthy if opened else True,
            opened.available if opened else True,
        )

    def _standing(self, version: Version, known: Known) -> str:
        if self._parts.in_force.is_revoked(version.public):
            return REVOKED
        if version.hint in known.retired:
            return RETIRED
        if self._parts.signs(version.name, version.public):
            return ACTIVE
        announced = version.hint in known.announced and version.hint not in known.used
        return ANNOUNCED if announced else REPLACED

    def _end(self, hint: str, known: Known) -> int | None:
        listed = self._parts.live.root.keys.get(hint)
        retired = known.retired.get(hint)
        ends = [
            listed.valid_through_tree_size if listed else None,
            retired.valid_through_tree_size if retired else None,
            self._parts.in_force.end_of(hint),
        ]
        return min((end for end in ends if end is not None), default=None)
