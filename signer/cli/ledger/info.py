"""`sealbook ledger info`: how large the ledger is, how far published, who stands behind it."""

from __future__ import annotations

from typing import Any

from ledger.anchor import Anchor
from ledger.errors import AnchorMissingError
from ledger.opening import Home
from ledger.publication import PublicationFile
from ledger.receipts import Receipts
from ledger.store import scanning
from ledger.store.files import sizes
from ledger.store.sqlite import SqliteStore
from signer.cli import operator
from signer.cli.arguments import parser, show
from signer.config import Config
from signer.errors import ServiceUnreachableError


def main(argv: list[str]) -> int:
    """Say it from the running service, or from the database when none runs."""
    made = parser(
        "ledger info",
        "Say how large the ledger is, how far it is published, and who stands behind it: from\n"
        "the running service, or else from the database, which is only read.",
        "sealbook ledger info --config /var/lib/sealbook/sealbook.toml",
    )
    args = made.parse_args(argv)
    config = Config.load(args.config)
    try:  # first, so that the database cannot be behind what is published
        served = _served(config)
    except ServiceUnreachableError:
        served = {"serving": False}
    value = {**_stored(config), **_anchored(config.home), **served}
    show(value, as_json=args.json, text=_text(value))
    return 0


def _time(store: SqliteStore, index: int) -> int:
    """Return when an entry was committed, whatever is encrypted beside it."""
    [(_, row)] = scanning.numbered_rows(store, index, index + 1)
    return row.time


def _stored(config: Config) -> dict[str, Any]:
    """Return what the database says; it is only read."""
    home = config.home
    store = SqliteStore(home.database, read_only=True)
    data_bytes, log_bytes = sizes(home.database)
    try:
        head = store.head()
        size = head.tree_size
        ends = [_time(store, index) for index in (0, size - 1)] if size else []
        published = PublicationFile(home.anchor).load()
        command = config.anchor.exec or ()
        receipts = Receipts(home.anchor, command, config.anchor.timeout_s)
        return {
            "origin": store.origin,
            "tree_size": size,
            "published_size": published.checkpoint.tree_size if published else size,
            "root": head.root.hex(),
            "frozen": head.frozen,
            "first_at": ends[0] if ends else 0,
            "last_at": ends[1] if ends else 0,
            "database_bytes": data_bytes,
            "wal_bytes": log_bytes,
            "witnesses": [],
            "mirror_size": 0,
            "mirrored_at": 0,
            "receipt_day": receipts.last_day,
            "alarm": "",
        }
    finally:
        store.close()


def _anchored(home: Home) -> dict[str, Any]:
    anchor = Anchor(home.anchor, home.origin, home.database)
    try:
        mark = anchor.load()
    except AnchorMissingError:
        return {"anchor": None}
    finally:
        anchor.close()
    return {"anchor": {"tree_size": mark.tree_size, "root": mark.root.hex()}}


def _served(config: Config) -> dict[str, Any]:
    """Return what only the running service knows."""
    found = operator.status(config)
    witnesses = [
        {"name": w.name, "tree_size": w.tree_size, "cosigned_at": w.cosigned_at, "error": w.error}
        for w in found.witnesses
    ]
    return {
        "serving": True,
        "published_size": found.published_size,
        "published_root": found.root.hex(),
        "alarm": found.alarm,
        "witnesses": witnesses,
        "mirror_size": found.mirror_size,
        "mirrored_at": found.mirrored_at,
        "receipt_day": found.receipt_day,
    }


def _text(value: dict[str, Any]) -> str:
    when = operator.day_time
    anchor = value["anchor"]
    told = [
        ("root", value["root"]),
        ("first entry", when(value["first_at"])),
        ("last entry", when(value["last_at"])),
        ("database", f"{value['database_bytes']} bytes, log {value['wal_bytes']} bytes"),
        ("anchor", f"{anchor['tree_size']} entries" if anchor else "MISSING"),
    ]
    for witness in value["witnesses"]:
        behind = f"; {witness['error']}" if witness["error"] else ""
        told.append(("witness", f"{witness['name']}: {witness['tree_size']} entries{behind}"))
    if value["mirrored_at"]:
        asked = when(value["mirrored_at"])
        told.append(("mirror", f"{value['mirror_size']} entries, asked {asked}"))
    if value["receipt_day"]:
        told.append(("receipt", value["receipt_day"]))
    if value["frozen"]:
        told.append(("FROZEN", "it takes no more entries, for good"))
    if value["alarm"]:
        told.append(("ALARM", f"nothing is published: {value['alarm']}"))
    if not value["serving"]:
        told.append(("service", "none runs here; witnesses and mirror are known to it alone"))
    first = f"{value['origin']}: {value['tree_size']} entries, {value['published_size']} published"
    return "\n".join([first, *(f"  {name:<12} {text}" for name, text in told)])
