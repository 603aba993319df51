"""`sealbook fsck`: hash everything again and compare; repair indexes from the entries."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ledger import anchor
from ledger.at_rest import DataKeys
from ledger.errors import DamagedError
from ledger.fsck import LOCKED, Finding, Known, fsck
from ledger.fsck.repair import repair
from ledger.store.files import path_in
from ledger.store.sqlite import SqliteStore
from signer.cli.arguments import parser, show
from signer.cli.progress import progress
from signer.errors import RequestError
from verifier._strict import Fields, json_object
from verifier.errors import SealbookError
from verifier.note import NoteKey
from verifier.trust import TrustRoot

if TYPE_CHECKING:  # what lies in a directory can be checked without a configuration
    from signer.config import Config

_ANSWER = 1 << 10  # bytes of what the other program prints


def main(argv: list[str]) -> int:
    """Check, and print a line for each finding; exit code 0 only when there is none."""
    made = parser(
        "fsck",
        "Hash every entry again, compute every tile and the root, derive labels and keys from\n"
        "the bodies, and compare with what is stored. It changes nothing, and may run beside\n"
        "the service. Exit code 0: nothing is wrong; 1: there are findings, a line each.",
        "sealbook fsck --signatures --crosscheck",
    )
    made.add_argument(
        "--directory",
        type=Path,
        metavar="DIR",
        help="check the ledger in DIR without a configuration, and so without seal and keys",
    )
    made.add_argument("--signatures", action="store_true", help="check every signature too")
    made.add_argument(
        "--crosscheck", action="store_true", help="have pymerkle compute the root as well"
    )
    made.add_argument(
        "--repair",
        action="store_true",
        help="first make tiles, labels and indexes again from the entries; stop the service",
    )
    args = made.parse_args(argv[1:])
    if args.crosscheck and importlib.util.find_spec("pymerkle") is None:
        raise ModuleNotFoundError("pymerkle is not installed", name="pymerkle")
    return _check(args, None if args.directory else _config(args))


def _check(args: argparse.Namespace, config: Config | None) -> int:
    known = Known() if config is None else _known(config)
    if args.repair:
        _repair(args, config, known)
    directory = args.directory if config is None else config.home.directory
    database = path_in(directory)
    keys = None if config is None else _data_keys(config, database)
    store = SqliteStore(database, read_only=True, keys=keys)
    count = locked = 0
    try:
        with progress("checking") as bar:
            found = fsck(store, known, bar, signatures=args.signatures)
            if args.crosscheck:
                found = chain(found, _crosscheck(store, directory))
            for finding in found:
                if finding.code == LOCKED:
                    locked += 1
                else:
                    count += 1
                show(finding.json(), as_json=args.json, text=str(finding))
    finally:
        store.close()
    if config is not None and count == locked == 0:
        anchor.clear_failure(config.home.anchor)
    _conclude(args, known, count, locked)
    return 1 if count else 0


def _crosscheck(store: SqliteStore, directory: Path) -> Iterator[Finding]:
    """Compare the head's root with what another implementation gets, in its own process."""
    try:
        head = store.head()
    except DamagedError:
        return  # told already
    size, root = head.tree_size, f"root {head.root.hex()}"
    command = [sys.executable, "-m", "ledger.crosscheck", "--json", str(directory), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own program
    if done.returncode != 0:
        yield Finding("crosscheck", size, root, f"no answer: {done.stderr.strip()[-400:]}")
        return
    answer = Fields(json_object(done.stdout.encode(), limit=_ANSWER), "crosscheck")
    theirs = answer.text("root")
    if theirs != head.root.hex():
        yield Finding("crosscheck", size, root, f"pymerkle's root {theirs}")


def _repair(args: argparse.Namespace, config: Config | None, known: Known) -> None:
    if config is None or known.seal is None:
        raise RequestError(
            "expected a configuration to repair with, found --directory",
            hint="whether the entries are the sealed ones, only the seal's key can tell",
        )
    with progress("repairing") as bar:
        keys = _data_keys(config, config.home.database)
        done = repair(config.home, known.seal, bar, keys)
    show(
        {"repaired": done._asdict()},
        as_json=args.json,
        text=f"made {done.tiles} tiles and the labels of {done.labels} entries again,\n"
        f"and both indexes of {done.entries} entries",
    )


def _config(args: argparse.Namespace) -> Config:
    from signer.config import Config

    return Config.load(args.config)


def _known(config: Config) -> Known:
    """Return what the configuration knows of the ledger: its name, seal and every log key."""
    keys = config.log_keys()
    own = [keys.log, *keys.also, *([keys.post_quantum] if keys.post_quantum else [])]
    trust = TrustRoot.parse(config.path(config.trust.trust).read_bytes())
    # Those of the trust file too: one that was rotated away signed the older checkpoints.
    log_keys = [
        *(NoteKey.of(config.origin, key.public) for key in own),
        *(log.checkpoint_key for log in trust.logs if log.origin == config.origin),
    ]
    promises = [log.promise_key for log in trust.logs if log.origin == config.origin]
    return Known(
        config.origin,
        keys.seal,
        tuple({str(key): key for key in log_keys}.values()),
        tuple(key for key in promises if key),
    )


def _data_keys(config: Config, database: Path) -> DataKeys | None:
    """Return what opens encrypted bodies; with none at hand the check goes on without them."""
    from signer.at_rest.keeping import open_to_read

    try:
        return open_to_read(config.at_rest, config.base, database)
    except SealbookError as e:
        print(f"encrypted bodies are not read: {e}", file=sys.stderr)
        return None


def _conclude(args: argparse.Namespace, known: Known, count: int, locked: int) -> None:
    if args.json:
        print(json.dumps({"findings": count, "encrypted": locked}))
        return
    if locked:
        print(f"{locked} bodies are encrypted and were not read: that needs the [at_rest] key")
    if known.seal is None:
        print("the seal and the checkpoints' signatures were not checked: that needs --config")
    nothing = "nothing else is wrong" if locked else "nothing is wrong"
    print(nothing if count == 0 else f"{count} findings")
