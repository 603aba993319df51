"""`sealbook ledger make-kek`: make a key-encryption key, in a file or in a token."""

from __future__ import annotations

from pathlib import Path

from signer.at_rest.kek import make_kek
from signer.cli.arguments import parser, show


def main(argv: list[str]) -> int:
    """Make the key, and overwrite nothing."""
    made = parser(
        "ledger make-kek",
        "Make a key-encryption key for [at_rest]: 32 bytes in a file, or an AES-256 key that\n"
        "cannot leave its token. Keep a copy of a file elsewhere, apart from all backups: who\n"
        "loses the key loses every body that is encrypted.",
        "sealbook ledger make-kek file:keys/kek",
    )
    made.add_argument("uri", metavar="URI", help="file:PATH, or pkcs11:token=…;object=…?…")
    args = made.parse_args(argv)
    # As in the configuration: paths start where that is.
    make_kek(args.uri, Path(args.config).absolute().parent)
    show(
        {"uri": args.uri},
        as_json=args.json,
        text=f'made {args.uri}; now in sealbook.toml:\n\n[at_rest]\nkey = "{args.uri}"',
    )
    return 0
