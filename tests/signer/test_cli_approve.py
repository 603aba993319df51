"""`sealbook approve`, and commands that wait for it."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.clock import LedgerClock
from signer.cli.approve import told
from signer.client import Client, approvals
from tests.ledger.making import Clock
from tests.signer.agreeing import CALLER, PAYMENTS, approve, guarded, openssl_pair, refused_for
from tests.signer.asking import PATIENCE_S, digest, eventually, item
from tests.signer.commands import Done, check_refused, lines, one
from tests.signer.running import InProcess, running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A running service with a protected scope; carol made her key with OpenSSL."""
    world = guarded(tmp_path_factory.mktemp("guarded") / "service")
    for suffix in ("key", "pub"):
        (world.directory / f"carol.{suffix}").unlink()
    openssl_pair(world.directory, "carol")
    with running(world) as service:
        yield service


@pytest.fixture(scope="module")
def client(service: InProcess) -> Iterator[Client]:
    """Somebody who may sign there, but not alone."""
    with service.client() as client:
        yield client


def says(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Let whoever is asked answer this."""
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))


def at(service: InProcess) -> list[object]:
    """Return the words by which another machine names the service."""
    return ["--service", service.addresses.grpc, "--token-file", "token"]


def test_list_read_sign(
    service: InProcess, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The list names the request; by its first digits it is shown whole, and signed on a yes.
    """
    items = [item(1, tag="1.4", annotations={"env": "prod"})]
    id_ = refused_for(client, ("sign_batch", PAYMENTS, items))
    listed = service.command("approve")
    assert id_[:16] in listed.stdout
    assert "0 of 2 approvals" in listed.stdout
    says(monkeypatch, "y\n")
    done = service.command("approve", id_[:8], "--as", "carol", "--key", "carol.key")
    assert 0 == done.returncode, done.stderr
    for shown in (id_, CALLER, PAYMENTS, digest(1), "tag: 1.4", "env: prod", "release"):
        assert shown in done.stderr
    assert "signed as carol: 1 of 2 approvals (carol)" in done.stdout
    second = service.command(
        "approve", id_, "--as", "bob", "--key", "file:bob.key", "--yes", "--json", *at(service)
    )
    [signed] = client.sign_batch(PAYMENTS, items)

    value = one(second)
    assert (True, ["carol", "bob"]) == (value["granted"], value["approved_by"])
    assert value["index"] < service.verify(signed, PAYMENTS).index
    assert [id_] == [row["id"] for row in lines(service.command("approve", "--json"))]


@pytest.mark.parametrize("answer", ["", "\n", "n\n", "yess\n"])
def test_no(
    service: InProcess, client: Client, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """
    Whatever is no yes signs nothing, and exit code 1 says so.
    """
    id_ = refused_for(client, ("sign", digest(2), PAYMENTS))
    says(monkeypatch, answer)
    done = service.command("approve", id_, "--as", "carol", "--key", "carol.key")

    assert (1, "") == (done.returncode, done.stdout)
    assert "not approved" in done.stderr
    assert () == client.request(id_).approved_by


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("12", "--as", "bob", "--key", "bob.key"), "bad-request"),
        (("0" * 8, "--as", "bob", "--key", "bob.key"), "bad-request"),  # with --yes
        (("0" * 64, "--as", "bob", "--key", "bob.key"), "unknown-request"),
        (("ID", "--as", "bob", "--key", "carol.key"), "bad-signature"),
        (("ID", "--as", "mallory", "--key", "carol.key"), "unknown-approver"),
        (("ID", "--as", "bob", "--key", "bob.pub"), "key-file-permissions"),
        (("ID", "--as", "bob", "--key", "nowhere.key"), "key-file"),
    ],
    ids=["short", "prefix", "unknown", "other key", "other name", "public", "no file"],
)
def test_refused(service: InProcess, client: Client, words: tuple[str, ...], code: str) -> None:
    """
    A wrong id, name or key is a sentence with its code.
    """
    id_ = refused_for(client, ("sign", digest(3), PAYMENTS))
    done = service.command("approve", *(id_ if w == "ID" else w for w in words), "--yes")

    check_refused(done, code)
    assert () == client.request(id_).approved_by


def test_key_that_a_passphrase_opens(service: InProcess, client: Client) -> None:
    """
    A person's key may lie in a container, bound to their name: as somebody else it signs nothing.
    """
    secret = service.directory / "passphrase"
    secret.write_text("correct horse battery staple\n")
    secret.chmod(0o600)
    source = "file:passphrase"
    done = service.command(
        *("key", "import", "bob.key", "--out", "sealed.key", "--name", "bob"),
        *("--purpose", "person", "--passphrase-source", source),
    )
    assert 0 == done.returncode, done.stderr
    id_ = refused_for(client, ("sign", digest(12), PAYMENTS))
    key = ("--key", f"file:sealed.key?passphrase-source={source}", "--yes")
    check_refused(service.command("approve", id_, "--as", "alice", *key), "key-role")
    done = service.command("approve", id_, "--as", "bob", *key)

    assert 0 == done.returncode, done.stderr
    assert ("bob",) == client.request(id_).approved_by


def test_unknown_prefix(service: InProcess) -> None:
    """
    First digits that no open request has are none's.
    """
    done = service.command("approve", "0" * 8, "--as", "bob", "--key", "bob.key")

    assert "0 open requests begin with" in check_refused(done, "unknown-request")


def test_what_a_terminal_would_obey(client: Client) -> None:
    """
    A reason that would move a terminal's cursor is shown escaped, and nothing is left out.
    """
    reason = "fine\x1b[2J\r\nrequest: other \u202e" + "x" * 900
    with pytest.raises(Exception) as caught:
        client.sign(digest(4), PAYMENTS, reason=reason)
    shown = told(client.request(caught.value.request))  # type: ignore[attr-defined]

    assert all(line.isprintable() for line in shown.split("\n"))
    assert json.dumps(reason) in shown


