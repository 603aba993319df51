"""The guard in front of everything: from where, what a refusal says, and that nothing leaks."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from starlette.routing import Route

from signer import guard
from signer.access.table import METHODS, ROUTES
from signer.http import guard as http_guard
from signer.refusal import DOMAIN
from signer.under_way import UnderWay
from signer.v1 import access_pb2
from tests.signer.access.known import ELSEWHERE, FROM_ELSEWHERE, bearer, behind_a_proxy, known
from tests.signer.asking import PATIENCE_S, SIGN, digest, order, refused
from tests.signer.running import Answer, InProcess, running
from tests.signer.world import World, found_in

CHECK, WATCH, LIST = (f"/grpc.health.v1.Health/{name}" for name in ("Check", "Watch", "List"))
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
SEARCH = "/sealbook.v1.Ledger/Search"
BUNDLES = "/sealbook.v1.Signer/GetBundles"
CANARY = "canary-7f3a /var/keys/k.pem pin=1234"
REFERENCE = re.compile(r"[0-9a-f]{16}")
GOOD = order(1).SerializeToString()
_UNSENT_S = 10  # a refusal takes milliseconds


def made(directory: Any) -> World:
    """Found a service with reflection, behind a proxy."""
    world = behind_a_proxy(found_in(directory))
    world.edit("\n[listen]\n", "\n[listen]\nreflection = true\n")
    return world


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service with reflection, behind a proxy, that takes names of roles for secrets."""
    with running(made(tmp_path_factory.mktemp("guard") / "service"), known) as one:
        yield one


def info(answer: Answer) -> error_details_pb2.ErrorInfo:
    """Return what a refusal says to other tools."""
    status = status_pb2.Status.FromString(dict(answer.metadata)["grpc-status-details-bin"])
    [packed] = status.details
    found = error_details_pb2.ErrorInfo()
    assert packed.Unpack(found)
    assert answer.details == status.message
    assert getattr(grpc.StatusCode, answer.status).value[0] == status.code
    return found


@pytest.mark.parametrize(
    ("method", "request_", "metadata", "code"),
    [
        (SIGN, GOOD, [], "unauthenticated"),
        (SIGN, GOOD, bearer("auditor"), "permission-denied"),
        (SIGN, b"\xff", bearer("developer"), "bad-request"),
        (SIGN, GOOD + b"\xf8\x07\x01", bearer("developer"), "unknown-field"),
        (SEARCH, b"", bearer("developer"), "bad-request"),
        ("/sealbook.v1.Signer/Nothing", b"", bearer("developer"), "unknown-method"),
        (CHECK, b"\xff", [], "bad-request"),
    ],
)
def test_refusal(
    service: InProcess, method: str, request_: bytes, metadata: Any, code: str
) -> None:
    """
    A refusal has the code, the same code as ErrorInfo, and a reference of its own.
    """
    answers = [service.raw(request_, method, metadata) for _ in range(2)]
    references = [dict(answer.metadata)["sealbook-reference"] for answer in answers]

    assert [code, code] == [answer.code for answer in answers]
    assert (code, DOMAIN) == (info(answers[0]).reason, info(answers[0]).domain)
    assert all(REFERENCE.fullmatch(str(reference)) for reference in references)
    assert 2 == len({*references})


def test_refusal_over_http(service: InProcess) -> None:
    """
    Over HTTP the JSON has code and reference, and so have the headers.
    """
    url = f"http://{service.addresses.http}"
    ours = httpx.post(url + "/v1/sign", json={})
    rekors = httpx.post(url + "/api/v2/log/entries", json={})

    assert (401, "unauthenticated") == (ours.status_code, ours.json()["code"])
    assert ours.json()["reference"] == ours.headers["sealbook-reference"]
    assert (401, "unauthenticated") == (rekors.status_code, rekors.headers["sealbook-code"])
    assert REFERENCE.fullmatch(ours.json()["reference"])
    assert REFERENCE.fullmatch(rekors.headers["sealbook-reference"])


