"""`sealbook trust sync`: bring a directory of trust files up to date, and never back."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ledger.audit.source import DirectoryReader, HttpReader
from ledger.transport import TransportError
from signer.cli.arguments import parser, show
from signer.cli.trust.changes import changes
from signer.cli.trust.proofs import GOOD, NOT_YET, proof_of, revoked_told
from signer.errors import RequestError
from verifier import limits
from verifier.errors import ForeignTrustError, VerificationError, printable
from verifier.pull.trust_directory import POLICY, STATUS, TRUST, TrustDirectory, Trusted
from verifier.trust import TrustRoot
from verifier.trust.freshness import MAX_AGE_S, check_fresh

_TIMEOUT_S = 60
_PIN = hashlib.sha256().digest_size * 2  # characters


class _Files(NamedTuple):
    """What a source has."""

    trust: bytes
    status: bytes | None
    policy: bytes | None


def main(argv: list[str]) -> int:
    """Take what is newer; exit code 0 also when nothing is."""
    args = _parser().parse_args(argv)
    files = _fetched(args)
    first = not (args.directory / TRUST).exists()
    if first:
        _check_pin(files.trust, args)
    trust = TrustRoot.parse(files.trust)
    if not args.example_keys:
        for public in trust.publics():
            public.refuse_example()
    if first:
        args.directory.mkdir(parents=True, exist_ok=True)
    directory = TrustDirectory(str(args.directory))
    old = None if first else _old(directory)
    pins = bool(trust.policy_sha256)
    new = directory.take(files.trust, files.status, files.policy if pins else None)
    told = _told(old, new)
    warnings = _warnings(new)
    if files.policy is not None and not pins:
        warnings.append("the trust file pins no policy, so that of the source was not taken")
    for warning in warnings:
        print(f"warning: {printable(warning)}", file=sys.stderr)
    version = new.status.payload.version if new.status else 0
    show(
        {"trust": new.trust.version, "status": version, "changes": told, "warnings": warnings},
        as_json=args.json,
        text="\n".join(map(printable, told)) or "nothing changed",
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "trust sync",
        "Bring the trust files in DIR up to date from SOURCE. A file that is older, foreign or\n"
        "signed by too few is refused, and then nothing is changed. Run it from a timer, or\n"
        "from a directory that was carried across an air gap.",
        "sealbook trust sync https://sealbook.example /etc/sealbook/trust --pin 9f86…0a08\n"
        "  sealbook trust sync /media/usb/trust /etc/sealbook/trust",
        config=False,
    )
    made.add_argument("source", metavar="SOURCE", help="the service's http(s) URL; or a directory")
    made.add_argument("directory", type=Path, metavar="DIR", help="the trust files to keep")
    pin = made.add_mutually_exclusive_group()
    pin.add_argument(
        "--pin",
        metavar="SHA256",
        help="the first time: the SHA-256 of trust.json, as `sha256sum` prints it; later ignored",
    )
    pin.add_argument("--first", action="store_true", help="the first time: believe whoever answers")
    made.add_argument("--ca", type=Path, metavar="FILE", help="PEM roots of the server")
    made.add_argument(
        "--timeout",
        type=int,
        default=_TIMEOUT_S,
        metavar="S",
        help=f"seconds for all of it (default: {_TIMEOUT_S})",
    )
    made.add_argument(
        "--example-keys", action="store_true", help="take keys of keys-example/; never in earnest"
    )
    return made


def _fetched(args: argparse.Namespace) -> _Files:
    """Return what SOURCE has, within the limits on size and time."""
    if not args.source.startswith(("http://", "https://")):
        return _read(DirectoryReader(Path(args.source)), args)
    from signer.transport import HttpTransport

    deadline = time.monotonic() + args.timeout
    transport = HttpTransport(args.ca)

    def read(name: str, limit: int) -> bytes | None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TransportError(f"{args.source}: not done in {args.timeout} s")
        base = args.source.rstrip("/") + "/v1"
        return HttpReader(base, transport, timeout_s=left)(name, limit)

    try:
        return _read(read, args)
    finally:
        transport.close()


def _read(source: Callable[[str, int], bytes | None], args: argparse.Namespace) -> _Files:
    # Should they change meanwhile they may not fit, and are refused: the next time has them.
    policy = source(POLICY, limits.POLICY)
    status = source(STATUS, limits.STATUS_FILE)
    trust = source(TRUST, limits.TRUST_FILE)
    if trust is None:
        raise RequestError(f"{args.source} has no {TRUST}")
    return _Files(trust, status, policy)


def _check_pin(trust_file: bytes, args: argparse.Namespace) -> None:
    """Check that somebody wants to believe this trust file, the first of a directory.

    Raises:
        ForeignTrustError: it is another one than was pinned.
        RequestError: nobody said which.
    """
    found = hashlib.sha256(trust_file).hexdigest()
    if args.pin is not None:
        if len(args.pin) != _PIN:
            raise RequestError(f"expected {_PIN} hex digits after --pin, found {args.pin[:80]!r}")
        if args.pin.lower() != found:
            raise ForeignTrustError(f"expected the trust file {args.pin.lower()}, found {found}")
    elif not args.first:
        raise RequestError(
            f"{args.directory} has no trust file yet, and that of {args.source} is {found}",
            hint="compare that with what the roots' owners say, then give --pin; "
            "--first believes whoever answers",
        )


def _old(directory: TrustDirectory) -> Trusted | None:
    try:
        return directory.load()
    except VerificationError as e:  # a newer file may heal it
        print(f"warning: what lies there is not good: {e.message} ({e.code})", file=sys.stderr)
        return None


def _told(old: Trusted | None, new: Trusted) -> list[str]:
    """Return what changed, a line each."""
    if old is None:
        told = [f"+ trust file version {new.trust.version}"]
    else:
        told = [f"{line[:2]}trust: {line[2:]}" for line in changes(old.trust, new.trust)]
    before = old.status.payload if old and old.status else None
    after = new.status.payload if new.status else None
    if after is not None and (before is None or after.version != before.version):
        told.append(
            f"~ status version {before.version} -> {after.version}"
            if before
            else f"+ status file version {after.version}"
        )
    known = {one.statement for one in before.revocations} if before else set()
    for one in after.revocations if after else ():
        if one.statement not in known:
            told.append(f"+ revoked: {revoked_told(one)}")
    if new.policy is not None and (old is None or old.policy != new.policy):
        told.append(f"+ policy {new.policy.sha256.hex()}")
    return told


def _warnings(new: Trusted) -> list[str]:
    """Return what whoever looks after the directory should see to; it was taken nevertheless."""
    warnings = []
    try:
        check_fresh(new.trust, new.status, MAX_AGE_S, time.time())
    except VerificationError as e:
        warnings.append(f"{e.message} ({e.code})")
    if new.status is None:
        warnings.append("there is no status file: nothing says what was revoked")
        return warnings
    for one in new.status.payload.revocations:  # each takes away, so each counts all the same
        proof = proof_of(one, new.trust)
        if proof not in (GOOD, NOT_YET):
            warnings.append(f"{revoked_told(one)}: {proof}")
    return warnings
