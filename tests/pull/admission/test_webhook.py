"""The command itself, over TLS: from the API server's question to bundles that are judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.pull.admission.cluster import Approved, Handing, Site, running
from tests.pull.admission.webhook import Answer, Command, review, until


@pytest.fixture(scope="module")
def approved() -> Approved:
    """Twenty images."""
    return Approved(20)


@pytest.fixture
def handing(approved: Approved) -> Iterator[Handing]:
    """The service."""
    with Handing(approved) as service:
        yield service


@pytest.fixture
def site(tmp_path: Path, approved: Approved, handing: Handing) -> Site:
    """A webhook that asks the service."""
    approved.trust(tmp_path / "trust")
    return Site(tmp_path, service=handing.url)


def test_two_hundred_at_once(site: Site, approved: Approved, handing: Handing) -> None:
    """200 reviews of 20 images, nothing remembered: each is answered, each image asked for once."""
    handing.pause_s = 0.3
    with running(site) as (client, _):
        start = threading.Barrier(200)

        def ask(i: int) -> Answer:
            body = review(approved.named(approved.images[i % 20]), uid=f"uid-{i}")
            start.wait()
            return client.ask("/validate?timeout=10s", body)

        with ThreadPoolExecutor(200) as pool:
            answers = list(pool.map(ask, range(200)))
        series = client.series()
    assert all(one.response["allowed"] for one in answers), answers
    assert [f"uid-{i}" for i in range(200)] == [one.response["uid"] for one in answers]
    assert dict.fromkeys(approved.images, 1) == handing.images()
    assert 20 == series["sealbook_admission_fetches_total source=service"]
    assert 200 == series["sealbook_admission_reviews_total result=allowed"]
    assert 200 == series["sealbook_admission_images_total code= result=allowed"]


def test_no_and_yes(site: Site, approved: Approved) -> None:
    """What nobody approved is refused with its reason, and takes the pod's good images along."""
    good, bad = approved.named(approved.images[0]), approved.named(approved.unsigned)
    with running(site) as (client, _):
        assert client.ask("/validate", review(good, good)).response["allowed"]
        for path in ("/validate", "/mutate"):
            message = client.ask(path, review(good, bad)).message
            assert "(unsigned)" in message
            assert approved.unsigned in message
        # What was approved is remembered by now.
        series = client.series()
        assert 2 <= series["sealbook_admission_cache_hits_total"]
        assert 200 == client.ask("/readyz").status


def test_the_service_is_away(tmp_path: Path, approved: Approved) -> None:
    """With nobody to ask, what was allowed before is allowed, and all else is refused in time."""
    approved.trust(tmp_path / "trust")
    with Handing(approved) as handing:
        site = Site(tmp_path, service=handing.url)
        with running(site) as (client, _):
            known, new = (approved.named(one) for one in approved.images[:2])
            assert client.ask("/validate", review(known)).response["allowed"]
            handing.__exit__()
            assert client.ask("/validate", review(known)).response["allowed"]
            began = time.monotonic()
            message = client.ask("/validate?timeout=10s", review(new)).message
            assert time.monotonic() - began < 10
            assert "unsigned" not in message


def test_whoever_hands_out_drips(site: Site, approved: Approved, handing: Handing) -> None:
    """A byte a second from where bundles are: the answer is a no, inside the API server's time."""
    handing.drips = True
    with running(site) as (client, _):
        began = time.monotonic()
        answer = client.ask("/validate?timeout=3s", review(approved.named(approved.images[0])))
        assert "timeout" in answer.message
        assert time.monotonic() - began < 10


def test_a_registry_that_drips(tmp_path: Path, approved: Approved, handing: Handing) -> None:
    """The same of a registry that is asked what a tag is: twenty containers, one answer."""
    approved.trust(tmp_path / "trust")
    site = Site(tmp_path, sources='["registry"]')
    handing.drips = True
    registry = handing.url.removeprefix("http://")
    images = [f"{registry}/shop/web{i}:1" for i in range(20)]
    with running(site) as (client, _):
        began = time.monotonic()
        message = client.ask("/mutate?timeout=3s", review(*images)).message
        assert time.monotonic() - began < 10
        assert "timeout" in message
        assert handing.asked["1"]


