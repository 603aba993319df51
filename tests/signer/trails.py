"""Trails to test with, and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledger.ledger import Ledger
from ledger.store.files import path_in
from ledger.store.sqlite import SqliteStore
from signer.audit_trail.evidence import Evidence, StoredEntries
from signer.audit_trail.folder import Folder
from signer.audit_trail.lines import Line
from signer.audit_trail.trail import Trail
from signer.audit_trail.verifying import Checking, Report


def trail_over(ledger: Ledger, directory: Path) -> Trail:
    """Return a new trail of what comes into `ledger`."""
    return Trail.open(Folder(directory / "trail"), ledger, None)


def lines(directory: Path) -> list[Line]:
    """Return all lines of the trail in `directory`."""
    folder = Folder(directory / "trail")
    return [
        Line.parse(raw.removesuffix(b"\n"))
        for segment in folder.segments()
        for raw in folder.lines(segment)
    ]


def told(directory: Path, kind: str) -> list[dict[str, Any]]:
    """Return the contents of the lines of this kind, each with its head's `entries`."""
    return [
        {**line.fields, "entries": [index for index, _ in line.head.entries]}
        for line in lines(directory)
        if line.head.kind == kind
    ]


def checked(directory: Path) -> tuple[list[str], Report]:
    """Check the trail of the service in `directory`: what is wrong with it, and what was seen."""
    store = SqliteStore(path_in(directory / "ledger"), read_only=True)
    try:
        checking = Checking(Folder(directory / "trail"), Evidence(StoredEntries(store)))
        return [str(finding) for finding in checking.findings()], checking.report()
    finally:
        store.close()
