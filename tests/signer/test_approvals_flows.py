"""Every way to a signature asks for the same approvals: predicates, messages, JSON, keys."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from signer.approvals.behind import is_behind
from signer.approvals.request import Request
from signer.client import Client, Signed
from signer.client.answer import record
from signer.errors import ServiceError
from signer.plugins import cosign
from tests.signer.agreeing import PAYMENTS, PROTECTED, approve, needed, people, protect
from tests.signer.asking import REPOSITORY, digest, item
from tests.signer.messaging import CUSTOM, prepared, public, simple, statement
from tests.signer.running import InProcess, running
from verifier.record import Record

FREE = REPOSITORY
RULES = f"""
[[protected]]
under = "{PROTECTED}"
approvals = 1
[[protected]]
under = "{PROTECTED}/vault"
approvals = 2
[[protected]]
key = "plain"
approvals = 3
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A running service with a key for each kind of message, and a rule for each kind of rule."""
    world = prepared(tmp_path_factory.mktemp("flows") / "service")
    people(world)
    protect(world, RULES)
    with running(world) as service:
        yield service


@pytest.fixture(scope="module")
def client(service: InProcess) -> Iterator[Client]:
    """Somebody who may do everything, but not alone."""
    with service.client() as client:
        yield client


def asked(client: Client, id_: str) -> dict[str, Any]:
    """Return an open request as JSON."""
    found = client.request(id_).request
    assert found is not None
    return found.json()


def refused_as(call: Any) -> str:
    """Check that `call` needs approvals, and return the request's id."""
    with pytest.raises(ServiceError) as caught:
        call()
    return needed(caught.value)


def wanted(client: Client, call: Any) -> int:
    """Return how many approvals `call` needs; 0 when it went through."""
    try:
        call()
    except ServiceError as e:
        return client.request(needed(e)).needed
    return 0


def kept(client: Client, index: int) -> Record:
    """Return what the ledger keeps at an index."""
    return record(client.entry(index).record)


def test_attest(service: InProcess, client: Client) -> None:
    """
    A predicate about a protected image is attested once it was approved by its hash; another
    predicate, or another type, is another request.
    """
    predicate = b' {"built":"here"}\n'
    kind = "https://example.com/build"

    def attest(content: bytes = predicate, about: str = kind, **more: Any) -> Any:
        return client.attest([digest(1)], PAYMENTS, about, content, **more)

    id_ = refused_as(attest)
    what = asked(client, id_)["what"]
    approve(service, client, id_, "alice")
    others = {
        refused_as(lambda: attest(b'{"built":"there"}')),
        refused_as(lambda: attest(about="https://example.com/other")),
    }
    same = refused_as(lambda: attest(reason="a reason is in no statement"))
    index = attest().signed.record.index
    others.add(refused_as(lambda: attest(renew=True)))

    assert hashlib.sha256(predicate.strip()).hexdigest() == what["predicate_sha256"]
    assert len(predicate.strip()) == what["predicate_size"]
    assert ([digest(1)], kind) == (what["digests"], what["predicate_type"])
    assert 4 == len({*others, same} - {id_})
    assert 0 == wanted(client, lambda: client.attest([digest(1)], FREE, kind, predicate))
    for other in others:
        assert not is_behind(Request.read(asked(client, other)), kept(client, index))
    assert is_behind(Request.read(asked(client, id_)), kept(client, index))


def test_strictest_rule(client: Client) -> None:
    """
    Of several rules that fit the strictest counts, whichever is listed first or is longer.
    """

    def sign(repository: str, **more: Any) -> int:
        return wanted(client, lambda: client.sign(digest(2), repository, **more))

    assert 0 == sign(FREE)
    assert 1 == sign(PAYMENTS)
    assert 1 == sign(f"{PROTECTED}/vault-evil")
    assert 2 == sign(f"{PROTECTED}/vault")
    assert 2 == sign(f"{PROTECTED}/vault/app")
    assert 3 == sign(PAYMENTS, key="plain")
    assert 3 == sign(FREE, key="plain")