@pytest.mark.parametrize(
    ("secret", "code"),
    [
        ("x" * 40, "unauthenticated"),
        ("test", "unauthenticated"),
        ("sbs_" + "a" * 43, "no-session"),
        ("sbk_" + "a" * 16, "no-api-key"),
        ("sbk_" + "a" * 16 + "." + "a" * 48, "no-api-key"),
    ],
)
def test_nobody_by_a_secret(service: InProcess, secret: str, code: str) -> None:
    """
    Whoever sends something else than a secret that is known is nobody, also where without it
    they could have come in; and for one kind of secret it is always the same words.
    """
    sent = [("authorization", f"Bearer {secret}")]
    for method in (SIGN, BUNDLES, CHECK):
        answer = service.raw(b"", method, sent)
        assert ("UNAUTHENTICATED", code) == (answer.status, answer.code)
        assert secret not in answer.details
    for path in ("/v1/trust.json", "/checkpoint", "/metrics", "/healthz", "/api/v1/log"):
        answer_ = httpx.get(f"http://{service.addresses.http}{path}", headers=dict(sent))
        assert 401 == answer_.status_code


def test_static_token_from_elsewhere(service: InProcess) -> None:
    """
    The service's own token counts from its own machine alone, over both protocols.
    """
    url = f"http://{service.addresses.http}/v1/sign"
    far = [*service.metadata, FROM_ELSEWHERE]
    wish = {"digest": digest(5), "repository": "registry.example/team/app"}

    assert "OK" == service.raw(GOOD, SIGN).status
    assert ("UNAUTHENTICATED", "unauthenticated") == service.raw(GOOD, SIGN, far)[1:3]
    assert 200 == httpx.post(url, json=wish, headers=dict(service.metadata)).status_code
    assert 401 == httpx.post(url, json=wish, headers=dict(far)).status_code
    assert "OK" == service.raw(GOOD, SIGN, [*bearer("developer"), FROM_ELSEWHERE]).status


@pytest.mark.parametrize("path", ["/v1/trust.json", "/checkpoint", "/metrics", "/api/v1/log"])
def test_anonymous_from_elsewhere(service: InProcess, path: str) -> None:
    """
    As long as nothing is bound to a network, whoever is on the machine reads what is no secret,
    and whoever is not gets health and nothing else.
    """
    url = f"http://{service.addresses.http}"
    far = dict([FROM_ELSEWHERE])

    assert 200 == httpx.get(url + path).status_code
    assert 401 == httpx.get(url + path, headers=far).status_code
    assert 200 == httpx.get(url + "/healthz", headers=far).status_code
    assert "unauthenticated" == service.raw(b"", BUNDLES, [FROM_ELSEWHERE]).code
    assert "bad-digest" == service.raw(b"", BUNDLES, []).code


def test_path_token(service: InProcess) -> None:
    """
    The append token in a path is whose it is, for reading too, and from elsewhere; another is not.
    """
    token = (service.directory / "append-token").read_text().strip()
    url, far = f"http://{service.addresses.http}", dict([FROM_ELSEWHERE])

    assert 200 == httpx.get(f"{url}/t/{token}/api/v1/log", headers=far).status_code
    assert 200 == httpx.get(f"{url}/t/{token}/api/v2/checkpoint", headers=far).status_code
    assert 401 == httpx.get(f"{url}/t/{token}x/api/v2/checkpoint").status_code
    assert 401 == httpx.get(f"{url}/t/{token}/metrics", headers=far).status_code


def test_health(service: InProcess) -> None:
    """
    Health says whether the service lives, to whoever may connect, and nothing more (D8).
    """
    answer = service.raw(b"", CHECK, [FROM_ELSEWHERE])
    unknown = service.raw(health_pb2.HealthCheckRequest(service="x").SerializeToString(), CHECK, [])

    assert (
        health_pb2.HealthCheckResponse.SERVING
        == answer.message(health_pb2.HealthCheckResponse).status
    )
    assert "NOT_FOUND" == unknown.status
    assert "unknown-method" == service.raw(b"", LIST, []).code  # not in grpcio's own, today
    assert "unknown-field" == service.raw(b"\xf8\x07\x01", CHECK, []).code
    with grpc.insecure_channel(service.addresses.grpc) as channel:
        watching = channel.unary_stream(WATCH)(b"", timeout=PATIENCE_S)
        first = health_pb2.HealthCheckResponse.FromString(next(watching))
        watching.cancel()
    assert health_pb2.HealthCheckResponse.SERVING == first.status


def test_reflection(service: InProcess) -> None:
    """
    Reflection, where it is on, is for whoever sits at the machine.
    """
    asked = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    with grpc.insecure_channel(service.addresses.grpc) as channel:

        def ask(*metadata: tuple[str, str]) -> list[bytes]:
            call = channel.stream_stream(REFLECT)
            return list(call(iter([asked]), metadata=metadata, timeout=PATIENCE_S))

        [answer] = ask()
        with pytest.raises(grpc.RpcError) as caught:
            ask(FROM_ELSEWHERE)
    named = reflection_pb2.ServerReflectionResponse.FromString(answer)

    assert "sealbook.v1.Signer" in [s.name for s in named.list_services_response.service]
    assert grpc.StatusCode.UNAUTHENTICATED == caught.value.code()  # type: ignore[attr-defined]


