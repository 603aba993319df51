"""A second algorithm: the same statement by another key, as its own bundle and entry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa

from ledger import dedup, labels
from ledger.plan import NewEntry
from signer.client import Signed, attesting
from signer.client.answer import checked, key_of
from signer.client.attesting import Attested
from signer.config import Config
from signer.keys import SigningKey
from signer.keys.memory import MemoryKey
from signer.order import Item
from signer.v1 import signer_pb2
from tests.signer.asking import REPOSITORY, annotations, digest, item, refused
from tests.signer.revoking import Image, Key, revoke, status
from tests.signer.running import InProcess, running
from tests.signer.second import BOTH, SECOND, beside, configure, made, trust
from tests.signer.world import World, found_in
from verifier import dsse, limits
from verifier import statement as statements
from verifier.bundle import Bundle
from verifier.entry import Entry
from verifier.errors import SealbookError
from verifier.policy import Policy
from verifier.publickey import PublicKey
from verifier.trust import TrustRoot
from verifier.verify import Verifier

LARGE = json.dumps({"lines": ["x" * 1000] * 200}).encode()  # its body has a file of its own
KIND = "https://example.com/predicate"
RAW = """\
[signing.keys.odd]
uri = "file:keys/odd.pem"
raw = true
also = ["other"]

[signing.keys.other]
uri = "file:keys/other.pem"
raw = true

