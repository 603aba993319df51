"""No secret comes out, in any spelling: not in logs, answers, files, nor what a process shows."""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import secrets
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from signer.client import Client
from signer.keys import open_key
from signer.keys.container import LEAST, Container
from signer.keys.home import Role
from signer.keys.private import generate
from signer.keys.secret_files import write_secret
from tests.crash.service import Service
from tests.signer.asking import PATIENCE_S, REPOSITORY, SIGN, digest, order
from tests.signer.canaries import Canary, Leak, leaks, leaks_in_files
from tests.signer.commands import sealbook
from tests.signer.hsm.softhsm import NEEDS_SOFTHSM, PIN, run, soft_token
from tests.signer.openbao.server import Bao, program
from tests.signer.running import running
from tests.signer.world import World
from verifier.errors import SealbookError

# A service that fails where its secrets are in the hands of the code, once there is a file.
FAULTY = """\
import pathlib, sys
from signer import cli
from signer.access import tokens as access
from signer.keys.memory import HeldKey
fault = pathlib.Path(%r)
hashed, sign = access._hash, HeldKey.sign
def failing_hash(token):
    if fault.exists() and fault.read_text() == "token":
        raise RuntimeError("fault")
    return hashed(token)
def failing_sign(self, message):
    private = self._private.private_bytes_raw() if hasattr(
        self._private, "private_bytes_raw") else self._private.private_numbers()
    if fault.exists() and fault.read_text() == "sign":
        raise RuntimeError("fault")
    return sign(self, message)
access._hash, HeldKey.sign = failing_hash, failing_sign
cli.main()
"""
PATHS = (
    "/v1/trust.json",
    "/v1/status.json",
    "/v1/trusted_root.json",
    "/v1/signing_config.json",
    "/v1/tlog-policy",
    "/metrics",
    "/readyz",
    "/checkpoint",
    "/tile/0/000",
    "/tile/entries/000.p/1",
    "/api/v1/log",
    "/api/v2/checkpoint",
    "/bodies/sha256/" + 64 * "0",
    "/nothing/here",
)


def random_text() -> str:
    """Return a secret that is written in another way by everything that escapes."""
    return f'pass "{secrets.token_hex(8)}" +/ü<&'


class Home(NamedTuple):
    """How a key's home refuses a wrong secret, and how it goes away; None when it cannot."""

    refusal: str
    go: Callable[[], None] | None


class Outlet:
    """Collects what comes out of a service, and knows what must not."""

    def __init__(
        self,
        service: Service,
        http: httpx.Client,
        canaries: list[Canary],
        home: Home,
    ) -> None:
        self.service = service
        self.home = home
        self.http = http
        self.canaries = canaries
        self.found: list[Leak] = []

    def take(self, where: str, content: object) -> None:
        """Look at something that came out."""
        if not isinstance(content, bytes):
            content = str(content).encode(errors="surrogateescape")
        self.found += leaks(where, content, self.canaries)

    def command(self, *args: object) -> None:
        """Run a command of the service's."""
        done = sealbook(*args, "--config", self.service.directory / "sealbook.toml")
        self.take(f"sealbook {args[:2]}", done.stdout + done.stderr)

    def get(self, path: str, **more: Any) -> None:
        """Ask by HTTP."""
        answer = self.http.get(f"http://{self.service.addresses.http}{path}", **more)
        self.take(f"GET {path[:8]}", repr(answer.headers).encode() + answer.content)

    def post(self, path: str, body: str, **more: Any) -> int:
        """Send something by HTTP, and return the status."""
        url = f"http://{self.service.addresses.http}{path}"
        answer = self.http.post(url, content=body, **more)
        self.take(f"POST {path[:8]}", repr(answer.headers).encode() + answer.content)
        return answer.status_code

    def call(self, token: str, **more: Any) -> str:
        """Call Sign, and return the code."""
        request = order(1, **more).SerializeToString()
        with grpc.insecure_channel(self.service.addresses.grpc) as channel:
            call = channel.unary_unary(SIGN).future(
                request, metadata=[("authorization", f"Bearer {token}")], timeout=PATIENCE_S
            )
            with contextlib.suppress(grpc.RpcError):
                self.take("Sign", call.result())
            self.take("Sign's error", f"{call.details()} {call.trailing_metadata()}")
            return str(call.code().name)


