"""The HTTP side: bundles and trust files for verifiers, health and metrics for operators."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.signer.asking import OTHER_REPOSITORY, REPOSITORY, digest, item, order
from tests.signer.running import InProcess, running
from tests.signer.world import World
from verifier.checkpoint import Checkpoint
from verifier.note import Note
from verifier.tlogpolicy import TlogPolicy
from verifier.trust import TrustRoot


@pytest.fixture
def http(service: InProcess) -> Iterator[httpx.Client]:
    """A client of the shared service's HTTP side."""
    with httpx.Client(base_url=f"http://{service.addresses.http}") as client:
        yield client


def sign(service: InProcess, *numbers: int, repository: str = REPOSITORY) -> None:
    """Have images approved."""
    items = [item(n) for n in numbers]
    answers = service.asking(lambda client: client.sign_batch(repository, items))
    assert len(numbers) == len({service.verify(answer, repository).index for answer in answers})


def metrics(http: httpx.Client) -> dict[str, float]:
    """Return the value of each series."""
    lines = [line for line in http.get("/metrics").text.splitlines() if line[0] != "#"]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_health(http: httpx.Client) -> None:
    """
    A service that runs is alive and ready.
    """
    assert (200, "ok\n") == (http.get("/healthz").status_code, http.get("/healthz").text)
    assert (200, "ready\n") == (http.get("/readyz").status_code, http.get("/readyz").text)


def test_bundles(service: InProcess, http: httpx.Client) -> None:
    """
    Whoever can reach the service gets every bundle of a digest, and each of them verifies.
    """
    sign(service, 1)
    sign(service, 1, repository=OTHER_REPOSITORY)
    sign(service, 2)
    answer = http.get(f"/v1/bundles/{digest(1)}")
    bundles = [json.dumps(b).encode() for b in answer.json()["bundles"]]
    verifier = service.verifier

    assert (200, "application/json") == (answer.status_code, answer.headers["content-type"])
    assert [REPOSITORY, OTHER_REPOSITORY] == [
        verifier.verify(bundle, digest(1), None).repository for bundle in bundles
    ]


def test_bundles_of_a_repository(service: InProcess, http: httpx.Client) -> None:
    """
    Bundles can be asked for by repository too.
    """
    sign(service, 3)
    sign(service, 3, repository=OTHER_REPOSITORY)
    answer = http.get(f"/v1/bundles/{digest(3)}", params={"repository": OTHER_REPOSITORY})
    [bundle] = answer.json()["bundles"]
    verified = service.verifier.verify(json.dumps(bundle).encode(), digest(3), OTHER_REPOSITORY)

    assert service.tree_size - 1 == verified.index


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/v1/bundles/{digest(99)}", 404, "not-found"),
        (f"/v1/bundles/{digest(1)}?repository=registry.example/none", 404, "not-found"),
        (f"/v1/bundles/{digest(1)}?repository=team/app", 400, "bad-repository"),
        ("/v1/bundles/latest", 400, "bad-digest"),
        (f"/v1/bundles/{digest(1).upper()}", 400, "bad-digest"),
        (f"/v1/bundles/{digest(1)}%0a", 400, "bad-digest"),
        (f"/v1/bundles/{digest(1)}%00", 400, "bad-digest"),
        (f"/v1/bundles/%20{digest(1)}", 400, "bad-digest"),
        ("/v1/bundles/sha256:" + "a" * 8_000, 400, "bad-digest"),
        ("/v1/bundles/sha256:" + "a" * 60_000, 431, "headers-too-large"),
    ],
)
def test_refused(http: httpx.Client, path: str, status: int, code: str) -> None:
    """
    What is not there or not well asked is refused with the same codes as over gRPC.
    """
    answer = http.get(path)

    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert len(answer.text) < 500


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/bundles/",
        "/v1/token",
        "/v1/../token",
        "/v1/..%2ftoken",
        "/v1/sealbook.toml",
        "/v1/keys/release.pem",
        "/trust.json",
        "/v1/trust.json/",
        "/docs",
    ],
)
def test_unknown_path(http: httpx.Client, path: str) -> None:
    """
    Nothing is served but what is in the table of routes.
    """
    # Not through the client's own URL parser, which would resolve the dots.
    url = http.base_url.copy_with(raw_path=path.encode())

    assert 404 == http.get(url).status_code


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_read_only(http: httpx.Client, method: str) -> None:
    """
    The HTTP side changes nothing.
    """
    for path in ("/checkpoint", "/v1/trust.json", f"/v1/bundles/{digest(1)}"):
        assert 405 == http.request(method, path).status_code


@pytest.mark.parametrize("name", ["trust.json", "trusted_root.json"])
def test_trust_files(service: InProcess, http: httpx.Client, name: str) -> None:
    """
    Trust files are handed out as they are on the disk.
    """
    answer = http.get(f"/v1/{name}")

    assert (service.directory / name).read_bytes() == answer.content
    assert (200, "application/json") == (answer.status_code, answer.headers["content-type"])


