"""Places in JSON values: a path is the keys and indexes that lead to one."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, TypeAlias

import pytest

Path: TypeAlias = tuple[str | int, ...]

GONE = object()


def get(document: Any, path: Path) -> Any:
    """Return what is at `path`."""
    for step in path:
        document = document[step]
    return document


def put(document: Any, path: Path, value: object) -> Any:
    """Return a copy of `document` with `value` at `path`; GONE removes what is there."""
    copied = deepcopy(document)
    parent, last = get(copied, path[:-1]), path[-1]
    if value is GONE:
        del parent[last]
    else:
        parent[last] = value
    return copied


def inside(document: Any, *kinds: type, top: bool = False) -> list[Any]:
    """Return as parameters the path of everything in `document` that is of one of `kinds`.

    With `top`, the document itself is the first.
    """
    found = [*([()] if top else []), *_paths(document)]
    return [pytest.param(p, id=named(p)) for p in found if type(get(document, p)) in kinds]


def named(path: Path) -> str:
    """Return a name for a test about `path`."""
    return ".".join(map(str, path)) or "top"


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    steps: Any = value if isinstance(value, dict) else ()
    if isinstance(value, list):
        steps = range(len(value))
    for step in steps:
        yield (*path, step)
        yield from _paths(value[step], (*path, step))
