"""The command line of `python -m verifier`. argparse would cost a third of the cold start."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.errors import SealbookError

USAGE = """\
usage: sealbook verify [options] DIGEST BUNDLE...
       python -m verifier [options] DIGEST BUNDLE...
       python -m verifier evidence [options] FILE

Checks offline that the image DIGEST was approved for a repository by a trusted
key, that the approval is in the ledger and was not revoked, and that the policy,
if there is one, is met. BUNDLE is a file, or - for standard input; under a policy
there may be many, approvals and attestations in any order. Exit code 0 means yes,
1 means no, 2 means that the question was wrong.

With `evidence`, checks what somebody else wrote down: that a log contradicts
itself (a JSON file of an audit), or one ledger entry with all that proves it (a
zip file of `sealbook evidence`). Only keys of the trust file count. It takes
--trust, --json and --example-keys.

options:
  --trust PATH         the trust file that you pinned; or a directory that `sealbook
                       trust sync` keeps, with trust.json, status.json, policy.toml
  --status FILE        what was revoked since, signed by the service
  --policy FILE        what images need, beyond one approval
  --trusted-root FILE  a Sigstore trusted_root.json whose certificates count too
  --repository R       where the image was pulled from, as host[:port]/path
  --any-repository     accept an approval for whatever repository
  --json               print the verdict as one JSON object
  --example-keys       accept the public keys of keys-example/; never in earnest
  -h, --help           print this text

example:
  sealbook verify --trust trust.json --repository registry.example/team/app \\
      sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 bundle.json
"""

_VALUES = ("--trust", "--status", "--policy", "--trusted-root", "--repository")
_FLAGS = ("--any-repository", "--json", "--example-keys")
_OF_EVIDENCE = ("--trust", "--json", "--example-keys")


class UsageError(SealbookError):
    """The command line does not say what to do."""

    code = "usage"
    hint = "see `sealbook verify --help`"


class Asked:
    """The parsed command line."""

    def __init__(self, argv: Sequence[str]) -> None:
        """Parse `argv`, or raise `UsageError`."""
        self.evidence = list(argv[:1]) == ["evidence"]
        self.trust = self.digest = self.file = ""
        self.status: str | None = None
        self.policy: str | None = None
        self.trusted_root: str | None = None
        self.repository: str | None = None
        self.bundles: list[str] = []
        self.any_repository = self.json = self.example_keys = self.help = False
        words: list[str] = []
        rest = iter(argv[1:] if self.evidence else argv)
        for arg in rest:
            if arg in ("-h", "--help"):
                self.help = True
            elif self.evidence and arg.startswith("--") and arg not in _OF_EVIDENCE:
                raise UsageError(f"unknown option {arg[:80]!r}")
            elif arg in _VALUES:
                value = next(rest, None)
                if value is None or value.startswith("--"):
                    raise UsageError(f"expected a value after {arg}")
                setattr(self, arg[2:].replace("-", "_"), value)
            elif arg in _FLAGS:
                setattr(self, arg[2:].replace("-", "_"), True)
            elif arg.startswith("-") and arg != "-":
                raise UsageError(f"unknown option {arg[:80]!r}")
            else:
                words.append(arg)
        if not self.help:
            self._take(words)

    def _take(self, words: list[str]) -> None:
        if not self.trust:  # never looked for where we happen to be: anybody may have put it there
            raise UsageError("expected --trust and the trust file that you pinned")
        if self.evidence:
            if len(words) != 1:
                raise UsageError(f"expected one FILE, found {len(words)} words")
            self.file = words[0]
            return
        if len(words) < 2:
            raise UsageError(f"expected DIGEST and BUNDLE, found {len(words)} words")
        if (self.repository is None) is not self.any_repository:
            raise UsageError("expected exactly one of --repository and --any-repository")
        if self.any_repository and (self.policy or len(words) > 2):
            raise UsageError("a policy, or more than one BUNDLE, needs --repository")
        self.digest, *self.bundles = words