"""


class Signing(InProcess):
    """A service whose two keys have a second one each."""

    before: TrustRoot  # what verifiers trusted who have not heard of the second keys
    quantum: PublicKey


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signing]:
    """A running service with ML-DSA-65 beside P-256."""
    world = found_in(tmp_path_factory.mktemp("second") / "service")
    before, quantum = world.trust, beside(world)
    beside(world, name="attest-pq", first="attest", purpose="attest")
    with running(world) as service:
        service.before, service.quantum = before, quantum  # type: ignore[attr-defined]
        yield service  # type: ignore[misc]


def attest(service: InProcess, n: int, predicate: bytes, **more: Any) -> list[Attested]:
    """Attest about image `n`, and return it by each key."""
    attested = service.asking(
        lambda client: client.attest([digest(n)], REPOSITORY, KIND, predicate, **more)
    )
    return [attested._replace(also=()), *attested.also]


def test_two_bundles_of_one_statement(service: Signing) -> None:
    """
    One Sign makes two entries, each with a bundle of its own, of the very same statement.
    """
    first, second = made(service, 1)
    keys = [key_of(one.record) for one in (first, second)]

    assert ["ecdsa-p256", "ml-dsa-65"] == [key.algorithm.name for key in keys]
    assert service.quantum == keys[1]
    assert first.record.body == second.record.body
    assert first.record.index + 1 == second.record.index
    assert (first.note, first.proof.tree_size) == (second.note, second.proof.tree_size)
    assert ["release", SECOND] == [service.verify(one).key for one in (first, second)]
    assert all(one.record.timestamp for one in (first, second))
    assert b'"keyDetails":"ML_DSA_65"' in second.record.entry
    assert len(second.bundle()) < 20_000 < limits.BUNDLE


def test_batch(service: Signing) -> None:
    """
    In a batch each item gets both, and one that is refused gets none.
    """
    items = [item(10), Item("sha256:x"), item(11)]
    answers = service.asking(lambda client: client.sign_batch(REPOSITORY, items))

    assert isinstance(answers[1], SealbookError)
    for answer in (answers[0], answers[2]):
        assert isinstance(answer, Signed)
        [second] = answer.more
        assert service.quantum == key_of(second.record)


def test_who_does_not_know_it_passes_it_by(service: Signing) -> None:
    """
    With the trust file of before, the first bundle is enough and the second counts for nothing.
    """
    bundles = [one.bundle() for one in made(service, 2)]
    verdict = Verifier(service.before).judge(bundles, digest(2), REPOSITORY)

    assert ["release"] == [approval.key for approval in verdict.approvals]
    assert [(1, "unknown-key")] == [(one.number, one.code) for one in verdict.refused]
    judge = Verifier(service.before).judge
    refused("unknown-key", lambda: judge(bundles[1:], digest(2), REPOSITORY))


@pytest.mark.parametrize(
    "rules",
    [BOTH, BOTH.split("[[images.approval]]")[0]
     + '[images.approval]\nkeys = ["release", "release-pq"]\nsigners = 2\n'],
    ids=["two approvals", "two signers"],
)  # fmt: skip
def test_both_may_be_required(service: Signing, rules: str) -> None:
    """
    A policy can ask for both: neither is enough alone, nor twice.
    """
    first, second = (one.bundle() for one in made(service, 3))
    policy = Policy.parse(rules.encode())
    judge = Verifier(service.trust, status=status(service), policy=policy).judge

    assert judge([second, first], digest(3), REPOSITORY).allowed
    for bundles in ([first], [second], [first, first], [second, second], []):
        refused("not-approved", lambda some=bundles: judge(some, digest(3), REPOSITORY))


def test_again(service: Signing) -> None:
    """
    The same request again is answered with the same two, and a renewal supersedes each by its own.
    """
    before = made(service, 4)
    assert [one.record for one in before] == [one.record for one in made(service, 4)]

    renewed = made(service, 4, renew=True)
    named = [annotations(one)["sealbook.supersedes"] for one in renewed]
    assert [str(one.record.index) for one in before] == named


def test_idempotency_key(service: Signing) -> None:
    """
    An idempotency key stands for both, and for no other request.
    """
    before = made(service, 5, idempotency_key="once")

    assert [one.record for one in before] == [
        one.record for one in made(service, 5, idempotency_key="once")
    ]
    refused("idempotency-conflict", lambda: made(service, 6, idempotency_key="once"))


def test_other_forms_are_made_once(service: Signing) -> None:
    """
    The second key makes bundles and nothing else: in other forms every reader takes one.
    """
    found = made(service, 7, forms=("simplesigning", "bundle"))
    made_of = [(one.record.form, key_of(one.record).algorithm.name) for one in found]

    assert [
        ("simplesigning", "ecdsa-p256"),
        ("bundle", "ecdsa-p256"),
        ("bundle", "ml-dsa-65"),
    ] == made_of
    assert ["simplesigning"] == [one.record.form for one in made(service, 8, forms=[
        "simplesigning"])]  # fmt: skip


def test_never_alone(service: Signing) -> None:
    """
    Nobody gets a signature by the second key alone, which most readers could not verify.
    """
    before = service.tree_size
    refused("unsupported-key", lambda: made(service, 9, key=SECOND))
    refused("unsupported-key", lambda: attest(service, 9, b"{}", key="attest-pq"))
    message = dsse.pae(dsse.IN_TOTO, statements.approval(REPOSITORY, digest(9), {}))
    refused("unsupported-key", lambda: service.asking(
        lambda client: client.sign_message(message, key=SECOND, repository=REPOSITORY)
    ))  # fmt: skip

    assert before == service.tree_size


def test_listed(service: Signing) -> None:
    """
    Whoever asks for an image's bundles gets both, as the client rendered them.
    """
    mine = [one.bundle() for one in made(service, 12)]
    theirs = service.asking(lambda client: client.bundles(digest(12)))

    envelopes = [[Bundle.parse(one).envelope for one in found] for found in (mine, theirs)]
    assert envelopes[0] == envelopes[1]


@pytest.mark.parametrize("predicate", [b'{"a":1}', LARGE], ids=["small", "large"])
def test_attested_twice(service: Signing, predicate: bytes) -> None:
    """
    An attestation too is made by both, small or large; the body of a large one is kept once.
    """
    n = 20 if predicate is LARGE else 21
    kept = len(list(service.ledger.bodies._directory.rglob("sha256*")))
    first, second = attest(service, n, predicate)
    bundles = [b"".join(one.pieces()) for one in (first, second)]
    parsed = [Bundle.parse(one, limit=limits.ATTESTATION) for one in bundles]
    keys = [service.verifier.logged(one)[1].name for one in parsed]

    assert ["attest", "attest-pq"] == keys
    assert parsed[0].envelope.payload == parsed[1].envelope.payload
    assert predicate in parsed[0].envelope.payload
    theirs = service.asking(lambda client: client.bundles(digest(n)))
    assert [one.envelope for one in parsed] == [
        Bundle.parse(one, limit=limits.ATTESTATION).envelope for one in theirs
    ]
    assert [one.signed.record for one in (first, second)] == [
        one.signed.record for one in attest(service, n, predicate)
    ]
    if first.signed.record.body_size:
        assert kept + 1 == len(list(service.ledger.bodies._directory.rglob("sha256*")))


def test_attestations_that_are_renewed(service: Signing) -> None:
    """
    Each of the two is renewed for itself, and an idempotency key stands for both.
    """
    before = attest(service, 22, b"{}", idempotency_key="sbom-1")
    renewed = attest(service, 22, b"{}", renew=True)
    named = [annotations(one.signed)["sealbook.supersedes"] for one in renewed]

    assert [str(one.signed.record.index) for one in before] == named
    assert [one.signed.record for one in before] == [
        one.signed.record for one in attest(service, 22, b"{}", idempotency_key="sbom-1")
    ]
    refused("idempotency-conflict", lambda: attest(service, 23, b"{}", idempotency_key="sbom-1"))


def test_labels(service: Signing) -> None:
    """
    An auditor derives the labels of the second entry from its body, and finds it by its own key.
    """
    _, second = made(service, 13)
    row = service.ledger.row(second.record.index)

    assert labels.encode(labels.of(second.record.entry, second.record.body)) == row.labels
    assert service.quantum.fingerprint in labels.decode(row.labels)["key"]
    key = dedup.key("bundle", service.quantum, second.record.body)
    assert second.record.index == service.ledger.store.find(key)


def test_revoked_second_key(tmp_path: Path) -> None:
    """
    Once the second key is revoked nothing more is signed by half of the two.
    """
    world = found_in(tmp_path)
    beside(world)
    with running(world) as service:
        first, _ = made(service, 1)
        revoke(service, key=Key(name=SECOND))
        before = service.tree_size
        refused("revoked", lambda: made(service, 2))

        assert before == service.tree_size
        bundles = [first.bundle()]
        judge = Verifier(world.trust, status=status(world)).judge
        assert judge(bundles, digest(1), REPOSITORY).allowed


def test_revoked_image(tmp_path: Path) -> None:
    """
    A revoked image is approved by neither key.
    """
    world = found_in(tmp_path)
    beside(world)
    with running(world) as service:
        bundles = [one.bundle() for one in made(service, 1)]
        revoke(service, image=Image(digest=digest(1), repository=REPOSITORY))
        refused("revoked", lambda: made(service, 1))
        judge = Verifier(world.trust, status=status(world)).judge

        for bundle in bundles:
            refused("revoked", lambda one=bundle: judge([one], digest(1), REPOSITORY))


def test_a_second_key_that_comes_later(tmp_path: Path) -> None:
    """
    What was signed before there was a second key gets its second bundle by the same request.
    """
    world = found_in(tmp_path)
    with running(world) as service:
        [first] = made(service, 1)
    beside(world)
    with running(world) as service:
        before = service.tree_size
        again, second = made(service, 1)

        assert first.record == again.record
        assert first.record.body == second.record.body
        assert before + 1 == service.tree_size


class FailingKey(MemoryKey):
    """A key that signs once, when it is opened."""

    signed = 0

    def sign(self, message: bytes) -> bytes:
        """Sign, or fail."""
        self.signed += 1
        if self.signed > 1:
            raise OSError("the device is gone")
        return super().sign(message)


@pytest.mark.parametrize("kind", ["sign", "attest"])
def test_second_key_that_fails(tmp_path: Path, kind: str) -> None:
    """
    When the second key fails nothing is released, and what the first one made has its leaf.
    """
    world = found_in(tmp_path)
    beside(world)
    beside(world, name="attest-pq", first="attest", purpose="attest")
    with running(world) as service:
        for name in (SECOND, "attest-pq"):
            old = service.server.keys.keys[name]
            broken = FailingKey(old._key._key._private)  # type: ignore[attr-defined]
            broken.signed = 1
            key = SigningKey(name, broken, old.forms, purpose=old.purpose)
            service.server.keys.swap([*service.server.keys.keys.values(), key])
        before = service.tree_size
        if kind == "sign":
            refused("key-failed", lambda: made(service, 1))
        else:
            refused("key-failed", lambda: attest(service, 1, b"{}"))
        listed = service.asking(lambda client: client.listed(digest(1)))

        assert before + 1 == service.tree_size
        assert [Entry.parse(one.record.entry).key.algorithm.name for one in listed] == [
            "ecdsa-p256"
        ]


@pytest.mark.parametrize(
    ("private", "told"),
    [
        (ec.generate_private_key(ec.SECP384R1()), "by sha384"),
        (ed25519.Ed25519PrivateKey.generate(), "by sha512"),
        (mldsa.MLDSA44PrivateKey.generate(), ""),
    ],
    ids=["P-384", "Ed25519", "ML-DSA-44"],
)
def test_keys_that_cannot_sign_also(world: World, private: Any, told: str) -> None:
    """
    A service does not start with a second key whose entries would be logged in another way.
    """
    key = configure(world, MemoryKey(private))
    if key.algorithm.key_details:
        trust(world, key)

    with pytest.raises(SealbookError) as caught, running(world):
        pass
    if key.algorithm.key_details:
        assert ("unsupported-key", True) == (caught.value.code, told in caught.value.message)
    else:  # nor can a trust file list it, whichever is looked at first
        assert caught.value.code in ("unsupported-key", "unknown-key")


def test_a_second_p256(world: World) -> None:
    """
    A second key may be of the first one's algorithm: then it is another's custody that counts.
    """
    beside(world, "ecdsa-p256", "custody")
    with running(world) as service:
        first, second = made(service, 1)

        assert key_of(first.record) != key_of(second.record)
        assert ["release", "custody"] == [service.verify(one).key for one in (first, second)]


def test_no_default(world: World) -> None:
    """
    A key that most readers cannot verify is nobody's default, though it signs also.
    """
    beside(world)
    world.edit('default_key = "release"', f'default_key = "{SECOND}"')

    def start() -> None:
        with running(world):
            pass

    refused("unsupported-key", start)


def test_nobody(world: World) -> None:
    """
    A service does not start when a key that is to sign also is nowhere.
    """
    beside(world)
    world.edit(f'also = ["{SECOND}"]', f'also = ["{SECOND}", "nobody"]')

    def start() -> None:
        with running(world):
            pass

    assert "'nobody', which release has sign also" in refused("config", start).message


def test_unknown_to_verifiers(world: World) -> None:
    """
    A service does not start with a second key that its trust file does not list.
    """
    configure(world, MemoryKey.generate("ml-dsa-65"))

    def start() -> None:
        with running(world):
            pass

    refused("unknown-key", start)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('also = ["release-pq"]', 'also = ["release"]', "twice, or itself"),
        ('also = ["release-pq"]', 'also = ["release-pq", "release-pq"]', "twice, or itself"),
        ('also = ["release-pq"]', 'also = ["attest"]', "'attest', which release names"),
        ('also = ["release-pq"]', 'also = "release-pq"', "also"),
        ('uri = "file:keys/release-pq.pem"', 'uri = "file:keys/release-pq.pem"\nraw = true',
         "no key for the same"),
        ("[listen]\n", RAW + "[listen]\n", "only what is read"),
    ],
    ids=["itself", "twice", "another purpose", "no list", "raw", "both raw"],
)  # fmt: skip
def test_configured_wrongly(world: World, old: str, new: str, told: str) -> None:
    """
    Whom `also` names is there, once, and signs for the same purpose.
    """
    beside(world)
    Config.load(world.config)
    world.edit(old, new)

    assert told in refused("config", lambda: Config.load(world.config)).message


def answered(service: InProcess, n: int) -> tuple[signer_pb2.SignBatchResponse, Any]:
    """Return the service's own answer about image `n`, to be spoiled."""
    request = signer_pb2.SignBatchRequest(
        repository=REPOSITORY, items=[signer_pb2.SignBatchRequest.Item(digest=digest(n))]
    )
    with grpc.insecure_channel(service.addresses.grpc) as channel:
        call = channel.unary_stream("/sealbook.v1.Signer/SignBatch")
        [raw] = call(request.SerializeToString(), metadata=service.metadata)
    message = signer_pb2.SignBatchResponse.FromString(raw)
    return message, message.answers[0]


