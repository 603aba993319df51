"""Copying many images: several at once, what goes wrong with one does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Self

from signer.carry.carrier import Carried, Carrier, Refusals
from signer.carry.routes import Leg
from signer.carry.sent import Sent
from verifier.errors import SealbookError
from verifier.pull.images import fallback_tag

_IMAGES, _BLOBS = 4, 8  # at once


class Copied(NamedTuple):
    """What became of one image, or why nothing did."""

    leg: Leg
    end: Carried | SealbookError

    @property
    def is_whole(self) -> bool:
        """Whether all of it is there now."""
        return isinstance(self.end, Carried) and not self.end.refused


class Copying:
    """Copies along `legs`. A context manager, which ends its threads."""

    def __init__(self, tell: Callable[[int, int], object] | None = None) -> None:
        """Call `tell` with how many parts are done, and of how many."""
        self.sent = Sent(tell)
        self._images = ThreadPoolExecutor(_IMAGES, "copying")
        self._blobs = ThreadPoolExecutor(_BLOBS, "sending")
        self._carriers: dict[tuple[str, str], Carrier] = {}

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads; what was not begun, is not."""
        self._images.shutdown(cancel_futures=True)
        self._blobs.shutdown(cancel_futures=True)

    def copy(self, legs: Sequence[Leg], *, rest: bool = False) -> list[Copied]:
        """Copy each image with all that is attached, and return what became of it, in order.

        With `rest` also what is attached to images that no tag leads to. What others may write
        to as well has to settle then.
        """
        ways = [(leg, self._carrier(leg)) for leg in legs]
        ends = list(self._images.map(lambda way: _copied(*way), ways))
        if rest:
            of = {id(carrier): (leg, carrier) for leg, carrier in ways}
            ends += [one for leg, carrier in of.values() for one in _rest(leg, carrier)]
        return ends

    def settled(self, ends: Sequence[Copied]) -> list[Copied]:
        """Wait until all of it lasts; return the same, with what does not."""
        unsettled = {names: one.settle() for names, one in self._carriers.items()}
        return [_with(copied, unsettled) for copied in ends]

    def _carrier(self, leg: Leg) -> Carrier:
        """Return who carries on this way, and knows what was sent on it."""
        names = (leg.source.name, leg.target.name)
        if names not in self._carriers:
            self._carriers[names] = Carrier(leg.source, leg.target, self._blobs, sent=self.sent)
        return self._carriers[names]


def _copied(leg: Leg, carrier: Carrier) -> Copied:
    try:
        return Copied(leg, carrier.image(leg.reference, leg.tag))
    except SealbookError as e:
        return Copied(leg, e)


def _rest(leg: Leg, carrier: Carrier) -> Iterator[Copied]:
    try:
        for one in carrier.rest():
            yield Copied(leg._replace(reference=one.digest, tag=""), one)
    except SealbookError as e:
        yield Copied(leg, e)


def _with(copied: Copied, unsettled: Mapping[tuple[str, str], Refusals]) -> Copied:
    """Add what did not last of one image's tags."""
    end = copied.end
    if isinstance(end, SealbookError):
        return copied
    tags = {fallback_tag(one) for one in end.subjects}
    errors = unsettled[copied.leg.source.name, copied.leg.target.name]
    mine = [error for error in errors if error[0].partition(".")[0] in tags]
    return copied._replace(end=end._replace(refused=(*end.refused, *mine)))
