"""A directory of trust files, `kept`, that follows those of a founded service."""

from __future__ import annotations

import shutil

from tests.signer.commands import Done, check_refused
from tests.signer.world import World


def sync(world: World, *words: object, source: object = ".") -> Done:
    """Sync the directory `kept` from the service's own, as carried across an air gap."""
    return world.command("trust", "sync", source, "kept", *words)


def kept(world: World) -> dict[str, bytes]:
    """Return the files of `kept`, but for the lock."""
    found = {path.name: path.read_bytes() for path in (world.directory / "kept").iterdir()}
    found.pop("lock", None)
    return found


def unchanged(world: World, code: str, *words: object, source: object = ".") -> str:
    """Check that a sync refuses, that nothing was changed, and return what it said."""
    before = kept(world)
    said = check_refused(sync(world, *words, source=source), code)
    assert before == kept(world)
    return said


def publish_copy(world: World) -> None:
    """Carry next.json and the status file in the directory `usb`."""
    usb = world.directory / "usb"
    usb.mkdir(exist_ok=True)
    shutil.copy(world.directory / "next.json", usb / "trust.json")
    shutil.copy(world.directory / "status.json", usb)
