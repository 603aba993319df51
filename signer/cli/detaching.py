"""Take out of registries what was revoked: `sealbook revoke --detach` and `sealbook detach`."""

from __future__ import annotations

import argparse
import base64
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from ledger import labels
from signer.attach.detaching import PATIENCE, Detached, detach
from signer.attach.revoked import Revoked
from signer.attach.subjects import Subjects, subjects
from signer.cli.images import add_registries
from signer.cli.progress import progress
from signer.client import Client
from signer.client.answer import record
from signer.errors import ServiceError
from verifier.digest import Digest
from verifier.errors import SealbookError, VerificationError
from verifier.pull.forms import Found
from verifier.pull.images import Images
from verifier.pull.opening import open_images
from verifier.pull.place import Place, RegistryPlace, parse_place
from verifier.pull.registry.reading import read_registries
from verifier.record import Record
from verifier.repository import EVERYWHERE, Repository
from verifier.trust import TrustRoot
from verifier.trust.revocation import Revocation, Revocations

_PARALLEL = 8
_NOT_SHOWN = ("permission-denied", "unknown-entry")
METAVAR = "PLACE"
HELP = "registry/repository, with :TAG or @DIGEST for one image of it; oci:DIR; oci-archive:FILE"


class Target(NamedTuple):
    """A repository that is open, by what was typed."""

    text: str
    place: Place
    images: Images

    @property
    def repository(self) -> Repository | None:
        """What it is called, when it has a name of its own."""
        return self.place.repository if isinstance(self.place, RegistryPlace) else None


class Outcome(NamedTuple):
    """What became of one place: of how many images, and what was found at some of them.

    `error`: it could not be looked through; what was done before, is done. `under` are manifests
    of a revoked index, which are not revoked with it: some runtimes look at these alone.
    """

    place: str
    images: int = 0
    detached: Sequence[Detached] = ()
    unread: Sequence[tuple[str, SealbookError]] = ()
    error: SealbookError | None = None
    under: Sequence[Digest] = ()

    @property
    def is_clean(self) -> bool:
        """Whether nothing revoked is found there any more."""
        stays = any(one.stays or one.error for one in self.detached)
        return not (stays or self.unread or self.error)

    def json(self) -> dict[str, Any]:
        """Print for machines."""
        removed, stays, failed = [], [], []
        for one in self.detached:
            removed += [{"image": one.image, **piece._asdict()} for piece in one.removed]
            stays += [{"image": one.image, **piece._asdict(), **_why(e)} for piece, e in one.stays]
            if one.error:
                failed.append({"image": one.image, **_why(one.error)})
        failed += [{"tag": tag, **_why(e)} for tag, e in self.unread]
        failed += [_why(self.error)] if self.error else []
        return {
            "place": self.place,
            "images": self.images,
            "removed": removed,
            "stays": stays,
            "failed": failed,
            "under": list(self.under),
        }

    def text(self) -> str:
        """Print for people."""
        touched = [one for one in self.detached if one.removed]
        count = sum(len(one.removed) for one in touched)
        what = f"{count} revoked signatures removed from {len(touched)} of {self.images} images"
        lines = [f"{self.place}: {what}"]
        for one in self.detached:
            lines += [f"  {one.image}  {_piece(*piece)}" for piece in one.removed]
            lines += [
                f"  {one.image}  {_piece(*piece)} STAYS: {e.message} ({e.code})"
                for piece, e in one.stays
            ]
            if one.error:
                lines.append(f"  {one.image}  NOT READ: {one.error.message} ({one.error.code})")
        lines += [f"  {tag}  NOT READ: {e.message} ({e.code})" for tag, e in self.unread]
        if self.error:
            lines.append(f"  NOT DONE: {self.error.message} ({self.error.code})")
        if self.under:
            lines.append("note:  under a revoked index, and not revoked, so that Podman runs it:")
            lines += [f"  {digest}" for digest in self.under]
        if not self.is_clean:
            lines.append("hint:  once that is mended: sealbook detach goes on, and does no harm")
        return "\n".join(lines)


def add_detach(made: argparse.ArgumentParser) -> None:
    """Add the options that say where to take out what is revoked."""
    made.add_argument(
        "--detach",
        nargs="+",
        default=[],
        metavar=METAVAR,
        help=f"take it out of there too, for whoever reads no status file: {HELP}",
    )
    add_registries(made)


def log_ids(trust: TrustRoot) -> list[bytes]:
    """Return what our logs are called beside signatures: by checkpoint key, and by promise key."""
    found = []
    for log in trust.logs:
        found.append(log.checkpoint_key.log_id)
        if log.promise_key is not None:
            found.append(bytes.fromhex(log.promise_key.fingerprint))
    return found


