"""What a ledger is read from by outsiders: a directory, tiles over HTTP, or a service's gRPC.

Only `--service` needs gRPC, and only a URL needs an HTTP library.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.audit.source import DirectoryReader, HttpReader, Source, StaticSource
from signer.cli.arguments import add_credentials, credentials_of

_PARALLEL = 8  # bodies asked for at once over HTTP


def add_source(made: argparse.ArgumentParser) -> None:
    """Add the options that say where the ledger is."""
    add = made.add_argument
    add("source", nargs="?", metavar="SOURCE", help="an http(s) URL, or a directory")
    add(
        "--service",
        metavar="HOST:PORT",
        help="a service's gRPC address, instead of SOURCE (default: $SEALBOOK_SERVICE)",
    )
    add_credentials(made, environment=True)


def add_trust(made: argparse.ArgumentParser) -> None:
    """Add the options that say whom to believe, for commands that need the keys of entries."""
    add = made.add_argument
    add("--trust", type=Path, required=True, metavar="FILE", help="the trust file that you pinned")
    add("--origin", default="", metavar="NAME", help="which log, if the file names several")


def settle_source(args: argparse.Namespace) -> None:
    """Take the service that the environment names, where `args` name nothing."""
    if args.source is None and args.service is None:
        args.service = os.environ.get("SEALBOOK_SERVICE") or None


def check_source(made: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what cannot be meant, with exit code 2."""
    settle_source(args)
    if (args.source is None) == (args.service is None):
        made.error("expected one SOURCE, or --service")
    if args.oidc_token_file is not None and args.token_file is None:
        made.error("expected a session: sealbook access login --oidc-token-file … --out FILE")
    if (args.client_certificate is None) != (args.client_key is None):
        made.error("--client-certificate and --client-key go together")
    if args.service is not None and not (args.token_file or args.client_certificate):
        made.error("--service needs --token-file or --client-certificate")


@contextmanager
def open_source(args: argparse.Namespace) -> Iterator[Source]:
    """Open what the options name; with `--service` it is a `ProofSource`."""
    if args.service is not None:
        from signer.client.source import GrpcSource

        with GrpcSource(args.service, credentials_of(args)) as source:
            yield source
    elif args.source.startswith(("http://", "https://")):
        from signer.keys.secret_files import read_token
        from signer.transport import HttpTransport

        token = read_token(args.token_file) if args.token_file else ""
        transport = HttpTransport(args.ca, args.client_certificate, args.client_key)
        try:
            yield StaticSource(HttpReader(args.source, transport, token), _PARALLEL)
        finally:
            transport.close()
    else:
        yield StaticSource(DirectoryReader(Path(args.source)))
