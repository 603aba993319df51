"""Whatever a service does for somebody is told: who had it done, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.store.files import path_in
from ledger.store.sqlite import SqliteStore
from signer.audit_trail.evidence import Evidence, StoredEntries
from signer.audit_trail.folder import Folder
from signer.audit_trail.verifying import Checking
from signer.events import OWN_KINDS
from signer.v1 import operator_pb2, signer_pb2
from tests.signer import rotating
from tests.signer.access.known import bearer, known
from tests.signer.asking import REPOSITORY, SIGN, digest, item, order
from tests.signer.canaries import Canary, leaks_in_files
from tests.signer.messaging import prepared, simple
from tests.signer.running import InProcess, running
from tests.signer.trails import told
from tests.signer.uploading import Hand, Log, hashed
from tests.signer.world import found_in

SIGN_MESSAGE = "/sealbook.v1.Signer/SignMessage"
ADMIN = "urn:sealbook:socket#admin"
HOLDER = "urn:sealbook:token#loopback"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service with keys for all kinds of messages, whose callers may have roles."""
    with running(prepared(tmp_path_factory.mktemp("site") / "service"), known) as service:
        yield service


def outcomes(service: InProcess) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return each decision with its outcome, in order."""
    service.server._trail.flush()
    made = told(service.directory, "decision"), told(service.directory, "outcome")
    assert len(made[0]) == len(made[1])
    return list(zip(*made, strict=True))


def newest(service: InProcess) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the last decision and its outcome."""
    return outcomes(service)[-1]


def test_sign(site: InProcess) -> None:
    """
    A Sign is told with who, by what proof, from where, what, where, why, and by what rule; then
    with its entry. The same again says so.
    """
    site.asking(lambda client: client.sign(digest(1), REPOSITORY, reason="release 7"))
    index = site.tree_size - 1

    decision, outcome = newest(site)
    expected = {
        "digests": [digest(1)],
        "forms": ["bundle"],
        "from": {"address": "127.0.0.1"},
        "key": "release",
        "proof": "token",
        "reason": "release 7",
        "repository": REPOSITORY,
        "rule": "access.token",
        "tree_size": index,
        "what": "sign",
        "who": HOLDER,
    }
    assert expected.items() <= decision.items()
    assert 1 == len(decision["wanted"])
    assert {"entries": [index]} == outcome

    site.asking(lambda client: client.sign(digest(1), REPOSITORY))
    assert {"entries": [], "again": [index]} == newest(site)[1]


def test_batch_is_one_decision(site: InProcess) -> None:
    """
    A batch is one line, whatever part of it is refused.
    """
    before = len(outcomes(site))
    items = [item(n) for n in range(10, 15)]
    items.append(items[0]._replace(digest="sha256:no"))
    site.asking(lambda client: client.sign_batch(REPOSITORY, items))

    assert before + 1 == len(outcomes(site))
    decision, outcome = newest(site)
    assert 6 == len(decision["digests"])
    assert (5, "bad-digest") == (len(outcome["entries"]), outcome["code"])


def test_attest(site: InProcess) -> None:
    """
    An attestation is told with the type of its predicate.
    """
    site.asking(
        lambda client: client.attest([digest(1)], REPOSITORY, "https://example.com/passed", b"{}")
    )

    decision, outcome = newest(site)
    assert ("attest", "attest", REPOSITORY, "https://example.com/passed") == (
        decision["what"],
        decision["key"],
        decision["repository"],
        decision["predicate_type"],
    )
    assert [site.tree_size - 1] == outcome["entries"]


@pytest.mark.parametrize("key", ["plain", "blind"])
def test_message(site: InProcess, key: str) -> None:
    """
    A message of another tool is told, and a bare hash that a raw key signs, too.
    """
    message = simple(1, REPOSITORY) if key == "plain" else b"anything"
    request = signer_pb2.SignMessageRequest(message=message, key=key)
    for _ in range(2):
        answer = site.raw(request.SerializeToString(), SIGN_MESSAGE)
        assert "OK" == answer.status, answer

    (first, made), (_, again) = outcomes(site)[-2:]
    assert ("sign-message", key, HOLDER) == (first["what"], first["key"], first["who"])
    assert [site.tree_size - 1] == made["entries"] == again["again"]


