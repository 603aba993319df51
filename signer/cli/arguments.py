"""What all commands share: the configuration, where the service is, and how to print."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # an auditor's or a witness's machine has neither gRPC nor pydantic
    from signer.client import Client
    from signer.client.credentials import Credentials
    from signer.config import Config

_MOST_TOKEN = (16 << 10) + 2  # of an issuer, with the end of its line


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
    made.add_argument(
        "--service",
        default=os.environ.get("SEALBOOK_SERVICE") or None,
        metavar="HOST:PORT",
        help="the service's gRPC address (default: $SEALBOOK_SERVICE, or the configuration's)",
    )
    add_credentials(made, environment=True)


def add_operating(made: argparse.ArgumentParser) -> None:
    """Add the options that say where the service is, for operators: on this machine or elsewhere.

    An operator elsewhere is known by a certificate alone.
    """
    made.add_argument(
        "--service",
        metavar="HOST:PORT",
        help="with --client-certificate: the gRPC address of a service elsewhere"
        " (default: $SEALBOOK_SERVICE; else the admin socket on this machine)",
    )
    _add(made, _CERTIFICATES, environment=True)
    made.set_defaults(token_file=None, oidc_token_file=None)


def add_credentials(made: argparse.ArgumentParser, *, environment: bool = False) -> None:
    """Add the options that say who calls; with `environment` each may stand there, too."""
    _add(made, _SECRETS + _CERTIFICATES, environment=environment)


_SECRETS = (
    ("--token-file", "the file with the token, a session or an API key"),
    ("--oidc-token-file", "or a token of your issuer, for a session of this command alone"),
)
_CERTIFICATES = (
    ("--client-certificate", "PEM of your certificate; speak TLS"),
    ("--client-key", "PEM of its private key"),
    ("--ca", "PEM roots of the service; speak TLS"),
)


def _add(
    made: argparse.ArgumentParser, options: tuple[tuple[str, str], ...], *, environment: bool
) -> None:
    for option, what in options:
        name = "SEALBOOK_" + option.removeprefix("--").replace("-", "_").upper()
        said = os.environ.get(name) if environment else None
        help_ = f"{what} (default: ${name})" if environment else what
        made.add_argument(
            option, type=Path, default=Path(said) if said else None, metavar="FILE", help=help_
        )


def connect(args: argparse.Namespace) -> Client:
    """Return a client of the service that `args` name.

    Raises:
        ConfigError: neither the options nor a configuration say where it is, or who calls.
        KeyFileError: a secret cannot be read, or others can read it too.
    """
    from signer.client import Client

    target, credentials = service_of(args)
    return Client(target, **credentials._asdict())


def connect_admin(args: argparse.Namespace) -> Client:
    """Return a client of the service that `args` name; here, of its admin socket.

    Raises:
        ConfigError, KeyFileError: as `connect`.
    """
    if args.service is None and not _is_somebody(args):
        from signer.client import Client
        from signer.config import Config

        socket = _socket(Config.load(args.config))
        if os.access(socket, os.W_OK):
            return Client(f"unix:{socket}")
    return connect(args)


def service_of(args: argparse.Namespace) -> tuple[str, Credentials]:
    """Return the address of the service, and who calls; raises like `connect`.

    On the machine of a service without a token that is its admin socket: whoever may open it
    may look.
    """
    from signer.client.credentials import Credentials

    target, token_file = args.service, args.token_file
    if target is None or not _is_somebody(args):
        from signer.config import Config
        from signer.errors import ConfigError

        config = Config.load(args.config)
        target = target or config.listen.grpc
        if not _is_somebody(args):
            if config.access.token is not None:
                token_file = config.path(config.access.token)
            elif args.service is None and os.access(_socket(config), os.W_OK):
                return f"unix:{_socket(config)}", Credentials()
            else:
                raise ConfigError(
                    "the service has no token of its own",
                    hint="say --token-file, --oidc-token-file or --client-certificate",
                )
    return target, credentials_of(args, token_file)


def _socket(config: Config) -> Path:
    return config.path(config.listen.operator)


def credentials_of(args: argparse.Namespace, token_file: Path | None = None) -> Credentials:
    """Return who calls, by `args`, and by `token_file` if they name no other.

    Raises:
        ConfigError: a certificate without its key, or the other way round.
        KeyFileError: a secret cannot be read, or others can read it too.
    """
    from signer.client.credentials import Credentials
    from signer.errors import ConfigError
    from signer.keys.secret_files import read_secret, read_token

    if (args.client_certificate is None) != (args.client_key is None):
        raise ConfigError("--client-certificate and --client-key go together")
    token_file = args.token_file or token_file
    issuers = args.oidc_token_file if token_file is None else None  # a session comes of it
    return Credentials(
        read_token(token_file) if token_file else "",
        args.ca.read_bytes() if args.ca else None,
        args.client_certificate.read_bytes() if args.client_certificate else None,
        read_secret(args.client_key) if args.client_key else None,
        oidc_token(issuers) if issuers else None,
    )


def oidc_token(path: Path) -> Callable[[], str]:
    """Return what reads the token of an issuer at `path`, each time as it is then.

    It counts once and for minutes, and what writes it may let others read it: a Kubernetes
    volume has it behind a link.
    """

    def read() -> str:
        with path.open("rb") as file:
            return file.read(_MOST_TOKEN).decode("ascii", "replace").strip()

    return read


def _is_somebody(args: argparse.Namespace) -> bool:
    return bool(args.token_file or args.oidc_token_file or args.client_certificate)


def show(value: dict[str, Any], *, as_json: bool, text: str) -> None:
    """Print `value` as one line of JSON, or else `text`."""
    print(json.dumps(value) if as_json else text)