MALFORMED = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"kind":"AdmissionReview"}',
    b'{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{}}',
    b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}',
    b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":1}}',
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    review("x").replace(b'"containers"', b'"containers":[],"containers"', 1),
    review("x").replace(b'"containers": [', b'"containers": "x", "y": [', 1),
    review("bad image name"),
    review(),
]


def test_malformed_reviews(site: Site) -> None:
    """No malformed review is a yes, and none keeps the next one from being answered."""
    with running(site) as (client, _):
        for body in MALFORMED:
            for path in ("/mutate", "/validate"):
                answer = client.ask(path, body)
                said = json.loads(answer.body) if answer.status == 200 else {"response": {}}
                assert said["response"].get("allowed") is not True or body == MALFORMED[-1], body
        assert 200 == client.ask("/healthz").status


def test_trust_is_gone(site: Site, approved: Approved) -> None:
    """Without what we believe it is not ready, and refuses what it allowed before."""
    body = review(approved.named(approved.images[0]))
    with running(site) as (client, _):
        assert client.ask("/validate", body).response["allowed"]
        (site.directory / "trust" / "trust.json").unlink()
        assert "trust.json" in client.ask("/validate", body).message
        until(lambda: client.ask("/readyz").status == 503)
        assert b"trust.json" in client.ask("/readyz").body
        assert 200 == client.ask("/healthz").status  # a restart would change nothing


def test_tls_is_read_again(site: Site, approved: Approved) -> None:
    """A new certificate is shown to new connections; what cannot be used is not taken, and said.

    Key and certificate are replaced one by one.
    """
    body = review(approved.named(approved.images[0]))
    with running(site) as (client, command):
        before = client.serial()
        site.replace(site.authority.issue("next"))
        until(lambda: client.serial() != before)
        assert client.ask("/validate", body).response["allowed"]
        now = client.serial()
        site.pair.certificate.write_text("not a certificate")
        time.sleep(2.5)
        assert now == client.serial()
        assert client.ask("/validate", body).response["allowed"]
        code, told = command.stop()
    assert (0, True) == (code, "the new TLS files are not taken" in told)


def test_stopping_drains(site: Site, approved: Approved, handing: Handing) -> None:
    """Told to stop, it is not ready, goes on answering for a while, and ends what is under way."""
    site.listen = "drain_s = 2\n"
    handing.pause_s = 1.5
    known, new = (approved.named(one) for one in approved.images[:2])
    with running(site) as (client, command):
        assert client.ask("/validate", review(known)).response["allowed"]
        command.terminate()
        until(lambda: client.ask("/readyz").status == 503)
        answer = client.ask("/validate", review(known))
        assert (True, "close") == (answer.response["allowed"], answer.headers["connection"])
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(client.ask, "/validate", review(new))
            code, _ = command.stop()
            assert late.result().response["allowed"]
    assert 0 == code


def test_stopping_waits_for_nobody_for_ever(site: Site, approved: Approved) -> None:
    """Told to stop, it ends though something never does: the trust file is a pipe here."""
    site.more = "[admission]\ndeadline_s = 1\nimage_s = 1\n"
    body = review(approved.named(approved.images[0]))
    with running(site) as (client, command):
        assert client.ask("/validate", body).response["allowed"]
        trust_file = site.directory / "trust" / "trust.json"
        trust_file.unlink()
        os.mkfifo(trust_file)
        assert client.ask("/validate", body).message
        assert 503 == client.ask("/readyz").status
        assert 0 == command.stop()[0]


def test_plain_beyond_this_machine(site: Site) -> None:
    """Without TLS it listens on loopback alone."""
    path = site.write()
    text = path.read_text().replace("127.0.0.1:0", "0.0.0.0:0")
    path.write_text("\n".join(line for line in text.split("\n") if not line.startswith("tls_")))
    with pytest.raises(AssertionError, match="expected a loopback address without TLS"):
        Command(path)


def test_a_key_that_anybody_can_read(site: Site) -> None:
    """It does not start with a key that others can read; a group may, as clusters mount it."""
    site.pair.key.chmod(0o640)
    with running(site) as (client, _):
        assert 200 == client.ask("/healthz").status
    site.pair.key.chmod(0o604)
    with pytest.raises(AssertionError, match="anybody can read"):
        Command(site.write())


