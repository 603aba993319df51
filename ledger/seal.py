"""The seal of the head: only who holds the log's secrets can make it.

Nobody signs on a head that a flipped bit or a database administrator made.
"""

from __future__ import annotations

import hashlib
import hmac

from ledger import tree
from ledger.errors import DamagedError
from ledger.store import Head, Store
from verifier.merkle import EMPTY_ROOT


def sealed(origin: str, seal_key: bytes, head: Head) -> Head:
    """Return `head` under the seal of this ledger."""
    message = b"\0".join(
        (
            b"sealbook-head-v1",
            origin.encode(),
            b"%d %d %d" % (head.tree_size, head.time, head.frozen),
            head.root + b"".join(head.compact),
        )
    )
    return head._replace(seal=hmac.digest(seal_key, message, hashlib.sha256))


def empty_head(origin: str, seal_key: bytes) -> Head:
    """Return the sealed head of a ledger without entries."""
    return sealed(origin, seal_key, Head(0, EMPTY_ROOT, (), 0, False, b""))  # noqa: FBT003


def check_head(store: Store, seal_key: bytes) -> None:
    """Check seal, compact range and root of the head against each other.

    Raises:
        DamagedError: it was not this ledger that wrote them.
    """
    head = store.head()
    if not hmac.compare_digest(sealed(store.origin, seal_key, head).seal, head.seal):
        raise DamagedError("the seal of the head is not ours")
    if len(head.compact) != head.tree_size.bit_count() or tree.root(head.compact) != head.root:
        raise DamagedError("the compact range of the head does not hash to its root")