def test_answers_of_liars(service: Signing) -> None:
    """
    A client takes no key twice, no other form twice, and no second one about something else.
    """
    message, answer = answered(service, 14)
    _, other = answered(service, 15)

    def ask(*forms: str) -> object:
        found = checked(answer, message.checkpoint, item(14), REPOSITORY, forms)
        if isinstance(found, SealbookError):
            raise found
        return found

    assert ask()
    good = signer_pb2.SignBatchResponse.Answer()
    good.CopyFrom(answer)
    answer.signatures[1].CopyFrom(good.signatures[0])
    refused("wrong-answer", ask)
    answer.signatures[1].CopyFrom(other.signatures[1])
    refused("wrong-answer", ask)
    answer.signatures[1].CopyFrom(good.signatures[1])
    answer.signatures[1].record.form = "certificate"
    assert ask()
    refused("wrong-answer", lambda: ask("bundle"))
    answer.signatures[0].record.form = "certificate"
    refused("wrong-answer", ask)
    answer.CopyFrom(good)
    assert ask("bundle")


def attested(
    service: InProcess, n: int
) -> tuple[signer_pb2.AttestRequest.Start, signer_pb2.AttestResponse]:
    """Return what was asked about image `n`, and the service's own answer, to be spoiled."""
    start = attesting.start_of([digest(n)], REPOSITORY, KIND)
    parts = [signer_pb2.AttestRequest(start=start), signer_pb2.AttestRequest(predicate=b"{}")]
    with grpc.insecure_channel(service.addresses.grpc) as channel:
        call = channel.stream_unary("/sealbook.v1.Signer/Attest")
        raw = call((part.SerializeToString() for part in parts), metadata=service.metadata)
    return start, signer_pb2.AttestResponse.FromString(raw)


