"""What a caller asks for, as plain values: shared by the service and its clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Item(NamedTuple):
    """One image to approve, as the caller wrote it; checked when it is its turn.

    Each field is documented in proto/signer/v1/signer.proto.
    """

    digest: str
    size: int = 0
    media_type: str = ""
    tag: str = ""
    annotations: Mapping[str, str] = {}
    renew: bool = False
    idempotency_key: str = ""
    promotes: int | None = None


class Order(NamedTuple):
    """What one call asks for; an empty `key` or `forms` means the default."""

    repository: str
    items: Sequence[Item]
    key: str = ""
    forms: Sequence[str] = ()
    reason: str = ""
