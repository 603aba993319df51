"""What the service makes, put before the foreign judges."""

from __future__ import annotations

from tests.interop.judges import IGNORES, Judge
from tests.interop.product import REPOSITORY, Product
from tests.interop.tampers import tampers
from verifier import Digest, Repository, VerificationError
from verifier.statement import APPROVAL


def test_each_foreign_judge_accepts_index_and_platforms(product: Product, judge: Judge) -> None:
    """
    A verifier that nobody here wrote accepts our bundle of every digest of an image.
    """
    for digest in product.digests:
        verdict = judge.judge(
            product.bundles[digest],
            trusted_root=product.sigstore_root,
            public_key_pem=product.public_key,
            digest=digest,
            predicate_type=APPROVAL,
        )
        assert verdict.accepted, verdict.output


def test_each_foreign_judge_refuses_each_tamper(product: Product, judge: Judge) -> None:
    """
    One changed field is one refusal, but for the fields that a judge is known not to look at.
    """
    digest = product.digests[0]
    for name, bad in tampers(product.bundles[digest]):
        verdict = judge.judge(
            bad,
            trusted_root=product.sigstore_root,
            public_key_pem=product.public_key,
            digest=digest,
            predicate_type=APPROVAL,
        )
        assert (name in IGNORES[judge.name]) == verdict.accepted, (name, verdict.output)


def test_our_verifier_refuses_every_tamper(product: Product) -> None:
    """
    Our own verifier looks at every field but DSSE's keyid, which is a hint and proves nothing.
    """
    digest, repository = product.digests[0], Repository(REPOSITORY)
    verifier = product.verifier
    assert digest == verifier.verify(product.bundles[digest], digest, repository).digest
    accepted = []
    for name, bad in tampers(product.bundles[digest]):
        try:
            verifier.verify(bad, digest, repository)
        except VerificationError:
            continue
        accepted.append(name)
    assert ["signature.keyid: other"] == accepted


def test_only_cosign_and_we_look_at_the_digest(product: Product, judge: Judge) -> None:
    """
    Asked about another image, cosign refuses; sigstore-js leaves that to its caller.
    """
    verdict = judge.judge(
        product.bundles[product.digests[0]],
        trusted_root=product.sigstore_root,
        public_key_pem=product.public_key,
        digest=Digest.of(b"another image"),
        predicate_type=APPROVAL,
    )
    assert verdict.accepted == (judge.name == "sigstore-js"), verdict.output
