"""One image that waits to be attached, or is done with: its row, and how a row changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

from signer.errors import PublicationsFullError
from verifier.digest import Digest
from verifier.errors import SealbookError
from verifier.repository import Repository

Run = Callable[..., Any]  # executes a statement inside of a transaction
Image = tuple[Repository, Digest]

_MOST_TEXT = 500  # characters of what is told of a failure
_NOTHING = ("", "", "")


class State(IntEnum):
    """What became of it; the numbers are the contract's."""

    WAITING = 1
    ATTACHED = 2
    REFUSED = 3
    DROPPED = 4


class Publication(NamedTuple):
    """One image in one repository that was asked for, `asked` times since it was tried last.

    `looks` is how often it is looked at again once it is attached; `code`, `message` and `hint`
    are of the last failure.
    """

    id: int
    repository: Repository
    digest: Digest
    state: State
    asked: int
    looks: int
    attempts: int
    asked_at: int
    next_at: int
    done_at: int
    code: str = ""
    message: str = ""
    hint: str = ""
    entries: tuple[int, ...] = ()


class Outcome(NamedTuple):
    """What came of a try: `error`, or that the `entries` are attached.

    It is tried, or looked at, again in `again_ms`; 0 for never.
    """

    publication: Publication
    entries: tuple[int, ...] = ()
    error: SealbookError | None = None
    again_ms: int = 0


class Heal(NamedTuple):
    """When to attach what nobody asks for: after a moment of rest, at the latest after a while.

    `looks` is how often it is looked at again then.
    """

    quiet_ms: int = 1_000
    longest_ms: int = 10_000
    looks: int = 2


class Counts(NamedTuple):
    """How many wait, since when the first of them does, and how many were refused."""

    waiting: int
    oldest_at: int
    refused: int


def put(run: Run, image: Image, now: int, next_at: int, looks: int) -> int:
    """Let an image wait, or ask once more for it where it does, and return the id."""
    repository, digest = image
    found = run(
        "UPDATE publication SET asked = asked + 1, looks = max(looks, ?), next_at = min(next_at, ?)"
        " WHERE repository = ? AND digest = ? AND state = ? RETURNING id",
        (looks, next_at, repository, digest, State.WAITING),
    ).fetchone()
    if found is None:
        found = run(
            "INSERT INTO publication VALUES"
            " (NULL, ?, ?, ?, 1, ?, 0, ?, ?, 0, '', '', '', '[]') RETURNING id",
            (repository, digest, State.WAITING, looks, now, next_at),
        ).fetchone()
    return int(found[0])


def heal(run: Run, image: Image, now: int, healing: Heal) -> None:
    """Let an image wait for a moment of rest; what is being tried already goes on."""
    found = run(
        "SELECT id, attempts, next_at, asked_at FROM publication"
        " WHERE repository = ? AND digest = ? AND state = ?",
        (*image, State.WAITING),
    ).fetchone()
    rest = now + healing.quiet_ms
    if found is None:
        put(run, image, now, rest, healing.looks)
    else:
        id_, attempts, next_at, asked_at = found
        if not attempts and next_at > now:
            next_at = max(next_at, min(rest, asked_at + healing.longest_ms))
        run(
            "UPDATE publication SET asked = asked + 1, looks = max(looks, ?), next_at = ?"
            " WHERE id = ?",
            (healing.looks, next_at, id_),
        )
    run(  # what is attached already is looked at by this one
        "UPDATE publication SET next_at = 0"
        " WHERE repository = ? AND digest = ? AND state = ? AND next_at > 0",
        (*image, State.ATTACHED),
    )


def check_room(run: Run, most: int) -> None:
    """Raise `PublicationsFullError` if more than `most` images wait."""
    [waiting] = run("SELECT count(*) FROM publication WHERE state = 1").fetchone()
    if waiting > most:
        raise PublicationsFullError(f"expected at most {most} images to wait for their registry")


def settle(run: Run, outcome: Outcome, now: int) -> None:
    """Write down what came of a try."""
    tried, error = outcome.publication, outcome.error
    found = run(
        "SELECT state, asked, looks, next_at, done_at, entries FROM publication WHERE id = ?",
        (tried.id,),
    ).fetchone()
    if found is None:
        return
    state, asked, looks, next_at, done_at, entries = found
    again_at = now + outcome.again_ms if outcome.again_ms else 0
    if outcome.entries or error is None:
        entries = json.dumps(outcome.entries)
    if state == State.WAITING:
        if error is not None and again_at:
            next_at = again_at
        elif asked != tried.asked:  # perhaps for what was signed while this was attached
            next_at = now
        else:
            state = State.REFUSED if error else State.ATTACHED
            next_at, done_at, looks = again_at, now, max(0, looks - 1)
    elif state == State.ATTACHED and next_at:  # it was looked at again
        next_at, looks = again_at, looks if error else max(0, looks - 1)
    run(
        "UPDATE publication SET attempts = attempts + 1, state = ?, looks = ?, next_at = ?,"
        " done_at = ?, entries = ?, code = ?, message = ?, hint = ? WHERE id = ?",
        (state, looks, next_at, done_at, entries, *(told(error) if error else _NOTHING), tried.id),
    )


def again(run: Run, id_: int, now: int) -> bool:
    """Try what was refused once more, unless the same waits anyway; say whether that is so."""
    changed: int = run(
        "UPDATE OR IGNORE publication SET state = ?, asked_at = ?, next_at = ?, done_at = 0"
        " WHERE id = ? AND state = ?",
        (State.WAITING, now, now, id_, State.REFUSED),
    ).rowcount
    return changed > 0


def told(error: SealbookError) -> tuple[str, str, str]:
    """Return what people are shown of a failure."""
    return error.code, error.message[:_MOST_TEXT], (error.hint or "")[:_MOST_TEXT]


def host_of(repository: str) -> str:
    """Return the registry of a repository, as host[:port]."""
    return repository.partition("/")[0]


def under(host: str) -> tuple[str, str]:
    """Return what all repositories of a registry are between."""
    return f"{host}/", f"{host}0"  # "0" is what follows "/"


def publication(row: tuple[Any, ...]) -> Publication:
    """Read a row."""
    named = dict(zip(Publication._fields, row, strict=True))
    named["repository"] = Repository(named["repository"])
    named["digest"] = Digest(named["digest"])
    named["state"] = State(named["state"])
    named["entries"] = tuple(json.loads(named["entries"]))
    return Publication(**named)
