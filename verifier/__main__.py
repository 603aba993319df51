"""`python -m verifier`: one question, one verdict, on the base install.

Exit code 0 means yes. Everything else, our own bugs included, means no.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from verifier.errors import SealbookError, VerificationError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.trust import TrustRoot
    from verifier.verdict import Verified

USAGE = """\
usage: sealbook verify [options] DIGEST BUNDLE
       python -m verifier [options] DIGEST BUNDLE
       python -m verifier evidence [options] FILE

Checks offline that the image DIGEST was approved for a repository by a trusted
key, and that the approval is in the ledger. BUNDLE is a file, or - for standard
input. Exit code 0 means yes, 1 means no, 2 means that the question was wrong.

With `evidence`, checks what somebody else wrote down: that a log contradicts
itself (a JSON file of an audit), or one ledger entry with all that proves it (a
zip file of `sealbook evidence`). Only keys of the trust file count. It takes
--trust, --json and --example-keys.

options:
  --trust FILE         the trust file that you pinned (default: trust.json)
  --repository R       where the image was pulled from, as host[:port]/path
  --any-repository     accept an approval for whatever repository
  --json               print the verdict as one JSON object
  --example-keys       accept the public keys of keys-example/; never in earnest
  -h, --help           print this text

example:
  sealbook verify --trust trust.json --repository registry.example/team/app \\
      sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 bundle.json
"""


class UsageError(SealbookError):
    """The command line does not say what to do."""

    code = "usage"
    hint = "see `sealbook verify --help`"


class _Question:
    """The parsed command line. argparse would cost a third of the cold start."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.evidence = list(argv[:1]) == ["evidence"]
        self.trust = "trust.json"
        self.repository: str | None = None
        self.any_repository = self.json = self.example_keys = self.help = False
        words: list[str] = []
        values: tuple[str, ...] = ("--trust",)
        flags: tuple[str, ...] = ("--json", "--example-keys")
        if not self.evidence:
            values, flags = (*values, "--repository"), (*flags, "--any-repository")
        rest = iter(argv[1:] if self.evidence else argv)
        for arg in rest:
            if arg in ("-h", "--help"):
                self.help = True
            elif arg in values:
                value = next(rest, None)
                if value is None or value.startswith("--"):
                    raise UsageError(f"expected a value after {arg}")
                setattr(self, arg[2:], value)
            elif arg in flags:
                setattr(self, arg[2:].replace("-", "_"), True)
            elif arg.startswith("-") and arg != "-":
                raise UsageError(f"unknown option {arg[:80]!r}")
            else:
                words.append(arg)
        if not self.help:
            self._take(words)

    def _take(self, words: list[str]) -> None:
        if self.evidence:
            if len(words) != 1:
                raise UsageError(f"expected one FILE, found {len(words)} words")
            self.file = words[0]
            return
        if len(words) != 2:
            raise UsageError(f"expected DIGEST and BUNDLE, found {len(words)} words")
        if (self.repository is None) is not self.any_repository:
            raise UsageError("expected exactly one of --repository and --any-repository")
        self.digest, self.bundle = words


def main(argv: Sequence[str] | None = None) -> int:
    """Print the verdict and return the exit code: 0 only for yes."""
    argv = sys.argv[1:] if argv is None else argv
    as_json = "--json" in argv
    try:
        question = _Question(argv)
        if question.help:
            print(USAGE, end="")
            return 0
        answer = _proven(question) if question.evidence else _answer(question)
    except UsageError as e:
        _say_no(e.code, e.message, e.hint, as_json=as_json)
        return 2
    except VerificationError as e:
        _say_no(e.code, e.message, e.hint, as_json=as_json)
        return 1
    except OSError as e:
        _say_no("unreadable", printable(f"{e.filename}: {e.strerror}"), "", as_json=as_json)
        return 1
    except Exception as e:  # noqa: BLE001  a bug must not look like a yes, nor like a crash
        _say_no(
            "internal-error",
            printable(f"{type(e).__name__}: {e}"),
            "please report this",
            as_json=as_json,
        )
        return 1
    if isinstance(answer, str):
        _say_proven(answer, as_json=as_json)
    else:
        _say_yes(answer, as_json=as_json)
    return 0


def _answer(question: _Question) -> Verified:
    from verifier import limits
    from verifier.digest import Digest
    from verifier.repository import Repository
    from verifier.verify import Verifier

    digest = Digest(question.digest)
    repository = None if question.repository is None else Repository(question.repository)
    trust = _trust(question)
    return Verifier(trust).verify(_read(question.bundle, limits.BUNDLE), digest, repository)


def _proven(question: _Question) -> str:
    """Return in one sentence what the evidence proves."""
    from verifier import limits

    trust = _trust(question)
    data = _read(question.file, limits.DOSSIER)
    if data.startswith(b"PK"):
        from verifier.dossier import Dossier

        return Dossier.parse(data).verify(trust)
    from verifier.evidence import Evidence

    return Evidence.parse(data).verify(trust)


def _trust(question: _Question) -> TrustRoot:
    from verifier import limits
    from verifier.trust import TrustRoot

    trust = TrustRoot.parse(_read(question.trust, limits.TRUST_FILE))
    if not question.example_keys:
        for public in trust.publics():
            public.refuse_example()
    return trust


def _read(path: str, limit: int) -> bytes:
    """Read one byte more than allowed, so that the parser can refuse what is too long."""
    if path == "-":
        return sys.stdin.buffer.read(limit + 1)
    with open(path, "rb") as file:  # noqa: PTH123  pathlib costs 5 ms of cold start
        return file.read(limit + 1)


def _say_yes(verified: Verified, *, as_json: bool) -> None:
    if as_json:
        _print_json({"verdict": "yes", **verified._asdict()})
        return
    print(
        f"yes: {verified.digest} is approved for {verified.repository} by key {verified.key}, "
        f"entry {verified.index} of {verified.origin}, "
        f"witnesses {len(verified.witnesses)} of {verified.known_witnesses}"
    )


def _say_proven(sentence: str, *, as_json: bool) -> None:
    sentence = printable(sentence)  # it may quote the statement
    if as_json:
        _print_json({"verdict": "yes", "proven": sentence})
        return
    print(f"yes: {sentence}")


def _say_no(code: str, message: str, hint: str, *, as_json: bool) -> None:
    if as_json:
        _print_json({"verdict": "no", "code": code, "message": message, "hint": hint})
        return
    print(f"no: {message} ({code})", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)


def _print_json(value: dict[str, object]) -> None:
    import json

    print(json.dumps(value))


if __name__ == "__main__":
    sys.exit(main())
