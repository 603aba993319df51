"""What registries say: whatever it is, it is read, or it is a refusal with a code."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.fuzz.target import Targets, same, text
from verifier.pull.errors import ImagesError
from verifier.pull.place import registry_place
from verifier.pull.registry import listing, reading, tokens
from verifier.pull.registry.challenges import parse
from verifier.pull.registry.connections import Origin
from verifier.pull.registry.faults import fault, read_said
from verifier.pull.registry.host import Host
from verifier.pull.registry.settings import Registries, RegistrySettings

TARGETS = Targets()
_HOST = Host("registry.example", RegistrySettings(), Registries((), docker=False))
_URL = httpx.URL("https://registry.example/v2/app/blobs/x")


@TARGETS.add(
    b'Bearer realm="https://a.example/token",service="r",scope="repository:app:pull"',
    b'Basic realm="x, \\"y\\"", Negotiate YWJj==, Bearer realm=x',
)
def challenge(data: bytes) -> None:
    """A challenge has names in lower case, and says the same when it is written plainly."""
    for one in parse(text(data)):
        same(one.scheme.lower(), one.scheme)
        quoted = {k: v.replace("\\", "\\\\").replace('"', '\\"') for k, v in one.parameters.items()}
        plain = ",".join(f'{name}="{value}"' for name, value in quoted.items())
        if len(plain) < 8000 - len(one.scheme):
            same([one], parse(f"{one.scheme} {plain}".strip()))


@TARGETS.add(b"https://files.example/blob?x=1#part", b"../y", b"//[::ffff:10.0.0.1]:80/")
def location(data: bytes) -> None:
    """Where a redirect leads is HTTP over TLS, to a host, and a request can be sent there."""
    found = _HOST.led_to(_URL, text(data))
    origin = Origin.of(found)
    same("https", origin.scheme)
    assert origin.host.isascii()
    assert 0 < origin.port < 65_536
    assert not found.userinfo
    assert found.raw_path.decode("ascii").startswith("/")


@TARGETS.add(b'</v2/app/tags/list?last=b&n=2>; rel="next"', b'<x>; a="b", </y>; rel=next')
def link(data: bytes) -> None:
    """The next page is what stands between two brackets, without any space."""
    found = listing._following(text(data), "the list")
    assert not found or f"<{found}>" in text(data)
    assert not set(found) & set(" \t\n<>")


@TARGETS.add(b'{"token":"abc","expires_in":300}', b'{"access_token":"abc"}')
def registry_token(data: bytes) -> None:
    """A token is one word, and a header can hold it."""
    header = tokens._read_token(data).header
    scheme, _, word = header.partition(" ")
    same("Bearer", scheme)
    assert word.isascii()
    assert word.isprintable()
    assert " " not in word


@TARGETS.add(b'{"errors":[{"code":"DENIED","message":"no"}]}')
def refusal(data: bytes) -> None:
    """Whatever a registry refuses with, there is a code for it, and a message of one line."""
    read_said(data)
    for writes in (True, False):
        for status in (400, 404, 412, 500):
            found = fault("app", status, data, writes=writes)
            assert isinstance(found, ImagesError)
            assert found.message.isprintable()


@TARGETS.add(b'docker = false\n[[registry]]\nprefix = "a.example/x"\nca = "ca.pem"\n')
def registries_file(data: bytes) -> None:
    """Whatever a file of registries says, each of them has a prefix of its own."""
    found = reading._parse(Path("/etc/registries.toml"), data)
    same(len(found.configured), len({one.prefix for one in found.configured}))


@TARGETS.add(b"registry.example:5000/team/app:1.4", b"a.example/x@sha256:" + b"0" * 64)
def image_place(data: bytes) -> None:
    """A place in a registry is written as it is read, and has one name."""
    found = registry_place(text(data))
    same(found, registry_place(str(found)))
