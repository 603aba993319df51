"""`sealbook pull install RUNTIME`: the files with which a runtime asks before an image runs."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
import ssl
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from signer.cli.arguments import parser, show
from signer.cli.trust import sync
from signer.cli.trust.lookups import Lookups, Remap, place, url, yaml
from signer.cli.trust.podman import argument, live_keys, policy, scopes_of
from verifier import limits
from verifier.pull.installing import setups
from verifier.pull.installing.errors import InstallError
from verifier.pull.installing.files import Change, File, Host
from verifier.pull.trust_directory import TRUST, TrustDirectory
from verifier.repository import EVERYWHERE

RUNTIMES = ("containerd", "podman", "crio")


def main(argv: list[str]) -> int:
    """Write what is missing; say what was written, and what is left to do."""
    made = _parser()
    args = made.parse_args(argv)
    host = Host(args.root)
    with tempfile.TemporaryDirectory(prefix="sealbook-install-") as scratch:
        trust = _trust(args, host, Path(scratch))
        files = _files(args, host, trust)
        install = not args.dry_run
        changes = host.install(files, force=args.force) if install else host.changes(files)
    source = args.service or args.lookaside or ""
    steps = setups.remaining(
        args.runtime, bin_dir=args.bin_dir, service=source, ca=args.ca is not None
    )
    told = [{"file": one.file.path, "state": one.state, "diff": one.diff} for one in changes]
    show(
        {"runtime": args.runtime, "written": install, "files": told, "remaining": steps},
        as_json=args.json,
        text=_text(changes, steps, dry_run=args.dry_run, force=args.force),
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "pull install",
        "Write the files with which a runtime refuses images that nobody signed, and print what\n"
        "is left to do. A file that somebody else wrote, or edited, is not touched without\n"
        "--force. Run it again whenever something changed.",
        "sealbook pull install containerd --from https://sealbook.example --pin 9f86…0a08 \\\n"
        "      --service https://sealbook.example\n"
        "  sealbook pull install podman --from https://sealbook.example --pin 9f86…0a08 \\\n"
        "      --lookaside https://sealbook.example --registry registry.example",
        config=False,
    )
    made.add_argument("runtime", choices=RUNTIMES)
    made.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="the host's files: of an image or a chroot (default: /)",
    )
    made.add_argument(
        "--dry-run", action="store_true", help="write nothing; show what would change"
    )
    made.add_argument(
        "--force", action="store_true", help="replace what somebody else wrote; a copy is kept"
    )
    _add_trust(made)
    asked = made.add_argument_group("containerd: where bundles are looked for, in this order")
    asked.add_argument("--bundles", default="", metavar="DIR", help="files, as `sign --out` writes")
    asked.add_argument("--service", type=argument(url), metavar="URL", help="our service")
    asked.add_argument(
        "--registry-bundles", action="store_true", help="beside the image, in its registry"
    )
    asked.add_argument(
        "--bin-dir",
        default=setups.BIN_DIR,
        metavar="DIR",
        help=f"where containerd looks for verifiers (default: {setups.BIN_DIR})",
    )
    asked.add_argument(
        "--python",
        default=sys.executable,
        metavar="FILE",
        help="the host's Python that has sealbook (default: this one)",
    )
    looked = made.add_argument_group("podman, crio: where signatures are looked for")
    looked.add_argument("--lookaside", type=argument(url), metavar="URL", help="our service")
    looked.add_argument(
        "--attachments", action="store_true", help="beside the image, in its registry"
    )
    for option, parse, metavar, what in (
        ("--registry", place, "HOST", "a registry that is pulled from"),
        ("--remap", Remap.parse, "DST=SRC", "accept in DST what was signed for SRC"),
    ):
        looked.add_argument(
            option, type=argument(parse), action="append", default=[], metavar=metavar, help=what
        )
    return made


def _add_trust(made: argparse.ArgumentParser) -> None:
    trust = made.add_argument_group(f"trust files, which are kept in {setups.TRUST}")
    trust.add_argument(
        "--from",
        dest="source",
        metavar="SOURCE",
        help="bring them up to date, as `sealbook trust sync` does: URL or directory",
    )
    trust.add_argument("--pin", metavar="SHA256", help="the first time: the hash of trust.json")
    trust.add_argument("--first", action="store_true", help="the first time: believe who answers")
    trust.add_argument("--ca", type=Path, metavar="FILE", help="PEM roots of both")
    trust.add_argument(
        "--example-keys", action="store_true", help="take keys of keys-example/; never in earnest"
    )


def _trust(args: argparse.Namespace, host: Host, scratch: Path) -> Path:
    """Return the directory with the trust files, up to date; of a dry run it is a copy.

    Raises:
        InstallError: there are none, and nobody says where they come from.
    """
    kept = host.path(setups.TRUST)
    if args.source is None:
        if not (kept / TRUST).exists():
            raise InstallError(
                f"{kept} has no trust files", hint="say --from URL or directory, and --pin"
            )
        return kept
    if args.dry_run:
        copied = scratch / "trust"
        if kept.is_dir():
            shutil.copytree(kept, copied)
        kept = copied
    words = [args.source, str(kept)]
    words += ["--pin", args.pin] if args.pin else []
    words += ["--first"] if args.first else []
    words += ["--ca", str(args.ca)] if args.ca else []
    words += ["--example-keys"] if args.example_keys else []
    with contextlib.redirect_stdout(io.StringIO()):  # we say what we did
        sync.main(words)
    return kept


def _files(args: argparse.Namespace, host: Host, trust: Path) -> list[File]:
    """Return what has to be there, in the order in which it is written.

    What a runtime runs or reads comes last: without the other files it would refuse everything.
    """
    # Kept: who brings newer trust files, and the verifier, ask the service under it as well.
    kept = [File(setups.SERVICE_CA, _pem(args.ca))] if args.ca else []
    if args.runtime == "containerd":
        asking = setups.Asking(
            args.bundles,
            args.service or "",
            args.registry_bundles,
            args.example_keys,
            args.ca is not None,
        )
        named = any(asking[:3])
        # Once it is there it is the host's: nobody has to say it all again.
        settings = [setups.pull_toml(asking)] if named or host.read(setups.PULL) is None else []
        return [*kept, *settings, setups.verifier_script(args.bin_dir, args.python)]
    files = [*kept, *_policy_files(args, trust)]
    return [*files, setups.crio_dropin()] if args.runtime == "crio" else files


def _pem(path: Path) -> bytes:
    """Return the certificates in `path`.

    Raises:
        InstallError: it has none, or is larger than a few are.
    """
    with path.open("rb") as file:
        content = file.read(limits.CREDENTIAL + 1)
    if not 0 < len(content) <= limits.CREDENTIAL:
        raise InstallError(f"expected certificates in PEM in {path}, found {len(content)} bytes")
    try:
        ssl.create_default_context(cadata=content.decode("ascii"))
    except (ValueError, ssl.SSLError) as e:
        raise InstallError(f"expected certificates in PEM in {path}") from e
    return content


def _policy_files(args: argparse.Namespace, directory: Path) -> list[File]:
    """Return registries.d's file, then policy.json.

    Raises:
        InstallError: nothing says where to look, or in which registry.
    """
    if not (args.lookaside or args.attachments):
        raise InstallError(
            "nothing says where signatures are looked for",
            hint="say --lookaside URL, --attachments or both",
        )
    believed = TrustDirectory(str(directory)).load()
    revocations = believed.status.payload.revocations if believed.status else ()
    live = live_keys(believed.trust, revocations)
    scopes = {*scopes_of(believed.trust), *args.registry}
    if EVERYWHERE in scopes and not args.registry:
        raise InstallError(
            "a key approves everywhere", hint="say --registry HOST for each that is pulled from"
        )
    config = Lookups(args.lookaside or "", args.attachments).config(scopes, args.remap)
    judged = json.dumps(policy(believed.trust, live, revocations, args.remap), indent=2) + "\n"
    return [
        File(setups.LOOKUPS, yaml(config).encode(), crowded=True),
        File(setups.POLICY, judged.encode()),
    ]


def _text(changes: Sequence[Change], steps: Sequence[str], *, dry_run: bool, force: bool) -> str:
    lines = []
    for one in changes:
        state = one.state
        if state == "edited":
            state = "somebody else's; " + (
                "a copy is kept" if force else "only --force replaces it"
            )
        lines.append(f"{one.file.path}: {state}")
        if dry_run and one.diff:
            lines.append(one.diff.rstrip("\n"))
    lines += ["", "nothing was written" if dry_run else "left to do:"]
    if not dry_run:
        lines += [f"  {number}. {_indented(step)}" for number, step in enumerate(steps, 1)]
    return "\n".join(lines)


def _indented(step: str) -> str:
    return step.replace("\n", "\n       ")
