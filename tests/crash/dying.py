"""`python -m tests.crash.dying STEP COUNT serve …`: a service that dies at a step of an append.

It is `sealbook serve`, in a process that ends without a word, as by SIGKILL,
when its COUNT-th append reaches STEP. The steps are those of `ledger.ledger`:

    commit        before the transaction begins
    inside        when all rows are written and nothing is committed, with a page cache
                  so small that SQLite has put some of them into the -wal file already
    anchor        after the commit, before the anchor is moved
    half-anchor   when half of the anchor's slot is written
    anchored      after the anchor was moved
    sign          before the checkpoint is signed
    signed        after it was signed
    answer        before anybody is answered

and, where witnesses must see a tree before readers do, those of `ledger.publisher`:

    ask           before the witnesses are asked
    publish       when enough of them have cosigned
    half-publish  when half of the new publication file is written
    rename        before it takes the place of the old one
    renamed       after it has, before the directory is synced
    published     when the new one is durable, and no reader has seen it
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ledger import publication
from ledger.anchor import Anchor
from ledger.ledger import Ledger
from ledger.publication import PublicationFile
from ledger.publisher import Publisher
from ledger.store.sqlite import SqliteStore
from signer.cli import main
from signer.keys.memory import MemoryKey

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
        "anchored": (Anchor, "write", _die_after),
        "sign": (MemoryKey, "sign", _die),  # the approvals were signed before the append
        "signed": (MemoryKey, "sign", _die_after),
        "ask": (Publisher, "_cosignatures", _die),
        "publish": (PublicationFile, "save", _die),
        "half-publish": (publication, "write_durably", _die_half_published),
        "rename": (Path, "rename", _die),
        "renamed": (Path, "rename", _die_after),
        "published": (PublicationFile, "save", _die_after),
        "answer": (Ledger, "answers", _die),
    }
    owner, name, die = steps[step]
    real, commit = getattr(owner, name), Ledger.commit

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal appends
        appends += 1
        return commit(*args, **options)

    def mortal(*args: Any, **options: Any) -> Any:
        return die(real, *args, **options) if appends == count else real(*args, **options)

    setattr(owner, name, mortal)
    Ledger.commit = counted  # type: ignore[assignment,method-assign]


def _die(_: _Real, *__: object) -> None:
    os._exit(EXIT_CODE)


def _die_after(real: _Real, *args: object) -> None:
    real(*args)
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


def _die_half_published(_: _Real, path: Path, content: bytes) -> None:
    path.with_name(path.name + ".new").write_bytes(content[: len(content) // 2])
    os._exit(EXIT_CODE)


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