def test_messages(client: Client) -> None:
    """
    A message of another tool counts for the repository that it names, or else the caller. One
    that is for none could be for any: it needs what the strictest rule says.
    """

    def sign(message: bytes = b"", **more: Any) -> int:
        return wanted(client, lambda: client.sign_message(message, **more))

    assert 0 == sign(statement(3, name=FREE))
    assert 1 == sign(statement(3, name=PAYMENTS))
    assert 1 == sign(statement(3), repository=PAYMENTS)
    assert 2 == sign(statement(3))
    assert 0 == sign(statement(3), repository=FREE)
    assert 1 == sign(simple(3, PAYMENTS))
    assert 0 == sign(simple(3, FREE))
    assert 1 == sign(statement(3, CUSTOM, PAYMENTS), key="attest")
    assert 0 == sign(statement(3, CUSTOM, FREE), key="attest")
    assert 2 == sign(statement(3, CUSTOM, "a file"), key="attest")
    both = [{"digest": {"sha256": digest(3).hex}, "name": name} for name in (FREE, "a file")]
    assert 2 == sign(statement(3, CUSTOM, subject=both), key="attest")
    assert 2 == sign(b"anything", key="blind")
    assert 2 == sign(digest=bytes.fromhex(digest(3).hex), key="blind")
    assert 1 == sign(b"anything", key="blind", repository=PAYMENTS)
    assert 0 == sign(b"anything", key="blind", repository=FREE)
    assert 3 == sign(statement(3, name=FREE), key="plain")


def test_message_is_signed(service: InProcess, client: Client) -> None:
    """
    Once approved, the very message is signed, and again for nothing; the request says what was
    read in it.
    """
    message = statement(4, name=PAYMENTS)

    def sign() -> Any:
        return client.sign_message(message, reason="from cosign")

    id_ = refused_as(sign)
    assert {
        "about": [{"digest": digest(4), "name": PAYMENTS}],
        "message_digest": hashlib.sha256(message).hexdigest(),
        "reason": "from cosign",
        "signatures": [
            {
                "form": "bundle",
                "key": "release",
                "key_sha256": public(service, "release").fingerprint,
            }
        ],
    } == asked(client, id_)["what"]
    approve(service, client, id_, "carol")
    signed = sign()

    assert is_behind(Request.read(asked(client, id_)), kept(client, signed.logged.record.index))
    other = refused_as(lambda: client.sign_message(statement(5, name=PAYMENTS)))
    assert not is_behind(
        Request.read(asked(client, other)), kept(client, signed.logged.record.index)
    )
    # Found by what it is, not by who asks or why.
    assert signed.signature == client.sign_message(message, reason="again").signature


