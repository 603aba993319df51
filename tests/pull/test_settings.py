"""registries.toml, the proxies of the environment, and what refusals mean."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

import pytest

from tests.pull.hostile import HostileRegistry, answer, moved
from tests.pull.papers import Authority
from verifier.pull.errors import (
    RedirectError,
    RegistrySettingsError,
    RegistryTimeoutError,
    RegistryUnreachableError,
)
from verifier.pull.images import Descriptor
from verifier.pull.registry.client import Registry
from verifier.pull.registry.faults import fault
from verifier.pull.registry.proxies import proxy_for
from verifier.pull.registry.reading import read_registries
from verifier.pull.registry.settings import Registries, RegistrySettings
from verifier.pull.registry.sharing import close_idle
from verifier.repository import Repository, Scope

WHOLE = """\
docker = false
[[registry]]
prefix = "harbor.bank.example/payments"
credential = "robot"
ca = "harbor-ca.pem"
client_certificate = "client.pem"
client_key = "/keys/client.key"
token_hosts = ["auth.bank.example", "auth.bank.example:8443"]
redirect_hosts = ["s3.bank.example"]
plain_http = false
timeout_s = 300
[[registry]]
prefix = "harbor.bank.example"
credential = "systemd:harbor"
"""


def test_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Every field is read; paths start at the file, credentials at the unit's directory.
    """
    path = tmp_path / "registries.toml"
    path.write_text(WHOLE)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/unit")

    found = read_registries(path)

    payments = RegistrySettings(
        Scope("harbor.bank.example/payments"),
        tmp_path / "robot",
        tmp_path / "harbor-ca.pem",
        tmp_path / "client.pem",
        Path("/keys/client.key"),
        ("auth.bank.example", "auth.bank.example:8443"),
        plain_http=False,
        redirect_hosts=("s3.bank.example",),
        timeout_s=300.0,
    )
    rest = RegistrySettings(Scope("harbor.bank.example"), Path("/run/credentials/unit/harbor"))
    assert Registries((payments, rest), docker=False) == found
    assert payments == found.of(Repository("harbor.bank.example/payments/app"))
    assert rest == found.of(Repository("harbor.bank.example/payments-evil/app"))
    assert RegistrySettings() == found.of(Repository("harbor.bank.example.evil.example/app"))


def test_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A file that is named is read before one at home, and must be there.
    """
    assert Registries() == read_registries()
    home = tmp_path / "config" / "sealbook" / "registries.toml"
    home.parent.mkdir(parents=True)
    home.write_text('[[registry]]\nprefix = "a.example"\n')
    assert ["a.example"] == [one.prefix for one in read_registries().configured]
    named = tmp_path / "named.toml"
    monkeypatch.setenv("SEALBOOK_REGISTRIES", str(named))
    with pytest.raises(RegistrySettingsError):
        read_registries()
    named.write_text("")
    assert Registries() == read_registries()


@pytest.mark.parametrize(
    "text",
    [
        "x = 1",
        "[[registry]]\n",
        '[[registry]]\nprefix = "A.example"\n',
        '[[registry]]\nprefix = "a.example"\ncredentials = "x"\n',
        '[[registry]]\nprefix = "a.example"\nplain_http = "yes"\n',
        '[[registry]]\nprefix = "a.example"\ntoken_hosts = "b.example"\n',
        '[[registry]]\nprefix = "a.example"\ntoken_hosts = ["https://b.example"]\n',
        '[[registry]]\nprefix = "a.example"\nclient_key = "x"\n',
        '[[registry]]\nprefix = "a.example"\ntimeout_s = 0\n',
        '[[registry]]\nprefix = "a.example"\ntimeout_s = 86400\n',
        '[[registry]]\nprefix = "*"\ncredential = "x"\n',
        '[[registry]]\nprefix = "a.example"\n[[registry]]\nprefix = "a.example"\n',
        '[[registry]]\nprefix = "a.example"\ncredential = "systemd:../x"\n',
        '[[registry]]\nprefix = "a.example"\ncredential = "systemd:x"\n',
        "[registry]\n",
        "x",
        "#" * 300_000,
    ],
)
def test_refused(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What is not understood is refused, by a message that names the file.
    """
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = tmp_path / "registries.toml"
    path.write_text(text)

    with pytest.raises(RegistrySettingsError) as caught:
        read_registries(path)

    assert "bad-registries" == caught.value.code


