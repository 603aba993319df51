"""O8, O9, O12, O13: where a registry sends us, and who we are when we get there."""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.pull.hostile import IMAGE, Asked, HostileRegistry, answer, bounded, moved, told
from verifier.digest import Digest
from verifier.errors import RepositoryError, VerificationError
from verifier.pull.errors import (
    PlaceError,
    RedirectError,
    RegistryAccessError,
    RegistryAnswerError,
    RegistryBusyError,
    TokenRealmError,
)
from verifier.pull.images import Descriptor
from verifier.pull.place import parse_place
from verifier.pull.registry.addresses import address_of, is_public
from verifier.pull.registry.client import Registry
from verifier.pull.registry.settings import Registries, RegistrySettings
from verifier.repository import Repository, Scope

CONTENT = b"a layer"
BLOB = Descriptor.of("application/octet-stream", CONTENT)
PATH = f"/v2/app/blobs/{BLOB.digest}"
BASIC = {"WWW-Authenticate": 'Basic realm="tests"'}


@pytest.fixture
def other() -> Iterator[HostileRegistry]:
    """Another origin, on the same address."""
    with HostileRegistry() as other:
        yield other


@pytest.fixture
def inside() -> Iterator[HostileRegistry]:
    """Another address of this machine: what a registry elsewhere must not reach."""
    with HostileRegistry("127.0.0.2") as inside:
        inside.sends[PATH] = lambda _: answer(200, CONTENT)
        yield inside


@pytest.fixture
def robot(tmp_path: Path) -> Path:
    path = tmp_path / "robot"
    path.write_text("robot:secret\n")
    return path


def opened(hostile: HostileRegistry, **settings: Any) -> Registry:
    one = RegistrySettings(Scope(hostile.address), **settings)
    registries = Registries((one,), docker=False)
    return Registry(Repository(f"{hostile.address}/app"), registries, deadline_s=5)


def fetch(registry: Registry) -> bytes:
    with registry:
        return registry.small_blob(BLOB, limit=1000)


def let_in(asked: Any) -> bool:
    return "authorization" in asked.headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_o8_other_host_learns_nothing(
    hostile: HostileRegistry, other: HostileRegistry, robot: Path, status: int
) -> None:
    """
    O8: a blob is fetched where the registry sends us, and who we are stays with the registry.
    """
    hostile.sends[PATH] = lambda asked: (
        moved(f"http://{other.address}/blob?x=1", status)
        if let_in(asked)
        else answer(401, b"", BASIC)
    )
    other.sends["/blob"] = lambda _: answer(200, CONTENT)

    assert CONTENT == fetch(opened(hostile, credential=robot))

    assert [True] == [let_in(one) for one in hostile.to(PATH)[-1:]]
    assert [False] == [let_in(one) for one in other.asked]
    assert ["/blob?x=1"] == [one.target for one in other.asked]


def test_token_before_it_is_asked_for(hostile: HostileRegistry) -> None:
    """
    Of many repositories the first alone is turned away, for want of a token of its own.
    """
    said = {"WWW-Authenticate": f'Bearer realm="http://{hostile.address}/token",service="s"'}
    turned_away = []

    def send(asked: Asked) -> list[bytes]:
        if let_in(asked):
            return answer(200, CONTENT)
        turned_away.append(asked)
        return answer(401, b"", said)

    hostile.sends["/token"] = lambda _: told({"token": "abc"})
    settings = RegistrySettings(Scope(hostile.address))
    for number in range(5):
        hostile.sends[f"/v2/app{number}/blobs/{BLOB.digest}"] = send
        repository = Repository(f"{hostile.address}/app{number}")
        assert CONTENT == fetch(Registry(repository, Registries((settings,), docker=False)))

    assert 1 == len(turned_away)
    assert 5 == len(hostile.to("/token"))


@pytest.mark.parametrize(("repositories", "tokens"), [(1, 1), (8, 8)])
def test_turned_away_together(hostile: HostileRegistry, repositories: int, tokens: int) -> None:
    """
    Of eight threads that need one token one asks for it; eight tokens are asked for at once.
    """
    said = {"WWW-Authenticate": f'Bearer realm="http://{hostile.address}/token",service="s"'}
    together = threading.Barrier(tokens, timeout=60)

    def token(asked: Asked) -> list[bytes]:
        together.wait()
        return told({"token": "abc"})

    hostile.sends["/token"] = token
    settings = RegistrySettings(Scope(hostile.address))
    names = [f"{hostile.address}/app{number % repositories}" for number in range(8)]
    for name in names:
        hostile.sends[f"/v2/{name.partition('/')[2]}/blobs/{BLOB.digest}"] = lambda asked: (
            answer(200, CONTENT) if let_in(asked) else answer(401, b"", said)
        )

    def there(name: str) -> bytes:
        return fetch(Registry(Repository(name), Registries((settings,), docker=False)))

    with ThreadPoolExecutor(8) as threads:
        assert [CONTENT] * 8 == list(threads.map(there, names))
    assert tokens == len(hostile.to("/token"))