def test_cosign(
    service: InProcess,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    `cosign sign` shows which request waits, and by what it is approved; run again after that it
    has its signature.
    """
    monkeypatch.setenv("SEALBOOK_SERVICE", service.addresses.grpc)
    monkeypatch.setenv("SEALBOOK_TOKEN_FILE", str(service.directory / "token"))
    init = {"protocolVersion": "v1", "keyResourceID": f"release/{PAYMENTS}", "hashFunc": 5}
    question = {"initOptions": init, "methodName": "signMessage", "signMessage": {}}
    monkeypatch.setattr(sys, "argv", ["plugin", "v1", json.dumps(question)])

    def run() -> dict[str, Any]:
        content = io.TextIOWrapper(io.BytesIO(statement(70)))  # as cosign makes it: no name
        monkeypatch.setattr(sys, "stdin", content)
        cosign.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    told = run()["errorMessage"]
    [open_] = [one for one in client.requests() if one.id in told]
    assert f"(approval-needed); hint: sealbook approve {open_.id}" in told
    approve(service, client, open_.id, "alice")

    assert run()["signMessage"]["signature"]


def test_raw_message_is_signed(service: InProcess, client: Client) -> None:
    """
    What nobody read is approved by its digest.
    """

    def sign() -> Any:
        return client.sign_message(b"firmware", key="blind")

    id_ = refused_as(sign)
    for name in ("alice", "bob"):
        approve(service, client, id_, name)
    signed = sign()

    what = asked(client, id_)["what"]
    assert hashlib.sha256(b"firmware").hexdigest() == what["message_digest"]
    assert "raw" == what["signatures"][0]["form"]
    assert is_behind(Request.read(asked(client, id_)), kept(client, signed.logged.record.index))


def test_json(service: InProcess, client: Client) -> None:
    """
    Over HTTP the refusal is 409 with the request's id, which is that of the same call over gRPC.
    """
    headers = {"authorization": f"Bearer {service.token}"}
    wish = {"digest": digest(6), "repository": PAYMENTS}
    batch = {"repository": PAYMENTS, "items": [{"digest": digest(6)}]}
    query = {"digests": digest(6), "repository": PAYMENTS, "predicate_type": "urn:x:y"}
    id_ = refused_as(lambda: client.sign(digest(6), PAYMENTS))
    with httpx.Client(base_url=f"http://{service.addresses.http}", headers=headers) as http:
        refusals = [
            http.post("/v1/sign", json=wish),
            http.post("/v1/sign-batch", json=batch),
            http.post("/v1/attest", params=query, content=b"{}"),
        ]
        approve(service, client, id_, "bob")
        signed = http.post("/v1/sign", json=wish)

    told = [refusal.json() for refusal in refusals]
    assert {(409, "approval-needed")} == {
        (refusal.status_code, one["code"]) for refusal, one in zip(refusals, told, strict=True)
    }
    assert [id_, id_] == [one["request"] for one in told[:2]]
    assert 200 == signed.status_code


def test_many_singles_by_one_client(service: InProcess, client: Client) -> None:
    """
    The client that gathers calls into batches gets each of them refused with its own request,
    which is the one that a single call makes, and each goes through once that is approved.
    """

    async def gathered(asking: Any) -> list[Any]:
        calls = [asking.sign(digest(n), PAYMENTS) for n in (60, 61, 62)]
        return await asyncio.gather(*calls, return_exceptions=True)

    ids = [needed(error) for error in service.asking(gathered)]
    assert ids == [refused_as(lambda n=n: client.sign(digest(n), PAYMENTS)) for n in (60, 61, 62)]
    for id_ in ids:
        approve(service, client, id_, "alice")
    signed = service.asking(gathered)

    assert 3 == len({service.verify(one, PAYMENTS).index for one in signed})


def test_behind_every_form(service: InProcess, client: Client) -> None:
    """
    What was made in another form is seen to be what was approved too, and nothing else is.
    """
    forms = ["bundle", "simplesigning"]

    def sign(n: int, **more: Any) -> Any:
        [signed] = client.sign_batch(PAYMENTS, [item(n, **more)], forms=forms)
        return signed

    ids = {}
    for more in ({"tag": "1"}, {"tag": "2"}, {"annotations": {"env": "prod"}}, {}):
        ids[str(more)] = refused_as(lambda m=more: sign(66, **m))
    approve(service, client, ids["{'tag': '1'}"], "bob")
    signed = sign(66, tag="1")
    records = [signed.record, *(one.record for one in signed.more)]
    assert forms == [one.form for one in records]
    behind = {
        said: [is_behind(Request.read(asked(client, id_)), one) for one in records]
        for said, id_ in ids.items()
    }

    assert [True, True] == behind.pop("{'tag': '1'}")
    assert [[False, False]] * 3 == list(behind.values())
    other = refused_as(lambda: sign(67, tag="1"))
    assert not is_behind(Request.read(asked(client, other)), signed.record)


def test_behind_a_renewal(service: InProcess, client: Client) -> None:
    """
    What was approved once is behind the first signature, and a renewal's approval behind that.
    """
    made = []
    for wish in ([item(68)], [item(68, renew=True)]):
        id_ = refused_as(lambda w=wish: client.sign_batch(PAYMENTS, w))
        approve(service, client, id_, "bob")
        [signed] = client.sign_batch(PAYMENTS, wish)
        assert isinstance(signed, Signed)
        made.append((Request.read(asked(client, id_)), signed.record))
    (first, one), (second, two) = made

    assert (True, True) == (is_behind(first, one), is_behind(second, two))
    assert (False, False) == (is_behind(first, two), is_behind(second, one))


def test_malformed_items(service: InProcess, client: Client) -> None:
    """
    What is malformed in a batch is answered for itself, and is no part of what is approved.
    """
    items = [item(63), item(64, tag="not a tag"), item(65)]
    id_ = refused_as(lambda: client.sign_batch(PAYMENTS, items))
    approve(service, client, id_, "alice")
    first, wrong, last = client.sign_batch(PAYMENTS, items)

    assert [digest(63), digest(65)] == [i["digest"] for i in asked(client, id_)["what"]["items"]]
    assert "bad-request" == wrong.code  # type: ignore[union-attr]
    assert 1 == service.verify(last, PAYMENTS).index - service.verify(first, PAYMENTS).index


def test_too_long_to_be_read(client: Client) -> None:
    """
    What is too much for somebody to read is refused, with what to do about it.
    """
    many = [item(n, annotations={"note": "x" * 1000}) for n in range(100, 160)]
    with pytest.raises(ServiceError) as caught:
        client.sign_batch(PAYMENTS, many)

    assert "over-limit" == caught.value.code
    assert "fewer" in caught.value.hint
