"""pull.toml: what is written is what is done, and what cannot be done is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verifier.making import rows
from verifier.pull import settings as module
from verifier.pull.errors import PullSettingsError
from verifier.pull.settings import (
    CacheSettings,
    DaemonSettings,
    PullSettings,
    ServiceSettings,
)
from verifier.repository import Repository

BASE = "/etc/sealbook/pull.toml"
LEAST = 'trust = "trust"\nsources = ["registry"]\n'


def parse(text: str) -> PullSettings:
    return PullSettings.parse(text.encode(), BASE)


def test_all_of_it() -> None:
    """
    The example at the head of the module is read, with every path from where the file lies.
    """
    text = (module.__doc__ or "").partition("\n\n")[2].partition("\n\nThe file is")[0]
    example = "\n".join(line.removeprefix("    ") for line in text.splitlines())

    assert PullSettings(
        trust="/var/lib/sealbook/trust",
        sources=("file", "service"),
        deadline_s=30,
        warn=parse(example).warn,
        file="/etc/sealbook/bundles",
        layout="/etc/sealbook/images",
        service=ServiceSettings(
            "https://sealbook.example:8443",
            "/etc/sealbook/ca.pem",
            "/etc/sealbook/client.pem",
            "/etc/sealbook/client.key",
            "/etc/sealbook/token",
        ),
        registries="/etc/sealbook/registries.toml",
        cache=CacheSettings("/var/cache/sealbook", 4096, 268435456, 5),
        report=True,
        daemon=DaemonSettings("/run/sealbook/pull.sock", (1000,)),
    ) == parse(example)
    assert ("registry.example/lab",) == parse(example).warn


def test_the_least_of_it() -> None:
    """
    Without anything else, nothing only warns, nothing is told, and all of it is bounded.
    """
    found = parse(LEAST)

    assert (30, (), False, False) == (
        found.deadline_s,
        found.warn,
        found.report,
        found.example_keys,
    )
    assert CacheSettings() == found.cache
    assert "/run/sealbook/pull.sock" == found.socket
    assert not found.only_warns(Repository("registry.example/lab/app"))


SERVICE = 'trust = "t"\nsources = ["service"]\n[service]\n'


@pytest.mark.parametrize(
    ("text", "named"),
    rows(
        ("no TOML", "trust =", "not TOML"),
        ("not UTF-8", LEAST + "x = '\udcff'", "not TOML"),
        ("no trust", 'sources = ["registry"]', "trust"),
        ("empty trust", 'trust = ""\nsources = ["registry"]', "trust"),
        ("no sources", 'trust = "t"', "sources"),
        ("empty sources", 'trust = "t"\nsources = []', "sources"),
        ("a source twice", 'trust = "t"\nsources = ["file", "file"]', "sources"),
        ("another source", 'trust = "t"\nsources = ["ftp"]', "ftp"),
        ("no text", 'trust = "t"\nsources = [7]', "7"),
        ("no file", 'trust = "t"\nsources = ["file"]', "file"),
        ("no layout", 'trust = "t"\nsources = ["layout"]', "layout"),
        ("no service", 'trust = "t"\nsources = ["service"]', "[service]"),
        ("a typo", LEAST + 'wran = ["x"]', "wran"),
        ("a typo below", f'{LEAST}[cache]\ndirectry = "x"', "directry"),
        ("a typo in service", f'{SERVICE}url = "https://a"\nca_file = "x"', "ca_file"),
        ("no time", f"{LEAST}deadline_s = 0", "deadline_s"),
        ("too much time", f"{LEAST}deadline_s = 31", "deadline_s"),
        ("a float", f"{LEAST}deadline_s = 1.5", "deadline_s"),
        ("yes", f"{LEAST}deadline_s = true", "deadline_s"),
        ("warn of a text", f'{LEAST}warn = "*"', "warn"),
        ("warn of numbers", f"{LEAST}warn = [1]", "warn"),
        ("warn of a pattern", f'{LEAST}warn = ["registry.example/*"]', "registry.example/*"),
        ("no URL", f"{SERVICE}", "url"),
        ("another scheme", f'{SERVICE}url = "ftp://a"', "ftp"),
        ("no host", f'{SERVICE}url = "https://"', "url"),
        ("a password in it", f'{SERVICE}url = "https://a:b@c"', "url"),
        ("a query in it", f'{SERVICE}url = "https://a?b"', "url"),
        ("a new line in it", f'{SERVICE}url = "https://a\\nb"', "url"),
        ("a certificate alone", f'{SERVICE}url = "https://a"\nclient_key = "k"', "together"),
        ("a token in the clear", f'{SERVICE}url = "http://a"\ntoken = "t"', "https"),
        ("a report to nobody", f"{LEAST}[report]\nenabled = true", "[service]"),
        ("a no for an hour", f"{LEAST}[cache]\nrefused_s = 3600", "refused_s"),
        ("users by name", f'{LEAST}[daemon]\nuids = ["root"]', "uids"),
        ("negative users", f"{LEAST}[daemon]\nuids = [-1]", "uids"),
    ),
)
def test_refused(text: str, named: str) -> None:
    """
    What is missing, unknown, or of another kind is refused, by its name and the file's.
    """
    with pytest.raises(PullSettingsError) as caught:
        PullSettings.parse(text.encode("utf-8", "surrogateescape"), BASE)

    assert "bad-pull-settings" == caught.value.code
    assert named in caught.value.message
    assert BASE in caught.value.message


def test_token_on_loopback() -> None:
    """
    On loopback a token may be sent in the clear, and nowhere that is only called so.
    """
    for host in ("127.0.0.1:80", "localhost", "[::1]:8080"):
        assert parse(f'{SERVICE}url = "http://{host}"\ntoken = "t"').service
    for host in ("localhost.example", "127.0.0.1.example:80", "1.127.0.0.1"):
        with pytest.raises(PullSettingsError):
            parse(f'{SERVICE}url = "http://{host}"\ntoken = "t"')


def test_which_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The file is the one that is named, else that of $SEALBOOK_PULL, else the host's.
    """
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(f'trust = "of {name}"\nsources = ["registry"]\n')
    monkeypatch.setattr(module, "PATH", str(tmp_path / "c"))
    monkeypatch.delenv("SEALBOOK_PULL", raising=False)
    assert f"{tmp_path}/of c" == PullSettings.load().trust
    monkeypatch.setenv("SEALBOOK_PULL", str(tmp_path / "b"))
    assert f"{tmp_path}/of b" == PullSettings.load(None).trust
    assert f"{tmp_path}/of a" == PullSettings.load(str(tmp_path / "a")).trust
    monkeypatch.chdir(tmp_path)
    assert f"{tmp_path}/of a" == PullSettings.load("a").trust


@pytest.mark.parametrize("make", ["missing", "directory", "large"])
def test_no_file(tmp_path: Path, make: str) -> None:
    """
    A file that is not there, no file, or too large is refused by its name.
    """
    path = tmp_path / "pull.toml"
    if make == "directory":
        path.mkdir()
    elif make == "large":
        path.write_text(LEAST + "#" * (300 << 10))
    with pytest.raises(PullSettingsError, match=r"pull\.toml"):
        PullSettings.load(str(path))
