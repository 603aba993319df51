"""`sealbook trust sign`: add the signature of a root to a trust file."""

from __future__ import annotations

import os
from pathlib import Path

from signer.cli.arguments import parser, show
from signer.cli.trust.draft import Draft, read, standing
from signer.errors import RequestError
from signer.keys import open_key
from signer.keys.home import Role
from verifier.trust import TrustRoot

_ROOT = Role("", "root")  # whose it is, its public half says: the file lists the roots by that


def main(argv: list[str]) -> int:
    """Sign FILE, in place, and say how many roots did."""
    made = parser(
        "trust sign",
        "Add a root's signature to a trust file, in place. Look first at what is signed:\n"
        "`sealbook trust diff`. The key is one of the file's own roots; or of those of\n"
        "--previous, which have to sign too when the roots change.",
        "sealbook trust sign next.json --key alice.pem --previous trust.json",
        config=False,
    )
    made.add_argument("file", type=Path, metavar="FILE", help="the trust file")
    made.add_argument(
        "--key", required=True, metavar="KEY", help="the root's private key: a file, or a key URI"
    )
    made.add_argument(
        "--passphrase-source",
        metavar="SOURCE",
        help="where the key file's passphrase is: file:PATH, credential:NAME or prompt",
    )
    made.add_argument(
        "--previous", type=Path, metavar="FILE", help="the trust file that this one follows"
    )
    args = made.parse_args(argv)
    draft = Draft.parse(read(args.file))
    previous = TrustRoot.parse(read(args.previous)) if args.previous else None
    uri = args.key if ":" in args.key else f"file:{args.key}"
    if args.passphrase_source is not None:
        uri += f"?passphrase-source={args.passphrase_source}"
    key = open_key(uri, Path.cwd(), _ROOT)
    roots = {
        public: called
        for trust in (previous, draft.trust)
        if trust is not None and trust.roots is not None
        for called, public in trust.roots.keys.items()
    }
    if key.public not in roots:
        hint = "" if previous else "a root that ends with this version: name --previous"
        raise RequestError(
            f"expected the key of a root ({', '.join(sorted(set(roots.values())))}), "
            "found another one",
            hint=hint,
        )
    signed = Draft.parse(draft.file.signed_by([key]).json())
    _replace(args.file, signed.file.json())
    value = {
        "file": str(args.file),
        "version": signed.trust.version,
        "signer": roots[key.public],
        "signed": list(signed.signed),
        "counts": signed.counts,
    }
    text = f"{args.file}: version {signed.trust.version}, signed as {roots[key.public]}\n"
    text += f"  {signed.told()}"
    if previous is not None:
        text += f"\n  of those of version {previous.version}: {standing(signed.file, previous)}"
    show(value, as_json=args.json, text=text)
    return 0


def _replace(path: Path, content: bytes) -> None:
    """Replace a file whole: half of one is no trust file."""
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
