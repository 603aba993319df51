"""What the bindings that are about somebody let them do, from wherever they call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from signer.access.binding import Binding
from signer.access.network import within
from signer.access.principal import Action, Grant
from signer.access.roles import ROLES
from signer.access.where import Where

_MOST_ADDRESSES = 256  # remembered of each caller; more are judged anew each time
Grants = Mapping[Action, tuple[Grant, ...]]


class Placed(NamedTuple):
    """A binding, and the place that it is about for somebody."""

    binding: Binding
    where: Where


class Judged:
    """What the bindings of one generation give somebody, from wherever they call."""

    def __init__(self, placed: Iterable[Placed], *, pipeline: bool) -> None:
        """Give what `placed` says; `pipeline` unless a binding says that it is for people."""
        self.placed = tuple(placed)
        self.pipeline = pipeline and not any(one.binding.people for one in self.placed)
        narrowed = any(one.binding.networks for one in self.placed)
        self._everywhere = None if narrowed else _granted(self.placed)
        self._by_address: dict[str, Grants] = {}

    @property
    def is_known(self) -> bool:
        """Whether a binding is about whoever this is, and not about all who call from a network."""
        return any(not one.binding.anonymous for one in self.placed)

    def grants(self, address: str) -> Grants:
        """Return what may be done by a call from `address`."""
        if self._everywhere is not None:
            return self._everywhere
        found = self._by_address.get(address)
        if found is None:
            found = _granted(one for one in self.placed if _counts_from(one.binding, address))
            if len(self._by_address) < _MOST_ADDRESSES:
                self._by_address[address] = found
        return found


def _granted(placed: Iterable[Placed]) -> Grants:
    found: dict[Action, list[Grant]] = {}
    for binding, where in placed:
        for action in ROLES[binding.role]:
            found.setdefault(action, []).append(Grant(where, binding.rule))
    return MappingProxyType({action: tuple(grants) for action, grants in found.items()})


def _counts_from(binding: Binding, address: str) -> bool:
    return not binding.networks or within(address, binding.networks)