def test_service_that_shows_another_request(
    service: InProcess, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What is signed are the bytes of the id that was named, whatever the service shows for it.
    """
    wanted = refused_for(client, ("sign", digest(5), PAYMENTS))
    other = refused_for(client, ("sign", digest(6), PAYMENTS))
    checked = approvals.checked
    canonical = service.ask(_canonical(service, other))

    def lies(message: approvals.approvals_pb2.OpenRequest, id_: str) -> approvals.OpenRequest:
        message.canonical = canonical
        return checked(message, id_)

    monkeypatch.setattr(approvals, "checked", lies)
    done = service.command("approve", wanted, "--as", "bob", "--key", "bob.key", "--yes")

    check_refused(done, "wrong-answer")


async def _canonical(service: InProcess, id_: str) -> bytes:
    return service.server._dual.requests.named(id_).request.canonical()


class Waiting:
    """A command that waits in a thread of its own."""

    def __init__(self, service: InProcess, *words: object) -> None:
        self.done: Done | None = None

        def run() -> None:
            self.done = service.spawn(*words)

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def end(self) -> Done:
        """Return how it ended."""
        self._thread.join(PATIENCE_S)
        assert self.done is not None
        return self.done


def test_waiting(service: InProcess, client: Client) -> None:
    """
    `sign` and `attest` with --wait-approval say which request waits, and end well once it is
    approved; without the option they are refused with the command that approves.
    """
    to = ("--repository", PAYMENTS, "--out", "out", *at(service))
    (service.directory / "predicate.json").write_text('{"ok":true}')
    said = ("--type", "https://example.com/check", "--predicate", "predicate.json")
    refusal = service.command("sign", digest(7), *to, "--json")
    assert one(refusal)["request"] in check_refused(refusal, "approval-needed")
    before = {one.id for one in client.requests()}
    signing = Waiting(service, "sign", digest(8), *to, "--wait-approval")
    attesting = Waiting(service, "attest", digest(8), *said, *to, "--wait-approval", "--json")

    def fresh() -> list[approvals.OpenRequest]:
        return [one for one in client.requests() if one.id not in before]

    eventually(lambda: 2 == len(fresh()))
    for open_ in fresh():
        approve(service, client, open_.id, "alice")
        approve(service, client, open_.id, "carol")
    signed, attested = signing.end(), attesting.end()

    assert (0, 0) == (signed.returncode, attested.returncode), signed.stderr + attested.stderr
    assert "hint:  sealbook approve " in signed.stderr
    first, last = lines(attested)
    assert "approval-needed" == first["waiting"]
    assert [digest(8)] == last["digests"]
    checked = one(service.command("approve", "--check", last["index"], "--json", *at(service)))
    assert ["alice", "carol"] == [row["person"] for row in checked["approvals"]]
    assert first["request"] == checked["request"]


def test_check(service: InProcess, client: Client, tmp_path: Path) -> None:
    """
    An auditor with the persons' public keys sees who approved what is in the ledger, and that
    an approval is of this very signature; by another key it does not hold.
    """
    items = [item(9, tag="2"), item(10, annotations={"env": "prod"})]
    id_ = refused_for(client, ("sign_batch", PAYMENTS, items))
    first = approve(service, client, id_, "bob")
    approve(service, client, id_, "carol")
    indices = [signed.record.index for signed in client.sign_batch(PAYMENTS, items)]  # type: ignore[union-attr]
    alone = client.sign(digest(11), "registry.example/free").record.index
    known = ("--person", "bob=bob.pub", "--person", "carol=carol.pub", *at(service))
    known = (*known, "--trust", "trust.json", "--config", tmp_path / "none")

    def check(index: int, *more: object) -> Done:
        return service.command("approve", "--check", index, *(more or known), "--json")

    for index in indices:
        value = one(check(index))
        assert (id_, CALLER) == (value["request"], value["requester"])
        assert ["bob", "carol"] == [row["person"] for row in value["approvals"]]
    assert ["bob"] == [row["person"] for row in one(check(first.index))["approvals"]]
    check_refused(check(alone), "not-found")
    swapped = ("--person", "bob=carol.pub", "--person", "carol=bob.pub", *at(service))
    check_refused(check(indices[0], *swapped), "bad-signature")
    check_refused(check(indices[0], "--person", "bob=bob.pub", *at(service)), "bad-request")


def test_check_leaves_out_what_had_expired(tmp_path: Path) -> None:
    """
    Approvals of an earlier request for the same thing, which had expired, are not behind it.
    """
    with running(guarded(tmp_path / "service")) as service, service.client() as client:
        clock, boot = Clock(), Clock()
        clock.now = boot.now = time.time()
        service.ledger._clock = LedgerClock(clock, boot)
        call = ("sign", digest(1), PAYMENTS)
        for names in (("alice", "bob", "carol"), ("bob", "carol")):
            id_ = refused_for(client, call)
            for name in names:
                approve(service, client, id_, name)
            if len(names) == 3:
                clock.now += 3800
                boot.now += 3800
        index = client.sign(digest(1), PAYMENTS).record.index
        checked = one(service.command("approve", "--check", index, "--json", *at(service)))

    assert (id_, ["bob", "carol"]) == (
        checked["request"],
        [row["person"] for row in checked["approvals"]],
    )


def test_asked_wrongly(service: InProcess) -> None:
    """
    An approval without a name or a key is asked wrongly.
    """
    for words in ((), ("--as", "bob"), ("--key", "bob.key")):
        assert 2 == service.command("approve", "0" * 64, *words).returncode
