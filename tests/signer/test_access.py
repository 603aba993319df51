"""Who may append, by which of the two tokens, in which form; and that no token shows anywhere."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from signer.access import Caller, Principal, authorise
from signer.access.credential import APPENDER, secret_in
from signer.access.tokens import Tokens
from signer.errors import UnauthenticatedError
from signer.v1 import ledger_pb2, signer_pb2
from tests.signer.asking import PATIENCE_S, REPOSITORY, SIGN, order, refused
from tests.signer.running import InProcess, serving
from tests.signer.uploading import V1, V2, Hand, Log, hashed, legacy, some_message
from tests.signer.world import World

HAND = Hand.of("ecdsa-p256")
TOKEN, APPEND, APPROVER = "t" * 32, "a" * 32, "p" * 32
ACTIONS = ("sign", "sign-raw", "attest", "append", "read", "agree", "mirror", "operate")


@pytest.fixture(scope="module")
def log(service: InProcess) -> Log:
    return Log(service)


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


HERE, ELSEWHERE = Caller("127.0.0.1"), Caller("192.0.2.1")


def holder(tokens: Tokens, token: str, caller: Caller = HERE) -> Principal:
    """Return who has a token."""
    found = tokens.holder(token, caller)
    assert found is not None
    return found


def known(headers: list[tuple[str, str | bytes]]) -> Principal:
    """Return whom the holders of two tokens would take somebody for."""
    secret = secret_in(headers, basic=True)
    found = None if secret is None else Tokens(TOKEN, APPEND).holder(secret, HERE)
    if found is None:
        raise UnauthenticatedError("nobody")
    return found


def may(tokens: Tokens, token: str) -> set[str]:
    """Return what the holder of a token may do."""
    grants = holder(tokens, token).grants
    return {action for action in ACTIONS if grants.get(action)}  # type: ignore[call-overload]


def test_grants() -> None:
    """
    The append token appends and does nothing else, the approver token looks and agrees; the
    service's own does all that callers do.
    """
    tokens = Tokens(TOKEN, APPEND, APPROVER)

    assert {"append"} == may(tokens, APPEND)
    assert {"read", "agree"} == may(tokens, APPROVER)
    assert {"read", "agree"} == may(Tokens(TOKEN, None, APPROVER), APPROVER)
    assert {*ACTIONS} - {"operate"} == may(tokens, TOKEN)
    refused("permission-denied", lambda: authorise(holder(tokens, APPEND), "read"))


def test_from_elsewhere() -> None:
    """
    The service's own token counts on its machine alone, the other two from wherever one may call.
    """
    tokens = Tokens(TOKEN, APPEND, APPROVER)

    for address in ("127.0.0.1", "127.8.9.1", "::1", ""):
        assert tokens.holder(TOKEN, Caller(address))
    for address in ("192.0.2.1", "10.0.0.1", "2001:db8::1", "0.0.0.0"):
        assert tokens.holder(TOKEN, Caller(address)) is None
    assert tokens.holder(APPEND, ELSEWHERE)
    assert tokens.holder(APPROVER, ELSEWHERE)


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", basic(APPENDER, APPEND))],
        [("authorization", basic(APPENDER, TOKEN))],
        [("authorization", f"Bearer {APPEND}")],
        [("authorization", f"Bearer {TOKEN}")],
    ],
    ids=["basic", "basic with the main token", "bearer", "bearer with the main token"],
)
def test_forms(headers: list[tuple[str, str | bytes]]) -> None:
    """
    A token may be a bearer's, or the password of Basic.
    """
    authorise(known(headers), "append")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "")],
        [("authorization", basic("ci", APPEND))],
        [("authorization", basic("", APPEND))],
        [("authorization", basic(APPENDER, ""))],
        [("authorization", basic(APPENDER, APPEND[1:]))],
        [("authorization", basic(APPENDER, APPEND + "a"))],
        [("authorization", basic(APPENDER, APPEND)[:-1])],
        [("authorization", basic(APPENDER, APPEND) + "\n")],
        [("authorization", "Basic " + b64encode(b"append:\xff").decode())],
        [("authorization", f"Basic {APPENDER}:{APPEND}")],
        [("authorization", APPEND)],
        [("authorization", f"bearer {APPEND}")],
        [("authorization", f"Bearer  {APPEND}")],
        [("authorization", f"Bearer {APPEND}{'a' * 500}")],
        [("authorization", f"Bearer {APPEND}")] * 2,
        [("authorization", f"Bearer {APPEND}".encode())],
        [("authorization-bin", f"Bearer {APPEND}".encode())],
        [("authorization", f"Bearer {APPEND}"), ("authorization-bin", b"x")],
    ],
)
def test_other_forms(headers: list[tuple[str, str | bytes]]) -> None:
    """
    Everything else is nobody, and what is said about it holds no token.
    """
    told = refused("unauthenticated", lambda: known(headers))

    assert "a" * 20 not in told.message + told.hint


def test_basic_is_for_appending() -> None:
    """
    Where callers sign and read, no Basic is taken.
    """
    headers = [("authorization", basic(APPENDER, TOKEN))]

    refused("unauthenticated", lambda: secret_in(headers))


@pytest.mark.parametrize("token", ["a" * 31, "a" * 501, "a" * 32 + "/", "a" * 32 + "%", "", "a b"])
def test_bad_append_token(token: str) -> None:
    """
    An append token that is no secret, or could not stand in a URL as it is, keeps the service
    from starting.
    """
    told = refused("key-file", lambda: Tokens(TOKEN, token))

    assert "a" * 20 not in told.message


def test_no_append_token() -> None:
    """
    Without an append token nobody but the holder of the main one may append.
    """
    tokens = Tokens(TOKEN)

    assert "append" in may(tokens, TOKEN)
    assert tokens.holder(APPEND, HERE) is None


def uploads(log: Log, path: str) -> list[Callable[..., httpx.Response]]:
    """Return the ways in which a token can be sent."""

    def post(prefix: str = "", **headers: str) -> httpx.Response:
        make = hashed if path == V2 else legacy
        request = make(HAND, some_message())
        return log.post(request, prefix + path, auth=None, headers=headers)

    return [
        lambda token: post(authorization=basic(APPENDER, token)),
        lambda token: post(authorization=f"Bearer {token}"),
        lambda token: post(prefix=f"/t/{token}"),
    ]


@pytest.mark.parametrize("path", [V1, V2])
@pytest.mark.parametrize("form", range(3), ids=["basic", "bearer", "prefix"])
def test_upload(service: InProcess, log: Log, path: str, form: int) -> None:
    """
    Either token appends in each of the three forms, and another one in none.
    """
    send, before = uploads(log, path)[form], service.tree_size
    tokens = [log.token, service.token, log.token[:-1], "x" * 40, "x"]
    answers = [send(token) for token in tokens]

    assert [201, 201, 401, 401, 401] == [answer.status_code for answer in answers]
    assert before + 2 == service.tree_size


@pytest.mark.parametrize("path", [V1, V2])
def test_nobody(service: InProcess, log: Log, path: str) -> None:
    """
    Whoever brings no token is asked for one, before anything of the body is read.
    """
    before = service.tree_size
    answer = log.post(b"{" * 100, path, auth=None)
    value = answer.json()

    assert (401, "unauthenticated") == (answer.status_code, answer.headers["sealbook-code"])
    assert 'Basic realm="sealbook"' == answer.headers["www-authenticate"]
    assert (16, []) == (value["code"], value["details"])
    assert "signing_config.json" in value["message"] or "authorization" in value["message"]
    assert before == service.tree_size


def test_prefix_wins(log: Log) -> None:
    """
    A wrong token in the path is wrong, whatever the header says.
    """
    request = hashed(HAND, some_message())

    assert 401 == log.post(request, f"/t/{'x' * 40}{V2}").status_code


def test_append_token_elsewhere(service: InProcess, log: Log) -> None:
    """
    The append token opens nothing else: it signs, reads and mirrors nothing.
    """
    metadata = [("authorization", f"Bearer {log.token}")]
    before = service.tree_size
    calls = {
        SIGN: order(1).SerializeToString(),
        "/sealbook.v1.Signer/GetBundles": signer_pb2.GetBundlesRequest().SerializeToString(),
        "/sealbook.v1.Ledger/Search": ledger_pb2.SearchRequest().SerializeToString(),
        "/sealbook.v1.Ledger/Pull": b"",
    }
    answers = {name: service.raw(request, name, metadata) for name, request in calls.items()}
    wish = json.dumps({"digest": "sha256:" + "0" * 64, "repository": REPOSITORY}).encode()
    headers = {"authorization": f"Bearer {log.token}"}
    posts = [
        log.post(wish, f"{prefix}/v1/sign", auth=None, headers=sent)
        for prefix, sent in (("", headers), (f"/t/{log.token}", {}))
    ]

    assert {"permission-denied"} == {answer.code for answer in answers.values()}
    assert [403, 401] == [answer.status_code for answer in posts]
    assert before == service.tree_size


def test_served_signing_config(service: InProcess, log: Log) -> None:
    """
    The signing_config.json that anybody can fetch says where the log is, and holds no secret;
    the one of the service's directory has it.
    """
    served = log.get("/v1/signing_config.json")
    kept = service.directory / "signing_config.json"
    [entry] = served.json()["rekorTlogUrls"]

    assert log.url == entry["url"]
    assert log.token not in served.text
    assert f"append:{log.token}@" in kept.read_text()
    assert 0o600 == kept.stat().st_mode & 0o777


def hidden(token: str, *texts: str) -> None:
    """Check that a token shows in no text, as it is or as Basic carries it."""
    user = b64encode(f"{APPENDER}:{token}".encode()).decode().rstrip("=")
    for text in texts:
        for secret in (token, token[8:], user, user[20:]):
            assert secret not in text


def test_no_answer_shows_it(
    service: InProcess,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    No answer, header, log line or metric has a token in it, not even when the service breaks.
    """
    caplog.set_level(logging.DEBUG)
    token, said = log.token, []
    http = httpx.Client(base_url=log.url, timeout=PATIENCE_S)

    def ask(method: str, path: str, **more: Any) -> None:
        answer = http.request(method, log.url + path, **more)
        said.append(f"{answer.status_code} {answer.headers} {answer.text}")

    def everything() -> None:
        for good in (hashed(HAND, some_message()), legacy(HAND, some_message()), {"foo": 1}):
            for path in (V1, V2, "/api/v2/nothing", "/checkpoint", "/nothing", "/v1/sign"):
                for prefix in ("", f"/t/{token}", f"/t/{token}x", f"/t/{token}/t/{token}"):
                    ask("POST", prefix + path, json=good, auth=(APPENDER, token))
                    ask("GET", prefix + path, auth=("ci", token))
                    ask("PUT", prefix + path, headers={"authorization": f"Bearer {token}\\"})
        odd = (f"/t/{token}", f"//t/{token}{V2}", f"/T/{token}{V2}", f"{V1}/..%2ft%2f{token}")
        for path in odd:
            ask("GET", path)
            ask("GET", path + "x" * 9)

    with http:
        everything()
        assert any(one.startswith("201") for one in said)
        with monkeypatch.context() as broken:
            for name in ("v1", "v2"):
                broken.setattr(f"signer.rekor.{name}.parse", lambda *_: 1 / 0)
            everything()
    assert any("internal-error" in one for one in said)
    out, err = capfd.readouterr()
    assert "ZeroDivisionError" in err
    metrics = log.get("/metrics").text
    assert 'sealbook_uploads_total{result="answered"}' in metrics

    # httpx logs where it asks; that is the client's side.
    service_logs = "".join(r.getMessage() for r in caplog.records if r.name.startswith("uvicorn"))
    hidden(token, *said, out, err, metrics, service_logs)


def test_no_log_line_shows_it(world: World) -> None:
    """
    A service in a process of its own logs no token, whatever it is sent.
    """
    with serving(world) as service:
        token = (world.directory / "append-token").read_text().strip()
        url = f"http://{service.addresses.http}"
        for path in (f"/t/{token}{V2}", f"/t/{token}/nothing", f"/t/{token}"):
            httpx.post(url + path, json=hashed(HAND, some_message()), auth=(APPENDER, token))
            httpx.get(url + path)
        answer = service.raw(b"", SIGN, [("authorization", f"Bearer {token}")])

    assert "permission-denied" == answer.code
    said = f"{answer.details} {answer.metadata}"
    hidden(token, service.log.read_text(), said)
