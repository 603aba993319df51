"""A service whose configuration changes while it runs, and what its ledger says of that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from signer.configuring.logged import history
from tests.signer.running import InProcess
from tests.signer.world import World


class Reloaded(NamedTuple):
    """What `sealbook config reload` said."""

    changed: bool
    index: int | None  # type: ignore[assignment]  # tuple.index is not missed
    sections: list[str]


def reload(world: World) -> Reloaded:
    """Have the configuration loaded again, which has to go well."""
    done = world.command("config", "reload", "--json")
    assert 0 == done.returncode, done.stderr
    return Reloaded(**json.loads(done.stdout))


def not_reloaded(world: World, code: str) -> str:
    """Check that nothing comes into force of what the file says, and return why."""
    done = world.command("config", "reload", "--json")
    assert 1 == done.returncode
    told = json.loads(done.stdout)
    assert code == told["error"], done.stderr
    message: str = told["message"]
    return message


def logged(service: InProcess) -> list[tuple[int, Any]]:
    """Return where configurations are logged, and what they say, the founding's first."""
    ledger = service.ledger
    found = history(ledger.store, ledger.bodies, ledger.head.tree_size)
    return [(one.index, one.content) for one in found]


def newest(service: InProcess) -> Any:
    """Return the last configuration that is logged."""
    return logged(service)[-1][1]


@contextmanager
def changed(world: World, *edits: tuple[str, str]) -> Iterator[None]:
    """Change the file, and put it back."""
    text = world.config.read_text()
    for old, new in edits:
        world.edit(old, new)
    try:
        yield
    finally:
        world.config.write_text(text)


def add(world: World, rules: str) -> None:
    """Add to the file."""
    with world.config.open("a") as file:
        file.write(f"\n{rules}\n")