@contextmanager
def opened(places: Sequence[str], registries: Path | None = None) -> Iterator[list[Target]]:
    """Open each of `places`, before anything is revoked.

    Raises:
        ImagesError: it is no place, or a layout or archive that is not there; or the file
            `registries` cannot be used.
    """
    settings = read_registries(registries)
    with ExitStack() as stack:
        targets = []
        for text in places:
            place = parse_place(text)
            images = open_images(place, settings)
            stack.callback(images.close)
            targets.append(Target(text, place, images))
        yield targets


def detach_all(
    targets: Sequence[Target],
    client: Client,
    revocations: Sequence[Revocation],
    logs: Sequence[bytes] = (),
) -> list[Outcome]:
    """Take what `revocations` take back out of each place; say what became of it.

    What the ledger has is asked of `client`'s service, and nobody else's signature is touched.
    `logs` are `log_ids` of its trust file.
    """
    return [_detach(target, client, revocations, logs) for target in targets]


def _detach(
    target: Target, client: Client, revocations: Sequence[Revocation], logs: Sequence[bytes]
) -> Outcome:
    known = Revocations(revocations)

    def choose(found: Found) -> Revoked:
        # Which repository a signature is for, its body alone says.
        narrow = any(
            one.kind == "digest" and one.target == found.digest and one.repository != EVERYWHERE
            for one in revocations
        )
        where = (lambda _: Path(os.devnull)) if narrow else None
        records = [one.record for one in client.listed(found.digest, where=where)]
        records += _uploads(client, found, {one.index for one in records}, logs)
        return Revoked.of(found.digest, records, known, target.repository, logs)

    found = Subjects([], [])
    try:
        found = _subjects(target, client, revocations)
        with progress(f"Looking through {target.text}") as tell:
            detached = detach(target.images, found.digests, choose, PATIENCE, tell)
    except SealbookError as e:
        return Outcome(target.text, len(found.digests), (), found.unread, e)
    changed = [one for one in detached if one.removed or one.stays or one.error]
    under = _under(target.images, revocations)
    return Outcome(target.text, len(found.digests), changed, found.unread, under=under)


def _under(images: Images, revocations: Sequence[Revocation]) -> list[Digest]:
    """Return what is under indexes that are revoked, and is not."""
    revoked = sorted({one.target for one in revocations if one.kind == "digest"})

    def children(digest: str) -> list[Digest]:
        try:
            return [child.digest for child in images.manifest(digest).children]
        except VerificationError:  # it is not here
            return []

    with ThreadPoolExecutor(_PARALLEL, "indexes") as executor:
        found = dict.fromkeys(chain.from_iterable(executor.map(children, revoked)))
    return [digest for digest in found if digest not in revoked]


def _subjects(target: Target, client: Client, revocations: Sequence[Revocation]) -> Subjects:
    """Return the images that may have something that was revoked."""
    named: set[Digest] = set()
    everything = False
    for one in revocations:
        match one.kind:
            case "digest":
                named.add(Digest(one.target))
            case "entry":
                about = _about(client, int(one.target))
                everything = everything or not about
                named.update(about)
            case "key":
                everything = True
                named.update(_signed_here(target, client, one))
            case _:
                pass  # an authority's word is in certificates, which readers date
    if everything or target.place.reference:
        also = () if target.place.reference else sorted(named)
        return subjects(target.images, target.place, also)
    return Subjects(sorted(named), [])


def _uploads(client: Client, found: Found, known: set[int], logs: Sequence[bytes]) -> list[Record]:
    """Return what others signed and logged here, and attached, if the caller may read it."""
    records = []
    for form in found.forms:
        said = form.identity
        if said is not None and said.log_id in logs and said.index not in known:
            with _where_shown():
                records.append(record(client.entry(said.index).record))
    return records


def _about(client: Client, index: int) -> list[Digest]:
    """Return the images that an entry is about; none when nobody can tell, or not this caller."""
    with _where_shown():
        said = labels.decode(client.entry(index).labels)
        if said["form"] != [labels.OPAQUE]:  # there it is the hash of what was signed
            return list(map(Digest, said.get("digest", ())))
    return []


def _signed_here(target: Target, client: Client, one: Revocation) -> Iterator[Digest]:
    """Yield what a revoked key signed for the place, tagged or not, if the caller may read that."""
    if target.repository is None:
        return
    fingerprint = base64.b64decode(one.target).hex()
    also = (("repository", str(target.repository)),)
    with _where_shown():
        for found in client.search("key", fingerprint, one.after, also=also):
            if found.body:
                yield from map(Digest, labels.of(found.entry, found.body).get("digest", ()))


@contextmanager
def _where_shown() -> Iterator[None]:
    """Go on without what the service does not show this caller, or does not have."""
    try:
        yield
    except ServiceError as e:
        if e.code not in _NOT_SHOWN:
            raise


def _why(error: SealbookError) -> dict[str, str]:
    return {"error": error.code, "message": error.message}


def _piece(kind: str, where: str, _: Digest, entry: int) -> str:
    return f"{kind} of entry {entry} ({where})"