def test_busy_for_a_moment(hostile: HostileRegistry) -> None:
    """
    A registry that says when to come again is asked again then, and not for ever.
    """
    answers = [answer(429, b"", {"Retry-After": "0"}), answer(503, b"", {"Retry-After": "0"})]
    hostile.sends[PATH] = lambda _: answers.pop(0) if answers else answer(200, CONTENT)
    assert CONTENT == fetch(opened(hostile))

    for later in ("0", "86400", "-1", "soon"):
        hostile.sends[PATH] = lambda _, later=later: answer(429, b"", {"Retry-After": later})
        with pytest.raises(RegistryBusyError):
            fetch(opened(hostile))
    assert 3 + 4 + 3 == len(hostile.to(PATH))


def test_connections_are_used_again(hostile: HostileRegistry) -> None:
    """
    One after the other, requests of one repository, and of the next, share a connection.
    """
    said = {"Content-Type": IMAGE, "Docker-Content-Digest": Digest.of(b"{}")}
    hostile.sends["HEAD /v2/app/manifests/1.0"] = lambda _: answer(200, b"{}", said)
    hostile.sends[f"GET {PATH}"] = lambda _: answer(200, CONTENT)
    hostile.sends[f"HEAD {PATH}"] = lambda _: answer(200, CONTENT)
    hostile.sends["/v2/app/tags/list"] = lambda _: told({"tags": ["1.0"]})
    hostile.sends["POST /v2/app/blobs/uploads/"] = lambda _: answer(202, b"", {"Location": "/up"})
    hostile.sends["/up"] = lambda _: answer(201)

    for _ in range(5):
        with opened(hostile) as registry:
            assert Digest.of(b"{}") == registry.resolve("1.0").digest
            assert registry.has_blob(BLOB.digest)
            assert not registry.has_blob(Digest.of(b"none"))
            assert CONTENT == registry.small_blob(BLOB, 100)
            assert ["1.0"] == list(registry.tags())
            registry.put_blob(Descriptor.of("a/b", b"x"), [b"x"])

    assert 1 == hostile.connections


def test_o8_own_host_knows_us(hostile: HostileRegistry, robot: Path) -> None:
    """
    O8: where the registry sends us to itself, we are still who we were.
    """
    hostile.sends[PATH] = lambda asked: moved("/blob") if let_in(asked) else answer(401, b"", BASIC)
    hostile.sends["/blob"] = lambda asked: answer(200 if let_in(asked) else 401, CONTENT)

    assert CONTENT == fetch(opened(hostile, credential=robot))


def test_o8_back_from_another_host(
    hostile: HostileRegistry, other: HostileRegistry, robot: Path
) -> None:
    """
    O8: there and back, the other host has not seen who we are.
    """
    hostile.sends[PATH] = lambda asked: (
        moved(f"http://{other.address}/there") if let_in(asked) else answer(401, b"", BASIC)
    )
    other.sends["/there"] = lambda _: moved(f"http://{hostile.address}/back")
    hostile.sends["/back"] = lambda _: answer(200, CONTENT)

    assert CONTENT == fetch(opened(hostile, credential=robot))
    assert [False] == [let_in(one) for one in other.asked]
    assert [False] == [let_in(one) for one in hostile.to("/back")]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]:PORT/blob",
        "http://[::ffff:169.254.169.254]/",
        "http://[::ffff:127.0.0.2]:PORT/blob",
        "http://[::127.0.0.2]:PORT/blob",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::1]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://0.0.0.0:PORT/blob",
        "http://127.0.0.2:PORT/blob",
        "http://127.2:PORT/blob",
        "http://0x7f.2:PORT/blob",
        "http://2130706434:PORT/blob",
        "http://224.0.0.1/",
        "http://198.18.0.1/",
        "https://10.0.0.1/",
    ],
)
def test_o8_inside(hostile: HostileRegistry, inside: HostileRegistry, location: str) -> None:
    """
    O8: no registry sends us to an address inside some network, however it is written.
    """
    hostile.sends[PATH] = lambda _: moved(location.replace("PORT", str(inside.port)))

    with bounded(seconds=1, mebibytes=4), pytest.raises(RedirectError) as caught:
        fetch(opened(hostile))

    assert "bad-redirect" == caught.value.code
    assert [] == inside.asked


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://files.example/blob",
        "gopher://files.example/",
        "data:,a layer",
        "//user:secret@files.example/",
        "http://",
        "http://[::1",
        "http://files.example:99999/",
        "http://" + "a" * 9000,
        "",
    ],
)
def test_o8_away_from_http(hostile: HostileRegistry, location: str) -> None:
    """
    O8: a redirect is to HTTP, without a password, of a length that URLs have.
    """
    hostile.sends[PATH] = lambda _: moved(location)

    with pytest.raises(RedirectError):
        fetch(opened(hostile))


