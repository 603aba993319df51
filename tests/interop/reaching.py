"""Whether a set of tampers reaches every value of a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


def missed(good: Any, spoiled: Iterable[Any]) -> list[str]:
    """Return the paths of values in `good` that are the same in each of `spoiled`."""
    values = dict(_values(good))
    others = [dict(_values(bad)) for bad in spoiled]
    return [path for path in values if all(bad.get(path) == values[path] for bad in others)]


def _values(node: Any, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield the path and value of everything in `node` that is no object or list."""
    match node:
        case dict():
            for key, value in node.items():
                yield from _values(value, f"{path}.{key}")
        case list():
            for index, value in enumerate(node):
                yield from _values(value, f"{path}[{index}]")
        case _:
            yield path, node