def test_nothing_leaks(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """
    Whatever a handler raises, the caller of every method and route gets a reference and not a
    word more; under that reference the log has the rest.
    """

    async def fail(*_: Any, **__: Any) -> Any:
        raise ValueError(CANARY) from OSError(CANARY)

    monkeypatch.setattr("signer.guard.parse", lambda *_: (_ for _ in ()).throw(ValueError(CANARY)))
    monkeypatch.setattr(health.aio.HealthServicer, "Check", fail)
    with running(made(tmp_path_factory.mktemp("leaks") / "service"), known) as service:
        site: Any = service.server._front._http.config.app._app
        for route in site._others.routes:
            assert isinstance(route, Route)

            async def broken(scope: Any, receive: Any, send: Any) -> None:
                raise ValueError(CANARY) from OSError(CANARY)

            route.app = broken
        monkeypatch.setattr(type(site._reading), "handler", lambda *_: fail)
        monkeypatch.setattr(type(site), "_upload", fail)
        said, count = [], 0
        capfd.readouterr()
        everyone = {
            name: bearer(role(row.actions), proof="certificate") for name, row in METHODS.items()
        }
        for name in METHODS:
            if name in {WATCH, LIST, REFLECT}:
                continue
            answer = service.raw(b"", name, everyone[name])
            assert ("INTERNAL", "internal-error") == (answer.status, answer.code), name
            said.append(f"{answer.details} {answer.metadata}")
            count += 1
        for name, row in ROUTES.items():
            verb, _, template = name.partition(" ")
            path = template.replace("{digest}", "x").replace("{path}", "x").replace("{name}", "x")
            if name == "GET /v1/policy.toml":
                continue
            answer_ = httpx.request(
                verb,
                f"http://{service.addresses.http}{path}",
                headers=dict(bearer(role(row.actions))),
                content=b"{}" if verb == "POST" else None,
            )
            assert (500, "internal-error") == (
                answer_.status_code,
                answer_.headers["sealbook-code"],
            ), name
            said.append(f"{answer_.headers} {answer_.text}")
            count += 1
        log = capfd.readouterr().err
        monkeypatch.undo()

    for one in said:
        [reference] = {*REFERENCE.findall(one)}
        assert reference in log
        for secret in (*CANARY.split(), "ValueError", "OSError", "Traceback", ".py"):
            assert secret not in one, one
    assert count == log.count('"internal error"')


def role(actions: tuple[str, ...]) -> str:
    """Return a role with one of these actions."""
    return {
        "sign": "developer",
        "attest": "developer",
        "publish": "publisher",
        "report": "runtime",
        "append": "appender",
        "mirror": "auditor",
        "agree": "approver",
        "audit": "auditor",
        "monitor": "monitor",
        "fetch": "runtime",
        "watch": "witness",
        "bind": "admin",
        "operate": "operator",
        "delete-body": "operator",
        "read": "developer",
        "": "developer",
    }[actions[0] if actions else ""]


@pytest.mark.parametrize(
    ("forwarded", "code"),
    [
        (f"{ELSEWHERE}, 127.0.0.1", "unauthenticated"),
        (f"127.0.0.1, {ELSEWHERE}", "unauthenticated"),
        (f"::ffff:{ELSEWHERE}", "unauthenticated"),
        ("127.0.0.9", "bad-digest"),
        ("somewhere", "network"),
    ],
)
def test_forwarded(service: InProcess, forwarded: str, code: str) -> None:
    """
    Who called is the last one that no proxy is, over both protocols.
    """
    sent = ("x-forwarded-for", forwarded)
    url = f"http://{service.addresses.http}/v1/bundles/x"

    assert code == service.raw(b"", BUNDLES, [sent]).code
    assert code == httpx.get(url, headers=dict([sent])).json()["code"]


def test_whoami(service: InProcess) -> None:
    """
    Whoever asks is told who they are taken for, from where, and by what.
    """
    answer = service.raw(b"", "/sealbook.v1.Access/WhoAmI", [*bearer("developer"), FROM_ELSEWHERE])
    told = answer.message(access_pb2.WhoAmIResponse).identity

    assert ("urn:test", "developer", "session", ELSEWHERE) == (
        told.issuer,
        told.subject,
        told.proof,
        told.address,
    )


def test_no_row(service: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What could be answered, and has no row, is not there: not for anybody.
    """
    url = f"http://{service.addresses.http}/readyz"
    assert 200 == httpx.get(url).status_code
    monkeypatch.delitem(http_guard._EXACT, "GET /readyz")
    assert 404 == httpx.get(url, headers=dict(service.metadata)).status_code
    handlers = service.server._front._guard._handlers
    monkeypatch.delitem(handlers, CHECK, raising=False)
    monkeypatch.delitem(guard.METHODS, CHECK)  # type: ignore[arg-type]
    assert "unknown-method" == service.raw(b"", CHECK).code
    handlers.pop(CHECK, None)


def test_rooms() -> None:
    """
    Strangers have a quarter of the room, and fill no more than that; who is known has the rest.
    """
    under_way = UnderWay(8)
    with ExitStack() as inside:
        for _ in range(2):
            inside.enter_context(under_way.room(stranger=True))
        refused("queue-full", lambda: inside.enter_context(under_way.room(stranger=True)))
        for _ in range(8):
            inside.enter_context(under_way.room(stranger=False))
        refused("queue-full", lambda: inside.enter_context(under_way.room(stranger=False)))
    with under_way.room(stranger=True), under_way.room(stranger=False):
        pass


def test_watchers(service: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whoever watches the health of the service takes no room from calls, and many are too many.
    """
    monkeypatch.setattr(service.server._front._guard, "_foreign", UnderWay(8))
    monkeypatch.delitem(service.server._front._guard._handlers, WATCH, raising=False)
    with grpc.insecure_channel(service.addresses.grpc) as channel:
        watching = [channel.unary_stream(WATCH)(b"", timeout=PATIENCE_S) for _ in range(2)]
        for one in watching:
            next(one)
        with pytest.raises(grpc.RpcError) as caught:
            next(channel.unary_stream(WATCH)(b"", timeout=PATIENCE_S))
        for one in watching:
            one.cancel()
    service.server._front._guard._handlers.pop(WATCH)

    assert grpc.StatusCode.RESOURCE_EXHAUSTED == caught.value.code()  # type: ignore[attr-defined]
    assert "OK" == service.raw(GOOD, SIGN).status


@pytest.mark.parametrize(
    "sent",
    [
        [("authorization", "Bearer TOKEN")] * 2,
        [("authorization", "Bearer TOKEN"), ("authorization", "Bearer wrong")],
        [("authorization", "Bearer TOKEN, Bearer TOKEN")],
        [("authorization", "Bearer TOKEN Bearer TOKEN")],
        [("authorization", "bearer TOKEN")],
        [("authorization", "BEARER TOKEN")],
        [("authorization", "Bearer  TOKEN")],
        [("authorization-bin", "Bearer TOKEN")],
        [("authorization", "Bearer TOKEN"), ("authorization-bin", "x")],
        [("authorization", "TOKEN")],
        [("authorization", "Basic TOKEN")],
    ],
)
def test_credentials_over_http(service: InProcess, sent: list[tuple[str, str]]) -> None:
    """
    Over HTTP too, whoever does not send one bearer token, exactly so, is nobody (A13).
    """
    url = f"http://{service.addresses.http}"
    headers_ = [(name, value.replace("TOKEN", service.token)) for name, value in sent]
    for path in ("/v1/sign", "/v1/get-bundles"):
        answer = httpx.post(url + path, json={}, headers=headers_)
        assert (401, "unauthenticated") == (answer.status_code, answer.json()["code"])
        assert service.token not in answer.text


@pytest.mark.parametrize("method", [SIGN, "/sealbook.v1.Signer/SignBatch", SEARCH])
def test_nobody_is_waited_for(service: InProcess, method: str) -> None:
    """
    Who is nobody is refused before anything of their request is read: none of it is kept.
    """
    hold = threading.Event()

    def unsent() -> Iterator[bytes]:
        hold.wait(_UNSENT_S)
        yield GOOD

    with grpc.insecure_channel(service.addresses.grpc) as channel:
        call = channel.stream_unary(method).future(unsent(), timeout=_UNSENT_S)
        code = call.code()
        assert not hold.is_set()
        hold.set()

    assert grpc.StatusCode.UNAUTHENTICATED == code
