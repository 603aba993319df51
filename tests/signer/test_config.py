"""The configuration: what is misspelt, missing or unsafe is refused with a sentence."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from signer.config import Config
from signer.founding import found
from tests.signer.asking import refused
from tests.signer.world import World, found_in


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A founded service, to be copied from."""
    return found_in(tmp_path_factory.mktemp("founded") / "service")


@pytest.fixture
def paper(founded: World, tmp_path: Path) -> World:
    """A service of which there is only what `Config.load` reads."""
    directory = tmp_path / "service"
    directory.mkdir()
    for name in ("sealbook.toml", "token"):
        shutil.copyfile(founded.directory / name, directory / name)
    return World(directory)


def load_refused(world: World, code: str = "config") -> str:
    """Check that the configuration is refused, and return what it says."""
    return refused(code, lambda: Config.load(world.config)).message


def test_as_founded(paper: World) -> None:
    """
    The file that `sealbook init` writes is read as it is meant.
    """
    config = Config.load(paper.config)

    assert ("ledger.example", "release") == (config.origin, config.signing.default_key)
    assert paper.directory / "token" == config.path(config.access.token)
    assert paper.directory / "ledger" / "ledger.db" == config.home.database
    assert not config.listen.reflection


def test_paths_start_at_the_file(paper: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Relative paths start at the file's directory, wherever the command runs.
    """
    monkeypatch.chdir(paper.directory.parent)
    config = Config.load(Path("service/sealbook.toml"))

    assert paper.directory / "anchor" == config.home.anchor


@pytest.mark.parametrize(
    ("after", "line", "where"),
    [
        ("", 'orign = "x"', "orign"),
        ("", "[keyss]", "keyss"),
        ("", "[ledger.old]", "ledger.old"),
        ("[ledger]", 'path = "x"', "ledger.path"),
        ("[keys]", 'logs = "x"', "keys.logs"),
        ("[signing]", 'key = "x"', "signing.key"),
        ("[signing.keys.release]", 'form = "x"', "signing.keys.release.form"),
        ("[listen]", "refection = true", "listen.refection"),
        ("[access]", 'tokens = "x"', "access.tokens"),
        ("[trust]", 'roots = "x"', "trust.roots"),
    ],
)
def test_unknown_setting(paper: World, after: str, line: str, where: str) -> None:
    """
    A setting that nobody knows is refused by its name, at every level.
    """
    text = paper.config.read_text()
    if after:
        assert f"{after}\n" in text
        text = text.replace(f"{after}\n", f"{after}\n{line}\n")
    elif line.startswith("["):
        text = f"{text}\n{line}\n"
    else:
        text = f"{line}\n{text}"
    paper.config.write_text(text)

    assert f"{paper.config}: {where}: " in load_refused(paper)


@pytest.mark.parametrize(
    "setting",
    [
        "origin",
        "directory",
        "anchor",
        "log",
        "promise",
        "event",
        "status",
        "seal",
        "default_key",
        "uri",
        "trust",
        "trusted_root",
    ],
)
def test_missing_setting(paper: World, setting: str) -> None:
    """
    A setting that has no default must be there.
    """
    text, count = re.subn(rf"(?m)^{setting} = .*\n", "", paper.config.read_text())
    paper.config.write_text(text)

    assert count
    assert setting in load_refused(paper)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('origin = "ledger.example"', "origin = 5"),
        ('origin = "ledger.example"', 'origin = ["ledger.example"]'),
        ('forms = ["bundle"]', 'forms = "bundle"'),
        ('forms = ["bundle"]', "forms = []"),
        ("[listen]\n", '[listen]\nreflection = "perhaps"\n'),
        ("[access]", "[[access]]"),
        ('default_key = "release"', 'default_key = "Release"'),
        ("[signing.keys.release]", '[signing.keys."../release"]'),
    ],
)
def test_setting_of_another_kind(paper: World, old: str, new: str) -> None:
    """
    A setting that has another kind of value is refused.
    """
    paper.edit(old, new)

    load_refused(paper)


def test_missing_file(tmp_path: Path) -> None:
    """
    Without a configuration the refusal names the command that makes one.
    """
    error = refused("config", lambda: Config.load(tmp_path / "sealbook.toml"))

    assert str(tmp_path / "sealbook.toml") in error.message
    assert "`sealbook init DIR`" in error.hint


@pytest.mark.parametrize(
    "content",
    [b"origin", b"= 5", b"[ledger", b'origin = "a"\norigin = "b"', b"\xff\xfe", b"", b"{}"],
)
def test_no_toml(paper: World, content: bytes) -> None:
    """
    What is no TOML, or not UTF-8, or empty, is refused.
    """
    paper.config.write_bytes(content)

    assert str(paper.config) in load_refused(paper)


def test_directory(paper: World) -> None:
    """
    A directory is no configuration.
    """
    error = refused("config", lambda: Config.load(paper.directory))

    assert str(paper.directory) in error.message


@pytest.mark.parametrize(
    "address",
    [
        "",
        "8640",
        ":8640",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:http",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1_0",
        "127.0.0.1:65536",
        "127.0.0.1:\u0661",
        "127.1:8640",
        "0x7f.0.0.1:8640",
        "localhost:8640",
        "ledger.example:8640",
        "http://127.0.0.1:8640",
        "127.0.0.1:8640\\n",
        "unix:/tmp/sealbook",
        "[::1:8640",
        "::1]:8640",
        "::1:8640",
        "[127.0.0.1]:8640",
    ],
)
@pytest.mark.parametrize("side", ["grpc", "http"])
def test_bad_address(paper: World, side: str, address: str) -> None:
    """
    An address is an IP address and a port, and nothing that would have to be looked up.
    """
    paper.edit(f'{side} = "127.0.0.1:0"', f'{side} = "{address}"')

    assert f"listen.{side}" in load_refused(paper)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.3.2.1:8640", "[::1]:8640"])
def test_good_address(paper: World, address: str) -> None:
    """
    Every loopback address will do.
    """
    paper.edit('grpc = "127.0.0.1:0"', f'grpc = "{address}"')

    assert address == Config.load(paper.config).listen.grpc


@pytest.mark.parametrize("present", ["tls_certificate", "tls_key"])
def test_half_of_tls(paper: World, present: str) -> None:
    """
    A certificate without its key, or a key without its certificate, is refused.
    """
    paper.edit("[listen]\n", f'[listen]\n{present} = "file"\n')

    assert "go together" in load_refused(paper)


def test_default_key_that_is_not_there(paper: World) -> None:
    """
    The default key is one of the keys.
    """
    paper.edit('default_key = "release"', 'default_key = "hotfix"')

    assert "'hotfix'" in load_refused(paper)


BAD_ORIGINS = [
    "",
    "Ledger.example",
    "ledger.example:443",
    "ledger.example/log",
    "https://ledger.example",
    "ledger.example.",
    ".ledger",
    "ledger..example",
    "-ledger",
    "ledger-",
    "ledger example",
    "ledger.example - 5",
    "ledger.example\\n",
    "ledger+example",
    "l\u00e9dger.example",
    "a" * 256,
]


@pytest.mark.parametrize("origin", BAD_ORIGINS)
def test_bad_origin(paper: World, tmp_path: Path, origin: str) -> None:
    """
    An origin is a bare host name in lower case; nothing else is founded or loaded.
    """
    paper.edit('origin = "ledger.example"', f'origin = "{origin}"')

    assert "origin" in load_refused(paper)
    refused("config", lambda: found(tmp_path / "other", origin))
    assert not (tmp_path / "other").exists()
