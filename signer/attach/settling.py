"""Writing many tags until what was written lasts.

    look, and write where something is missing
    look again when the settle time is over: all there? then nobody who had read before can
    still write, or they are slower than that; else wait a random while and write again

All tags go through it together, so that many images wait once. A few are looked at often
meanwhile: what two others take from each other is seen that way, and put back.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from signer.attach.union import Union
from verifier.errors import VerificationError
from verifier.pull.errors import BusyTagError, RegistryBusyError, RegistryUnreachableError

_LOOKS = 40  # in one settle time, divided by the number of tags
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 2.0


class Patience(NamedTuple):
    """How long others may take between their reading and writing, and when to give up."""

    settle_s: float = 2.0
    total_s: float = 60.0


PATIENCE = Patience()
Tell = Callable[[int, int], object]  # how many are done with, and of how many


class _Open:
    """A tag that is not settled. `since`: from when on all was there whenever somebody looked.

    `busy` is why the registry did not answer the last look.
    """

    def __init__(self, union: Union) -> None:
        self.union = union
        self.since = union.written_at
        self.writes = 0
        self.busy: RegistryBusyError | None = None

    def step(self, settle_s: float) -> bool:
        """Look, and write if need be; return whether it is settled."""
        self.busy = None
        if self.union.look():
            self.since = self.since or time.monotonic()
            return time.monotonic() - self.since >= settle_s
        if self.writes:
            # Who writes against whom is settled by chance, for somebody waits longer.
            longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**self.writes)
            time.sleep(random.uniform(0, longest))  # noqa: S311  no secret
            if self.union.look():
                self.since = time.monotonic()
                return False
        self.writes += 1
        self.union.write()
        self.since = time.monotonic()
        return False


class _Places:
    """What all steps share: the places where nobody answers any more, by name."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._gone: dict[str, RegistryUnreachableError] = {}

    def step(self, one: _Open) -> bool:
        """Go on with one tag; return whether it is settled."""
        name = one.union.images.name
        if name in self._gone:
            raise self._gone[name]
        try:
            return one.step(self._settle_s)
        except RegistryBusyError as e:
            one.busy, one.since = e, None
            return False
        except RegistryUnreachableError as e:
            self._gone[name] = e
            raise


def settle(
    unions: Sequence[Union],
    executor: Executor,
    patience: Patience = PATIENCE,
    tell: Tell | None = None,
) -> list[VerificationError | None]:
    """Write each tag until it lasts; return what went wrong with each, in their order.

    A tag that others write all the time is `busy-tag` after `patience.total_s`. A registry that is
    busy is asked again until then; one that is gone is not.
    """
    ends = time.monotonic() + patience.total_s
    failed: dict[int, VerificationError] = {}
    places = _Places(patience.settle_s)
    left = {i: _Open(union) for i, union in enumerate(unions)}
    while left:
        steps = {i: executor.submit(places.step, one) for i, one in left.items()}
        for i, stepped in steps.items():
            try:
                if stepped.result():
                    del left[i]
            except VerificationError as e:
                failed[i] = e
                del left[i]
        if tell is not None:
            tell(len(unions) - len(left), len(unions))
        if time.monotonic() > ends:
            failed |= {i: one.busy or _never_rests(one.union) for i, one in left.items()}
            break
        if left:
            time.sleep(_pause_s(list(left.values()), patience.settle_s))
    return [failed.get(i) for i in range(len(unions))]


def _never_rests(union: Union) -> BusyTagError:
    return BusyTagError(
        f"others write {union.tag} of {union.images.name} all the time",
        hint="try again, or let the service attach: sealbook publish",
    )


def _pause_s(left: Sequence[_Open], settle_s: float) -> float:
    """Return how long to wait: few tags are looked at often, many once."""
    often = settle_s * min(1.0, len(left) / _LOOKS)
    calm = max((one.since or 0.0 for one in left), default=0.0) + settle_s
    return max(0.0, min(often, calm - time.monotonic()))
