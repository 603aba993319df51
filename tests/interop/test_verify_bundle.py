"""`sealbook verify-bundle`, called as the conformance suite of Sigstore calls its clients."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.interop import handmade
from tests.interop.handmade.bundle import IDENTITY, ISSUER
from tests.interop.product import Product
from tests.interop.suite_case import (
    BUNDLE,
    DIGEST,
    FOREIGN,
    KEY,
    KEYLESS,
    TRUSTED,
    Case,
    said_no,
)
from tests.interop.tampers import tampers
from tests.verifier.foreign import ARTIFACT, KINDS, Foreign
from tests.verifier.making import rows, verdict
from verifier.digest import Digest
from verifier.publickey import PublicKey
from verifier.sigstore import verify as flow
from verifier.sigstore.artifact import Artifact
from verifier.sigstore.bundle import ForeignBundle
from verifier.sigstore.trusted_root import TrustedRoot

GOOD = handmade.make()


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path, FOREIGN)


@pytest.fixture
def keyless(tmp_path: Path) -> Case:
    return Case(tmp_path, KEYLESS)


@pytest.mark.parametrize("about", ["artifact", DIGEST])
def test_key(case: Case, about: str) -> None:
    """
    A bundle under a key is judged about a file, or about a digest, and says where it is logged.
    """
    done = case.ask(about=about)

    assert 0 == done.returncode, done.stderr
    key = FOREIGN.key.fingerprint
    assert f"yes: {DIGEST} is signed by key {key}, entry 4 of rekor.example\n" == done.stdout


@pytest.mark.parametrize("about", ["artifact", DIGEST])
def test_identity(keyless: Case, about: str) -> None:
    """
    So is a bundle under a certificate, of whom one expects.
    """
    done = keyless.ask(about=about, identity=IDENTITY)

    assert 0 == done.returncode, done.stderr
    by = f"{IDENTITY} of {ISSUER}"
    assert f"yes: {DIGEST} is signed by {by}, entry 4 of rekor.example\n" == done.stdout


def test_json(case: Case) -> None:
    """
    A program gets the same as one JSON object, of a yes and of a no.
    """
    yes = json.loads(case.ask("--json").stdout)
    no = case.ask("--json", about=Digest.of(b"other"))

    assert {
        "verdict": "yes",
        "digest": DIGEST,
        "key": FOREIGN.key.fingerprint,
        "origin": "rekor.example",
        "index": 4,
        "tree_size": 7,
        "integrated_at": 0,
    } == yes
    found = json.loads(no.stdout)
    assert ("no", "digest-mismatch") == (found["verdict"], found["code"])
    assert "digest-mismatch" == said_no(no)


def test_json_of_an_identity(keyless: Case) -> None:
    """
    Of a certificate it says whom, and does not repeat what was signed.
    """
    found = json.loads(keyless.ask("--json", identity=IDENTITY).stdout)

    assert (IDENTITY, ISSUER, 4) == (found["identity"], found["issuer"], found["index"])
    assert "payload" not in found


@pytest.mark.parametrize(
    ("identity", "issuer"),
    rows(
        ("start of the identity", IDENTITY[:-1], ISSUER),
        ("more than the identity", f"{IDENTITY}/", ISSUER),
        ("identity in capitals", IDENTITY.upper(), ISSUER),
        ("pattern", ".*", ISSUER),
        ("start of the issuer", IDENTITY, ISSUER[:-1]),
        ("issuer with a slash", IDENTITY, f"{ISSUER}/"),
        ("issuer without scheme", IDENTITY, ISSUER.removeprefix("https://")),
        ("no issuer", IDENTITY, ""),
        ("the one for the other", ISSUER, IDENTITY),
    ),
)
def test_whole_strings(keyless: Case, identity: str, issuer: str) -> None:
    """
    Identity and issuer are compared whole: nothing is a pattern, a prefix, or nearly the same.
    """
    assert "identity-mismatch" == said_no(keyless.ask(identity=identity, issuer=issuer))


def test_other_key(case: Case) -> None:
    """
    Another key did not sign this.
    """
    (case.home / KEY).write_bytes(Foreign().key.pem())

    assert "bad-signature" == said_no(case.ask())


def test_other_artifact(case: Case) -> None:
    """
    A file that was changed is not what was signed.
    """
    (case.home / "artifact").write_bytes(ARTIFACT + b"\n")

    assert "digest-mismatch" == said_no(case.ask())


def test_file_that_is_called_like_a_digest(case: Case) -> None:
    """
    What is a path on this disk is a file, whatever its name promises.
    """
    (case.home / DIGEST).write_bytes(b"other")

    assert "digest-mismatch" == said_no(case.ask(about=DIGEST))


@pytest.mark.parametrize("about", ["gone", "sha256:00", f"sha512:{DIGEST.hex}", DIGEST.upper()])
def test_neither_file_nor_digest(case: Case, about: str) -> None:
    """
    What is no digest is the name of a file, which has to be there.
    """
    assert "unreadable" == said_no(case.ask(about=about))


def test_managed_key_where_an_identity_is_expected(case: Case) -> None:
    """
    A bundle under a key names nobody, and one under a certificate has no key to compare.
    """
    assert "unsupported-version" == said_no(case.ask(identity=IDENTITY))


def test_certificate_where_a_key_is_expected(keyless: Case) -> None:
    """
    The key of a certificate is not asked about by itself, and the hint says what to ask.
    """
    done = keyless.ask()

    assert "unsupported-version" == said_no(done)
    assert "--certificate-identity" in done.stderr


@pytest.mark.parametrize("kind", KINDS, ids=" ".join)
def test_kinds(tmp_path: Path, kind: tuple[str, str]) -> None:
    """
    Envelopes are judged too, with entries of both generations of logs.
    """
    assert 0 == Case(tmp_path, Foreign(*kind)).ask().returncode


def test_in_no_log(case: Case) -> None:
    """
    Under a root that names no log it is said plainly that nothing is logged.
    """
    document = FOREIGN.document
    del document["verificationMaterial"]["tlogEntries"]
    (case.home / BUNDLE).write_text(json.dumps(document))
    (case.home / TRUSTED).write_text(json.dumps({"mediaType": FOREIGN.trusted["mediaType"]}))

    assert "in no log, as the trusted root names none" in case.ask().stdout


def test_our_service(product: Product, tmp_path: Path) -> None:
    """
    What our service signs is judged by it in both forms, about the digest of the image.
    """
    digest = product.digests[0]
    case = Case(tmp_path, FOREIGN)
    (tmp_path / KEY).write_bytes(product.public_key)
    (tmp_path / TRUSTED).write_bytes(product.sigstore_root)
    (tmp_path / BUNDLE).write_bytes(product.of(digest, "bundle"))
    assert 0 == case.ask(about=digest).returncode
    assert "digest-mismatch" == said_no(case.ask(about=DIGEST))

    (tmp_path / BUNDLE).write_bytes(product.of(digest, "certificate"))
    who = {"identity": product.identity, "issuer": product.issuer}
    assert 0 == case.ask(about=digest, **who).returncode
    assert "digest-mismatch" == said_no(case.ask(about=DIGEST, **who))


def test_refuses_each_tamper() -> None:
    """
    Of a good bundle under a key no field can be changed but those that are nobody's word: what
    key somebody hints at, and a time that nobody asks for.
    """
    root = TrustedRoot.parse(GOOD.trusted_root)
    key = PublicKey.from_pem(GOOD.public_key_pem)
    artifact = Artifact(Digest(GOOD.digest))

    def judged(bundle: bytes) -> object:
        return flow.judge(ForeignBundle.parse(bundle), key, root, artifact, now=time.time())

    found = {name: verdict(lambda b=bad: judged(b)) for name, bad in tampers(GOOD.bundle)}

    accepted = {name for name, code in found.items() if code == "yes"}
    assert {"hint: other", "signature.keyid: other"} == {
        name for name in accepted if not name.startswith("timestamp")
    }
