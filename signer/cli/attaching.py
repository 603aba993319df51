"""What commands do with signatures besides files: attach them to images, or have it done.

here        `Attaching` writes to the registry, or into the layout, as whoever runs the command
--publish   the service does, as itself, and goes on when the registry is down
--no-attach nobody does
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from signer.attach import Attached, Attaching, Made, Patience
from signer.attach.settling import PATIENCE
from signer.cli.images import Target
from signer.cli.progress import progress
from signer.client import Client
from signer.client.publishing import Publication
from signer.errors import RequestError, ServiceError
from verifier.digest import Digest
from verifier.errors import SealbookError
from verifier.pull.images import Descriptor
from verifier.repository import Repository

ADDED, THERE = "attached", "there"
_WAIT_S = 60.0
_MOST_SETTLE_S = 30.0


class Outcome(NamedTuple):
    """What became of one signature: `attached`, `there` before, or the code of why not."""

    state: str
    error: SealbookError | None = None

    @property
    def is_well(self) -> bool:
        """Whether it is where its readers look."""
        return self.state in (ADDED, THERE)


Outcomes = dict[tuple[Repository, Digest, int], Outcome]  # by entry
Ends = dict[Digest, Outcome]  # by image


def add_attaching(made: argparse.ArgumentParser) -> None:
    """Add the options that say who attaches."""
    made.add_argument(
        "--attach",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="put the signatures at the images, where all readers look (default: in registries)",
    )
    made.add_argument(
        "--also",
        action="store_true",
        help="attach what keys of other algorithms sign also, which few readers know",
    )
    made.add_argument(
        "--settle",
        type=_seconds,
        default=PATIENCE.settle_s,
        metavar="SECONDS",
        help="how long others may take between reading a tag and writing it: so long it is looked"
        " whether signatures stay where they were put (default: 2)",
    )
    made.add_argument(
        "--publish",
        action="store_true",
        help="let the service do that, as itself, and wait until it has",
    )


def patience(args: argparse.Namespace) -> Patience:
    """Return how patient the options are."""
    return PATIENCE._replace(settle_s=args.settle)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= _MOST_SETTLE_S:
        raise ValueError
    return seconds


def check_attaching(args: argparse.Namespace, given: Sequence[str]) -> None:
    """Check that the options fit together.

    Raises:
        RequestError: they do not.
    """
    if args.publish and args.attach is not None:
        raise RequestError("--publish goes with neither --attach nor --no-attach")
    bare = [one for one in given if one.startswith("sha256:")]
    if args.attach and bare:
        raise RequestError(
            f"cannot attach to {bare[0][:80]}, which is nowhere",
            hint="name it as registry.example/team/app@sha256:…",
        )


def attaches(args: argparse.Namespace, target: Target) -> bool:
    """Whether the command itself attaches to `target`."""
    if args.publish or target.images is None:
        return False
    return target.in_registry if args.attach is None else bool(args.attach)


def publish(
    args: argparse.Namespace, client: Client, repository: Repository, digests: Sequence[Digest]
) -> Ends:
    """Have the service attach what was signed, and return what became of each image by then.

    Raises:
        SealbookError: the service does not do that there, or not for us.
    """
    answers = client.publish(repository, digests, wait_s=_WAIT_S, reason=args.reason)
    return {Digest(one.digest): _published(one) for one in answers}


def _published(one: Publication) -> Outcome:
    if one.state == ADDED or not one.code:
        return Outcome(one.state)
    return Outcome(one.state, ServiceError(one.code, one.message, one.hint))


class Shelf:
    """Attaches what it is handed while it goes on being handed more."""

    def __init__(self, attaching: Attaching) -> None:
        """Hand it on to `attaching`."""
        self._attaching = attaching
        self._repositories: list[Repository] = []

    def put(
        self,
        target: Target,
        manifest: Descriptor,
        made: Sequence[Made],
        done: Callable[[], object] | None = None,
    ) -> None:
        """Begin to attach `made` to a manifest of `target`; `done` is called once it is written."""
        assert target.images is not None
        self._repositories.append(target.repository)
        begun = self._attaching.start(target.images, manifest, made)
        if done is not None:
            begun.add_done_callback(lambda _: done())

    def outcomes(self) -> Outcomes:
        """Wait until all of it lasts, and return what became of it."""
        count = len(self._repositories)
        with told(count, "settling") as tell:
            ends = self._attaching.finish(tell)
        return {
            (repository, end.subject.digest, index): outcome
            for repository, end in zip(self._repositories, ends, strict=True)
            for index, outcome in _outcomes(end)
        }


@contextmanager
def told(count: int, what: str) -> Iterator[Callable[[int, int], object]]:
    """Show progress where there is more than a few to wait for."""
    if count < 3:
        yield lambda done, total: None  # noqa: ARG005  whoever calls has both
        return
    with progress(what) as tell:
        yield tell


def tell_errors(ends: Iterable[Outcome | None]) -> None:
    """Tell people why something is not attached, each reason once."""
    errors = {end.error.code: end.error for end in ends if end is not None and end.error}
    for error in errors.values():
        print(f"not attached: {error.message} ({error.code})", file=sys.stderr)
        if error.hint:
            print(f"hint:  {error.hint}", file=sys.stderr)


def _outcomes(end: Attached) -> Iterator[tuple[int, Outcome]]:
    yield from ((one.index, Outcome(ADDED)) for one in end.added)
    yield from ((one.index, Outcome(THERE)) for one in end.there)
    yield from ((one.index, Outcome(error.code, error)) for one, error in end.refused)
