"""A report for spreadsheets (RFC 4180): one row for all signatures that have everything in common.

    repository,key,key_name,requester,predicate_type,form,signatures,first_index,last_index

A spreadsheet runs a cell that begins like a formula. Such a cell, which only
comes out of a statement that somebody wrote to that end, begins with ' here.
"""

from __future__ import annotations

import csv
from io import StringIO

from ledger.report.model import Account
from verifier.errors import printable

_HEADER = (
    *("repository", "key", "key_name", "requester", "predicate_type", "form"),
    *("signatures", "first_index", "last_index"),
)
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # and their wide forms


def render(account: Account) -> bytes:
    """Return header and rows; the header alone when nothing was counted."""
    made = StringIO(newline="")
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow(_HEADER)
    for line in account.counted.lines if account.counted else ():
        writer.writerow([_cell(v) if isinstance(v, str) else v for v in line])
    return made.getvalue().encode()


def _cell(text: str) -> str:
    """Return `text` as a cell that no spreadsheet runs, with control characters escaped."""
    shown = printable(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown
