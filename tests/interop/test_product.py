"""What one Sign call makes, put before every client that its README names."""

from __future__ import annotations

from pathlib import Path

from tests.interop.certificate_judges import CERTIFICATE_IGNORES
from tests.interop.image import TAG
from tests.interop.judges import IGNORES, KEY, TRUSTED_ROOT, Judge, judged
from tests.interop.judging import Verdict, ask, assert_refused
from tests.interop.legacy_judges import LEGACY_IGNORES, Cosign2, LegacyJudge, judged_alone
from tests.interop.legacy_tampers import legacy_tampers
from tests.interop.notation_judge import NOTATION_IGNORES, Notation
from tests.interop.notation_tampers import notation_tampers
from tests.interop.product import Product
from tests.interop.pushing import LegacySignature, Shelf
from tests.interop.tampers import tampers
from verifier import Digest, Repository, VerificationError


def by_promise(product: Product, judge: LegacyJudge, signature: bytes, digest: str) -> Verdict:
    return judged_alone(
        judge,
        signature,
        digest,
        shelf=product.shelf,
        public_key_pem=product.public_key,
        promise_key_pem=product.promise_key,
    )


def test_bundles_are_accepted(product: Product, judge: Judge) -> None:
    """
    Judges of bundles accept ours, under the key, of every digest of an image, by their own
    thresholds.
    """
    for digest in product.digests:
        verdict = judged(judge, product.of(digest, "bundle"), product.given(digest))
        assert verdict.accepted, verdict.output


def test_certificates_are_accepted(product: Product, certificate_judge: Judge) -> None:
    """
    Judges of certificates accept ours, for the identity that it names, of every digest.
    """
    for digest in product.digests:
        bundle = product.of(digest, "certificate")
        verdict = judged(certificate_judge, bundle, product.given(digest))
        assert verdict.accepted, verdict.output


def test_legacy_signatures_are_accepted(product: Product, legacy_judge: LegacyJudge) -> None:
    """
    Clients of the legacy form accept the platform's child, which is what they check, with the
    log's promise under the log's key.
    """
    signature = product.of(product.image.child, "simplesigning")

    verdict = by_promise(product, legacy_judge, signature, product.image.child)

    assert verdict.accepted, verdict.output


def test_notation_accepts(product: Product, notation_judge: Notation) -> None:
    """
    Notation accepts at its level "strict", under the root of the key's chain.
    """
    envelope = product.of(product.image.index.digest, "notation")

    verdict = notation_judge.judge(
        envelope, image=product.image.layout, root_pem=product.notation_root
    )

    assert verdict.accepted, verdict.output


def test_all_forms_side_by_side(
    product: Product,
    cosign: Path,
    notation_judge: Notation,
    legacy_judge: LegacyJudge,
) -> None:
    """
    With every form of every digest in one repository, each client finds its own and accepts,
    be it asked for the index or for the platform's child.
    """
    for digest in product.digests:
        product.shelf.legacy(digest, LegacySignature.parse(product.of(digest, "simplesigning")))
        bundles = [product.of(digest, form) for form in ("certificate", "bundle")]
        product.shelf.refer(digest, bundles=bundles, notation=product.of(digest, "notation"))
    identity = ("--certificate-identity", product.identity, "--certificate-oidc-issuer")
    index = product.image.index.digest
    keys = {"public_key_pem": product.public_key, "promise_key_pem": product.promise_key}

    verdicts = [
        _cosign_verify(cosign, product, index, "--key", KEY),
        _cosign_verify(cosign, product, index, *identity, product.issuer),
        notation_judge.judge_pushed(index, shelf=product.shelf, root_pem=product.notation_root),
        legacy_judge.judge(product.image.child, shelf=product.shelf, **keys),
        legacy_judge.judge(index, shelf=product.shelf, **keys),
    ]

    for verdict in verdicts:
        assert verdict.accepted, verdict.output


def test_an_index_is_not_enough(product: Product, legacy_judge: LegacyJudge) -> None:
    """
    With only the index signed, those who pull refuse it, for they check the child; so we sign both.
    """
    product.shelf.legacy(product.image.child)

    verdict = by_promise(
        product,
        legacy_judge,
        product.of(product.image.index.digest, "simplesigning"),
        product.image.index.digest,
    )

    assert (legacy_judge.name == Cosign2.name) == verdict.accepted, verdict.output


