"""README's five lines: a token, a key in it, and a service that signs with that."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.signer.asking import PATIENCE_S, REPOSITORY, digest
from tests.signer.commands import ROOT, SEALBOOK, one
from tests.signer.hsm.softhsm import MODULE, NEEDS_SOFTHSM
from tests.signer.running import Process
from tests.signer.world import World

pytestmark = [
    NEEDS_SOFTHSM,
    pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl"),
]

_BLOCK = re.compile(
    r"^With an HSM in five lines.*?^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_SERVE = "cd service && sealbook serve"


def five_lines() -> list[str]:
    """Return what README shows, each line as it is typed."""
    [block] = _BLOCK.findall((ROOT / "README.md").read_text())
    lines = block.splitlines()
    assert all(line.startswith("$ ") for line in lines)
    return [line[2:].replace("/usr/lib/softhsm/libsofthsm2.so", str(MODULE)) for line in lines]


def test_five_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    README's five lines make a service whose approvals a key in a token signs, and no file has it.
    """
    (tmp_path / "tokens").mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(configuration))
    monkeypatch.setenv("PATH", f"{SEALBOOK.parent}:{os.environ['PATH']}")
    *making, serving = five_lines()
    assert 4 == len(making)
    assert _SERVE == serving  # what `Process` does

    done = subprocess.run(
        ["bash", "-euc", "\n".join(making)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    world = World(tmp_path / "service")
    for port in ("8640", "8641"):  # which other tests may have
        world.edit(f":{port}", ":0")
    service = Process(world)
    try:
        with service.client() as client:
            signed = client.sign(digest(1), REPOSITORY, forms=["bundle"])
        service.verify(signed)
        told = one(service.command("key", "show", "release", "--json"))
    finally:
        service.stop()
        assert service.process.stdout is not None
        service.process.stdout.close()

    assert not list((world.directory / "keys").glob("release*"))
    attributes = told["attributes"]
    assert ("pkcs11", "false") == (attributes["home"], attributes["CKA_EXTRACTABLE"])
    assert (tmp_path / "pin").read_text().strip() not in world.config.read_text() + str(told)
    assert 0o600 == (tmp_path / "pin").stat().st_mode & 0o777
