"""Key files of others that we read, and one of ours that others read."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest

from signer.keys import create_key, open_key
from signer.keys.home import Role
from tests.interop.peers import JsPeer
from tests.signer.asking import PATIENCE_S
from tests.signer.commands import check_refused, sealbook
from verifier.publickey import PublicKey

ROLE = Role("release", "approve")
URI = "file:release.key?passphrase-source=file:pass"

# Opens a container as its module's documentation says, and prints the PKCS#8 inside.
OPEN = """
const crypto = require("crypto"), fs = require("fs");
const { ciphertext, ...head } = JSON.parse(fs.readFileSync("release.key", "utf8"));
const sorted = (value) => typeof value !== "object" ? value
  : Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
const bytes = (text) => Buffer.from(text, "base64");
const key = crypto.argon2Sync("argon2id", {
  message: fs.readFileSync("pass"), nonce: bytes(head.kdf.salt), tagLength: 32,
  memory: head.kdf.memory_kib, passes: head.kdf.passes, parallelism: head.kdf.lanes,
});
const sealed = bytes(ciphertext);
const open = crypto.createDecipheriv("aes-256-gcm", key, bytes(head.cipher.nonce));
open.setAAD(Buffer.from(JSON.stringify(sorted(head))));
open.setAuthTag(sealed.subarray(-16));
const der = Buffer.concat([open.update(sealed.subarray(0, -16)), open.final()]);
const pair = crypto.createPrivateKey({ key: der, format: "der", type: "pkcs8" });
const spki = crypto.createPublicKey(pair).export({ format: "der", type: "spki" });
console.log(spki.toString("base64"));
"""


def secret(path: Path, content: bytes) -> Path:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("program", ["cosign", "cosign2"])
@pytest.mark.parametrize("password", ["a passphrase", ""])
def test_cosign_key(
    program: str, password: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """
    A key that cosign made moves into a container of ours, and signs for the same public key.
    """
    cosign: Path = request.getfixturevalue(program)
    environment = {"COSIGN_PASSWORD": password, "HOME": str(tmp_path), "PATH": os.defpath}
    subprocess.run(
        [cosign, "generate-key-pair"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=PATIENCE_S,
        check=True,
    )
    secret(tmp_path / "theirs", password.encode())
    secret(tmp_path / "pass", b"another one")
    words = ("key", "import", "cosign.key", "--out", "release.key", "--name", ROLE.name)
    words += ("--purpose", ROLE.purpose, "--passphrase-source", "file:pass")
    wrong = ("--from-passphrase-source", "file:pass")
    right = ("--from-passphrase-source", "file:theirs") if password else ()
    check_refused(sealbook(*words, *wrong, cwd=tmp_path), "key-passphrase")
    done = sealbook(*words, *right, cwd=tmp_path)

    assert (0, "") == (done.returncode, done.stderr)
    public = PublicKey.from_pem((tmp_path / "cosign.pub").read_bytes())
    assert public == open_key(URI, tmp_path, ROLE).public


def test_node_opens_a_container(sigstore_js: JsPeer, tmp_path: Path) -> None:
    """
    Node opens a container of ours by what its documentation says.
    """
    secret(tmp_path / "pass", b"a passphrase")
    key = create_key(URI, tmp_path, ROLE, "ecdsa-p256")

    def ask() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sigstore_js.node, "-e", OPEN],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    assert key.public.spki == base64.b64decode(ask().stdout)
    content = json.loads((tmp_path / "release.key").read_bytes()) | {"purpose": "attest"}
    (tmp_path / "release.key").write_text(json.dumps(content))
    assert "unable to authenticate data" in ask().stderr
