"""Finding lines: who, where, what was decided, and when.

An outcome is found with its decision, whose fields it does not repeat. Lines whose content was
purged are found by kind and time alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from signer.access.where import Where
from signer.audit_trail.folder import Folder
from signer.audit_trail.lines import Kind, Line
from signer.audit_trail.purge import moment
from verifier.errors import RepositoryError, VerificationError
from verifier.repository import EVERYWHERE, Repository


class Query(NamedTuple):
    """What is asked for; each is everything when it is empty. Times are POSIX seconds."""

    who: str = ""  # issuer#subject, or how it begins, with a * behind
    where: Where = Where(EVERYWHERE)
    kind: Kind | None = None
    start: int = 0
    stop: int = 0
    reference: str = ""

    @property
    def is_about_content(self) -> bool:
        """Whether it asks for more than kind and time."""
        return bool(self.who or self.reference or self.where != EVERYWHERE)


def find(
    folder: Folder, query: Query, may_see: Callable[[Line], bool] = lambda _: True
) -> Iterator[Line]:
    """Yield the lines that fit `query`, oldest first, of those that `may_see` lets through.

    What is no line of ours is left out: `verifying` tells of it. Raises `OSError`.
    """
    start, stop = moment(query.start), moment(query.stop) if query.stop else ""
    fitting: set[int] = set()  # decisions whose outcome fits too
    for line in _lines(folder):
        head = line.head
        if stop and head.time >= stop:
            return
        if head.kind == "outcome":
            fits = head.of in fitting
            fitting.discard(head.of if head.of is not None else -1)
        else:
            fits = may_see(line) and _fits(line, query)
            if fits and head.kind == "decision":
                fitting.add(head.seq)
        if fits and head.time >= start and query.kind in {None, head.kind}:
            yield line


def places_of(line: Line) -> list[Repository]:
    """Return the repositories that a line is about."""
    told = line.fields
    named = [told.get("repository", ""), *told.get("repositories", ())]
    found = []
    for name in named:
        try:
            found.append(Repository(name))
        except RepositoryError:
            continue
    return found


def _fits(line: Line, query: Query) -> bool:
    if not query.is_about_content:
        return True
    told = line.fields
    if query.reference and told.get("reference") != query.reference:
        return False
    if query.who and not _is(told, query.who):
        return False
    return query.where == EVERYWHERE or any(map(query.where.covers, places_of(line)))


def _is(told: Any, who: str) -> bool:
    found = str(told.get("who", ""))
    return found.startswith(who[:-1]) if who.endswith("*") else found == who


def _lines(folder: Folder) -> Iterator[Line]:
    for segment in folder.segments():
        for raw in folder.lines(segment):
            try:
                yield Line.parse(raw.removesuffix(b"\n"))
            except VerificationError:
                continue
