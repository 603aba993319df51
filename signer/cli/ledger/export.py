"""`sealbook ledger export`: write the ledger as files, for any web server."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.at_rest import DataKeys
from ledger.bodies import beside
from ledger.errors import TransferError
from ledger.export import Export, newest_note
from ledger.publication import PublicationFile
from ledger.static import StaticFiles
from ledger.store import Store
from ledger.store.files import path_in
from ledger.store.sqlite import SqliteStore
from ledger.transport import Request, TransportError
from signer.cli.arguments import parser, show
from signer.cli.progress import progress
from verifier import limits
from verifier.quorum import NONE
from verifier.trust import TrustRoot

if TYPE_CHECKING:
    from signer.config import Config


def main(argv: list[str]) -> int:
    """Export up to the newest published checkpoint, and say how far that is."""
    made = parser(
        "ledger export",
        "Write checkpoint, tiles and entries (c2sp.org/tlog-tiles) as files that any web server\n"
        "can serve, from a ledger that may be serving. Run it again to go on, or after a kill.",
        "sealbook ledger export /srv/www/ledger",
    )
    made.add_argument("to", type=Path, metavar="DIR", help="where; made if it is not there")
    made.add_argument(
        "--bodies", action="store_true", help="bodies too: whoever reads DIR may read them all"
    )
    made.add_argument(
        "--directory",
        type=Path,
        metavar="LEDGER_DIR",
        help="export the database in this directory, such as a backup's (default: the service's)",
    )
    made.add_argument(
        "--trust",
        type=Path,
        metavar="FILE",
        help="the trust file with the ledger's keys (default: the service's)",
    )
    made.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="export up to this signed checkpoint (default: the newest that is published)",
    )
    args = made.parse_args(argv)
    # A backup elsewhere needs no configuration, once the options say everything.
    config = None if args.directory and args.trust else _load(args.config)
    trust = TrustRoot.parse(_trust_path(args, config).read_bytes())
    # The note first: the tree that it covers is in the database by then.
    note = _read(args.checkpoint) if args.checkpoint else _published(args, config)
    directory = args.directory or _service(config).home.directory
    keys = _data_keys(config, directory) if args.bodies else None
    store = SqliteStore(path_in(directory), read_only=True, keys=keys)
    try:
        note = note or _kept(store, config, trust)
        with StaticFiles(args.to) as files, progress("exporting entries") as report:
            export = Export(store, files, trust.log_keys(store.origin), beside(store.path, keys))
            done = export.run(note, report, bodies=args.bodies)
    finally:
        store.close()
    show(
        {"directory": str(args.to), "tree_size": done.tree_size, "files": done.files},
        as_json=args.json,
        text=f"exported {done.tree_size} entries to {args.to}, {done.files} files are new",
    )
    return 0


def _data_keys(config: Config | None, directory: Path) -> DataKeys | None:
    """Return what opens encrypted bodies, if the configuration says what does."""
    if config is None:
        return None
    from signer.at_rest.keeping import open_to_read

    return open_to_read(config.at_rest, config.base, path_in(directory))


def _load(path: Path) -> Config:
    from signer.config import Config

    return Config.load(path)


def _service(config: Config | None) -> Config:
    assert config is not None
    return config


def _trust_path(args: argparse.Namespace, config: Config | None) -> Path:
    found: Path = args.trust or _service(config).path(_service(config).trust.trust)
    return found


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(limits.NOTE + 1).decode("utf-8", "replace")


def _published(args: argparse.Namespace, config: Config | None) -> str | None:
    """Return what the service shows now, or else showed last, if it is the one to export."""
    if config is None or args.directory:
        return None
    return _shown(config) or _last_shown(config)


def _shown(config: Config) -> str | None:
    from signer.transport import HttpTransport

    certificate = config.listen.tls_certificate
    scheme = "https" if certificate else "http"
    transport = HttpTransport(config.path(certificate) if certificate else None)
    try:
        answer = transport(
            Request("GET", f"{scheme}://{config.listen.http}/checkpoint", limit=limits.NOTE)
        )
    except TransportError:
        return None  # it is stopped, or does not answer under that name
    finally:
        transport.close()
    return answer.body.decode("utf-8", "replace") if answer.status == 200 else None


def _last_shown(config: Config) -> str | None:
    published = PublicationFile(config.home.anchor).load()
    return published.note if published else None


def _kept(store: Store, config: Config | None, trust: TrustRoot) -> str:
    """Return the newest checkpoint in the store, where being signed is enough to be published."""
    if trust.quorum.name != NONE or (config and config.mirror.synchronous):
        raise TransferError(
            "others must have a checkpoint of this ledger before readers may, and none is here",
            hint="start the service, or name a cosigned checkpoint with --checkpoint",
        )
    return newest_note(store)
