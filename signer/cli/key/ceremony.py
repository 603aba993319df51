"""`sealbook key ceremony`: make keys before witnesses, from one reviewed file; check and log it.

Runs without a service; only `--log` needs one. `--check` needs `cryptography` alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from signer.ceremony.checking import check, check_logged
from signer.ceremony.reading import FILE_LIMIT, Ceremony
from signer.ceremony.transcript import LIMIT, Transcript
from signer.cli.arguments import parser, show
from signer.errors import RequestError, ServiceError, ServiceUnreachableError
from verifier import limits
from verifier.trust import TrustRoot

if TYPE_CHECKING:
    from signer.config import Config

_EXAMPLES = """\
sealbook key ceremony release-2027.toml --rehearse --out rehearsal   # in a scratch SoftHSM token
  sealbook key ceremony release-2027.toml --out ceremony                # in earnest, and logged
  sealbook key ceremony release-2027.toml --out ceremony --no-log       # where no service is
  sealbook key ceremony --log ceremony/transcript.json                  # later, where it is
  sealbook key ceremony --check ceremony/transcript.json --toml release-2027.toml \\
      --trust trust.json --evidence sealbook-entry-7.zip                # what an auditor does

exit code: 0 all is well, 1 not, 2 asked wrongly. Nothing is ever overwritten."""


def main(argv: list[str]) -> int:
    """Hold a ceremony, log one, or check one."""
    made = _parser()
    args = made.parse_args(argv)
    _refuse_strays(made, args)
    if args.check is not None:
        return _check(args)
    if args.log is not None:
        return _log(args)
    return _hold(args)


def _parser() -> argparse.ArgumentParser:
    made = parser(
        "key ceremony",
        "Make keys as one reviewed TOML file says, before the people that it names, and write\n"
        "a transcript: transcript.json, whose hash is logged, and transcript.txt, to be signed\n"
        "by hand. Nobody is asked anything but a PIN, if the file says so. What the file holds:\n"
        "signer/README.md. A relative path in it starts where the file is.",
        _EXAMPLES,
    )
    add = made.add_argument
    add("file", nargs="?", type=Path, metavar="FILE.toml", help="what is to be made, before whom")
    add("--out", type=Path, metavar="DIR", help="a new folder for transcript and public keys")
    add(
        "--rehearse",
        action="store_true",
        help="do it all in a scratch SoftHSM token in DIR; with --check: expect a rehearsal",
    )
    add("--no-log", action="store_true", help="do not log it now: there is no service here")
    add("--log", type=Path, metavar="TRANSCRIPT", help="log a ceremony that was held")
    add("--check", type=Path, metavar="TRANSCRIPT", help="check a ceremony, as an auditor does")
    add("--toml", type=Path, metavar="FILE", help="with --check: the file that you reviewed")
    add("--trust", type=Path, metavar="FILE", help="with --evidence: the trust file you pinned")
    add(
        "--evidence",
        type=Path,
        metavar="FILE",
        help="with --check: what `sealbook evidence` wrote of the event, the zip or its bundle",
    )
    return made


def _refuse_strays(made: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what cannot be meant, with exit code 2."""
    if sum(one is not None for one in (args.file, args.log, args.check)) != 1:
        made.error("expected one of FILE.toml, --log and --check")
    if (args.file is None) is not (args.out is None):
        made.error("expected FILE.toml and --out together")
    if (args.trust is None) is not (args.evidence is None):
        made.error("expected --trust and --evidence together")
    if args.check is None and (args.toml or args.evidence):
        made.error("--toml, --trust and --evidence go with --check")
    if args.rehearse and (args.log or args.evidence):
        made.error("a rehearsal is never logged")
    if args.no_log and args.file is None:
        made.error("--no-log goes with FILE.toml")


def _hold(args: argparse.Namespace) -> int:
    from signer.ceremony import running

    file: Path = args.file
    ceremony = Ceremony.parse(_read(file, FILE_LIMIT))
    logs = not (args.rehearse or args.no_log)
    if logs:  # before there is a key: nobody wants to learn it afterwards
        _check_service(args, ceremony)
    out: Path = args.out
    running.make_folder(out)
    place = None
    if args.rehearse:
        from signer.ceremony.rehearsal import Scratch

        place = Scratch(out / "scratch").place
    say: Callable[[str], object] = (lambda _: None) if args.json else partial(print, flush=True)
    found = running.hold(ceremony, out, file.absolute().parent, place=place, say=say)
    path = out / running.JSON
    value = _value(found, path)
    told = f"done: {path}, sha256 {found.sha256}\n"
    if found.rehearsal:
        told = f"REHEARSAL {told}no key of it may be trusted; it can never be logged"
    elif not logs:
        told += f"it is not logged yet; where the service is: sealbook key ceremony --log {path}"
    else:
        value |= _logged(args, path)
        told += _told_logged(value, path)
    show(value, as_json=args.json, text=told)
    return 0


