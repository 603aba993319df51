"""`sealbook check-registry`: which signatures a registry takes, and who will find them."""

from __future__ import annotations

from pathlib import Path

from signer.cli.arguments import parser, show
from signer.cli.progress import progress
from signer.registries.trying import scratch_below, try_registry
from signer.registries.trying.readers import all_found
from signer.registries.trying.shown import as_json, as_text
from verifier.pull.registry.reading import read_registries
from verifier.repository import Repository

_EXAMPLES = """\
sealbook check-registry registry.example/team/app
  sealbook check-registry harbor.bank.example/payments/app \\
      --scratch harbor.bank.example/payments/app

exit code: 0 every reader will find its signatures, 1 not all, 2 asked wrongly."""


def main(argv: list[str]) -> int:
    """Print what was found out; exit code as the help says."""
    made = parser(
        "check-registry",
        "Try what signatures need, in a scratch repository below the one that is named:\n"
        "referrers API, tags that are written again, rules of immutability and content trust,\n"
        "deleting, sizes, media types, tokens. Prints who will find which signatures, and what\n"
        "to configure. Deletes what it put there, and says what could not be deleted.\n"
        "Rules often hold for some repositories only: --scratch tries in another one, which\n"
        "may be the very repository that you sign in.",
        _EXAMPLES,
        config=False,
    )
    add = made.add_argument
    add("repository", metavar="REPO", help="host[:port]/path, as images are named there")
    add("--scratch", metavar="REPO", help="where to try (default: a new one below)")
    add("--registries", type=Path, metavar="FILE", help="registries.toml, instead of its places")
    args = made.parse_args(argv[1:])
    repository = Repository(args.repository)
    scratch = Repository(args.scratch) if args.scratch else scratch_below(repository)
    if scratch.partition("/")[0] != repository.partition("/")[0]:
        made.error("expected a --scratch in the same registry")
    with progress("trying") as told:
        found = try_registry(repository, scratch, read_registries(args.registries), told)
    show(as_json(found), as_json=args.json, text=as_text(found))
    return 0 if all_found(found) else 1