@pytest.mark.parametrize(
    ("exceptions", "direct"),
    [
        ("", False),
        ("*", True),
        ("registry.example", True),
        ("example", True),
        (".example", True),
        ("*.example", True),
        ("other.example, registry.example", True),
        ("registry.example:5000", True),
        ("registry.example:443", False),
        ("gistry.example", False),
        ("registry.example.evil", False),
        ("10.0.0.0/8", False),
        (",", False),
    ],
)
def test_no_proxy(exceptions: str, *, direct: bool) -> None:
    """
    NO_PROXY means what it means to the other clients of registries.
    """
    environment = {"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": exceptions}

    found = proxy_for("https", "registry.example", 5000, environment)

    assert direct == (found is None)


@pytest.mark.parametrize(
    ("host", "exceptions", "direct"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:5000", True),
        ("10.1.2.3", "10.1.2.3:443", False),
        ("10.1.2.3", "2.3", False),
        ("localhost", "", True),
        ("127.0.0.1", "", True),
    ],
)
def test_no_proxy_for_addresses(host: str, exceptions: str, *, direct: bool) -> None:
    """
    Networks and addresses are excepted as such, and this machine always is.
    """
    environment = {"https_proxy": "proxy.example:3128", "no_proxy": exceptions}

    assert direct == (proxy_for("https", host, 5000, environment) is None)


@pytest.mark.parametrize("said", ["socks5://proxy.example", "http://", "http://u:secret@:x/"])
def test_proxy_that_is_none(said: str) -> None:
    """
    A proxy that we cannot use is an error, and is not shown: it may hold a password.
    """
    with pytest.raises(RegistrySettingsError) as caught:
        proxy_for("https", "registry.example", 443, {"ALL_PROXY": said})

    assert "secret" not in str(caught.value)


