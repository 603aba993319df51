"""Starting: what the configuration names must be there, be ours, and be kept from others."""

from __future__ import annotations

import pytest

from signer.config import Config
from signer.server import Server
from tests.signer.running import running, start_refused
from tests.signer.world import World


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('forms = ["bundle"]', 'forms = ["bundle", "notary"]', "unknown-form"),
        ('transparency = "file:keys/transparency.pem"', "", "config"),
        ('timestamp = "certificates/timestamp.pem"', "", "config"),
        ('issuer = "certificates/issuer.pem"', 'issuer = "trust.json"', "config"),
        ('issuer = "certificates/issuer.pem"', 'issuer = "certificates/none.pem"', "config"),
        ('issuer = "certificates/issuer.pem"', 'issuer = "certificates/release.pem"', "config"),
        ('"certificates/release.pem"', '"certificates/issuer.pem"', "config"),
        ('"file:keys/transparency.pem"', '"file:keys/root.pem"', "untrusted-log"),
        ('uri = "file:keys/attest.pem"', 'uri = "file:keys/release.pem"', "key-purpose"),
        ('purpose = "attest"', "raw = true", "config"),
        ('uri = "file:keys/release.pem"', 'uri = "file:keys/log.pem"', "unknown-key"),
        ('uri = "file:keys/release.pem"', 'uri = "file:keys/event.pem"', "key-purpose"),
        ('uri = "file:keys/release.pem"', 'uri = "file:keys/none.pem"', "key-file"),
        ('uri = "file:keys/release.pem"', 'uri = "keys/release.pem"', "key-uri"),
        ('uri = "file:keys/release.pem"', 'uri = "pkcs11:token=x"', "key-uri"),
        ('log = "file:keys/log.pem"', 'log = "file:keys/event.pem"', "untrusted-log"),
        ('promise = "file:keys/promise.pem"', 'promise = "file:keys/log.pem"', "untrusted-log"),
        ('event = "file:keys/event.pem"', 'event = "file:keys/status.pem"', "key-purpose"),
        ('status = "file:keys/status.pem"', 'status = "file:keys/promise.pem"', "unknown-key"),
        ('status = "file:keys/status.pem"', 'status = "file:none"', "key-file"),
        ('promise = "file:keys/promise.pem"', 'promise = "file:none"', "key-file"),
        ('seal = "keys/seal"', 'seal = "keys/log.pem"', "key-file"),
        ('token = "token"', 'token = "none"', "key-file"),
        ('trust = "trust.json"', 'trust = "none.json"', "config"),
        ('trust = "trust.json"', 'trust = "trusted_root.json"', "malformed"),
        ('origin = "ledger.example"', 'origin = "other.example"', "untrusted-log"),
        ('directory = "ledger"', 'directory = "none"', "ledger-missing"),
        ('anchor = "anchor"', 'anchor = "none"', "anchor-missing"),
    ],
)
def test_configuration_of_something_else(world: World, old: str, new: str, code: str) -> None:
    """
    A configuration that names another key, file or ledger than there is does not start.
    """
    world.edit(old, new)

    start_refused(world, code)


@pytest.mark.parametrize("content", [b"", b"\n", b"  \n", b"\xff\xfe\xfd" * 20])
def test_no_token(world: World, content: bytes) -> None:
    """
    A service whose token is empty would let everybody in, and does not start.
    """
    (world.directory / "token").write_bytes(content)

    start_refused(world, "key-file")


def test_refused_start_gives_the_lock_back(world: World) -> None:
    """
    A start that was refused leaves nothing behind that would refuse the next one.
    """
    text = world.config.read_text()
    world.edit('directory = "ledger"', 'directory = "none"')
    start_refused(world, "ledger-missing")
    world.config.write_text(text)
    Server(Config.load(world.config)).close()

    with running(world) as service:
        assert 1 == service.tree_size


@pytest.mark.parametrize("url", ["https://other.example", "https://ledger.example:8641", "ledger"])
def test_trusted_root_of_something_else(world: World, url: str) -> None:
    """
    A trusted_root.json with another base URL, which clients would refuse, keeps it from starting.
    """
    path = world.directory / "trusted_root.json"
    text = path.read_text()
    path.write_text(text.replace("https://ledger.example", url, 1))

    assert "https://ledger.example" in start_refused(world, "trusted-root")


def test_no_trusted_root(world: World) -> None:
    """
    Nor does anything start beside a file that is no trusted root, or none at all.
    """
    path = world.directory / "trusted_root.json"
    path.write_text("{}")
    start_refused(world, "trusted-root")
    path.unlink()
    start_refused(world, "config")
