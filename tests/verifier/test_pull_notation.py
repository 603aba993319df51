"""A signature in notation's form: what of it counts, and what does not."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from tests.verifier import twin
from tests.verifier.books import HEADER, SIGNERS, Book
from tests.verifier.certificates import certificate
from tests.verifier.making import IMAGE, NOW, REPOSITORY, NoteSigner, Signer, refused, rows
from tests.verifier.stages import Run, failing, stages, sweeping
from tests.verifier.statuses import DAY
from verifier import jws
from verifier.bundle import Bundle
from verifier.checkpoint import Checkpoint
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.errors import VerificationError
from verifier.merkle import Hash, InclusionProof
from verifier.note import Note
from verifier.policy import Policy
from verifier.proof import TlogProof
from verifier.pull.decision import Question
from verifier.pull.notation import MEDIA_TYPE, Counted, Logged, NotationJudge
from verifier.pull.notation import REPOSITORY as NAMES
from verifier.pull.trust_directory import Trusted
from verifier.repository import Repository, Scope
from verifier.trust.revocation import Revocation

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
NUMBER = "ab" * 16
QUESTION = Question(IMAGE, REPOSITORY)


class Signature(NamedTuple):
    """What was signed, and by whom."""

    message: bytes
    signature: bytes
    signer: Signer
    leaf: bytes


def sign(
    name: str = "release",
    digest: Digest = IMAGE,
    repository: str = REPOSITORY,
    signer: Signer | None = None,
) -> Signature:
    """Return a signature in notation's form."""
    signer = signer or SIGNERS[name]
    target = jws.TargetArtifact(MANIFEST, digest, 527, {NAMES: repository} if repository else {})
    message = jws.signing_input("ecdsa-p256", NOW, jws.payload(target), NUMBER)
    return Signature(message, signer.sign(message), signer, certificate(signer.public))


class NotationBook(Book):
    """A ledger whose last entries are signatures in notation's form."""

    def __init__(self) -> None:
        super().__init__()
        self.approve()
        self.signatures: list[Signature] = []

    @property
    def entries(self) -> tuple[bytes, ...]:
        """All bodies."""
        more = [
            Entry.of(one.message, one.signature, one.signer.public, one.leaf).body()
            for one in self.signatures
        ]
        return (*super().entries, *more)

    @property
    def note(self) -> str:
        """The newest signed checkpoint."""
        return self.signed_by(self.log)

    def bundle(self, index: int) -> bytes:
        """Return the bundle of one of the other entries."""
        signer, envelope = self._rows[index]
        path = tuple(Hash(h) for h in twin.inclusion(index, self.entries))
        proof = InclusionProof(index, len(self.entries), path)
        hint, log_id = signer.public.hint, self.log.key.log_id
        return Bundle(envelope, hint, log_id, self.entries[index], proof, self.note).json()

    def signed_by(self, log: NoteSigner) -> str:
        """The checkpoint, by a key that says that it is the log's."""
        root = Hash(twin.root(self.entries))
        text = str(Checkpoint(log.key.name, len(self.entries), root))
        return str(Note(text, (log.sign(text),)))

    def logged(self, signature: Signature, **changes: Any) -> bytes:
        """Log a signature, if it is not yet, and return what the service hands out."""
        if signature not in self.signatures:
            self.signatures.append(signature)
        index = len(self.entries) - len(self.signatures) + self.signatures.index(signature)
        path = tuple(Hash(h) for h in twin.inclusion(index, self.entries))
        proof = TlogProof(index, path, Note.parse(changes.pop("note", self.note)))
        raw = jws.raw_signature("ecdsa-p256", signature.signature)
        envelope = json.loads(jws.envelope(signature.message, raw, [signature.leaf]))
        value = {"mediaType": MEDIA_TYPE, "envelope": envelope, "proof": str(proof), **changes}
        return json.dumps(value).encode()

    def judged(self, data: bytes, question: Question = QUESTION, policy: str = "") -> Counted:
        """Judge it."""
        rules = Policy.parse((HEADER + policy).encode()) if policy else None
        trusted = Trusted(self.trust, self.status, rules)
        return NotationJudge(trusted, lambda: self.now).judge(Logged.parse(data), question)


@pytest.fixture
def book() -> NotationBook:
    """A ledger with an approval that is none of notation's."""
    return NotationBook()


def test_counts(book: NotationBook) -> None:
    """
    A signature whose entry is proven counts for its image, by the name of its key.
    """
    data = book.logged(sign())

    assert Counted("release", QUESTION, 1) == book.judged(data)
    assert NUMBER == Logged.parse(data).signed.number


