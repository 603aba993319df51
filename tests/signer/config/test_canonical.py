"""The canonical configuration: what decides who may do what is in it, and no secret is."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from signer.config import Config
from signer.config.canonical import canonical, sections
from signer.configuring.reloading import differing
from signer.founding import found
from tests.signer.agreeing import people
from tests.signer.asking import refused
from tests.signer.config.changing import add
from tests.signer.world import World, found_in
from verifier._strict import canonical_json, json_object

STAFF = (
    '[issuers.staff]\nissuer = "https://login.bank.example"\naudience = "sealbook"\n'
    'people = true\njwks_file = "jwks.json"\n'
)


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A founded service, to be copied from."""
    return found_in(tmp_path_factory.mktemp("founded") / "service")


@pytest.fixture
def paper(founded: World, tmp_path: Path) -> World:
    """A copy of it, without its ledger."""
    shutil.copytree(
        founded.directory, tmp_path / "service", ignore=shutil.ignore_patterns("ledger")
    )
    return World(tmp_path / "service")


def said(world: World, policy: bytes | None = None) -> str:
    """Return the canonical configuration, as the ledger would have it."""
    return canonical_json(dict(canonical(Config.load(world.config), policy))).decode()


def test_founding(founded: World, tmp_path: Path) -> None:
    """
    Where the service lies makes no difference; the genesis event has it.
    """
    found(tmp_path / "twin", "ledger.example", "127.0.0.1:0", "127.0.0.1:0", forms=("bundle",))
    one, other = (json.loads(said(World(d))) for d in (founded.directory, tmp_path / "twin"))

    assert one["config"] == other["config"]
    assert str(tmp_path) not in said(World(tmp_path / "twin"))


@pytest.mark.parametrize("name", ["token", "append-token", "approver"])
def test_no_secret_can_be_guessed(paper: World, name: str) -> None:
    """
    Neither a token nor its hash is in it, even when somebody chose a poor one; yet a change shows.
    """
    secret = "password-password-password-password"
    (paper.directory / name).touch(0o600)
    if name == "approver":
        paper.edit('# approver_token = "approver-token"', 'approver_token = "approver"')
    before = ""
    for text in (secret, secret + "2"):
        (paper.directory / name).write_text(text + "\n")
        after = said(paper)
        hashed = hashlib.sha256(text.encode()).hexdigest()
        assert text not in after
        assert hashed not in after
        assert hashlib.sha256(f"{text}\n".encode()).hexdigest() not in after
        assert before != after
        before = after


def test_without_the_seal(paper: World) -> None:
    """
    The same token under another ledger's seal is another hash: nobody can compare two services.
    """
    before = json.loads(said(paper))["files"]
    (paper.directory / "keys" / "seal").write_bytes(bytes(32))
    after = json.loads(said(paper))["files"]

    assert {"access.token", "access.append_token"} == {n for n in before if before[n] != after[n]}


def test_password_in_a_url(paper: World) -> None:
    """
    A password that somebody put into a URL or a PIN all the same stays out.
    """
    add(paper, '[witnesses]\nat.auditor.url = "https://user:hunter22@witness.example/a"\n')
    paper.edit(
        'uri = "file:keys/release.pem"', 'uri = "pkcs11:token=x;object=y?pin-value=hunter22"'
    )
    text = said(paper)

    assert "hunter22" not in text
    assert "https://witness.example/a" in text


@pytest.mark.parametrize("name", ["alice.pub", "jwks.json", "certificates/release.pem"])
def test_files(paper: World, name: str) -> None:
    """
    A file that decides something is in it by its hash: that of another one is another.
    """
    people(paper)
    (paper.directory / "jwks.json").write_text('{"keys":[]}')
    add(paper, STAFF)
    before = json.loads(said(paper))
    path = paper.directory / name
    content = path.read_bytes()
    expected = f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert expected in before["files"].values()
    path.write_bytes(content + b"\n")
    [changed] = sections(before, json.loads(said(paper)))

    assert changed.startswith("files.")
    path.unlink()
    refused("config", lambda: said(paper))


def test_policy(paper: World) -> None:
    """
    The policy is in it in full.
    """
    assert "# why\n" == json.loads(said(paper, b"# why\n"))["policy"]
    refused("config", lambda: said(paper, b"\xff"))


def test_one_spelling(paper: World) -> None:
    """
    It is RFC 8785 JSON without fractions, which everybody can hash, and says no default.
    """
    before = said(paper)
    add(paper, "[witnesses]\ntimeout_s = 2.0\ndeadline_s = 7.5\n")
    text = said(paper)

    assert "witnesses" not in before
    assert {"deadline_s": "7.5"} == json.loads(text)["config"]["witnesses"]
    assert text.encode() == canonical_json(json_object(text.encode(), limit=1 << 20))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("", []),
        ("[warn]\ndays = 30\n", []),
        ("[warn]\ndays = 31\n", ["warn.days"]),
        ("[access.rate]\neach_burst = 5\n", ["access.rate.each_burst"]),
        ("[key_changes]\napprovals = 1\n", ["key_changes"]),
        ('[at_rest]\nkey = "file:k"\n[mirror]\ndeadline_s = 1\n', ["at_rest", "mirror.deadline_s"]),
    ],
)
def test_differing(paper: World, rules: str, expected: list[str]) -> None:
    """
    What differs is named as the file names it, and what says the default does not.
    """
    before = Config.load(paper.config)
    add(paper, rules)

    assert expected == differing(before, Config.load(paper.config))
