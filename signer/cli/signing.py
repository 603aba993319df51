"""Signing many images: lot by lot, verified, and attached while the next lot is signed."""

from __future__ import annotations

import argparse
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from ledger import labels
from signer.attach import Made
from signer.attach.making import is_read
from signer.cli.asking import waiting
from signer.cli.attaching import Outcome, Shelf, attaches, publish, told
from signer.cli.beside import marks
from signer.cli.images import Target, lots
from signer.client import Client, Signed
from signer.client.answer import key_of
from signer.order import Item
from verifier.digest import Digest
from verifier.errors import SealbookError, UnknownKeyError
from verifier.pull.images import Descriptor
from verifier.repository import Repository
from verifier.verify import Verifier

_LOT = 64  # manifests in one call, so that attaching begins early
_CALLS = 8  # at once, where there are several repositories


class Result(NamedTuple):
    """What came of one manifest: its signatures, their files, or why there are none.

    `publication` is what the service says of attaching it, when it was asked to.
    """

    target: Target
    digest: Digest
    answer: Signed | SealbookError
    files: Sequence[Path] = ()
    publication: Outcome | None = None

    def signatures(self) -> list[Signed]:
        """Return every signature by itself."""
        if isinstance(self.answer, SealbookError):
            return []
        return [self.answer._replace(more=()), *self.answer.more]


class Signing:
    """Signs as the options say; `verifier`, if there is one, has to accept every answer."""

    def __init__(
        self,
        args: argparse.Namespace,
        client: Client,
        verifier: Verifier | None,
        annotations: Mapping[str, str],
        shelf: Shelf,
        *,
        asked: Callable[[Item], Item] = lambda item: item,
    ) -> None:
        """Ask `client`, and hand what is to be attached to `shelf`.

        `asked` may change what is asked for each manifest.
        """
        self._args = args
        self._client = client
        self._verifier = verifier
        self._annotations = annotations
        self._shelf = shelf
        self._asked = asked
        self._results: dict[tuple[Repository, Digest], Result] = {}
        self._lock = threading.Lock()

    def sign(self, targets: Sequence[Target]) -> list[Result]:
        """Sign all of `targets`; return what came of each manifest, once, in their order.

        Raises:
            ServiceError, ServiceUnreachableError: the service refused a lot as a whole.
            WrongAnswerError, VerificationError: an answer does not hold.
        """
        wanted = digests(targets)
        done = itertools.count(1)
        with (
            told(len(wanted), "signing") as tell,
            ThreadPoolExecutor(_CALLS, "signing") as executor,
        ):
            calls = [
                executor.submit(self._sign, lot, lambda: tell(next(done), len(wanted)))
                for lot in lots(targets, _LOT)
            ]
            for call in calls:
                call.result()
        return [self._results[key] for key in wanted]

    def _sign(self, lot: Sequence[Target], done: Callable[[], object]) -> None:
        args, repository = self._args, lot[0].repository
        wanted = {m.digest: (target, m) for target in lot for m in target.manifests}
        items = [self._item(manifest) for _, manifest in wanted.values()]
        answers = waiting(
            args,
            self._client,
            lambda: self._client.sign_batch(
                repository, items, key=args.key, reason=args.reason, forms=args.forms
            ),
        )
        with self._lock:
            for (target, manifest), answer in zip(wanted.values(), answers, strict=True):
                result = self._kept(target, manifest.digest, answer)
                self._results[repository, manifest.digest] = result
                if isinstance(answer, Signed) and attaches(args, target):
                    made = _artifacts(result, also=args.also)
                    self._shelf.put(target, manifest, made, done)
                else:
                    done()
        signed = [d for d, one in zip(wanted, answers, strict=True) if isinstance(one, Signed)]
        if args.publish and signed:
            for digest, end in publish(args, self._client, repository, signed).items():
                key = (repository, digest)
                self._results[key] = self._results[key]._replace(publication=end)

    def _item(self, manifest: Descriptor) -> Item:
        args = self._args
        described = (manifest.digest, manifest.size, manifest.media_type)
        item = Item(*described, args.tag, self._annotations, args.renew, args.idempotency_key)
        return self._asked(item)

    def _kept(self, target: Target, digest: Digest, answer: Signed | SealbookError) -> Result:
        """Verify an answer, and write it into files where that is wanted."""
        result = Result(target, digest, answer)
        if isinstance(answer, SealbookError):
            return result
        if self._verifier is not None:
            _check(self._verifier, result.signatures(), digest, target.repository)
        out: Path | None = self._args.out
        if out is None and (self._args.publish or attaches(self._args, target)):
            return result
        return result._replace(files=_written(out or Path(), digest, result.signatures()))


def digests(targets: Sequence[Target]) -> dict[tuple[Repository, Digest], None]:
    """Return what is to be signed, each manifest once in each repository."""
    return {(one.repository, m.digest): None for one in targets for m in one.manifests}


def _artifacts(result: Result, *, also: bool) -> list[Made]:
    """Return what is attached: all, but what keys sign `also` only when it is asked for."""
    return [
        Made.of(one.record, one.bundle(), one.log_id)
        for one in result.signatures()
        if also or is_read(one.record)
    ]


def _check(
    verifier: Verifier, made: Sequence[Signed], digest: Digest, repository: Repository
) -> None:
    """Verify the bundles; a second one by a key that the trust file does not know is passed by."""
    bundles = [signed for signed in made if signed.record.form == labels.BUNDLE]
    for n, signed in enumerate(bundles):
        try:
            verifier.verify(signed.bundle(), digest, repository)
        except UnknownKeyError:
            if not n:
                raise


def _written(directory: Path, digest: Digest, made: Sequence[Signed]) -> list[Path]:
    """Write each signature into a file of its own; return where, in the order of `made`."""
    written: dict[int, Path] = {}
    for form in dict.fromkeys(signed.record.form for signed in made):
        alike = [signed for signed in made if signed.record.form == form]
        for signed, mark in zip(alike, marks([key_of(s.record) for s in alike]), strict=True):
            path = directory / f"{digest.replace(':', '-')}.{form}{mark}.json"
            path.write_bytes(signed.bundle())
            written[signed.record.index] = path
    return [written[signed.record.index] for signed in made]
