"""One input of the catalogue: the row that it stands for, who judges it, and with which verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Case(NamedTuple):
    """An input, made and ready to be judged, as often as one likes.

    `judge` does little but judge: what it costs is what the verifier costs. `code` is what
    the input is refused with, or "yes" where the row itself says that it is allowed, or to
    show that it is one fault alone that its neighbours are refused for.
    """

    row: str  # as in "B12"
    name: str
    judge: Callable[[], object]
    code: str
