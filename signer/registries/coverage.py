"""How much of a registry is signed, and by what: rows of an inventory, counted and written.

    repository,digest,kind,tags,parent,signed_by,proof,attestations,odd,code,message
    registry.example/team/app,sha256:…,index,1.4 latest,,ours bundle .sig,verified,2,0,,

`tags` and `signed_by` are words with a blank between them. A row with nothing in `signed_by` and
nothing in `code` is an image that nothing signs; with a code and `signed_by` it was judged, and
none that signs it is ours; with a code alone it could not be looked at.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import Any

from signer.registries.inventory import Row
from signer.registries.listing import CHILD, IMAGE, INDEX
from signer.registries.signs import WAYS
from verifier.errors import printable

COLUMNS = (
    "repository",
    "digest",
    "kind",
    "tags",
    "parent",
    "signed_by",
    "proof",
    "attestations",
    "odd",
    "code",
    "message",
)
NONE, UNREAD = "none", "unread"


class Coverage:
    """Counts rows as they come, and keeps none of them."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kinds: Counter[str] = Counter()
        self._by: Counter[str] = Counter()
        self._repositories: set[str] = set()

    def count(self, row: Row) -> None:
        """Add a row."""
        self._repositories.add(row.repository)
        if is_unread(row):
            self._by[UNREAD] += 1
            return
        self._kinds[row.kind] += 1
        self._by.update(row.signs.by or (NONE,))

    @property
    def images(self) -> int:
        """How many images could be looked at, each index and each child counted."""
        return self._kinds.total()

    @property
    def unread(self) -> int:
        """How many tags, digests or repositories could not be looked at."""
        return self._by[UNREAD]

    def of(self, way: str) -> int:
        """Return how many images are signed in this way; `NONE`: in none."""
        return self._by[way]

    def json(self) -> dict[str, Any]:
        """Return the figures for machines."""
        return {
            "repositories": len(self._repositories),
            "images": self.images,
            "kinds": {kind: self._kinds[kind] for kind in (INDEX, IMAGE, CHILD)},
            "signed_by": {way: self.of(way) for way in WAYS},
            "none": self.of(NONE),
            "unread": self.unread,
        }

    def text(self) -> str:
        """Return the figures as a table."""
        kinds = (f"{self._kinds[k]} {_plural(k, self._kinds[k])}" for k in (INDEX, IMAGE, CHILD))
        lines = [f"{self.images} manifests in {len(self._repositories)} repositories"]
        lines[0] += f" ({', '.join(kinds)})"
        for way in (*WAYS, NONE):
            share = f"{100 * self.of(way) / self.images:5.1f} %" if self.images else ""
            lines.append(f"  {way:<10}{self.of(way):>8}  {share}".rstrip())
        if self.unread:
            lines.append(f"  {UNREAD:<10}{self.unread:>8}  not counted above")
        return "\n".join(lines)


def is_unread(row: Row) -> bool:
    """Whether it is unknown what signs it."""
    return bool(row.code) or row.digest is None


def values(row: Row) -> dict[str, Any]:
    """Return a row by `COLUMNS`, for machines."""
    signs = row.signs
    return {
        "repository": row.repository,
        "digest": row.digest or "",
        "kind": row.kind,
        "tags": list(row.tags),
        "parent": row.parent or "",
        "signed_by": list(signs.by),
        "proof": signs.proof,
        "attestations": signs.attestations,
        "odd": signs.odd,
        "code": row.code or signs.code,
        "message": printable(row.message or signs.message),
    }


def csv_line(found: dict[str, Any] | None = None) -> str:
    """Return a row, or the names of the columns, as one line of RFC 4180 without its end."""
    out = io.StringIO()
    cells = COLUMNS if found is None else [_cell(found[name]) for name in COLUMNS]
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()


def text_line(row: Row) -> str:
    """Return a row for people."""
    name = str(row.repository)
    if row.tags:
        name += f":{row.tags[0]}" + (f" +{len(row.tags) - 1}" if len(row.tags) > 1 else "")
    if is_unread(row):
        return printable(f"  {'?':<24} {name}  {row.digest or ''} {row.message} ({row.code})")
    by = " ".join(row.signs.by) or NONE
    about = f"  {row.signs.code}" if row.signs.code else ""
    return printable(f"  {by:<24} {name}  {row.digest} {row.kind}{about}")


def _cell(value: object) -> str:
    text = " ".join(value) if isinstance(value, list) else str(value)
    # A spreadsheet would run what begins like a formula; nothing of ours does, but messages quote.
    return f"'{text}" if text[:1] in {"=", "+", "-", "@"} else text


def _plural(kind: str, count: int) -> str:
    if count == 1:
        return kind
    return {INDEX: "indexes", IMAGE: "images", CHILD: "children"}[kind]