def test_trust_begins_as_pinned_and_is_kept_fresh(tmp_path: Path, approved: Approved) -> None:
    """An empty directory begins with what a cluster mounts, behind links; newer comes by itself."""
    mounted = tmp_path / "mounted"
    approved.trust(mounted / "..data")
    (mounted / "trust.json").symlink_to("..data/trust.json")
    with Handing(approved, approved.trust(tmp_path / "served")) as handing:
        site = Site(tmp_path, service=handing.url)
        site.more = f'[trust]\ninitial = "mounted"\nservice = "{handing.url}"\nevery_s = 1\n'
        with running(site) as (client, command):
            assert 200 == client.ask("/readyz").status
            body = review(approved.named(approved.images[0]))
            assert client.ask("/validate", body).response["allowed"]
            until(lambda: handing.asked["trust.json"] >= 2)
            (tmp_path / "served" / "trust.json").write_text("{}")
            asked = handing.asked["trust.json"]
            until(lambda: handing.asked["trust.json"] >= asked + 2)
            assert client.ask("/validate", body).response["allowed"]
            _, told = command.stop()
    assert "trust files are not brought up to date" in told
    assert (mounted / "trust.json").read_bytes() == (tmp_path / "trust/trust.json").read_bytes()


def test_each_refusal_is_told_once(site: Site, approved: Approved) -> None:
    """A refusal is posted once however often it is tried; a dry run is nobody's business."""
    heard: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    hook = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=hook.serve_forever, args=(0.05,), daemon=True).start()
    site.more = f'[alert]\nurl = "http://127.0.0.1:{hook.server_port}/hook"\n'
    bad = approved.named(approved.unsigned)
    with running(site) as (client, _):
        assert client.ask("/validate", review(bad, dryRun=True)).message
        for _ in range(5):
            assert client.ask("/validate", review(bad)).message
        assert client.ask("/validate", review(bad, namespace="other")).message
        until(lambda: len(heard) == 2)
        series = client.series()
    hook.shutdown()
    hook.server_close()
    assert ["shop", "other"] == [one["namespace"] for one in heard]
    told = heard[0]
    assert "urn:sealbook:refused:v1" == told["type"]
    assert (approved.repository, approved.unsigned) == (told["repository"], told["digest"])
    assert ["unsigned"] == [one["code"] for one in told["refused"]]
    assert 4 == series["sealbook_admission_alerts_total result=repeated"]


def test_nobody_listens_to_alerts(site: Site, approved: Approved) -> None:
    """Whoever should hear of refusals and is not there changes no answer and delays none."""
    site.more = '[alert]\nurl = "http://127.0.0.1:1/hook"\nrepeat_s = 0\n'
    with running(site) as (client, _):
        for _ in range(3):
            assert (
                "(unsigned)"
                in client.ask("/validate", review(approved.named(approved.unsigned))).message
            )
        until(lambda: client.series()["sealbook_admission_alerts_total result=failed"] == 3)


def test_pulls_are_counted_once(site: Site, approved: Approved, handing: Handing) -> None:
    """If the settings say so, the service hears how often pods were let run, and of refusals.

    A pod that is asked about twice, or that was made of a Deployment, is one.
    """
    site.pull += "[report]\nenabled = true\n"
    good, bad = approved.named(approved.images[0]), approved.named(approved.unsigned)
    with running(site) as (client, command):
        for path in ("/mutate", "/validate"):
            assert client.ask(path, review(good)).response["allowed"]
        assert client.ask("/validate", review(good, dryRun=True)).response["allowed"]
        assert client.ask("/mutate", review(bad)).message
        assert 0 == command.stop()[0]
    outcomes = {one["outcome"]: (one["code"], one["count"]) for one in handing.reported}
    assert {"OUTCOME_ALLOWED": ("", 1), "OUTCOME_REFUSED": ("unsigned", 1)} == outcomes


def test_what_it_takes() -> None:
    """The command needs the extra `admission`, and nothing of what a service needs."""
    program = (
        "import sys, signer.cli.admission.serve, signer.cli.admission.manifests;"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    others = {"grpc", "google", "pydantic", "prometheus_client", "starlette", "structlog"}
    assert not others & set(done.stdout.split())
