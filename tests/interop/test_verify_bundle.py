"""`sealbook verify-bundle`, called as the conformance suite of Sigstore calls its clients."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.interop.handmade.bundle import IDENTITY, ISSUER
from tests.interop.keyless_making import Keyless
from tests.interop.product import Product
from tests.signer.commands import ROOT, Done, sealbook
from tests.verifier.foreign import ARTIFACT, KINDS, Foreign
from tests.verifier.making import rows
from verifier.digest import Digest
from verifier.sigstore import verify as flow

DIGEST = Digest.of(ARTIFACT)
BUNDLE, KEY, TRUSTED = "bundle.sigstore.json", "key.pub", "trusted_root.json"
FOREIGN, KEYLESS = Foreign(envelope=False), Keyless(envelope=False)


class Case:
    """A directory like one of the suite's: a bundle, an artifact, and what else it needs."""

    def __init__(self, home: Path, made: Foreign) -> None:
        self.home = home
        (home / BUNDLE).write_text(json.dumps(made.document))
        (home / TRUSTED).write_text(json.dumps(made.trusted))
        (home / KEY).write_bytes(made.key.pem())
        (home / "artifact").write_bytes(ARTIFACT)

    def ask(
        self,
        *extra: str,
        about: str = "artifact",
        identity: str = "",
        issuer: str = ISSUER,
        root: bool = True,
        staging: bool = False,
    ) -> Done:
        """Ask in the order of the protocol."""
        who: Sequence[str] = ("--key", KEY)
        if identity:
            who = ("--certificate-identity", identity, "--certificate-oidc-issuer", issuer)
        return sealbook(
            "verify-bundle",
            *(("--staging",) if staging else ()),
            *("--bundle", BUNDLE),
            *who,
            *(("--trusted-root", TRUSTED) if root else ()),
            *extra,
            about,
            cwd=self.home,
        )


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path, FOREIGN)


@pytest.fixture
def keyless(tmp_path: Path) -> Case:
    return Case(tmp_path, KEYLESS)


def said_no(done: Done) -> str:
    """Return the code of a refusal, which is on the standard error with its reason."""
    assert done.returncode == 1, done.stdout + done.stderr
    first = done.stderr.splitlines()[0]
    assert first.startswith("no: ")
    return first.rpartition("(")[2].removesuffix(")")


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


@pytest.mark.parametrize(
    "words",
    [
        ("--bundle", BUNDLE, "artifact"),
        ("--bundle", BUNDLE, "--certificate-identity", "x", "artifact"),
        ("--bundle", BUNDLE, "--certificate-oidc-issuer", "x", "artifact"),
        ("--bundle", BUNDLE, "--key", KEY, "--certificate-identity", "x", "artifact"),
        ("--bundle", BUNDLE, "--key", KEY),
        ("--key", KEY, "artifact"),
        ("--bundle", BUNDLE, "--key", KEY, "--certificate-id", "x", "artifact"),
    ],
)
def test_asked_wrongly(case: Case, words: tuple[str, ...]) -> None:
    """
    A question without exactly one signer, a bundle and an artifact is no question.
    """
    assert 2 == sealbook("verify-bundle", *words, cwd=case.home).returncode


def test_help() -> None:
    """
    The help has an example for a key and one for an identity.
    """
    said = sealbook("verify-bundle", "--help").stdout

    assert 2 == said.split("example:")[1].count("sealbook verify-bundle ")
    assert "verify-bundle" in sealbook("--help").stdout


@pytest.mark.parametrize("staging", [False, True])
def test_sigstores_own_root(case: Case, *, staging: bool) -> None:
    """
    Without a trusted root it is Sigstore's own, as its library ships it, which trusts no test.
    """
    assert "untrusted-log" == said_no(case.ask(root=False, staging=staging))


WITHOUT = """\
import importlib.abc, sys

class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in GONE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

GONE = {"sigstore", "sigstore_models", "rfc3161_client", "pydantic", "grpc", "google"}
if sys.argv[1] == "not found":
    import importlib.util
    found = importlib.util.find_spec
    importlib.util.find_spec = lambda name, *rest: None if name in GONE else found(name, *rest)
sys.meta_path.insert(0, Gone())
from signer.cli import main
sys.exit(main(sys.argv[2:]))
"""


def without_extras(case: Case, *words: str) -> Done:
    """Ask in a process in which the base install is all there is."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, "not found", "verify-bundle", "--bundle", BUNDLE, *words],
        cwd=case.home,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_key_on_the_base_install(case: Case) -> None:
    """
    A bundle under a key is judged where no extra is installed.
    """
    done = without_extras(case, "--key", KEY, "--trusted-root", TRUSTED, "artifact")

    assert 0 == done.returncode, done.stderr
    assert done.stdout.startswith("yes: ")


def test_root_on_the_base_install(case: Case) -> None:
    """
    There Sigstore's own root cannot be had, and the hint says what to do.
    """
    done = without_extras(case, "--key", KEY, "artifact")

    assert "missing-extra" == said_no(done)
    assert "hint: name one with --trusted-root" in done.stderr


def test_identity_on_the_base_install(keyless: Case) -> None:
    """
    Nor can a certificate be judged there: the answer is no, and the hint names the extra.
    """
    who = ("--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER)
    done = without_extras(keyless, *who, "--trusted-root", TRUSTED, "artifact")

    assert "missing-extra" == said_no(done)
    assert "hint: pip install 'sealbook[keyless]'" in done.stderr


def test_example_key(case: Case) -> None:
    """
    A key whose private half is public signs for nobody, unless one says that it is an exercise.
    """
    example = (ROOT / "keys-example" / "release.pub").read_bytes()
    (case.home / KEY).write_bytes(example)

    assert "example-key" == said_no(case.ask())
    assert "bad-signature" == said_no(case.ask("--example-keys"))


@pytest.mark.parametrize("name", [BUNDLE, KEY, TRUSTED])
@pytest.mark.parametrize("content", [b"", b"\xff", b"{}", b"\0" * (25 << 20)])
def test_unreadable_files(case: Case, name: str, content: bytes) -> None:
    """
    A file that is no bundle, key or trusted root is refused with a code, however large it is.
    """
    (case.home / name).write_bytes(content)

    assert said_no(case.ask()) in {"malformed", "over-limit", "unsupported-key"}


def test_bug(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A bug of ours is a no.
    """
    monkeypatch.setattr(flow, "Note", None)

    done = case.ask("--json")
    assert "internal-error" == said_no(done)
    assert "no" == json.loads(done.stdout)["verdict"]


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
