"""What the ledger has for an image in a repository, and what of it belongs into a registry.

At the published position, and without what was revoked: that is asked each time. What second
keys sign, and keys of algorithms that some reader of the form does not know, stays out, unless
the configuration wants it there too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from ledger.errors import BodyDeletedError
from ledger.ledger import Ledger
from ledger.publication import Published
from signer.access import Grant
from signer.access.where import Where
from signer.attach.making import is_read
from signer.audit_trail.acting import ITSELF
from signer.errors import NothingSignedError
from signer.keys.ring import KeyRing
from signer.seeing import FETCH, Sight
from signer.service.bundles import SHOWN, Bundles, Found
from signer.status.in_force import InForce
from verifier.digest import Digest
from verifier.entry import parse_any
from verifier.errors import RevokedError
from verifier.publickey import PublicKey
from verifier.rekor_v1 import EnvelopeEntry
from verifier.repository import EVERYWHERE, Repository

_EVERYTHING = Sight(
    ITSELF._replace(grants={action: (Grant(Where(EVERYWHERE)),) for action in FETCH}), FETCH
)


class Gathered(NamedTuple):
    """Signatures about one image in one repository, oldest first, all proven under `published`."""

    published: Published
    found: Sequence[Found]

    @property
    def entries(self) -> tuple[int, ...]:
        """Where they are."""
        return tuple(one.record.index for one in self.found)


class Gathering:
    """Finds them in one ledger. Safe in many threads."""

    def __init__(
        self,
        ledger: Ledger,
        in_force: InForce,
        seconds: Callable[[], Collection[str]],
        named: Callable[[tuple[Repository, Digest]], Collection[int]] = lambda _: (),
    ) -> None:
        """Find in `ledger` what counts by `in_force`; `seconds` are second keys, by fingerprint.

        `named` returns the entries that are about an image without saying in which repository.
        """
        self._ledger = ledger
        self._about = Bundles(ledger)
        self._in_force = in_force
        self._seconds = seconds
        self._named = named

    def gather(self, digest: Digest, repository: Repository, *, also: bool) -> Gathered:
        """Return what was signed about `digest` in `repository`; with `also`, by second keys too.

        Raises:
            NothingSignedError: nothing, at the published position.
            RevokedError: all of it was revoked.
            LedgerError: it cannot be read now.
        """
        self._in_force.check_digest(digest, repository)
        published = self._ledger.published
        revoked: RevokedError | None = None
        found: list[Found] = []
        for one in self._all(published, digest, repository):
            public = _key(one)
            if public is None or not (also or self._is_read(one, public)):
                continue
            try:
                self._in_force.check_entry(one.record.index, public)
            except RevokedError as e:
                revoked = e
            else:
                found.append(one)
        if not found:
            raise revoked or NothingSignedError(
                f"nothing was signed about {digest} in {repository}"
            )
        return Gathered(published, found)

    def pieces(self, gathered: Gathered, one: Found) -> Iterator[bytes]:
        """Yield the bytes that readers of the form take."""
        return self._about.rendered(one, gathered.published.note)

    @property
    def log_id(self) -> bytes:
        """What the ledger is known by in what is rendered."""
        return self._ledger.log_key.log_id

    def _all(self, published: Published, digest: Digest, repository: Repository) -> Iterator[Found]:
        yield from self._pages(published, digest, repository)
        named = self._named((repository, digest))
        if named:
            unnamed = self._pages(published, digest, None)
            yield from (one for one in unnamed if one.record.index in named)

    def _pages(
        self, published: Published, digest: Digest, repository: Repository | None
    ) -> Iterator[Found]:
        start = 0
        while True:
            try:
                page, start = self._about.find(
                    published, digest, repository, start, SHOWN, sight=_EVERYTHING
                )
            except BodyDeletedError:
                return
            yield from page
            if not start:
                return

    def _is_read(self, one: Found, public: PublicKey) -> bool:
        return is_read(one.record) and public.fingerprint not in self._seconds()


def seconds(keys: KeyRing) -> frozenset[str]:
    """Return the keys, by fingerprint, that sign again what others sign."""
    names = {name for key in keys.keys.values() for name in key.also}
    return frozenset(keys.keys[name].public.fingerprint for name in names if name in keys.keys)


def _key(one: Found) -> PublicKey | None:
    logged = parse_any(one.record.entry)
    return None if isinstance(logged, EnvelopeEntry) else logged.key
