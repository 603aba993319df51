"""The set-up that the documentation gives works as it is written."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from signer.keys import create_key, open_key
from signer.keys.home import Role
from tests.signer.asking import refused
from tests.signer.commands import ROOT
from tests.signer.openbao.server import Bao, program, secret

TEXT = (ROOT / "signer/keys/transit/README.md").read_text()
SETUP, MAKES = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
[CONFIG] = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
ROLE = Role("release", "approve")


@pytest.fixture
def new_bao(tmp_path: Path) -> Iterator[Bao]:
    """A server in which nothing is set up."""
    server = Bao(tmp_path)
    (tmp_path / "keys").mkdir(mode=0o700)
    try:
        server.start()
        yield server
    finally:
        server.close()


def run(bao: Bao, script: str) -> None:
    """Run what an operator would paste."""
    subprocess.run(
        ["bash", "-euc", script],
        cwd=bao.directory,
        env={
            "PATH": f"{program().parent}:{os.environ['PATH']}",
            "HOME": str(bao.directory),
            "BAO_ADDR": f"http://{bao.plain}",
            "BAO_TOKEN": bao._root,
        },
        check=True,
        capture_output=True,
        timeout=60,
    )


def test_setup(new_bao: Bao) -> None:
    """
    After the commands, the URI of the configuration opens a key; and the second policy rotates it.
    """
    run(new_bao, SETUP)
    (new_bao.directory / "keys" / "bao-ca.pem").write_bytes(new_bao.ca.read_bytes())
    uri = tomllib.loads(CONFIG)["signing"]["keys"]["release"]["uri"]
    uri = uri.replace("bao.bank.example:8200", new_bao.address)
    key = open_key(uri, new_bao.directory, ROLE)
    key.public.verify(key.sign(b"message"), b"message")
    key.close()

    second = uri.replace("version=1", "version=2")
    refused("key-access", lambda: create_key(second, new_bao.directory, ROLE, "ecdsa-p256"))
    run(new_bao, MAKES)
    secret(new_bao.directory / "keys" / "token", new_bao.token("sealbook-keys"))
    made = create_key(
        f"openbao://{new_bao.plain}/transit/keys/release?version=2"
        "&auth=token&token-source=file:keys/token&tls=off",
        new_bao.directory,
        ROLE,
        "ecdsa-p256",
    )
    made.public.verify(made.sign(b"message"), b"message")
    made.close()
