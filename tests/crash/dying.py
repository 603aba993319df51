"""`python -m tests.crash.dying STEP COUNT serve …`: a service that dies at a step of an append.

It is `sealbook serve`, in a process that ends without a word, as by SIGKILL,
when its COUNT-th append reaches STEP. The steps are those of `ledger.ledger`:

    commit       before the transaction begins
    inside       when all rows are written and nothing is committed, with a page cache
                 so small that SQLite has put some of them into the -wal file already
    anchor       after the commit, before the anchor is moved
    half-anchor  when half of the anchor's slot is written
    sign         after the anchor, before the checkpoint is signed
    answer       after the checkpoint is signed, before anybody is answered
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from ledger.anchor import Anchor
from ledger.ledger import Ledger
from ledger.store.sqlite import SqliteStore
from signer.cli import main
from signer.keys.file import FileKey

EXIT_CODE = 9
_HALF_SLOT = 256  # bytes

_Real = Callable[..., Any]


def arm(step: str, count: int) -> None:
    """Make this process die when its `count`-th append reaches `step`."""
    appends = 0
    steps: dict[str, tuple[Any, str, Callable[..., Any]]] = {
        "commit": (SqliteStore, "commit", _die),
        "inside": (SqliteStore, "_insert", _die_inside),
        "anchor": (Anchor, "write", _die),
        "half-anchor": (os, "pwrite", _die_half_way),
        "sign": (FileKey, "sign", _die),  # the approvals were signed before the append
        "answer": (Ledger, "_answer", _die),
    }
    owner, name, die = steps[step]
    real, commit = getattr(owner, name), Ledger.commit

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal appends
        appends += 1
        return commit(*args, **options)

    def mortal(*args: Any) -> Any:
        return die(real, *args) if appends == count else real(*args)

    setattr(owner, name, mortal)
    Ledger.commit = counted  # type: ignore[assignment,method-assign]


def _die(_: _Real, *__: object) -> None:
    os._exit(EXIT_CODE)


def _die_inside(insert: _Real, store: SqliteStore, batch: Any) -> None:
    store._writer.execute("PRAGMA cache_size = 1")
    store._writer.execute("PRAGMA cache_spill = 1")
    insert(store, batch)
    store._writer.execute("SELECT sum(length(body)) FROM entry").fetchall()  # needs the cache
    os._exit(EXIT_CODE)


def _die_half_way(pwrite: _Real, fd: int, data: bytes, offset: int) -> None:
    pwrite(fd, data[:_HALF_SLOT], offset)
    os._exit(EXIT_CODE)


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
