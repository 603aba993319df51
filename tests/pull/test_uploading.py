"""What is sent of a blob: all of it, or not its last piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from verifier.pull.errors import WrongContentError
from verifier.pull.images import EMPTY, BlobOf, Descriptor, Images
from verifier.pull.registry.deadline import Deadline
from verifier.pull.registry.uploading import checked

GOOD, BAD = [b"one", b"two"], [b"one", b"six"]
DESCRIBED = Descriptor.of(EMPTY, b"".join(GOOD))


class FakeSource:
    """Has one blob, and says at its end whether it was what was asked for, as `Images` do."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        yield from self._pieces
        descriptor.check(b"".join(self._pieces))


def sent(pieces: list[bytes] | BlobOf) -> list[bytes]:
    """Return what is sent of `pieces` before they are found out."""
    found: list[bytes] = []
    with pytest.raises(WrongContentError):
        found.extend(checked(DESCRIBED, pieces, Deadline(60, "a test")))
    return found


def blob_of(pieces: list[bytes], descriptor: Descriptor = DESCRIBED) -> BlobOf:
    return BlobOf(cast("Images", FakeSource(pieces)), descriptor)


def test_the_last_piece_is_kept_back() -> None:
    """
    Of what is not what was described the last piece is never sent, wherever the pieces come from:
    also of another blob of a place that finds nothing wrong with it.
    """
    another = Descriptor.of(EMPTY, b"".join(BAD))

    for pieces in (BAD, blob_of(BAD), blob_of(BAD, another)):
        assert [b"one"] == sent(pieces)


def test_all_of_it_is_sent() -> None:
    """
    What is what was described is sent whole, as often as it is asked for.
    """
    blob = blob_of(GOOD)

    for _ in range(2):
        assert GOOD == list(checked(DESCRIBED, blob, Deadline(60, "a test")))
