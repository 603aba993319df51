"""Turns: of equal requests at the same time the first one signs, and the others wait for that.

They look again then, and find the answer. Without this each of a hundred would have the key
sign, for the ledger to keep one. Should the first one fail, all others try by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Any, TypeVar

_T = TypeVar("_T")


class Turns:
    """Which requests are under way. For one event loop."""

    def __init__(self) -> None:
        """Begin with none."""
        self._now: dict[Hashable, asyncio.Future[Any]] = {}

    def begin(
        self, same: Iterable[Hashable], make: Callable[[], Awaitable[_T]]
    ) -> asyncio.Task[_T]:
        """Return the task that does `make` once all that was begun with one of `same` has ended.

        Nobody waits in a circle: each waits for what was begun before.
        """
        same = list(same)
        earlier = {self._now[one] for one in same if one in self._now}

        async def wait_and_make() -> _T:
            if earlier:
                await asyncio.wait(earlier)
            return await make()

        task = asyncio.ensure_future(wait_and_make())
        self._now.update(dict.fromkeys(same, task))

        def end(_: object) -> None:
            for one in same:
                if self._now.get(one) is task:
                    del self._now[one]

        task.add_done_callback(end)
        return task