def test_attestations_of_liars(service: Signing) -> None:
    """
    Of attestations too a client takes no key twice, none about something else, and no forgery.
    """
    start, answer = attested(service, 24)
    other = attested(service, 25)[1]

    def ask() -> object:
        return attesting.checked(answer, start, attesting.Predicate(b"{}"))

    assert ask()
    good = signer_pb2.AttestResponse()
    good.CopyFrom(answer)
    [also] = answer.also
    also.signature.CopyFrom(good.signature)
    refused("wrong-answer", ask)
    also.signature.CopyFrom(other.also[0].signature)
    refused("wrong-answer", ask)
    also.CopyFrom(good.also[0])
    entry = Entry.parse(also.signature.record.entry)
    forged = entry._replace(signature=bytes(len(entry.signature)))
    also.signature.record.entry = forged.body()
    assert "bad-signature" in refused("wrong-answer", ask).message


def command(world: World, *words: object) -> list[Any]:
    """Run a command and return the lines of JSON that it prints."""
    done = world.command(*words)
    assert (0, "") == (done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_files(tmp_path: Path) -> None:
    """
    The commands write the second bundle beside the first, where nobody picks it up by mistake.
    """
    world = found_in(tmp_path / "service")
    before = world.trust
    beside(world)
    beside(world, "ecdsa-p256", "attest-2", first="attest", purpose="attest")
    out, name = tmp_path / "out", digest(1).replace(":", "-")
    (tmp_path / "old.json").write_bytes(before.json())
    predicate = tmp_path / "predicate.json"
    predicate.write_bytes(b"{}")
    with running(world) as service:
        world.edit('grpc = "127.0.0.1:0"', f'grpc = "{service.addresses.grpc}"')
        where = ("--repository", REPOSITORY, "--out", out)
        [told] = command(world, "sign", digest(1), *where, "--json")
        assert 2 == len(told["signatures"])
        done = world.command("sign", digest(1), *where, "--trust", tmp_path / "old.json")
        assert (0, "") == (done.returncode, done.stderr)
        attesting = ("attest", digest(1), *where, "--type", KIND, "--predicate", predicate)
        [told] = command(world, *attesting, "--json")
        second = world.trust.key(key_hint(world, "attest-2"), "attest").public
        listed = command(world, "bundles", digest(1), *where[:2], "--json")

        slug = "https-example-com-predicate"
        assert {
            f"{name}.bundle.json",
            f"{name}.bundle.ml-dsa-65.json",
            f"{name}.{slug}.attestation.json",
            f"{name}.{slug}.attestation.ecdsa-p256-{second.fingerprint[:8]}.json",
        } == {path.name for path in out.iterdir()}
        assert [str(out / f"{name}.bundle.json")] == [str(p) for p in out.glob("*.bundle.json")]
        assert 1 == len(told["also"])
        assert ["approval", "approval"] == [one["type"] for one in listed[:2]]
        assert 4 == len(listed)
        (out / "policy.toml").write_text(BOTH)
        found = [out / f"{name}.bundle.json", out / f"{name}.bundle.ml-dsa-65.json"]
        policy = ("--policy", out / "policy.toml", "--status", world.directory / "status.json")
        asked = ("verify", "--trust", world._trust_file, *policy)
        for bundles, code in ((found, 0), (found[:1], 1), (found[1:], 1)):
            done = world.command(*asked, "--repository", REPOSITORY, digest(1), *bundles)
            assert code == done.returncode, done


def key_hint(world: World, name: str) -> str:
    """Return the hint of a key of the trust file."""
    [hint] = [hint for hint, key in world.trust.keys.items() if key.name == name]
    return hint


def test_audited(tmp_path: Path) -> None:
    """
    An auditor checks the second key's signatures as all others, and finds the one that is none.
    """
    world = found_in(tmp_path / "service")
    quantum = beside(world)

    def audit() -> tuple[int, list[Any]]:
        done = world.command("audit", *where, "--state", tmp_path / "seen.json", "--json")
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    with running(world) as service:
        where = ("--service", service.addresses.grpc, "--token-file", world.directory / "token",
                 "--trust", world._trust_file)  # fmt: skip
        _, second = made(service, 1)
        code, [*_, last] = audit()
        size = service.tree_size
        assert (0, size, 0) == (code, last["audit"]["checked"], last["audit"]["findings"])
        assert 0 == world.command("fsck", "--signatures").returncode

        body = dsse.pae(dsse.IN_TOTO, statements.approval(REPOSITORY, digest(2), {}))
        forged = Entry.of(body, Entry.parse(second.record.entry).signature, quantum).body()
        found_by = dedup.key("bundle", quantum, body)
        service.ledger.append([NewEntry(forged, body, labels.of(forged, body), found_by)])
        code, [said, _] = audit()
        finding = said["finding"]
        assert (1, "bad-signature", size) == (code, finding["code"], finding["index"])
