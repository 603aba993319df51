"""`sealbook init`: make a service."""

from __future__ import annotations

from pathlib import Path

from signer.cli.arguments import parser, show
from signer.errors import RequestError
from signer.founding import found


def main(argv: list[str]) -> int:
    """Make a service in a directory and say what to do next."""
    made = parser(
        "init",
        "Make a service: keys, ledger with its genesis entry, token, trust files, configuration.",
        "sealbook init /var/lib/sealbook --origin ledger.bank.example",
    )
    made.add_argument("directory", type=Path, metavar="DIR", help="where; must not hold a service")
    made.add_argument(
        "--origin",
        default="ledger.local",
        metavar="HOST",
        help="the name of the ledger for good, a bare host name (default: ledger.local)",
    )
    made.add_argument(
        "--grpc", default="127.0.0.1:8640", metavar="HOST:PORT", help="where to serve gRPC"
    )
    made.add_argument(
        "--http", default="127.0.0.1:8641", metavar="HOST:PORT", help="where to serve HTTP"
    )
    made.add_argument(
        "--keys", type=Path, metavar="DIR", help="copy the keys in DIR instead of making new ones"
    )
    made.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="NAME=URI",
        help="use the key at this URI, in an HSM, say, instead of making NAME; repeatable",
    )
    made.add_argument(
        "--passphrase-source",
        metavar="SOURCE",
        help="seal the new key files: file:PATH, credential:NAME (systemd's), or prompt",
    )
    args = made.parse_args(argv[1:])
    directory: Path = args.directory
    if args.keys and (args.key or args.passphrase_source):
        raise RequestError("--keys copies all keys as they are: no --key, no --passphrase-source")
    found(
        directory,
        args.origin,
        args.grpc,
        args.http,
        args.keys,
        uris=dict(map(_named, args.key)),
        passphrase_source=args.passphrase_source,
    )
    ending = ".key" if args.passphrase_source else ".pem"
    show(
        {"directory": str(directory), "origin": args.origin},
        as_json=args.json,
        text=f"""\
made the service {args.origin} in {directory}
  keys/                its private keys, readable by you alone: back them up, and keep elsewhere
                       what serves nothing: trust-root{ending}, which signed trust.json and
                       signs the next, and root{ending}, which made certificates/
  token                what callers send
  trust.json           what verifiers pin
  status.json          what was revoked, for them: the service makes it anew every hour
  trusted_root.json    the same for cosign, with release.pub or attest.pub as its --key
  promise.pub          the same for Podman: its rekorPublicKeyPath
  certificates/        with root.pem, the same for notation: `notation cert add --type ca`
  signing_config.json  lets `cosign sign` log here; holds a token that may append, no more

next:
  cd {directory} && sealbook serve""",
    )
    return 0


def _named(text: str) -> tuple[str, str]:
    name, equals, uri = text.partition("=")
    if not equals or not uri:
        raise RequestError(f"expected NAME=URI, found {text[:120]!r}")
    return name, uri