@pytest.fixture(params=["file", pytest.param("token", marks=NEEDS_SOFTHSM), "server"])
def outlet(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Outlet]:
    """A service whose release key is sealed, in a token, or in a server; and all its secrets."""
    texts = {name: random_text() for name in ("passphrase", "wrong")}
    for name, text in texts.items():
        write_secret(tmp_path / name, text.encode())
    with contextlib.ExitStack() as stack:
        uri, bao = "", None
        if request.param == "server":
            uri, bao = in_server(tmp_path, stack)
        uris = {"release": uri} if uri else {}
        service = stack.enter_context(Service(tmp_path / "service", uris=uris))
        http = stack.enter_context(httpx.Client(timeout=PATIENCE_S))
        there, keys = service.directory, service.directory / "keys"
        at_home = {
            there / "token": [there / "token"],
            there / "append-token": [there / "append-token", there / "signing_config.json"],
            keys / "seal": [keys / "seal"],
        }
        canaries = [Canary(name, text.encode()) for name, text in texts.items()]
        canaries += [
            Canary(path.name, path.read_bytes().strip(), tuple(homes))
            for path, homes in at_home.items()
        ]
        private = {path: loaded(path) for path in keys.glob("*.pem")}
        canaries += [Canary.of_key(path.stem, key, path) for path, key in private.items()]
        if bao is not None:
            home = Home("(key-access)", bao.stop)
            files = (tmp_path / "passphrase", tmp_path / "wrong")
            canaries += [Canary(f"bao {path.name}", path.read_bytes()) for path in files]
        elif request.param == "file":
            home = Home("(key-passphrase)", None)
            seal(keys / "release.pem", keys / "release.key", texts["passphrase"])
            uri = f"file:keys/release.key?passphrase-source=file:{tmp_path}/passphrase"
        else:
            token = stack.enter_context(soft_token(tmp_path / "hsm"))
            home = Home("(key-pin)", token.vanish)
            taken = ("--import", str(keys / "release.pem"), "--label", "release", "--id", "01")
            run("softhsm2-util", *taken, "--token", token.label, "--pin", PIN)
            (keys / "release.pem").unlink()
            canaries.append(Canary("PIN", PIN.encode()))
            (tmp_path / "passphrase").write_text(PIN)
            uri = token.uri("object=release").replace("hsm/pin", "passphrase")
        config = there / "sealbook.toml"
        config.write_text(config.read_text().replace("file:keys/release.pem", uri))
        yield Outlet(service, http, canaries, home)


def in_server(directory: Path, stack: contextlib.ExitStack) -> tuple[str, Bao]:
    """Make a key in a server that ends with `stack`; its token is where a passphrase would be."""
    program()
    (directory / "bao").mkdir()
    bao = Bao(directory / "bao")
    bao.start()
    stack.callback(bao.close)
    bao.found()
    (directory / "passphrase").write_text(bao.token())
    (directory / "wrong").write_text(secrets.token_hex(16))
    key = f"openbao://{bao.plain}/transit/keys/{bao.key('release')}"
    return f"{key}?auth=token&token-source=file:{directory}/passphrase&tls=off", bao


def loaded(path: Path) -> Any:
    """Read a key that is not encrypted."""
    return serialization.load_pem_private_key(path.read_bytes(), None)


def seal(plain: Path, sealed: Path, passphrase: str) -> None:
    """Put a key into a container, and leave nothing else of it."""
    role = Role("release", "approve")
    container = Container.seal(loaded(plain), role, passphrase.encode(), LEAST)
    write_secret(sealed, container.content())
    plain.unlink()


def ask_all(outlet: Outlet, append: str) -> None:
    """Ask rightly and wrongly, with and without tokens, in their places and in others."""
    service, token = outlet.service, outlet.service.token
    with Client(service.addresses.grpc, token) as client:
        outlet.take("a bundle", client.sign(digest(2), REPOSITORY).bundle())
    assert "OK" == outlet.call(token)
    assert "UNAUTHENTICATED" == outlet.call(token[:-1])
    assert "PERMISSION_DENIED" == outlet.call(append)
    assert "NOT_FOUND" == outlet.call(token, key="nobody")
    for path in PATHS:
        outlet.get(path)
        outlet.get(path, headers={"authorization": f"Bearer {token}"})
        outlet.get(f"/t/{append}{path}", follow_redirects=True)
        outlet.get(f"/t/{token}{path}")
    bearer = {"authorization": f"Bearer {token}"}
    body = json.dumps({"digest": digest(3), "repository": REPOSITORY})
    assert 200 == outlet.post("/v1/sign", body, headers=bearer)
    assert 400 == outlet.post("/v1/sign", body[:-1], headers=bearer)
    assert 401 == outlet.post("/v1/sign", body)
    outlet.post(f"/t/{append}/api/v1/log/entries", "{}")
    outlet.post("/api/v2/log/entries", "{}", auth=("append", append))


