"""What a trail looks like when its service starts: where it goes on, and what was left open.

What a crash tore is a line without its end: it is cut off, and the trail says so. Files that are
missing, or are not what the ledger's events say, are left as they are: the trail goes on after
what the events say, in a file of its own, and `verifying` finds what is gone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from signer.audit_trail.folder import Folder
from signer.audit_trail.lines import NO_LINE, OF_ITSELF, Kind, hash_of
from verifier._strict import b64, b64encode
from verifier.errors import VerificationError
from verifier.merkle import Hash


class Closed(NamedTuple):
    """A segment that is finished: its number, its first and last line, and that one's hash."""

    segment: int
    first: int
    last: int
    hash: Hash

    def claim(self) -> dict[str, object]:
        """Return it as the predicate of an event."""
        return {
            "first": self.first,
            "hash": b64encode(self.hash),
            "last": self.last,
            "segment": self.segment,
        }


class Decision(NamedTuple):
    """What was decided: `wanted` are the dedup keys of what was to be signed.

    A bare hash that a raw key signs has no such key before: `sought` are hash and key.
    `tree_size` is how many entries the ledger had: what was there is nobody's fresh entry.
    """

    seq: int
    segment: int
    tree_size: int
    wanted: tuple[bytes, ...] = ()
    sought: tuple[str, str] | None = None


class Tail(NamedTuple):
    """Where a trail goes on: the open segment, and the next line in it.

    `since` is the time of the first line in it that tells of anybody; empty for none.
    `unlogged` are finished segments that no event is known of.
    """

    segment: int
    seq: int
    prev: Hash
    time: str = ""
    since: str = ""
    first: int | None = None
    open: tuple[Decision, ...] = ()
    claimed: frozenset[int] = frozenset()
    unlogged: tuple[Closed, ...] = ()
    cut: int = 0
    lost: bool = False


class _Read(NamedTuple):
    """What the start needs of a line; whether it is right, `verifying` says."""

    seq: int
    time: str
    kind: Kind
    hash: Hash
    head: dict[str, Any]
    content: dict[str, Any]


def find(folder: Folder, logged: Closed | None) -> Tail:
    """Return how the trail goes on; `logged` is the newest segment that the ledger tells of.

    Cuts off a torn last line. Raises `OSError`.
    """
    segments = folder.segments()
    cut = _cut(folder, segments[-1]) if segments else 0
    lost = logged is not None and not _is_there(folder, segments, logged)
    if logged is not None and (lost or segments[-1] == logged.segment):
        after = max([logged.segment, *segments]) + 1
        return Tail(after, logged.last + 1, logged.hash, cut=cut, lost=lost)
    if not segments:
        return Tail(1, 0, NO_LINE)
    done = [segment for segment in segments[:-1] if logged is None or segment > logged.segment]
    unlogged = [closed for segment in done if (closed := _closed(folder, segment)) is not None]
    last = _closed(folder, segments[-1])
    if last is not None:
        return Tail(last.segment + 1, last.last + 1, last.hash, unlogged=(*unlogged, last), cut=cut)
    tail = _open(folder, segments)
    return tail._replace(unlogged=tuple(unlogged), cut=cut)


def _open(folder: Folder, segments: list[int]) -> Tail:
    """Read the open segment, and those in which a decision was left without an outcome."""
    segment = segments[-1]
    tail = Tail(segment, 0, NO_LINE)
    first_wanted = segment
    if len(segments) > 1:
        before = _last(folder, segments[-2])
        if before is not None:
            tail = tail._replace(seq=before.seq + 1, prev=before.hash, time=before.time)
            first_wanted = min([segment, *before.content.get("open", [])])
    decisions: dict[int, Decision] = {}
    claimed: set[int] = set()
    for one in segments:
        if one < first_wanted:
            continue
        for line in _read(folder, one):
            if line.kind == "decision":
                decisions[line.seq] = _decision(one, line)
            elif line.kind == "outcome":
                decisions.pop(cast("int", line.head.get("of")), None)
                claimed.update(index for index, _ in line.head.get("entries", ()))
            if one == segment:
                since = tail.since or ("" if line.kind in OF_ITSELF else line.time)
                first = line.seq if tail.first is None else tail.first
                tail = tail._replace(
                    seq=line.seq + 1, prev=line.hash, time=line.time, since=since, first=first
                )
    return tail._replace(open=tuple(decisions.values()), claimed=frozenset(claimed))


def _decision(segment: int, line: _Read) -> Decision:
    wanted = tuple(b64(known_by) for known_by in line.content.get("wanted", ()))
    tree_size, sought = line.content.get("tree_size", 0), line.content.get("sought")
    return Decision(line.seq, segment, tree_size, wanted, tuple(sought) if sought else None)


def _cut(folder: Folder, segment: int) -> int:
    """Cut off a last line that does not end, and return how long it was."""
    torn = 0
    for line in folder.lines(segment):
        torn = 0 if line.endswith(b"\n") else len(line)
    if torn:
        path = folder.file(segment)
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.ftruncate(fd, path.stat().st_size - torn)
            os.fdatasync(fd)
        finally:
            os.close(fd)
    return torn


def _is_there(folder: Folder, segments: list[int], logged: Closed) -> bool:
    return logged.segment in segments and _closed(folder, logged.segment) == logged


def _closed(folder: Folder, segment: int) -> Closed | None:
    """Return how a segment ended, if it is finished."""
    first, last = map(_parse, folder.ends(segment))
    if first is None or last is None or last.kind != "closed":
        return None
    return Closed(segment, first.seq, last.seq, last.hash)


def _last(folder: Folder, segment: int) -> _Read | None:
    return _parse(folder.ends(segment)[1])


def _read(folder: Folder, segment: int) -> Iterator[_Read]:
    for raw in folder.lines(segment):
        line = _parse(raw)
        if line is not None:
            yield line


def _parse(raw: bytes) -> _Read | None:
    """Return a line of ours, or nothing: `verifying` says what is wrong with it."""
    try:
        value = json.loads(raw)
        head = value["head"]
        printed = json.dumps(head, sort_keys=True, separators=(",", ":"))
        return _Read(
            head["seq"],
            head["time"],
            head["kind"],
            hash_of(printed),
            head,
            value.get("content", {}),
        )
    except (ValueError, KeyError, TypeError, AttributeError, VerificationError):
        return None
