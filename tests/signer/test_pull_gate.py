"""The gate and a service that runs: what was signed there may run here, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.signer.asking import OTHER_REPOSITORY, REPOSITORY, digest, item
from tests.signer.running import InProcess
from verifier.pull.decision import Question
from verifier.pull.gate import Gate
from verifier.pull.settings import PullSettings

COUNT = 70  # more than a page


@pytest.fixture(scope="module")
def host(service: InProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host that trusts the service, and asks it; one image is signed often, another once."""
    host = tmp_path_factory.mktemp("host")
    (host / "trust").mkdir()
    (host / "trust" / "trust.json").write_bytes(service.trust.json())
    url = f"http://{service.addresses.http}"
    (host / "pull.toml").write_text(
        'trust = "trust"\nsources = ["file", "service"]\n[file]\ndirectory = "bundles"\n'
        f'[service]\nurl = "{url}"\n[cache]\ndirectory = "cache"\nrefused_s = 0\n'
    )
    items = [item(1, annotations={"n": str(n)}) for n in range(COUNT)]
    service.asking(lambda client: client.sign_batch(REPOSITORY, items))
    sign(service, 2)
    return host


def sign(service: InProcess, number: int) -> None:
    service.asking(lambda client: client.sign(digest(number), REPOSITORY))


def gate(host: Path, old: str = "", new: str = "") -> Gate:
    text = (host / "pull.toml").read_text().replace(old, new) if old else ""
    path = host / ("edited.toml" if old else "pull.toml")
    if old:
        path.write_text(text)
    return Gate(PullSettings.load(str(path)))


def test_signed(host: Path) -> None:
    """
    An image that the service signed may run, by what the service says of it, also if that is
    more than a page; the next process does not ask.
    """
    for number in (2, 1):
        found = gate(host).decide(Question(digest(number), REPOSITORY))
        assert (True, "", ("file", "service")) == (found.allowed, found.code, found.sources)
        again = gate(host, "http://", "http://no-such-host.invalid.").decide(
            Question(digest(number), REPOSITORY)
        )
        assert (True, True) == (again.allowed, again.remembered)


@pytest.mark.parametrize(
    ("question", "code"),
    [
        (Question(digest(3), REPOSITORY), "unsigned"),
        (Question(digest(2), OTHER_REPOSITORY), "unsigned"),
    ],
    ids=["unsigned", "another repository"],
)
def test_not_signed(host: Path, question: Question, code: str) -> None:
    """
    What the service did not sign, or not for this repository, does not run.
    """
    found = gate(host).decide(question)

    assert (False, code) == (found.allowed, found.code)
    assert str(question.repository) in found.line


def test_the_service_is_away(host: Path) -> None:
    """
    With the service away, what is in a file counts, and what is not is no longer "unsigned".
    """
    question = Question(digest(4), REPOSITORY)
    away = gate(host, "[cache]", "[report]\nenabled = false\n[cache]")
    assert "unsigned" == away.decide(question).code
    text = (host / "pull.toml").read_text()
    port = text.partition("127.0.0.1:")[2].partition('"')[0]
    found = gate(host, port, "1").decide(question)
    assert (False, "service-unreachable") == (found.allowed, found.code)


def test_an_answer_that_was_kept(host: Path, service: InProcess) -> None:
    """
    What the service answers can be kept as a file, and lets the image run without the service.
    """
    signed = Question(digest(5), REPOSITORY)
    sign(service, 5)
    answer = httpx.get(f"http://{service.addresses.http}/v1/bundles/{digest(5)}")
    (host / "bundles").mkdir()
    name = digest(5).replace(":", "-")
    (host / "bundles" / f"{name}.json").write_bytes(answer.content)
    assert json.loads(answer.content)["bundles"]
    found = gate(host, '"file", "service"', '"file"').decide(signed)

    assert (True, ("file",)) == (found.allowed, found.sources)