def test_nothing_comes_out(outlet: Outlet) -> None:
    """
    Whatever a service is asked, rightly or wrongly, and however it fails, its secrets stay inside.
    """
    service = outlet.service
    there, token = service.directory, service.token
    append = (there / "append-token").read_text().strip()
    fault = there / "fault"

    # A start with another passphrase is refused.
    config = there / "sealbook.toml"
    right = config.read_text()
    config.write_text(right.replace("/passphrase", "/wrong"))
    done = service.command("serve")
    assert 1 == done.returncode
    assert outlet.home.refusal in done.stderr
    outlet.take("refused start", done.stdout + done.stderr)
    config.write_text(right)

    service.start((sys.executable, "-c", FAULTY % str(fault)))
    outlet.take("environment", Path(f"/proc/{service.pid}/environ").read_bytes())
    outlet.take("command line", Path(f"/proc/{service.pid}/cmdline").read_bytes())

    ask_all(outlet, append)

    # What fails inside.
    fault.write_text("token")
    assert "INTERNAL" == outlet.call(token)
    assert 500 == outlet.post("/v1/sign", "{}", headers={"authorization": f"Bearer {token}"})
    if outlet.home.go:
        fault.unlink()
        outlet.home.go()
    else:
        fault.write_text("sign")
    assert "UNAVAILABLE" == outlet.call(token, repository="registry.example/other")

    # What commands print and write.
    outlet.command("key", "show", "release", "--json")
    outlet.command("status", "--json")
    outlet.command("search", "form", "bundle", "--json")
    outlet.command("ledger", "backup", there / "backup")
    outlet.command("ledger", "export", there / "exported")
    service.stop()

    log = service.log()
    assert 2 == log.count("RuntimeError: fault"), log
    assert (there / "backup").exists()
    assert (there / "exported").exists()
    assert [] == outlet.found + leaks_in_files(there, outlet.canaries)


@pytest.mark.parametrize(
    "uri",
    [
        "{}",
        "file:x.key?passphrase={}",
        "file:x.key?passphrase-source={}",
        "file:x.key?passphrase-source=value:{}",
        "pkcs12:token=x?pin-value={}",
        "pkcs11:token=x;object=y?pin-value={}",
        "pkcs11:token=x;object=y?module-path=/nowhere.so&pin-value={}",
        "pkcs11:token=x;object=y?module-path=/nowhere.so&pin-source={}",
        "openbao://127.0.0.1:1/transit/keys/x?token={}",
        "openbao://user:{}@127.0.0.1:1/transit/keys/x",
        "vault:{}",
    ],
)
def test_secrets_in_uris(tmp_path: Path, uri: str) -> None:
    """
    A secret that somebody writes into a key's URI is refused without being repeated.
    """
    canary = Canary("uri", b"canary-" + secrets.token_hex(8).encode())
    container = Container.seal(generate("ecdsa-p256"), Role("x", "approve"), b"another", LEAST)
    write_secret(tmp_path / "x.key", container.content())
    with pytest.raises(SealbookError) as caught:
        open_key(uri.format(canary.secret.decode()), tmp_path, Role("x", "approve"))

    error = caught.value
    told = f"{error!r} {error} {error.message} {error.hint} {error.code}"
    # What a log would show: messages alone, as no log of ours shows local variables.
    told += "".join(traceback.format_exception(error))
    assert [] == leaks("error", told.encode(), [canary])


def test_objects(world: World) -> None:
    """
    Nothing that a running service holds shows a secret when it is printed.
    """
    canaries = [
        Canary("token", world.token.encode()),
        Canary("append", (world.directory / "append-token").read_bytes().strip()),
        Canary("seal", (world.directory / "keys" / "seal").read_bytes()),
        Canary.of_key("release", loaded(world.directory / "keys" / "release.pem")),
    ]
    printed = 0
    with running(world) as service:
        service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        for one in gc.get_objects():
            kind = type(one)
            if str(kind.__module__).partition(".")[0] in ("signer", "ledger", "verifier"):
                printed += 1
                assert [] == leaks(kind.__qualname__, repr(one).encode(), canaries)
    assert printed > 100


@pytest.mark.parametrize("offset", range(3))
def test_what_is_found(offset: int) -> None:
    """
    A secret is found in whatever spelling, at any place of a longer text, and over line breaks.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    canary = Canary.of_key("key", key)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    around = bytes(range(65, 65 + offset)) + canary.secret + b"behind"
    written = [
        around,
        around.hex().encode(),
        around.hex(":").upper().encode(),
        base64.b64encode(around),
        base64.urlsafe_b64encode(around),
        base64.encodebytes(around),
        repr(around).encode(),
        json.dumps(list(around)).encode(),
        str(int.from_bytes(canary.secret, "big")).encode(),
        pem,
        repr(pem).encode(),
        json.dumps(pem.decode()).encode(),
    ]

    for text in written:
        assert leaks("", b"before " + text + b" after", [canary]), text
    assert not leaks("", b"before and after", [canary])
    assert not leaks("", base64.b64encode(secrets.token_bytes(100)), [canary])
