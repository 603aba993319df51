"""`sealbook trusted-root`: how an operator makes the two trust files agree again."""

from __future__ import annotations

from pathlib import Path

from tests.signer.authorities import Below
from tests.signer.commands import check_refused, sealbook, spawn
from tests.signer.running import running, start_refused
from tests.signer.world import World
from verifier.trust.listed import Authority


def test_as_init_writes_it(world: World) -> None:
    """
    It prints, byte for byte, the file that init wrote.
    """
    expected = (world.directory / "trusted_root.json").read_text()

    assert expected == spawn("trusted-root", world.directory / "trust.json").stdout


def test_way_out(world: World) -> None:
    """
    A service that does not start because the two files differ names the command that helps.
    """
    more = (*world.trust.authorities, Authority("timestamp", Below().timestamp_chain))
    trust = world.trust._replace(authorities=more)
    (world.directory / "trust.json").write_bytes(trust.json())
    start_refused(world, "trusted-root")
    done = world.spawn("serve")
    said = check_refused(done, "trusted-root")
    assert "sealbook trusted-root trust.json > trusted_root.json" in said

    (world.directory / "trusted_root.json").write_text(
        world.command("trusted-root", "trust.json").stdout
    )

    with running(world) as service:
        assert 1 == service.tree_size


def test_of_no_trust_file(tmp_path: Path) -> None:
    """
    What is no trust file is refused, and nothing is printed.
    """
    path = tmp_path / "trust.json"
    path.write_text("{}")
    done = sealbook("trusted-root", path)

    check_refused(done, "malformed")
    assert "" == done.stdout
    assert "unreadable" in sealbook("trusted-root", tmp_path / "none").stderr
