"""`sealbook verify-bundle`: judge any Sigstore bundle, by the conformance suite's protocol.

A bundle under a managed key needs the base install alone; one under a certificate needs the
extra `keyless`. Nothing is fetched. Exit code 0 means yes.

Spec: github.com/sigstore/sigstore-conformance, docs/cli_protocol.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

from signer.cli.arguments import parser
from verifier import limits
from verifier.digest import Digest
from verifier.errors import (
    DigestError,
    IdentityMismatchError,
    UnsupportedError,
    VerificationError,
    printable,
)
from verifier.publickey import PublicKey
from verifier.pull.bundled_root import bundled_root
from verifier.sigstore.artifact import Artifact
from verifier.sigstore.bundle import ForeignBundle
from verifier.sigstore.trusted_root import TrustedRoot
from verifier.sigstore.verify import judge

_EXAMPLES = """\
sealbook verify-bundle --bundle app.sigstore.json --key release.pub \\
      --trusted-root trusted_root.json app.tar.gz
  sealbook verify-bundle --bundle app.sigstore.json \\
      --certificate-identity https://ledger.example/keys/release \\
      --certificate-oidc-issuer https://ledger.example \\
      --trusted-root trusted_root.json sha256:5891b5b5…

exit code: 0 yes, 1 no, 2 asked wrongly. Nothing is fetched."""


def main(argv: list[str]) -> int:
    """Print the verdict and return the exit code: 0 only for yes."""
    args = _parsed(argv[1:])
    try:
        answer = _under_key(args) if args.key else _under_certificate(args)
    except VerificationError as e:
        return _no(e.code, e.message, e.hint, as_json=args.json)
    except OSError as e:
        reason = printable(f"{e.filename}: {e.strerror}")
        return _no("unreadable", reason, "", as_json=args.json)
    except Exception as e:  # noqa: BLE001  a bug must not look like a yes, nor like a crash
        reason = printable(f"{type(e).__name__}: {e}")
        return _no("internal-error", reason, "please report this", as_json=args.json)
    if args.json:
        print(json.dumps({"verdict": "yes", **answer}))
        return 0
    by = f"key {answer['key']}" if args.key else f"{answer['identity']} of {answer['issuer']}"
    where = "in no log, as the trusted root names none"
    if "origin" in answer:
        where = f"entry {answer['index']} of {answer['origin']}"
    print(printable(f"yes: {answer['digest']} is signed by {by}, {where}"))
    return 0


def _parsed(argv: list[str]) -> argparse.Namespace:
    made = parser(
        "verify-bundle",
        "Check a Sigstore bundle of any version against a file, or its digest: signed by this\n"
        "key, or under a certificate of this identity, and in a log of the trusted root.\n"
        "Certificates need: pip install 'sealbook[keyless]'.",
        _EXAMPLES,
        config=False,
    )
    add = made.add_argument
    add("--staging", action="store_true", help="trust Sigstore's staging service, not production")
    add("--bundle", type=Path, required=True, metavar="FILE", help="the bundle")
    add("--certificate-identity", metavar="ID", help="who signed, the whole name")
    add("--certificate-oidc-issuer", metavar="URL", help="who knew them, the whole URL")
    add("--key", type=Path, metavar="FILE", help="the public key that signed, PEM")
    add(
        "--trusted-root",
        type=Path,
        metavar="FILE",
        help="whom to trust (default: Sigstore's own, as its library ships it)",
    )
    add("--example-keys", action="store_true", help="accept the public keys of keys-example/")
    add("artifact", metavar="FILE_OR_DIGEST", help="what was signed; a digest is sha256:<hex>")
    args = made.parse_args(argv)
    names = (args.certificate_identity, args.certificate_oidc_issuer)
    if (args.key is None) is (names == (None, None)) or (args.key is None and None in names):
        made.error("expected --key, or both --certificate-identity and --certificate-oidc-issuer")
    return args


def _under_key(args: argparse.Namespace) -> dict[str, object]:
    key = PublicKey.from_pem(_read(args.key, 2 * limits.KEY))
    if not args.example_keys:
        key.refuse_example()
    bundle = ForeignBundle.parse(_read(args.bundle, limits.ATTESTATION))
    if bundle.certificate:
        raise UnsupportedError(
            "expected the hint of a managed key, found a certificate",
            hint="say whom to expect, with --certificate-identity and --certificate-oidc-issuer",
        )
    artifact = _artifact(args.artifact)
    logged = judge(bundle, key, TrustedRoot.parse(_root(args)), artifact, now=time.time())
    said: dict[str, object] = {"digest": artifact.digest, "key": key.fingerprint}
    return said | (logged._asdict() if logged else {})


def _under_certificate(args: argparse.Namespace) -> dict[str, object]:
    from verifier.pull.keyless import SigstoreJudge

    artifact = _artifact(args.artifact)
    data = _read(args.bundle, limits.ATTESTATION)
    found = SigstoreJudge(_root(args)).signed(data, artifact)
    for what, expected, has in (
        ("identity", args.certificate_identity, found.identity),
        ("issuer", args.certificate_oidc_issuer, found.issuer),
    ):
        if expected != has:
            raise IdentityMismatchError(f"expected the {what} {expected}, found {has}")
    said = found._asdict()
    del said["payload"]
    return {"digest": artifact.digest, **said}


def _root(args: argparse.Namespace) -> bytes:
    if args.trusted_root is None:
        return bundled_root(staging=args.staging)
    return _read(args.trusted_root, limits.TRUST_FILE)


def _artifact(named: str) -> Artifact:
    """Return what was named: a file on this disk, or else what its digest says."""
    path = Path(named)
    try:
        digest = Digest(named)
    except DigestError:
        pass
    else:
        if not path.exists():
            return Artifact(digest)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return Artifact(Digest(f"sha256:{found}"), path.read_bytes)


def _read(path: Path, limit: int) -> bytes:
    """Read one byte more than allowed, so that the parser can refuse what is too long."""
    with path.open("rb") as file:
        return file.read(limit + 1)


def _no(code: str, reason: str, hint: str, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"verdict": "no", "code": code, "message": reason, "hint": hint}))
    print(f"no: {reason} ({code})", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    return 1
