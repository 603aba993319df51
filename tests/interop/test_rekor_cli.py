"""rekor-cli, a client of Rekor's first version that is not cosign."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.interop.handmade.pki import OPENSSL
from tests.interop.judging import Verdict, ask_at
from tests.interop.product import Product
from tests.interop.uploading import append_token, http_address

KEY = ("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "key.pem")
PUBLIC = ("ec", "-in", "key.pem", "-pubout", "-out", "key.pub")
SIGN = ("dgst", "-sha256", "-sign", "key.pem", "-out", "signature", "blob")


@pytest.fixture
def entry(tmp_path: Path) -> tuple[str, ...]:
    """A signature that openssl made, as rekor-cli wants to hear of it."""
    blob = b"a release\n"
    (tmp_path / "blob").write_bytes(blob)
    for command in (KEY, PUBLIC, SIGN):
        subprocess.run([OPENSSL, *command], cwd=tmp_path, capture_output=True, check=True)
    digest = hashlib.sha256(blob).hexdigest()
    signed = ("--signature", "signature", "--public-key", "key.pub", "--pki-format", "x509")
    return ("--type", "hashedrekord", "--artifact-hash", digest, *signed)


def test_uploads_and_reads(
    rekor_cli: Path, product: Product, entry: tuple[str, ...], tmp_path: Path
) -> None:
    """
    rekor-cli uploads a signature, is told of the same entry when it does so again, reads it back,
    and verifies the log's promise, proof and checkpoint on the way. It finds the entry by what it
    has, and sees that the log only grew.
    """
    url = f"http://{http_address(product)}/t/{append_token(product)}"

    def run(*words: str) -> str:
        verdict = ask_at(tmp_path, (rekor_cli, "--rekor_server", url, *words))
        assert verdict.accepted, verdict.output
        return verdict.output

    first, second = run("upload", *entry), run("upload", *entry)
    index = first.split()[4].rstrip(",")
    found = run("get", "--log-index", index, "--format", "json")

    assert f"Created entry at index {index}" in first
    assert first == second
    assert entry[3] in found
    assert f"Entry Index in Current Tree: {index}\n" in run("verify", *entry)
    assert f"Entry Index in Current Tree: {index}\n" in run("verify", "--log-index", index, *entry)
    assert "No previous log state stored" in run("loginfo")
    subprocess.run([OPENSSL, *SIGN], cwd=tmp_path, capture_output=True, check=True)
    assert first != run("upload", *entry)
    grown = run("loginfo")
    assert "Verification Successful!" in grown
    assert "No previous" not in grown


def test_needs_the_secret(
    rekor_cli: Path, product: Product, entry: tuple[str, ...], tmp_path: Path
) -> None:
    """
    Without the secret nothing is uploaded.
    """
    url = f"http://{http_address(product)}"

    refused: Verdict = ask_at(tmp_path, (rekor_cli, "--rekor_server", url, "upload", *entry))

    assert not refused.accepted
    assert "[401]" in refused.output