def test_trust_file_is_read_each_time(world: World) -> None:
    """
    A trust file that was replaced is handed out from then on.
    """
    with running(world) as service, httpx.Client(base_url=f"http://{service.addresses.http}") as h:
        new = world.trust._replace(version=2).json()
        (world.directory / "trust.json").write_bytes(new)

        assert 2 == TrustRoot.parse(h.get("/v1/trust.json").content).version


def test_policy(service: InProcess, http: httpx.Client) -> None:
    """
    Other people's tools get the pinned logs and witnesses as a policy that they read.
    """
    answer = http.get("/v1/tlog-policy")

    assert (200, "text/plain; charset=utf-8") == (
        answer.status_code,
        answer.headers["content-type"],
    )
    assert service.trust.tlog_policy() == TlogPolicy.parse(answer.text)
    assert str(service.ledger.log_key) in answer.text


def test_policy_of_a_trust_file_that_cannot_be_read(world: World) -> None:
    """
    A trust file that was spoiled is our fault, and not the caller's.
    """
    with running(world) as service, httpx.Client(base_url=f"http://{service.addresses.http}") as h:
        (world.directory / "trust.json").write_text("{}")

        assert 500 <= h.get("/v1/tlog-policy").status_code


def test_checkpoint(service: InProcess, http: httpx.Client) -> None:
    """
    The newest checkpoint is there for auditors who speak no gRPC.
    """
    note = Note.parse(http.get("/checkpoint").text)

    assert service.tree_size == Checkpoint.parse(note.text).tree_size


def test_metrics_move(service: InProcess, http: httpx.Client) -> None:
    """
    Metrics count signatures, calls and entries, and say that the key is well.
    """
    before = metrics(http)
    sign(service, 10, 11, 12)
    sign(service, 10)
    service.raw(order(13, repository="no").SerializeToString())
    after = metrics(http)
    moved = {name: after[name] - before.get(name, 0) for name in after}

    assert 4 == moved["sealbook_signatures_total"]
    assert 2 == moved['sealbook_sign_calls_total{result="answered"}']
    assert 1 == moved['sealbook_sign_calls_total{result="refused"}']
    assert 3 == moved["sealbook_sign_seconds_count"]
    assert 3 == moved["sealbook_tree_size"] == moved["sealbook_published_size"]
    assert service.tree_size == after["sealbook_tree_size"]
    assert 0 == after["sealbook_queue_depth"]
    assert 0 <= after["sealbook_checkpoint_age_seconds"] < 600
    assert 0 <= after["sealbook_status_age_seconds"] < 600
    assert 1 == after['sealbook_key_healthy{key="release"}']


def test_metrics_of_a_failed_key(world: World) -> None:
    """
    A key that went out of use shows in the metrics.
    """
    with running(world) as service, httpx.Client(base_url=f"http://{service.addresses.http}") as h:
        service.server.keys.keys["release"]._key.healthy = False

        assert 0 == metrics(h)['sealbook_key_healthy{key="release"}']


def test_metrics_are_a_fixed_set(world: World) -> None:
    """
    The set of series is the same from the start, whatever callers send.
    """
    with running(world) as service, httpx.Client(base_url=f"http://{service.addresses.http}") as h:
        before = set(metrics(h))
        sign(service, 1)
        for text in ("registry.example/a", "registry.example/b", "no", 'x"} 1\n', ""):
            service.raw(order(2, repository=text, key=text, reason=text).SerializeToString())
            service.raw(b"", f"/sealbook.v1.Signer/{text.strip()}")
            h.get(f"/v1/{text.strip()}")

        assert before == set(metrics(h))


def test_internal_error(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    An error that nobody expected tells the caller a reference and nothing else.
    """

    def fail(*_: object) -> bytes:
        raise ValueError("secret /var/keys pin=1234")

    with running(world) as service, httpx.Client(base_url=f"http://{service.addresses.http}") as h:
        monkeypatch.setattr(Path, "read_bytes", fail)
        answer = h.get("/v1/trust.json")
        monkeypatch.undo()
    told = answer.json()
    reference = told["message"].rpartition("reference ")[2]

    assert (500, "internal-error") == (answer.status_code, told["code"])
    assert not [w for w in ("secret", "/var", "pin", "ValueError") if w in str(answer.__dict__)]
    assert reference in capsys.readouterr().err


def test_trust_file_that_is_gone(world: World) -> None:
    """
    A trust file that was deleted is our fault, and its path is not told.
    """
    with running(world) as service, httpx.Client(base_url=f"http://{service.addresses.http}") as h:
        (world.directory / "trusted_root.json").unlink()
        answer = h.get("/v1/trusted_root.json")

        assert (500, "internal-error") == (answer.status_code, answer.json()["code"])
        assert str(world.directory) not in answer.text
        assert 200 == h.get("/healthz").status_code