def resolves(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[list[str]]]) -> list[str]:
    """Stand in for the resolver: a double, that gives each answer once, and the last for ever."""
    asked: list[str] = []
    real: Callable[..., Any] = socket.getaddrinfo

    def answers(host: str, port: int, **rest: Any) -> Any:
        if host not in names:
            return real(host, port, **rest)
        asked.append(host)
        now = names[host].pop(0) if len(names[host]) > 1 else names[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in now]

    monkeypatch.setattr("verifier.pull.registry.network.socket.getaddrinfo", answers)
    return asked


@pytest.mark.parametrize("addresses", [["127.0.0.2"], ["8.8.8.8", "127.0.0.2"]])
def test_o8_name_that_leads_inside(
    hostile: HostileRegistry,
    inside: HostileRegistry,
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[str],
) -> None:
    """
    O8: a name is judged by every address that it has.
    """
    resolves(monkeypatch, {"files.example": [addresses]})
    hostile.sends[PATH] = lambda _: moved(f"http://files.example:{inside.port}/blob")

    with pytest.raises(RedirectError):
        fetch(opened(hostile))

    assert [] == inside.asked


def test_o8_rebinding(
    hostile: HostileRegistry, inside: HostileRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    O8: a name that has one address when it is judged, and another after that, is asked for once.
    """
    asked = resolves(monkeypatch, {"files.example": [["127.0.0.1"], ["127.0.0.2"]]})
    hostile.sends[PATH] = lambda _: moved(f"http://files.example:{inside.port}{PATH}")

    with pytest.raises(VerificationError) as caught:  # nobody listens at that port there
        fetch(opened(hostile))

    assert "registry-unreachable" == caught.value.code
    assert ["files.example"] == asked
    assert [] == inside.asked


def test_o8_registry_that_moves_inside(
    monkeypatch: pytest.MonkeyPatch, inside: HostileRegistry
) -> None:
    """
    O8: the registry's own name, too, does not lead from the Internet into a network.
    """
    resolves(monkeypatch, {"registry.example": [["127.0.0.2"]]})
    name = f"registry.example:{inside.port}"
    settings = RegistrySettings(Scope(name), plain_http=True)
    registry = Registry(Repository(f"{name}/app"), Registries((settings,), docker=False))
    registry._host._connections._home.arrived(name, ipaddress.ip_address("8.8.8.8"))

    with pytest.raises(RedirectError):
        fetch(registry)


def test_o8_metadata_under_a_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    O8: nor is a registry where clouds keep their secrets.
    """
    resolves(monkeypatch, {"registry.example": [["169.254.169.254"]]})

    with pytest.raises(RedirectError):
        fetch(Registry(Repository("registry.example/app"), Registries((), docker=False)))


def test_o8_configured_host_inside(hostile: HostileRegistry, inside: HostileRegistry) -> None:
    """
    O8: a host inside that is configured is reached; and the refusal says the line to add.
    """
    hostile.sends[PATH] = lambda _: moved(f"http://{inside.address}{PATH}")
    with pytest.raises(RedirectError) as caught:
        fetch(opened(hostile))
    assert 'redirect_hosts = ["127.0.0.2"]' in caught.value.hint

    assert CONTENT == fetch(opened(hostile, redirect_hosts=("127.0.0.2",)))


def test_o8_too_many_redirects(hostile: HostileRegistry) -> None:
    """
    O8: the fifth redirect is followed, the sixth is not.
    """
    hostile.sends[PATH] = lambda _: moved("/5")
    for left in range(1, 6):
        hostile.sends[f"/{left}"] = lambda _, left=left: moved(f"/{left - 1}")
    hostile.sends["/0"] = lambda _: answer(200, CONTENT)
    with pytest.raises(RedirectError):
        fetch(opened(hostile))

    hostile.sends[PATH] = lambda _: moved("/4")
    assert CONTENT == fetch(opened(hostile))


def test_o8_upload_is_not_led_away(hostile: HostileRegistry, other: HostileRegistry) -> None:
    """
    O8: what is written goes to the registry, and nowhere that it says instead.
    """
    for where in (f"http://{other.address}/up", f"https://{hostile.address}/up", "file:///up"):
        hostile.sends["POST /v2/app/blobs/uploads/"] = lambda _, to=where: answer(
            202, b"", {"Location": to}
        )
        with opened(hostile) as registry, pytest.raises(RegistryAnswerError):
            registry.put_blob(BLOB, [CONTENT])

    hostile.sends["POST /v2/app/blobs/uploads/"] = lambda _: moved(f"http://{other.address}/up")
    with opened(hostile) as registry, pytest.raises(RedirectError):
        registry.put_blob(BLOB, [CONTENT])
    assert [] == other.asked


@pytest.mark.parametrize(
    "realm",
    [
        "https://auth.example/token",
        "http://127.0.0.1:1/token",
        "http://169.254.169.254/token",
        "file:///etc/passwd",
        "ftp://auth.example/token",
        "https://user:secret@127.0.0.1/token",
        "//auth.example/token",
        "/token",
        "",
    ],
)
def test_o9_realm_elsewhere(hostile: HostileRegistry, robot: Path, realm: str) -> None:
    """
    O9: a registry that sends us for a token to who knows where is refused.
    """
    said = {"WWW-Authenticate": f'Bearer realm="{realm}",service="s"'}
    hostile.sends[PATH] = lambda _: answer(401, b"", said)

    with pytest.raises(TokenRealmError) as caught:
        fetch(opened(hostile, credential=robot))

    assert "token-realm" == caught.value.code


def test_o9_line_to_add(hostile: HostileRegistry, other: HostileRegistry, robot: Path) -> None:
    """
    O9: the refusal says the line to add, and with that line in place we are let in.
    """
    said = {"WWW-Authenticate": f'Bearer realm="http://{other.address}/token",service="s"'}
    hostile.sends[PATH] = lambda asked: (
        answer(200, CONTENT) if let_in(asked) else answer(401, b"", said)
    )
    other.sends["/token"] = lambda _: told({"token": "abc"})
    with pytest.raises(TokenRealmError) as caught:
        fetch(opened(hostile, credential=robot))
    assert [] == other.asked
    line = f'token_hosts = ["{other.address}"]'
    assert line in caught.value.hint

    assert CONTENT == fetch(opened(hostile, credential=robot, token_hosts=(other.address,)))
    assert "Basic cm9ib3Q6c2VjcmV0" == other.asked[0].headers["authorization"]
    assert "Bearer abc" == hostile.asked[-1].headers["authorization"]


def test_o9_realm_that_redirects(
    hostile: HostileRegistry, other: HostileRegistry, robot: Path
) -> None:
    """
    O9: a realm that sends us on gets no password carried there.
    """
    said = {"WWW-Authenticate": f'Bearer realm="http://{hostile.address}/token",service="s"'}
    hostile.sends[PATH] = lambda _: answer(401, b"", said)
    hostile.sends["/token"] = lambda _: moved(f"http://{other.address}/token")

    with pytest.raises(RegistryAnswerError):
        fetch(opened(hostile, credential=robot))

    assert [] == other.asked


def test_o9_scope_is_ours(hostile: HostileRegistry) -> None:
    """
    O9: a registry does not get a token for another repository by asking for one.
    """
    said = {
        "WWW-Authenticate": f'Bearer realm="http://{hostile.address}/token",service="s",'
        'scope="repository:payroll:pull,push,delete"'
    }
    hostile.sends[PATH] = lambda asked: (
        answer(200, CONTENT) if let_in(asked) else answer(401, b"", said)
    )
    hostile.sends["/token"] = lambda _: told({"token": "abc"})

    fetch(opened(hostile))

    assert ["/token?service=s&scope=repository%3Aapp%3Apull"] == [
        one.target for one in hostile.to("/token")
    ]


@pytest.mark.parametrize(
    "token",
    [
        {"token": "a b"},
        {"token": "a\r\nX-Evil: 1"},
        {"token": ""},
        {"token": 7},
        {"token": None},
        {},
        [],
        {"token": "x" * (1 << 20)},
        {"token": "é"},
    ],
)
def test_o9_token_that_is_none(hostile: HostileRegistry, token: object) -> None:
    """
    O9: a token is one word of ASCII, of a length that headers have.
    """
    said = {"WWW-Authenticate": f'Bearer realm="http://{hostile.address}/token",service="s"'}
    hostile.sends[PATH] = lambda _: answer(401, b"", said)
    hostile.sends["/token"] = lambda _: told(token)

    with bounded(seconds=1, mebibytes=1), pytest.raises(VerificationError) as caught:
        fetch(opened(hostile))

    assert caught.value.code in ("bad-registry-answer", "over-limit")
    assert 1 == len(hostile.to(PATH))


def test_o9_endless_401(hostile: HostileRegistry, robot: Path) -> None:
    """
    O9: a registry that takes no token, however often it is asked for one, ends as a refusal.
    """
    said = {"WWW-Authenticate": f'Bearer realm="http://{hostile.address}/token",service="s"'}
    hostile.sends[PATH] = lambda _: answer(401, b"", said)
    hostile.sends["/token"] = lambda _: told({"token": "abc"})

    with bounded(seconds=1, mebibytes=1), pytest.raises(RegistryAccessError) as caught:
        fetch(opened(hostile, credential=robot))

    assert "registry-denied" == caught.value.code
    assert 3 >= len(hostile.to(PATH))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Negotiate",
        "Digest realm=x",
        "Bearer",
        'Bearer realm="x',
        "Basic realm=a b c",
        "x" * 9000,
    ],
)
def test_o9_challenge_that_is_none(hostile: HostileRegistry, robot: Path, header: str) -> None:
    """
    O9: a challenge that cannot be read gets nothing.
    """
    hostile.sends[PATH] = lambda _: answer(401, b"", {"WWW-Authenticate": header})

    with bounded(seconds=1, mebibytes=1), pytest.raises((RegistryAnswerError, TokenRealmError)):
        fetch(opened(hostile, credential=robot))

    assert [False] == [let_in(one) for one in hostile.asked]