@pytest.mark.parametrize(
    ("signature", "code"),
    rows(
        ("another image", sign(digest=Digest.of(b"other")), "digest-mismatch"),
        ("another repository", sign(repository="registry.example/x"), "repository-mismatch"),
        ("no repository", sign(repository=""), "repository-mismatch"),
        ("a key that attests", sign("ci"), "key-purpose"),
        ("a stranger", sign(signer=Signer()), "unknown-key"),
        ("a bad signature", sign()._replace(signature=sign("qa").signature), "bad-signature"),
    ),
)
def test_refused(book: NotationBook, signature: Signature, code: str) -> None:
    """
    What is logged and says something else, or is somebody else's, does not count.
    """
    refused(code, lambda: book.judged(book.logged(signature)))


def test_not_logged(book: NotationBook) -> None:
    """
    Neither the proof of another entry nor a checkpoint of another log proves it.
    """
    book.logged(sign("qa"))
    good = book.logged(sign())
    other = json.loads(book.logged(sign("qa", IMAGE)))["proof"]
    proof = {**json.loads(good), "proof": other}
    stranger = NoteSigner(book.log.key.name)

    refused("not-included", lambda: book.judged(json.dumps(proof).encode()))
    refused(
        "untrusted-log", lambda: book.judged(book.logged(sign(), note=book.signed_by(stranger)))
    )


def test_revoked(book: NotationBook) -> None:
    """
    Once the entry, the key or the image is revoked, it counts no more.
    """
    data = book.logged(sign())
    for revocation in (
        Revocation("entry", "1", "a mistake", 9, bundle=b"{}"),
        Revocation("key", SIGNERS["release"].public.hint, "stolen", 9, 0, bundle=b"{}"),
        Revocation("digest", IMAGE, "a mistake", 9, repository=Scope("*"), bundle=b"{}"),
    ):
        book.revocations = (revocation,)
        refused("revoked", lambda: book.judged(data))


def test_scope(book: NotationBook) -> None:
    """
    A key that may not speak of the repository does not count there.
    """
    data, trust = book.logged(sign()), book.trust
    keys = {hint: key._replace(scope=(Scope("other.example"),)) for hint, key in trust.keys.items()}
    judge = NotationJudge(Trusted(trust._replace(keys=keys), book.status), lambda: NOW)

    refused("key-scope", lambda: judge.judge(Logged.parse(data), QUESTION))


def test_not_fresh(book: NotationBook) -> None:
    """
    Under files that are too old nothing counts.
    """
    data = book.logged(sign())
    book.now = NOW + 8 * DAY

    with pytest.raises(VerificationError, match="status file"):
        book.judged(data)


def test_policy(book: NotationBook) -> None:
    """
    A policy may say that a repository is signed under another name.
    """
    remap = f'remap = [{{ signed = "{REPOSITORY}", as = "mirror.example/app" }}]'
    policy = f'[[images]]\nunder = "mirror.example"\n{remap}\n[images.approval]\n'
    question = Question(IMAGE, Repository("mirror.example/app"))
    data = book.logged(sign())

    assert 1 == book.judged(data, question, policy).index
    refused("repository-mismatch", lambda: book.judged(data, question))


@pytest.mark.parametrize(
    "change",
    [
        {"mediaType": "application/json"},
        {"proof": "no proof"},
        {"more": 1},
        {"envelope": {}},
    ],
    ids=str,
)
def test_shape(book: NotationBook, change: dict[str, Any]) -> None:
    """
    One shape is read.
    """
    value = json.loads(book.logged(sign())) | change
    with pytest.raises(VerificationError):
        Logged.parse(json.dumps(value).encode())


@pytest.mark.parametrize(
    "change",
    [{"signature": "AAAA"}, {"signature": "="}, {"header": {"x5c": []}}, {"header": {"x5c": [1]}}],
    ids=str,
)
def test_envelope(book: NotationBook, change: dict[str, Any]) -> None:
    """
    An envelope has a signature of the size of its key's, and certificates.
    """
    value = json.loads(book.logged(sign()))
    value["envelope"] |= change
    with pytest.raises(VerificationError):
        Logged.parse(json.dumps(value).encode())


def test_each_stage_raises(book: NotationBook) -> None:
    """
    Whatever a stage raises, nothing counts.
    """
    data, trusted = book.logged(sign()), Trusted(book.trust, book.status)
    run = Run(
        lambda: NotationJudge(trusted, lambda: NOW),
        lambda judge: judge.judge(Logged.parse(data), QUESTION),
    )
    with sweeping():
        found = stages(run)
        for number, stage in enumerate(found):
            with pytest.raises(BaseException):  # noqa: B017
                failing(run, stage, (MemoryError, RuntimeError)[number % 2]("canary"))

    assert len(found) > 100
