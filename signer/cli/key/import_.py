"""`sealbook key import`: take a key from elsewhere into a container of ours."""

from __future__ import annotations

import functools
from pathlib import Path

from signer.cli.arguments import parser, show
from signer.errors import PassphraseError
from signer.keys import check
from signer.keys.container import PURPOSES, Container
from signer.keys.home import Role
from signer.keys.homes import file
from signer.keys.importing import read_any
from signer.keys.memory import HeldKey
from signer.keys.passphrase import read_source
from signer.keys.private import Private
from signer.keys.secret_files import read_secret
from verifier._strict import b64encode

_PROBE = b"sealbook key probe v1"
_SOURCES = "file:PATH, credential:NAME or prompt"


def main(argv: list[str]) -> int:
    """Write the key in FILE to a new container, and print its public half."""
    made = parser(
        "key import",
        "Take a private key from elsewhere into a new file that only a passphrase opens, for\n"
        "one name and one purpose. FILE is PKCS#8 or SEC1 in PEM, PKCS#8 in DER, encrypted or\n"
        "not; cosign's own key file; or a file of ours, to change its passphrase. It stays\n"
        "as it is. Only the public half is printed: no command writes a private key in plain.",
        "sealbook key import cosign.key --from-passphrase-source prompt --out keys/release.key \\\n"
        "    --name release --purpose approve --passphrase-source credential:release",
        config=False,
    )
    add = made.add_argument
    add("file", type=Path, metavar="FILE", help="the key")
    add("--out", type=Path, required=True, metavar="FILE", help="the new file")
    add("--name", required=True, help="what the key is called from now on")
    add("--purpose", required=True, choices=PURPOSES, help="what it is for")
    add(
        "--passphrase-source",
        required=True,
        metavar="SOURCE",
        help=f"where the new file's passphrase is: {_SOURCES}",
    )
    add("--from-passphrase-source", metavar="SOURCE", help="and that of FILE, if it has one")
    args = made.parse_args(argv)
    role = Role(args.name, args.purpose)
    private = _read(args.file, args.from_passphrase_source, role)
    key = HeldKey(private)
    key.public.refuse_example()
    check(key, _PROBE, key.sign(_PROBE))
    place = f"{args.out}?passphrase-source={args.passphrase_source}"
    file.import_key(place, role, Path.cwd(), private)
    value = {
        "uri": f"file:{place}",
        "name": role.name,
        "purpose": role.purpose,
        "algorithm": key.public.algorithm.name,
        "public_key": b64encode(key.public.spki),
        "fingerprint": key.public.fingerprint,
    }
    text = (
        f"{args.out}: {key.public.algorithm.name} key {key.public.fingerprint[:16]}…, "
        f"called {role.name}, with purpose {role.purpose}\n"
        f"  file:{place}\n"
        f"  {args.file} still holds it: destroy that file when nothing needs it any more\n"
        f"{key.public.pem().decode().rstrip()}"
    )
    show(value, as_json=args.json, text=text)
    return 0


def _read(path: Path, source: str | None, role: Role) -> Private:
    ask = functools.partial(read_source, source, Path.cwd(), str(path)) if source else None
    content = read_secret(path)
    if not content.startswith(b"{"):
        return read_any(content, ask, str(path))
    if ask is None:
        raise PassphraseError(f"{path} is encrypted", hint="name --from-passphrase-source")
    return Container.parse(content, str(path)).open(ask, role, str(path))