def test_upload(site: InProcess) -> None:
    """
    What somebody else signed and uploaded is told, with whose key it is.
    """
    upload = hashed(hand := Hand.of("ecdsa-p256"), b"a release")
    for _ in range(2):
        assert 201 == Log(site).post(upload).status_code

    (first, made), (_, again) = outcomes(site)[-2:]
    assert ("upload", "urn:sealbook:token#append") == (first["what"], first["who"])
    assert 1 == len(first["keys"])
    assert hand.kind == "ecdsa-p256"
    assert [site.tree_size - 1] == made["entries"] == again["again"]


def test_events(site: InProcess) -> None:
    """
    Each event is somebody's, who may be an operator on the admin socket.
    """
    site.asking(lambda client: client.sign(digest(2), REPOSITORY))
    revoke = operator_pb2.RevokeRequest(entry=site.tree_size - 1, reason="a mistake")
    site.operate("/sealbook.v1.Operator/Revoke", revoke.SerializeToString())
    decision, outcome = newest(site)
    assert ("event", "revocation", "socket", ADMIN, "a mistake") == (
        decision["what"],
        decision["event"],
        decision["proof"],
        decision["who"],
        decision["reason"],
    )
    assert [site.tree_size - 1] == outcome["entries"]

    rotating.announce(site)
    decision, outcome = newest(site)
    assert ("key-added", ADMIN) == (decision["event"], decision["who"])


@pytest.mark.parametrize(
    ("metadata", "who", "code"),
    [
        ([], "urn:sealbook:network#loopback", "unauthenticated"),
        (bearer("auditor", name="eve"), "urn:test#eve", "permission-denied"),
    ],
)
def test_refusals(site: InProcess, metadata: list[tuple[str, str]], who: str, code: str) -> None:
    """
    Who is refused is told, with the reference that they were given.
    """
    answer = site.raw(order(1).SerializeToString(), SIGN, metadata)
    assert code == answer.code
    site.server._trail.flush()

    refusal = told(site.directory, "denied")[-1]
    assert ("127.0.0.1", who, code) == (
        refusal["from"]["address"],
        refusal["who"],
        refusal["code"],
    )
    assert refusal["reference"]


def test_nothing_is_missing(site: InProcess) -> None:
    """
    Of every entry that any of this made there is one outcome; none came of anything else.
    """
    site.server._trail.flush()
    store = SqliteStore(path_in(site.directory / "ledger"), read_only=True)
    checking = Checking(Folder(site.directory / "trail"), Evidence(StoredEntries(store)))
    try:
        assert [] == [str(finding) for finding in checking.findings()]
    finally:
        store.close()
    assert () == checking.report().under_way
    assert {"genesis", "audit-segment"} == set(OWN_KINDS)
    assert all(OWN_KINDS.values()), "each for a reason"


def test_no_secret(site: InProcess) -> None:
    """
    No token that was sent, rightly or wrongly, is in the trail.
    """
    wrong = "sealbook_canary_0123456789abcdef0123456789abcdef"
    site.raw(order(1).SerializeToString(), SIGN, [("authorization", f"Bearer {wrong}")])
    site.raw(order(1).SerializeToString(), SIGN, [("authorization", wrong)])
    Log(site).post({}, path=f"/t/{wrong}/api/v2/log/entries")
    site.server._trail.flush()
    append = (site.directory / "append-token").read_text().strip()
    canaries = [
        Canary(name, secret.encode())
        for name, secret in (("token", site.token), ("append", append), ("wrong", wrong))
    ]

    assert told(site.directory, "denied")
    assert [] == leaks_in_files(site.directory / "trail", canaries)


def test_frozen(tmp_path: Path) -> None:
    """
    The last entry of all is told too, though no entry can cover the segment that tells of it;
    what was before is covered.
    """
    world = found_in(tmp_path / "service")
    with running(world) as service:
        service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        freeze = operator_pb2.FreezeRequest(origin=service.ledger.store.origin, reason="over")
        service.operate("/sealbook.v1.Operator/Freeze", freeze.SerializeToString())
    store = SqliteStore(path_in(world.directory / "ledger"), read_only=True)
    checking = Checking(Folder(world.directory / "trail"), Evidence(StoredEntries(store)))
    findings = [str(finding) for finding in checking.findings()]
    store.close()

    assert [] == findings
    report = checking.report()
    assert report.frozen
    last = told(world.directory, "decision")[-1]
    assert "frozen" == last["event"]
    lines_before = 4  # it began, a decision and its outcome, the segment's end
    assert lines_before == report.unlogged_from