@pytest.mark.parametrize(
    "text",
    [
        "registry.example/Team/app",
        "registry.example/../app",
        "registry.example//app",
        "registry.example/app/",
        "registry.example/" + "a" * 300,
        "registry.example/äpp",
        "registry.example:99999/app",
        "registry.example:080/app",
        "registry.example:80:80/app",
        "user@registry.example/app",
        "app",
        "index.docker.io/library/app",
        "docker.io/app",
    ],
)
def test_o12_one_name_of_a_repository(text: str) -> None:
    """
    O12: a repository has one canonical name, and no other is opened.
    """
    with pytest.raises((PlaceError, RepositoryError, VerificationError)):
        parse_place(text)


def test_o13_name_is_the_place(hostile: HostileRegistry, other: HostileRegistry) -> None:
    """
    O13: a registry that fetches from another is named as itself: who judges must `remap` it.
    """
    hostile.sends["/v2/app/manifests/1.0"] = lambda _: moved(
        f"http://{other.address}/v2/signed/manifests/1.0"
    )
    config = {"mediaType": "a/b", "size": 2, "digest": Digest.of(b"{}")}
    content = json.dumps({"schemaVersion": 2, "config": config, "layers": []}).encode()
    other.sends["/v2/signed/manifests/1.0"] = lambda _: answer(
        200, content, {"Content-Type": IMAGE}
    )

    with opened(hostile) as registry:
        assert Digest.of(content) == registry.manifest("1.0").descriptor.digest
        assert f"{hostile.address}/app" == registry.name


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("::ffff:8.8.8.8", True),
        ("127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:7f00:1", False),
        ("64:ff9b::10.0.0.1", False),
        ("2002:0a00:0001::", False),
        ("::", False),
        ("::1", False),
        ("0.0.0.0", False),
        ("169.254.1.1", False),
        ("fe80::1%eth0", False),
        ("192.0.2.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("ff02::1", False),
    ],
)
def test_o8_public_addresses(text: str, *, public: bool) -> None:
    """
    O8: an address inside another counts as the inner one; what is not of the Internet is inside.
    """
    address = address_of(text)

    assert address is not None
    assert public == is_public(address)