def test_through_a_proxy(hostile: HostileRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Through a proxy the registry is reached by its name, which only the proxy can resolve; who
    we are at the proxy is not told to the registry.
    """
    blob = Descriptor.of("a/b", b"x")
    monkeypatch.setenv("HTTP_PROXY", f"http://us:secret@{hostile.address}")
    hostile.sends[f"http://registry.invalid/v2/app/blobs/{blob.digest}"] = lambda _: answer(
        200, b"x"
    )
    settings = RegistrySettings(Scope("registry.invalid"), plain_http=True)

    with Registry(
        Repository("registry.invalid/app"), Registries((settings,), docker=False), deadline_s=5
    ) as registry:
        assert b"x" == registry.small_blob(blob, 10)

    basic = "Basic " + base64.b64encode(b"us:secret").decode()
    assert basic == hostile.asked[0].headers["proxy-authorization"]


class FakeProxy:
    """Opens the one tunnel that it is asked for, to `beyond`, or refuses it: a double of Squid."""

    def __init__(self, beyond: int | None) -> None:
        self.asked = b""
        self._beyond = beyond
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._once)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listening.close()

    def _once(self) -> None:
        near, _ = self._listening.accept()
        with near:
            self.asked = near.recv(4096)
            if self._beyond is None:
                near.sendall(b"HTTP/1.1 403 no\r\nContent-Length: 0\r\n\r\n")
                return
            near.sendall(b"HTTP/1.1 200 X\r\n\r\n")
            with socket.create_connection(("127.0.0.1", self._beyond)) as far:
                back = threading.Thread(target=self._pass, args=(far, near))
                back.start()
                self._pass(near, far)
                back.join()

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65_536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)


def test_tunnel_through_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A registry that speaks TLS is reached through a tunnel, at whose end its certificate counts.
    """
    authority = Authority(tmp_path / "papers")
    blob = Descriptor.of("a/b", b"x")
    settings = RegistrySettings(Scope("registry.invalid"), ca=authority.certificate)
    with HostileRegistry(tls=authority.server("registry.invalid")) as beyond:
        beyond.sends[f"/v2/app/blobs/{blob.digest}"] = lambda _: answer(200, b"x")
        with FakeProxy(beyond.port) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://us:secret@{proxy.address}")
            with Registry(
                Repository("registry.invalid/app"), Registries((settings,), docker=False)
            ) as registry:
                assert b"x" == registry.small_blob(blob, 10)
            close_idle()

    assert proxy.asked.startswith(b"CONNECT registry.invalid:443 HTTP/1.1\r\n")
    assert ["registry.invalid"] == [one.headers["host"] for one in beyond.asked]
    assert "proxy-authorization" not in beyond.asked[0].headers


def test_tunnel_to_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A proxy that leads to somebody else is found out.
    """
    authority = Authority(tmp_path / "papers")
    settings = RegistrySettings(Scope("registry.invalid"), ca=authority.certificate)
    with (
        HostileRegistry(tls=authority.server("another.invalid")) as beyond,
        FakeProxy(beyond.port) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        with (
            Registry(
                Repository("registry.invalid/app"), Registries((settings,), docker=False)
            ) as registry,
            pytest.raises(RegistryUnreachableError),
        ):
            registry.resolve("1.0")

    assert [] == beyond.asked


def test_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A proxy that opens no tunnel is told nothing of what we wanted, and is no registry.
    """
    with FakeProxy(None) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        with (
            Registry(Repository("registry.invalid/app"), Registries((), docker=False)) as registry,
            pytest.raises(RegistryUnreachableError),
        ):
            registry.resolve("1.0")

    assert b"/v2/" not in proxy.asked


@pytest.mark.parametrize("location", ["http://10.0.0.1/", "http://[::ffff:a9fe:a9fe]/x"])
def test_redirect_through_a_proxy(
    hostile: HostileRegistry, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    """
    Through a proxy, too, no registry sends us to an address inside a network.
    """
    blob = Descriptor.of("a/b", b"x")
    monkeypatch.setenv("HTTP_PROXY", f"http://{hostile.address}")
    hostile.sends[f"http://registry.invalid/v2/app/blobs/{blob.digest}"] = lambda _: moved(location)
    settings = RegistrySettings(Scope("registry.invalid"), plain_http=True)
    with (
        Registry(
            Repository("registry.invalid/app"), Registries((settings,), docker=False)
        ) as registry,
        pytest.raises(RedirectError),
    ):
        registry.small_blob(blob, 10)

    assert 1 == len(hostile.asked)


def test_without_httpx() -> None:
    """
    Without the extra `pull` a registry is not opened, and the refusal says what to install.
    """
    code = """
import sys
sys.modules["httpcore"] = None
from verifier.errors import MissingExtraError
from verifier.pull.opening import open_images
from verifier.pull.place import parse_place
from verifier.pull.registry.reading import read_registries
try:
    open_images(parse_place("registry.example/app"), read_registries())
except MissingExtraError as e:
    print(e.hint)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "pip install 'sealbook[pull]'\n" == said.stdout


def test_slow_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A resolver that does not answer does not hold us longer than the deadline.
    """
    over = threading.Event()

    def hangs(*_: object, **__: object) -> list[object]:
        over.wait(30)
        return []

    monkeypatch.setattr("verifier.pull.registry.network.socket.getaddrinfo", hangs)
    before = time.monotonic()
    with (
        Registry(
            Repository("registry.invalid/app"), Registries((), docker=False), deadline_s=0.2
        ) as registry,
        pytest.raises(RegistryTimeoutError),
    ):
        registry.resolve("1.0")
    over.set()

    assert time.monotonic() - before < 2


@pytest.mark.parametrize(
    ("writes", "status", "code", "message", "expected"),
    [
        (False, 404, "MANIFEST_UNKNOWN", "", "no-image"),
        (False, 401, "UNAUTHORIZED", "", "registry-denied"),
        (False, 403, "DENIED", "", "registry-denied"),
        (False, 429, "TOOMANYREQUESTS", "", "registry-busy"),
        (False, 503, "", "", "registry-busy"),
        (False, 418, "", "", "bad-registry-answer"),
        (
            False,
            412,
            "PROJECTPOLICYVIOLATION",
            "The image is not signed by cosign.",
            "content-trust",
        ),
        (
            False,
            412,
            "PROJECTPOLICYVIOLATION",
            "vulnerabilities cannot be pulled",
            "registry-denied",
        ),
        (True, 412, "PRECONDITION", "'app:1' configured as immutable.", "immutable-tag"),
        (True, 400, "TAG_INVALID", "because the tag is immutable", "immutable-tag"),
        (True, 409, "DENIED", "tag immutability", "immutable-tag"),
        (True, 400, "ImageTagAlreadyExistsException", "", "immutable-tag"),
        (True, 405, "UNSUPPORTED", "The operation is unsupported.", "read-only"),
        (True, 403, "DENIED", "", "registry-denied"),
        (True, 400, "MANIFEST_INVALID", "", "registry-refused"),
        (True, 413, "", "", "registry-refused"),
        (True, 404, "NAME_UNKNOWN", "", "no-image"),
        (True, 507, "", "", "registry-busy"),
    ],
)
def test_faults(status: int, code: str, message: str, expected: str, *, writes: bool) -> None:
    """
    Each refusal has a code by what can be done about it, and tells the registry's own words.
    """
    said = {"errors": [{"code": code, "message": message}]} if code else {}

    found = fault("app", status, json.dumps(said).encode(), writes=writes)

    assert expected == found.code
    assert message in found.message


def test_fault_without_words() -> None:
    """
    A HEAD has no words; a 412 to it is content trust, for nothing else answers a read so.
    """
    assert "content-trust" == fault("app", 412, b"", writes=False).code
