"""`sealbook verify-bundle` judges what unmodified cosign makes with our log, by both protocols."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.interop.judging import ask_at
from tests.interop.product import Product
from tests.interop.uploading import BLOB, CONFIG, KINDS, PREDICATE, PROMISE, ROOT, Desk
from tests.signer.commands import Done, sealbook

TYPE = ("--predicate", PREDICATE, "--type", "https://example.com/built/v1")
SIGNING = ("-y", "--key", "user.key")
TRUSTING = ("--trusted-root", ROOT)


@pytest.fixture(scope="module", params=KINDS)
def desk(
    request: pytest.FixtureRequest,
    product: Product,
    cosign: Path,
    cosign2: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Desk:
    home = tmp_path_factory.mktemp(request.param)
    return Desk.made(home, request.param, product, cosign, cosign2)


def judged(desk: Desk, bundle: str, about: str = BLOB) -> Done:
    words = ("--bundle", bundle, "--key", "user.pub", *TRUSTING, about)
    return sealbook("verify-bundle", *words, cwd=desk.home)


def kind_of(desk: Desk, bundle: str) -> tuple[str, str]:
    value = json.loads((desk.home / bundle).read_bytes())
    [entry] = value["verificationMaterial"]["tlogEntries"]
    return entry["kindVersion"]["kind"], entry["kindVersion"]["version"]


def made(desk: Desk, command: str, bundle: str, *, protocol: int) -> tuple[str, str]:
    """Let cosign 3 make a bundle, logged by this version of Rekor's protocol; return its kind."""
    log = ("--signing-config", CONFIG)
    if protocol == 1:
        log = ("--use-signing-config=false", "--rekor-url", desk.legacy_url)
    more = TYPE if command == "attest-blob" else ()
    desk.ran(command, *more, *SIGNING, *log, *TRUSTING, "--bundle", bundle, BLOB)
    return kind_of(desk, bundle)


@pytest.mark.parametrize(
    ("command", "protocol", "kind"),
    [
        ("sign-blob", 2, ("hashedrekord", "0.0.2")),
        ("attest-blob", 2, ("hashedrekord", "0.0.2")),
        ("sign-blob", 1, ("hashedrekord", "0.0.1")),
        ("attest-blob", 1, ("dsse", "0.0.1")),
    ],
)
def test_cosign_3(desk: Desk, command: str, protocol: int, kind: tuple[str, str]) -> None:
    """
    Signatures and attestations of cosign 3 are judged, with the entry of either protocol; not
    about another file, nor with a promise of another.
    """
    assert kind == made(desk, command, "made.json", protocol=protocol)

    done = judged(desk, "made.json")
    assert 0 == done.returncode, done.stderr
    assert "digest-mismatch" in judged(desk, "made.json", PREDICATE).stderr

    value = json.loads((desk.home / "made.json").read_bytes())
    [entry] = value["verificationMaterial"]["tlogEntries"]
    entry["integratedTime"] = str(int(entry.get("integratedTime", 0)) + 1)
    (desk.home / "later.json").write_text(json.dumps(value))
    assert ("bad-signature" if protocol == 1 else "malformed") in judged(desk, "later.json").stderr


def test_cosign_2(desk: Desk) -> None:
    """
    So is a bundle of the new format by cosign 2, which promises and proofs date.
    """
    words = ("sign-blob", *SIGNING, "--rekor-url", desk.legacy_url, "--new-bundle-format=true")
    environment = {"COSIGN_PASSWORD": "", "SIGSTORE_REKOR_PUBLIC_KEY": PROMISE}
    told = (desk.cosign2, *words, "--bundle", "older.json", BLOB)
    assert ask_at(desk.home, told, environment).accepted

    assert ("hashedrekord", "0.0.1") == kind_of(desk, "older.json")
    assert 0 == judged(desk, "older.json").returncode


def test_another_user(desk: Desk) -> None:
    """
    Another user's key is refused, though the log has the entry.
    """
    made(desk, "sign-blob", "mine.json", protocol=2)
    desk.ran("generate-key-pair", "--output-key-prefix", "other")
    words = ("--bundle", "mine.json", "--key", "other.pub", *TRUSTING, BLOB)

    assert "bad-signature" in sealbook("verify-bundle", *words, cwd=desk.home).stderr
