"""Forms: one call, every shape, each logged and each rendered from its record alone."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from pathlib import Path

import pytest

from ledger import dedup, labels
from signer.client import AsyncClient, Signed
from signer.v1 import signer_pb2
from tests.signer.asking import OTHER_REPOSITORY, REPOSITORY, digest, item, order, refused
from tests.signer.commands import sealbook
from tests.signer.running import InProcess, running
from tests.signer.world import found_in
from verifier.errors import SealbookError
from verifier.rekor_v1 import LegacyEntry, Promise
from verifier.simplesigning import SimpleSigning

BOTH = ("bundle", "simplesigning")


def made(service: InProcess, n: int, forms: tuple[str, ...] = BOTH, **more: object) -> list[Signed]:
    """Have image `n` approved in these forms, and return one signature for each."""
    signed = service.asking(
        lambda client: client.sign(digest(n), REPOSITORY, forms=forms, **more)  # type: ignore[arg-type]
    )
    return [signed._replace(more=()), *signed.more]


def test_each_form_is_its_own_entry(service: InProcess) -> None:
    """
    Two forms of one approval are two signatures in two entries, both found by the image's digest.
    """
    bundle, simple = made(service, 701)
    rows = service.ledger.store.rows(bundle.record.index, simple.record.index + 1)
    found = service.ledger.store.search("digest", digest(701), -1, 10)

    assert ["bundle", "simplesigning"] == [bundle.record.form, simple.record.form]
    assert [bundle.record.index, simple.record.index] == found
    assert 2 == len(rows)
    assert bundle.record.body != simple.record.body
    assert service.verify(bundle)


def test_simplesigning_says_what_was_asked(service: InProcess) -> None:
    """
    The payload names repository and digest, the caller's annotations, and who asked.
    """
    _, simple = made(service, 702, annotations={"env": "prod"})
    payload = SimpleSigning.parse(simple.record.body)

    assert (REPOSITORY, digest(702)) == (payload.repository, payload.digest)
    assert "prod" == payload.annotations["env"]
    assert "loopback" == payload.annotations["sealbook.requester.subject"]


def test_promise(service: InProcess) -> None:
    """
    A legacy entry comes with the log's promise of its exact bytes, place and time.
    """
    _, simple = made(service, 703)
    record = simple.record
    [log] = [log for log in service.trust.logs if log.promise_key]
    assert log.promise_key is not None
    promise = Promise.parse(record.promise)
    promise.verify(log.promise_key, record.entry, record.integrated_at, record.index)

    other = (record.entry + b" ", record.integrated_at, record.index)
    refused("bad-signature", lambda: promise.verify(log.promise_key, *other))
    later = (record.entry, record.integrated_at + 1, record.index)
    refused("bad-signature", lambda: promise.verify(log.promise_key, *later))
    moved = (record.entry, record.integrated_at, record.index + 1)
    refused("bad-signature", lambda: promise.verify(log.promise_key, *moved))


def test_rendering_for_containers(service: InProcess) -> None:
    """
    What containers/image reads has exactly its fields, and its bytes are those that were signed.
    """
    _, simple = made(service, 704)
    value = json.loads(simple.bundle())
    said = json.loads(value["annotations"]["dev.sigstore.cosign/bundle"])
    entry = LegacyEntry.parse(base64.b64decode(said["Payload"]["body"]))
    signature = base64.b64decode(value["annotations"]["dev.cosignproject.cosign/signature"])
    body = base64.b64decode(value["payload"])

    assert {"mimeType", "payload", "annotations"} == set(value)
    assert {"SignedEntryTimestamp", "Payload"} == set(said)
    assert {"body", "integratedTime", "logIndex", "logID"} == set(said["Payload"])
    assert simple.record.index == said["Payload"]["logIndex"]
    entry.key.verify(signature, body)
    assert LegacyEntry.of(body, signature, entry.key) == entry


def test_unary_answers_are_rendered(service: InProcess) -> None:
    """
    The answer of a single Sign carries each form as its readers take it.
    """
    answer = service.raw(order(713, forms=BOTH).SerializeToString()).message(
        signer_pb2.SignResponse
    )
    bundle, simple = (json.loads(signature.bundle) for signature in answer.signatures)

    assert "application/vnd.dev.sigstore.bundle.v0.3+json" == bundle["mediaType"]
    assert "application/vnd.dev.cosign.simplesigning.v1+json" == simple["mimeType"]


def test_same_request_same_records(service: InProcess) -> None:
    """
    The same request again gets the same records, promise and time included, and logs nothing.
    """
    first = made(service, 705)
    before = service.tree_size
    again = made(service, 705)
    swapped = made(service, 705, ("simplesigning", "bundle"))

    assert [s.record for s in first] == [s.record for s in again]
    assert [s.record for s in first] == [s.record for s in reversed(swapped)]
    assert before == service.tree_size


def test_eight_callers_at_once(service: InProcess) -> None:
    """
    Eight callers who ask for the same at once get the same records, and one entry in each form.
    """

    async def ask(client: AsyncClient) -> list[list[Signed | SealbookError]]:
        calls = [client.sign_batch(REPOSITORY, [item(715)], forms=BOTH) for _ in range(8)]
        return await asyncio.gather(*calls)

    answers = [signed for [signed] in service.asking(ask) if isinstance(signed, Signed)]
    records = {tuple(one.record for one in (signed, *signed.more)) for signed in answers}

    assert 8 == len(answers)
    assert 1 == len(records)
    assert 2 == len(service.ledger.store.search("digest", digest(715), -1, 10))


def test_a_form_later(service: InProcess) -> None:
    """
    A form that is asked for later is made then, beside the one that was there.
    """
    [bundle] = made(service, 706, ("bundle",))
    both = made(service, 706)

    assert bundle.record == both[0].record
    assert bundle.record.index < both[1].record.index


def test_renewed(service: InProcess) -> None:
    """
    A renewal makes a new entry in each form, which names the one that it supersedes.
    """
    first = made(service, 707)
    renewed = made(service, 707, renew=True)
    supersedes = SimpleSigning.parse(renewed[1].record.body).annotations["sealbook.supersedes"]

    assert str(first[1].record.index) == supersedes
    assert 4 == len(service.ledger.store.search("digest", digest(707), -1, 10))


def test_derived_again(service: InProcess) -> None:
    """
    Labels and dedup key of each form follow from entry and body alone, as auditors derive them.
    """
    for signed in made(service, 708, annotations={"env": "prod"}):
        record = signed.record
        row = service.ledger.row(record.index)
        key = dedup.of(record.form, record.entry, record.body)
        assert labels.decode(row.labels) == labels.of(record.entry, record.body)
        assert key is not None
        assert record.index == service.ledger.store.find(key)


def test_idempotency_key_in_each_form(service: InProcess) -> None:
    """
    An idempotency key stands for one request in every form, and is refused for another.
    """
    first = made(service, 709, idempotency_key="once-709")
    assert [s.record for s in first] == [
        s.record for s in made(service, 709, idempotency_key="once-709")
    ]
    refused("idempotency-conflict", lambda: made(service, 710, idempotency_key="once-709"))


def test_configured_forms(tmp_path: Path) -> None:
    """
    Without a wish, a key makes the forms that its configuration names, batch and all.
    """
    with running(found_in(tmp_path / "service", forms=BOTH)) as service:
        items = [item(n) for n in range(3)]
        answers = service.asking(lambda client: client.sign_batch(REPOSITORY, items))
        forms = [
            [one.record.form for one in (signed, *signed.more)]
            for signed in answers
            if isinstance(signed, Signed)
        ]

        assert [list(BOTH)] * 3 == forms
        assert 1 + 2 * 3 == service.tree_size


@pytest.mark.parametrize(
    ("forms", "code"),
    [
        (("notary",), "unknown-form"),
        (("bundle", ""), "unknown-form"),
        (("notation",), "unknown-form"),  # this world's key has no certificate
        (("certificate",), "unknown-form"),  # nor has it an issuer
    ],
)
def test_form_that_cannot_be_made(tmp_path: Path, forms: tuple[str, ...], code: str) -> None:
    """
    A form that is unknown, or lacks what it needs, is refused by name before anything is signed.
    """
    world = found_in(tmp_path / "service")
    text = world.config.read_text()
    for start in ("certificate = ", "issuer = ", "transparency = "):
        text = re.sub(rf"^{start}.*\n", "", text, flags=re.MULTILINE)
    world.config.write_text(text)
    with running(world) as service:
        before = service.tree_size
        refused(code, lambda: made(service, 711, forms))
        assert before == service.tree_size


def test_other_repository(service: InProcess) -> None:
    """
    An approval in one repository is none in another, in either form.
    """
    ours = made(service, 712)
    theirs = service.asking(lambda client: client.sign(digest(712), OTHER_REPOSITORY, forms=BOTH))
    assert not {s.record.index for s in ours} & {s.record.index for s in (theirs, *theirs.more)}


def test_search_shows_every_form(service: InProcess, tmp_path: Path) -> None:
    """
    A search by digest lists each form with what it says, for people and for machines.
    """
    made(service, 714, annotations={"env": "prod"})
    where = ("--service", service.addresses.grpc, "--token-file", service.directory / "token")
    lines = sealbook("search", "digest", digest(714), "--json", *where, cwd=tmp_path).stdout
    found = [json.loads(line) for line in lines.splitlines()]

    assert list(BOTH) == [one["form"] for one in found]
    assert ["prod"] * 2 == [one["annotations"]["env"] for one in found]
    assert [REPOSITORY] * 2 == [one["repository"] for one in found]
    assert "statement" in found[0]
    assert "critical" in found[1]["payload"]