def test_newer_cosign_reads_the_legacy_form(product: Product, cosign: Path, registry: str) -> None:
    """
    Cosign 3 accepts the legacy form where there is no bundle.
    """
    with Shelf(f"{registry}/demo/legacy") as shelf:
        digest = shelf.image(product.image.layout, TAG)
        verdict = judged_alone(
            Cosign2(cosign),
            product.of(digest, "simplesigning"),
            digest,
            shelf=shelf,
            public_key_pem=product.public_key,
            promise_key_pem=product.promise_key,
        )

    assert verdict.accepted, verdict.output


def test_bundles_are_refused_when_tampered_with(product: Product, judge: Judge) -> None:
    """
    One changed field is one refusal, but for the fields that a judge is known not to look at.
    """
    digest = product.digests[0]
    tampered = dict(tampers(product.of(digest, "bundle")))

    verdicts = judge.judge(list(tampered.values()), product.given(digest))

    assert_refused(tampered, verdicts, IGNORES[judge.name])


def test_certificates_are_refused_when_tampered_with(
    product: Product, certificate_judge: Judge
) -> None:
    """
    The same under a certificate.
    """
    digest = product.digests[0]
    tampered = dict(tampers(product.of(digest, "certificate")))

    verdicts = certificate_judge.judge(list(tampered.values()), product.given(digest))

    assert_refused(tampered, verdicts, CERTIFICATE_IGNORES[certificate_judge.name])


def test_legacy_signatures_are_refused_when_tampered_with(
    product: Product, legacy_judge: LegacyJudge
) -> None:
    """
    The same in the legacy form.
    """
    child = product.image.child
    tampered = dict(legacy_tampers(product.of(child, "simplesigning")))

    verdicts = [by_promise(product, legacy_judge, bad, child) for bad in tampered.values()]

    assert_refused(tampered, verdicts, LEGACY_IGNORES[legacy_judge.name])


def test_notation_refuses_when_tampered_with(product: Product, notation_judge: Notation) -> None:
    """
    The same in notation's form.
    """
    tampered = dict(notation_tampers(product.of(product.image.index.digest, "notation")))
    layout, root_pem = product.image.layout, product.notation_root

    verdicts = [
        notation_judge.judge(bad, image=layout, root_pem=root_pem) for bad in tampered.values()
    ]

    assert_refused(tampered, verdicts, NOTATION_IGNORES)


def test_our_verifier_refuses_every_tamper(product: Product) -> None:
    """
    Our own verifier looks at every field but two: DSSE's keyid is a hint and proves nothing, and
    timestamps are for verifiers that know the log by a promise or by no time at all.
    """
    digest, repository = product.digests[0], Repository(product.shelf.name)
    verifier, good = product.verifier, product.of(product.digests[0], "bundle")
    assert digest == verifier.verify(good, digest, repository).digest
    accepted = []
    for name, bad in tampers(good):
        try:
            verifier.verify(bad, digest, repository)
        except VerificationError:
            continue
        accepted.append(name)
    assert ["signature.keyid: other"] == [n for n in accepted if not n.startswith("timestamp")]


def test_only_cosign_and_we_look_at_the_digest(product: Product, judge: Judge) -> None:
    """
    Asked about another image, cosign refuses; sigstore-js leaves that to its caller.
    """
    bundle = product.of(product.digests[0], "bundle")

    verdict = judged(judge, bundle, product.given(Digest.of(b"another image")))

    assert verdict.accepted == (judge.name == "sigstore-js"), verdict.output


def _cosign_verify(program: Path, product: Product, digest: str, *who: str) -> Verdict:
    """Run `cosign verify` on what is in the registry."""
    image = f"{product.shelf.name}@{digest}"
    command = (program, "verify", "--trusted-root", TRUSTED_ROOT, *who, image)
    return ask(command, {TRUSTED_ROOT: product.sigstore_root, KEY: product.public_key})
