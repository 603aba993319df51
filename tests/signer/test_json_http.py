"""The HTTP/JSON twins of the calls that build runners make."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.signer.asking import REPOSITORY, digest
from tests.signer.running import InProcess


@pytest.fixture
def http(service: InProcess) -> Iterator[httpx.Client]:
    """A client that has the token."""
    headers = {"authorization": f"Bearer {service.token}"}
    with httpx.Client(base_url=f"http://{service.addresses.http}", headers=headers) as client:
        yield client


def wish(n: int, **more: Any) -> dict[str, Any]:
    return {"digest": digest(n), "repository": REPOSITORY, **more}


def bundle_of(signature: dict[str, Any]) -> bytes:
    return base64.b64decode(signature["bundle"])


def test_sign(service: InProcess, http: httpx.Client) -> None:
    """
    A request in JSON gets a bundle that our verifier accepts, and the same one again.
    """
    first = http.post("/v1/sign", json=wish(9001, annotations={"env": "prod"}))
    again = http.post("/v1/sign", json=wish(9001, annotations={"env": "prod"}))
    [signature] = first.json()["signatures"]

    assert (200, "application/json") == (first.status_code, first.headers["content-type"])
    verified = service.verifier.verify(bundle_of(signature), digest(9001), REPOSITORY)
    assert "prod" == verified.annotations["env"]
    assert signature["record"] == again.json()["signatures"][0]["record"]


def test_curl(service: InProcess) -> None:
    """
    Curl is enough: one command with a token, and the bundle is in its output.
    """
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--fail-with-body"),
            *("-H", f"Authorization: Bearer {service.token}"),
            *("-d", json.dumps(wish(9002))),
            f"http://{service.addresses.http}/v1/sign",
        ],
        capture_output=True,
        check=True,
    )
    [signature] = json.loads(done.stdout)["signatures"]
    assert service.verifier.verify(bundle_of(signature), digest(9002), REPOSITORY)


def test_sign_batch(service: InProcess, http: httpx.Client) -> None:
    """
    A batch is answered line by line, each item once, and a bad one is refused alone.
    """
    items = [{"digest": digest(9003)}, {"digest": "sha256:short"}, {"digest": digest(9004)}]
    answer = http.post("/v1/sign-batch", json={"repository": REPOSITORY, "items": items})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    answers = {a.get("item", 0): a for line in lines for a in line["answers"]}

    assert "application/x-ndjson" == answer.headers["content-type"]
    assert {0, 1, 2} == set(answers)
    assert "bad-digest" == answers[1]["refusal"]["code"]
    assert lines[0]["checkpoint"]["note"]


def test_get_bundles(service: InProcess, http: httpx.Client) -> None:
    """
    Every signature about a digest comes back, one a line, with what it says and when.
    """
    http.post("/v1/sign", json=wish(9005)).raise_for_status()
    http.post("/v1/sign", json=wish(9005, annotations={"a": "b"})).raise_for_status()
    answer = http.post("/v1/get-bundles", json={"digest": digest(9005)})
    lines = [json.loads(line) for line in answer.text.splitlines()]

    assert 2 == len(lines)
    for line in lines:
        bundle = bundle_of(line["signature"])
        assert service.verifier.verify(bundle, digest(9005), REPOSITORY)
        assert "https://sigstore.dev/cosign/sign/v1" == line["predicateType"]
        assert int(line["committedAt"]) > 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "bad-request"),
        (b"[]", "bad-request"),
        (b"\xff", "bad-request"),
        (b'{"digest":1}', "bad-request"),
        (b'{"digest":"a","digest":"b"}', "bad-request"),
        (b'{"digest":"a","other":1}', "unknown-field"),
        (b'{"digest":"sha256:00","repository":"registry.example/a"}', "bad-digest"),
        (b'{"digest":"' + b"a" * (1 << 20) + b'"}', "over-limit"),
    ],
)
def test_refused(service: InProcess, http: httpx.Client, body: bytes, code: str) -> None:
    """
    What is no request of the contract is 400 with a stable code, and nothing is logged.
    """
    before = service.tree_size
    answer = http.post("/v1/sign", content=body)

    assert (400, code) == (answer.status_code, answer.json()["code"])
    assert before == service.tree_size


@pytest.mark.parametrize("path", ["/v1/sign", "/v1/sign-batch", "/v1/get-bundles", "/v1/attest"])
def test_nobody(service: InProcess, path: str) -> None:
    """
    With a token that is not known, and where one signs without any, every twin answers 401 and
    nothing else.
    """
    url = f"http://{service.addresses.http}{path}"
    none = [] if path == "/v1/get-bundles" else [{}]  # which anybody here may ask
    for headers in (*none, {"authorization": "Bearer " + "x" * 40}):
        answer = httpx.post(url, json={}, headers=headers)
        assert (401, "unauthenticated") == (answer.status_code, answer.json()["code"])
        assert "Bearer" == answer.headers["www-authenticate"]
    assert 405 == httpx.get(url).status_code


@pytest.mark.parametrize("path", ["/v1/sign", "/v1/sign-batch", "/v1/get-bundles", "/v1/attest"])
def test_append_token(service: InProcess, path: str) -> None:
    """
    Who may append and no more is refused by every twin, the one that only reads included.
    """
    token = (service.directory / "append-token").read_text().strip()
    asked = {"digest": digest(9001)} if path == "/v1/get-bundles" else {}
    answer = httpx.post(
        f"http://{service.addresses.http}{path}",
        json=asked,
        headers={"authorization": f"Bearer {token}"},
    )

    assert (403, "permission-denied") == (answer.status_code, answer.json()["code"])
