"""What all commands share: the configuration, where the service is, and how to print."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # an auditor's or a witness's machine has neither gRPC nor pydantic
    from signer.client import Client


def parser(
    command: str, summary: str, example: str, *, config: bool = True
) -> argparse.ArgumentParser:
    """Return a parser with the options that every command has.

    `config` is False for commands that run where no service is.
    """
    made = argparse.ArgumentParser(
        prog=f"sealbook {command}",
        description=summary,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if config:
        made.add_argument(
            "--config",
            type=Path,
            default=Path(os.environ.get("SEALBOOK_CONFIG", "sealbook.toml")),
            metavar="FILE",
            help="the service's configuration (default: $SEALBOOK_CONFIG, or sealbook.toml here)",
        )
    made.add_argument("--json", action="store_true", help="print JSON for machines")
    return made


def add_service(made: argparse.ArgumentParser) -> None:
    """Add the options that say where the service is, for machines without its configuration."""
    made.add_argument("--service", metavar="HOST:PORT", help="the service's gRPC address")
    made.add_argument("--token-file", type=Path, metavar="FILE", help="the file with the token")
    made.add_argument("--ca", type=Path, metavar="FILE", help="PEM roots; speak TLS")


def connect(args: argparse.Namespace) -> Client:
    """Return a client of the service that `args` name.

    Raises:
        ConfigError: neither the options nor a configuration say where it is.
    """
    from signer.client import Client

    target, token, ca = service_of(args)
    return Client(target, token, ca=ca)


def service_of(args: argparse.Namespace) -> tuple[str, str, bytes | None]:
    """Return address, token and PEM roots of the service; raises like `connect`."""
    from signer.config import Config
    from signer.errors import ConfigError
    from signer.keys.secret_files import read_token

    target, token_file = args.service, args.token_file
    if target is None or token_file is None:
        config = Config.load(args.config)
        target = target or config.listen.grpc
        if token_file is None and config.access.token is None:
            raise ConfigError("the service has no token of its own", hint="say --token-file")
        token_file = token_file or config.path(config.access.token or Path())
    ca = args.ca.read_bytes() if args.ca else None
    return target, read_token(token_file), ca


def show(value: dict[str, Any], *, as_json: bool, text: str) -> None:
    """Print `value` as one line of JSON, or else `text`."""
    print(json.dumps(value) if as_json else text)
