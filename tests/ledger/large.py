"""Entries to test with that have more beside them: bodies in files, promises, certificates."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from ledger import dedup, labels
from ledger.fsck import Known, fsck
from ledger.ledger import Ledger
from ledger.opening import Home, open_ledger
from ledger.plan import NewEntry
from ledger.spooling import PIECE
from ledger.store.sqlite import SqliteStore
from tests.ledger.making import KEYS, ORIGIN, REPOSITORY, SIGNER, entries, prove_all
from verifier import dsse, simplesigning, statement
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.rekor_v1 import LegacyEntry

SIZE = 1 << 20  # bytes
PROMISING = KEYS._replace(promise=SIGNER)
KNOWN = Known(ORIGIN, KEYS.seal, promise_keys=(SIGNER.public,))
_KIND = "https://cyclonedx.org/bom"


class Large(NamedTuple):
    """An attestation that is ready to be appended, and its body."""

    new: NewEntry
    body: bytes

    @property
    def name(self) -> str:
        """How its entry names the body."""
        return "sha256:" + hashlib.sha256(self.body).hexdigest()

    def keep(self, ledger: Ledger) -> NewEntry:
        """Put the body into its file, as comes before the commit."""
        with ledger.bodies.spool() as spool:
            for at in range(0, len(self.body), PIECE):
                spool.write(self.body[at : at + PIECE])
            spool.keep()
        return self.new


def large(i: int, size: int = SIZE) -> Large:
    """Return the attestation of image `i`, with a predicate of about `size`."""
    filler = b"".join(
        hashlib.sha256(b"%d %d" % (i, n)).hexdigest().encode() for n in range(size // 64)
    )
    before, after = statement.around(_KIND, [Digest.of(b"%d" % i)], REPOSITORY, {})
    body = dsse.pae(dsse.IN_TOTO, before + b'{"bom":"%b"}' % filler + after)
    logged = Entry.of(body, SIGNER.sign(body), SIGNER.public).body()
    key = dedup.key(labels.BUNDLE, SIGNER.public, body)
    stamped = NewEntry(
        logged, b"", labels.of(logged, body), key, timestamp=b"stamp", chain=b"chain"
    )
    return Large(stamped._replace(body_size=len(body)), body)


def legacy(i: int) -> NewEntry:
    """Return the legacy signature of image `i`, which has a promise."""
    body = simplesigning.payload(REPOSITORY, Digest.of(b"%d" % i), {})
    logged = LegacyEntry.of(body, SIGNER.sign(body), SIGNER.public).body()
    key = dedup.key(labels.SIMPLESIGNING, SIGNER.public, body)
    return NewEntry(logged, body, labels.of(logged, body), key, promised=True)


def append(ledger: Ledger, *numbers: int) -> None:
    """Append an approval, a legacy signature and a large attestation of each image."""
    for i in numbers:
        prove_all(ledger.append([*entries(i, i + 1), legacy(i), large(i).keep(ledger)]))


def grow(home: Home, *numbers: int) -> None:
    """Open a ledger, append what `append` does, and close it."""
    with open_ledger(home, PROMISING) as ledger:
        append(ledger, *numbers)


def files(directory: Path) -> dict[str, bytes]:
    """Return all that lies in a directory of bodies, by path."""
    folder = directory / "bodies"
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def expected(*numbers: int) -> dict[str, bytes]:
    """Return what `files` finds where just the bodies of these images are."""
    found = [large(i) for i in numbers]
    return {each.name.replace(":", "/"): each.body for each in sorted(found, key=lambda f: f.name)}


def check(database: Path, known: Known = KNOWN) -> list[tuple[str, int]]:
    """Return code and index of all that a check finds."""
    store = SqliteStore(database, read_only=True)
    try:
        return [(f.code, f.index) for f in fsck(store, known, signatures=True)]
    finally:
        store.close()