def _log(args: argparse.Namespace) -> int:
    path: Path = args.log
    found = check(_read(path, LIMIT), text=_text_of(path))
    value = _value(found, path) | _logged(args, path)
    show(value, as_json=args.json, text=_told_logged(value, path))
    return 0


def _check(args: argparse.Namespace) -> int:
    path: Path = args.check
    file = _read(args.toml, FILE_LIMIT) if args.toml else None
    text = _text_of(path)
    found = check(_read(path, LIMIT), rehearsal=args.rehearse, text=text, file=file)
    value = _value(found, path)
    told = [f"{'REHEARSAL ' if found.rehearsal else ''}{found.ceremony.title}"]
    told += [f"  transcript  sha256 {found.sha256}"]
    told += [f"  file        sha256 {found.ceremony.sha256}{_is('the one reviewed', file)}"]
    told += [f"  {key.name:<10}  {key.public.fingerprint}, self-test good" for key in found.keys]
    if args.evidence:
        trust = TrustRoot.parse(_read(args.trust, limits.TRUST_FILE))
        index = check_logged(found, trust, _read(args.evidence, limits.DOSSIER))
        value |= {"index": index}
        told.append(f"  entry {index} of {found.ceremony.origin} has its hash")
    elif not found.rehearsal:
        told.append("  NOT CHECKED: whether the ledger has it; give --trust and --evidence")
    if text is None:
        told.append(f"  NOT CHECKED: the text that was signed; there is no {_sibling(path)}")
    show(value, as_json=args.json, text="\n".join(told))
    return 0


def _is(what: str, given: bytes | None) -> str:
    return f", {what}" if given is not None else ""


def _check_service(args: argparse.Namespace, ceremony: Ceremony) -> None:
    """See that there is a service of this ledger, or raise."""
    from signer.cli import operator

    try:
        status = operator.status(_config(args))
    except (ServiceError, ServiceUnreachableError) as e:
        raise RequestError(
            f"{e.message}, and no ceremony is held that could not be logged",
            hint="start the service, or say --no-log and log it later",
        ) from e
    if status.origin != ceremony.origin:
        raise RequestError(f"expected a ceremony for {status.origin}, found {ceremony.origin!r}")


def _logged(args: argparse.Namespace, path: Path) -> dict[str, object]:
    """Have the service log the transcript at `path`."""
    from signer.cli import operator
    from signer.v1 import operator_pb2

    answer = operator.ask(
        _config(args),
        "RecordCeremony",
        operator_pb2.RecordCeremonyRequest(transcript=_read(path, LIMIT)),
        operator_pb2.RecordCeremonyResponse,
        operator.EVENT_TIMEOUT_S,
    )
    claim = json.loads(answer.claim)
    return {"index": answer.index, "known": answer.known, "note": answer.note, "event": claim}


def _told_logged(value: dict[str, object], path: Path) -> str:
    index = value["index"]
    return (
        f"{'logged before' if value['known'] else 'logged'}: entry {index}\n"
        f"next:  sealbook evidence --service HOST:PORT --token-file token --trust trust.json "
        f"--entry {index}\n"
        f"       sealbook key ceremony --check {path} --trust trust.json "
        f"--evidence sealbook-entry-{index}.zip"
    )


def _value(found: Transcript, path: Path) -> dict[str, object]:
    keys = [
        {"name": key.name, "fingerprint": key.public.fingerprint, "uri": key.uri}
        for key in found.keys
    ]
    return {
        "transcript": str(path),
        "sha256": found.sha256,
        "file_sha256": found.ceremony.sha256,
        "rehearsal": found.rehearsal,
        "keys": keys,
    }


def _config(args: argparse.Namespace) -> Config:
    from signer.config import Config

    return Config.load(args.config)


def _sibling(path: Path) -> Path:
    return path.with_suffix(".txt")


def _text_of(path: Path) -> bytes | None:
    """Return the text that lies beside the transcript, if it does."""
    text = _sibling(path)
    return _read(text, 4 * LIMIT) if text.exists() else None


def _read(path: Path, limit: int) -> bytes:
    """Return a file, or one byte more than `limit`, which no parser takes."""
    with path.open("rb") as file:
        return file.read(limit + 1)
