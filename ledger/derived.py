"""What lies beside an entry follows from it: body, labels, dedup key.

Whoever copies, checks or repairs a ledger derives them again here, and believes
nothing that came with the entry.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from ledger import at_rest, dedup, labels
from ledger.bodies import Bodies
from ledger.errors import DamagedError
from ledger.store import Row
from verifier.entry import parse_any


class Derived(NamedTuple):
    """What an entry is found by. Without `dedup` the key does not follow from what is left."""

    labels: labels.Labels
    dedup: bytes | None


def body_of(row: Row, bodies: Bodies) -> bytes | None:
    """Return the body of `row`, from the row or its file; None when it was deleted or never was.

    Raises:
        DamagedError: it is not the one that the entry names, or its file is missing.
        LockedError: it is encrypted, and its key is not known to `bodies`.
    """
    if row.body is None and not row.body_size:
        return None
    if row.body is not None and row.body_size:
        raise DamagedError("expected a body in the row or in a file, found both")
    name = labels.body_name(row.entry)
    if name is None:
        raise DamagedError("expected no body beside an entry that names none")
    if row.body is None:
        return bodies.read(name, row.body_size)
    if at_rest.is_sealed(row.body):
        raise at_rest.unopened(bodies.keys, row.body)
    algorithm = name.partition(":")[0]
    found = f"{algorithm}:{hashlib.new(algorithm, row.body).hexdigest()}"
    if found != name:
        raise DamagedError(f"expected the body {name}, found {found}")
    return row.body


def derive(row: Row, bodies: Bodies) -> Derived:
    """Return what `row` is found by, once its body is seen to be the entry's.

    A body that was deleted leaves the labels as they came.

    Raises:
        DamagedError: they do not belong together.
        LockedError: the body is encrypted, and its key is not known to `bodies`.
        VerificationError: entry or body are of no form that is kept here.
    """
    parse_any(row.entry)
    body = body_of(row, bodies)
    if body is None and not labels.is_opaque(row.labels):
        found = labels.decode(row.labels)
        if not found.get("form"):
            raise DamagedError("expected labels with a form")
    else:
        found = labels.of(row.entry, body)
    return Derived(found, dedup.of(found["form"][0], row.entry, body))
