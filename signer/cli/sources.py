"""What a ledger is read from by outsiders: a directory, tiles over HTTP, or a service's gRPC.

Only `--service` needs gRPC, and only a URL needs an HTTP library.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.audit.source import DirectoryReader, HttpReader, Source, StaticSource

_PARALLEL = 8  # bodies asked for at once over HTTP


def add_source(made: argparse.ArgumentParser) -> None:
    """Add the options that say where the ledger is."""
    add = made.add_argument
    add("source", nargs="?", metavar="SOURCE", help="an http(s) URL, or a directory")
    add("--service", metavar="HOST:PORT", help="a service's gRPC address, instead of SOURCE")
    add("--token-file", type=Path, metavar="FILE", help="the file with the token, for bodies")
    add("--ca", type=Path, metavar="FILE", help="PEM roots of the server's certificate")


def add_trust(made: argparse.ArgumentParser) -> None:
    """Add the options that say whom to believe, for commands that need the keys of entries."""
    add = made.add_argument
    add("--trust", type=Path, required=True, metavar="FILE", help="the trust file that you pinned")
    add("--origin", default="", metavar="NAME", help="which log, if the file names several")


def check_source(made: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what cannot be meant, with exit code 2."""
    if (args.source is None) == (args.service is None):
        made.error("expected one SOURCE, or --service")
    if args.service is not None and args.token_file is None:
        made.error("--service needs --token-file")


@contextmanager
def open_source(args: argparse.Namespace) -> Iterator[Source]:
    """Open what the options name; with `--service` it is a `ProofSource`."""
    token = ""
    if args.token_file is not None:
        from signer.keys.secret_files import read_token

        token = read_token(args.token_file)
    if args.service is not None:
        from signer.client.source import GrpcSource

        with GrpcSource(args.service, token, args.ca.read_bytes() if args.ca else None) as source:
            yield source
    elif args.source.startswith(("http://", "https://")):
        from signer.transport import HttpTransport

        transport = HttpTransport(args.ca)
        try:
            yield StaticSource(HttpReader(args.source, transport, token), _PARALLEL)
        finally:
            transport.close()
    else:
        yield StaticSource(DirectoryReader(Path(args.source)))
