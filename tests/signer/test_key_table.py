"""signer/README.md says of every key what it can do if it is stolen, and what to do that day."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from signer.ceremony.reading import Ceremony
from tests.signer.commands import ROOT, sealbook
from tests.signer.world import World

PAGE = (ROOT / "signer" / "README.md").read_text()
TABLE = PAGE.partition("## What each key can do if it is stolen\n")[2].partition("\n## ")[0]
COLUMNS = ("lives", "can", "cannot", "noticed", "that day")
COMMAND = re.compile(r"`(sealbook [^`]+)`")
TOML = re.compile(r"^```toml\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def rows() -> Mapping[str, tuple[str, ...]]:
    """Return the cells of each row, by the first word in code of its first cell."""
    found = {}
    for line in TABLE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        name = re.match(r"`([a-z-]+)`", cells[0])
        if name:
            found[name[1]] = tuple(cells[1:])
    return found


def test_every_key(world: World) -> None:
    """
    Every secret that `sealbook init` makes has a row, and every row says all that it should.
    """
    secrets = {path.stem for path in (world.directory / "keys").iterdir()}
    secrets |= {
        path.name
        for path in world.directory.iterdir()
        if path.is_file() and path.stat().st_mode & 0o77 == 0
    }
    # What cosign is given holds the append token, and nothing of its own.
    token = (world.directory / "append-token").read_text().strip()
    assert token in (world.directory / "signing_config.json").read_text()
    found = rows()

    # Of sessions and API keys there are hashes: SECURITY.md has a row for it.
    assert secrets - {"signing_config.json", "access.db"} == set(found)
    for name, cells in found.items():
        assert len(COLUMNS) == len(cells), name
        assert all(cells), name


def test_commands() -> None:
    """
    Every command that the page names is there, with the options that it names.
    """
    named = sorted(set(COMMAND.findall(PAGE.replace("\n", " "))))
    for text in named:
        command, *words = text.split()[1:]
        action = words[:1] if command in ("key", "ledger", "trust", "witness") else []
        done = sealbook(command, *action, "--help")
        assert 0 == done.returncode, text
        for option in (word for word in words if word.startswith("--")):
            assert f"{option} " in done.stdout or f"{option}\n" in done.stdout, text
    assert len(named) > 15


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", PAGE))))
def test_links(link: str) -> None:
    """
    Every link of the page leads somewhere.
    """
    file, _, anchor = link.partition("#")
    text = (Path(ROOT, "signer") / file).resolve().read_text() if file else PAGE
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }

    assert not anchor or anchor in headings


def test_example() -> None:
    """
    The ceremony's file on the page is one.
    """
    [example] = TOML.findall(PAGE)

    assert "release" == Ceremony.parse(example.encode()).keys[0].name
