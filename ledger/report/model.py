"""What a report says, before it is JSON, CSV or a page. Times are POSIX seconds."""

from __future__ import annotations

from typing import NamedTuple

from ledger.audit.finding import Finding
from ledger.errors import LedgerError


class ReportError(LedgerError):
    """No report can be made of this part of the ledger."""

    code = "no-report"


class Boundary(NamedTuple):
    """Where the part begins or ends: before the entry at `index`; `by` says who dates it."""

    index: int  # type: ignore[assignment]  # tuple.index is not missed
    asked: str
    by: str


class Group(NamedTuple):
    """Signatures that have one value in common.

    `spread` counts them along the positions of the part, in steps of equal width.
    """

    value: str
    name: str  # of a key, in the trust file; else ""
    signatures: int
    first: int
    last: int
    spread: tuple[int, ...]


class Line(NamedTuple):
    """Signatures that have everything in common that is counted."""

    repository: str
    key: str
    key_name: str
    requester: str
    predicate_type: str
    form: str
    signatures: int
    first: int
    last: int


class Event(NamedTuple):
    """What the ledger says of itself."""

    index: int  # type: ignore[assignment]  # tuple.index is not missed
    kind: str
    key_name: str
    time: int | None  # by the service's word
    summary: str


class Range(NamedTuple):
    """The entries, or days since 1970, from `first` to `last`, both included."""

    first: int
    last: int


class Ranges(NamedTuple):
    """So many entries, where they are, and how many ranges more there would be."""

    entries: int = 0
    ranges: tuple[Range, ...] = ()
    left_out: int = 0


class Witness(NamedTuple):
    """A witness that the trust file names, and when it cosigned this checkpoint, if it did."""

    name: str
    url: str
    cosigned_at: int | None


class Counted(NamedTuple):
    """What is in the part.

    Each entry is one of: a signature, an event, opaque, deleted, missing, unreadable.
    """

    entries: int
    signatures: int
    lines: tuple[Line, ...]
    by: dict[str, tuple[Group, ...]]  # repository, key, requester, predicate_type, form
    events: tuple[Event, ...]
    opaque: Ranges  # foreign ones without a body
    deleted: Ranges  # whose body a logged statement took away
    missing: Ranges  # whose body nobody accounts for
    unreadable: Ranges  # of ours, with a body that is not what the entry says
    quiet: Ranges  # positions without a signature
    quiet_days: tuple[Range, ...] | None  # None where nobody says when an entry came
    times: tuple[int, int] | None  # of first and last entry, by the service's word


class Tree(NamedTuple):
    """The checkpoint that everything is under, and who stands behind it."""

    tree_size: int
    root: str
    signed_at: int | None  # the log's own word
    quorum: str
    witnesses: tuple[Witness, ...]


class Account(NamedTuple):
    """A whole report.

    `tree` is None without a checkpoint to believe, `counted` without a sound tree.
    """

    origin: str
    source: str
    made_at: int
    made_by: str
    program: str
    start: Boundary
    stop: Boundary
    tree: Tree | None
    checked_from: int
    checked: int
    findings: tuple[Finding, ...]
    counted: Counted | None
