"""`python -m tests.crash.dying_trail STEP COUNT serve …`: dies at a step of the audit trail.

It is `sealbook serve`, in a process that ends without a word, as by SIGKILL, when STEP is
reached for its COUNT-th Sign, or after that:

    half-line     when half of a decision's line is written
    decided       when the decision is written, before anything is signed
    synced        when it is on the disk, before the ledger commits
    committed     when the ledger has committed, before the outcome is told
    told          when the outcome is told, and nothing of it is written
    written       when it is written, and not on the disk
    closing       when a segment's last line is written, and not on the disk
    finished      when the segment is finished, before the ledger tells of it
    logged        when the ledger tells of it, before the trail knows
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from ledger.ledger import Ledger
from signer.audit_trail.pen import Pen
from signer.audit_trail.trail import Trail
from signer.cli import main
from signer.events import Events
from tests.crash.dying import EXIT_CODE

_Real = Callable[..., Any]


def arm(step: str, count: int) -> None:
    """Make this process die at `step`, once it decides about a `count`-th Sign."""
    steps: dict[str, tuple[Any, str, Callable[..., bool], Callable[..., None]]] = {
        "half-line": (os, "write", _is_decision, _half),
        "decided": (Pen, "write", _always, _after),
        "synced": (Trail, "sync", _always, _after),
        "committed": (Ledger, "commit", _always, _after),
        "told": (Trail, "came_of", _always, _after),
        "written": (Trail, "flush", _waits, _after),
        "closing": (Pen, "_sync", _is_closing, _before),
        "finished": (Trail, "finish_segment", _always, _after),
    }
    decide = Trail.decide
    signs = 0

    def counted(trail: Trail, principal: Any, what: str, *more: Any) -> Any:
        nonlocal signs
        signs += what == "sign"
        return decide(trail, principal, what, *more)

    Trail.decide = counted  # type: ignore[method-assign]
    if step == "logged":
        record = Events.record

        async def recorded(*args: Any, **options: Any) -> Any:
            done = await record(*args, **options)
            if signs >= count:
                os._exit(EXIT_CODE)
            return done

        Events.record = recorded  # type: ignore[method-assign]
        return
    owner, name, is_it, die = steps[step]
    real = getattr(owner, name)

    def mortal(*args: Any, **options: Any) -> Any:
        if signs >= count and is_it(*args):
            die(real, *args, **options)
        return real(*args, **options)

    setattr(owner, name, mortal)


def _always(*_: Any) -> bool:
    return True


def _is_decision(_: int, data: bytes) -> bool:
    return b'"kind":"decision"' in data


def _waits(trail: Trail) -> bool:
    return trail._pen.waiting_bytes > 0


def _is_closing(made: Pen, dirty: set[int]) -> bool:
    return made._fd not in dirty and bool(dirty)


def _before(_: _Real, *__: Any, **___: Any) -> None:
    os._exit(EXIT_CODE)


def _after(real: _Real, *args: Any, **options: Any) -> None:
    real(*args, **options)
    os._exit(EXIT_CODE)


def _half(write: _Real, fd: int, data: bytes) -> None:
    write(fd, data[: len(data) // 2])
    os._exit(EXIT_CODE)


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
