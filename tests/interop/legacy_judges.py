"""Verifiers of the legacy form: a `.sig` image beside the signed one, with Rekor's promise.

They find signatures in a registry, so each judges what it is given after it was
pushed there. A promise is not a proof: none of these asks for an inclusion proof.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from tests.interop.judging import Verdict, ask
from tests.interop.peers import Containers
from tests.interop.pushing import LegacySignature, Shelf

KEY, PROMISE_KEY = "release.pub", "promise.pub"
# Where Podman keeps what it pulled, and the driver that needs nothing of the kernel.
STORAGE = ("--storage-driver", "vfs", "--root", "/mnt/store", "--runroot", "/mnt/run")

# As in `judges.IGNORES`. A promise is about the signature's bytes, but nothing is about its own.
_TWIN = "as good a promise: nobody looks for it in the log"
LEGACY_IGNORES: Mapping[str, Mapping[str, str]] = {
    "cosign2": {
        "mimeType: other": "a layer is told by its annotations",
        "bundle: unknown field": "unknown fields are dropped when the JSON is read",
        "promised: unknown field": "unknown fields are dropped when the JSON is read",
        "promise: valid twin": _TWIN,
    },
    "skopeo": {"promise: valid twin": _TWIN},
    "podman": {"promise: valid twin": _TWIN},
}


class LegacyJudge(Protocol):
    """A client that pulls, or asks, only what is signed in the legacy form."""

    @property
    def name(self) -> str:
        """The key of this judge in `LEGACY_IGNORES`."""

    def judge(
        self, digest: str, *, shelf: Shelf, public_key_pem: bytes, promise_key_pem: bytes
    ) -> Verdict:
        """Say whether the image `digest` ("sha256:…") on this shelf is signed by this key.

        Raises:
            subprocess.SubprocessError: there is no verdict.
        """


def judged_alone(
    judge: LegacyJudge,
    sigstore_json: bytes,
    digest: str,
    *,
    shelf: Shelf,
    public_key_pem: bytes,
    promise_key_pem: bytes,
) -> Verdict:
    """Make this the only legacy signature of `digest`, and return what `judge` says."""
    shelf.legacy(digest, LegacySignature.parse(sigstore_json))
    return judge.judge(
        digest, shelf=shelf, public_key_pem=public_key_pem, promise_key_pem=promise_key_pem
    )


@dataclass(frozen=True, slots=True)
class Cosign2:
    """`cosign verify` of a cosign that knows the legacy form only."""

    program: Path
    name: ClassVar[str] = "cosign2"

    def judge(
        self, digest: str, *, shelf: Shelf, public_key_pem: bytes, promise_key_pem: bytes
    ) -> Verdict:
        """Say whether cosign finds a signature that it accepts."""
        return ask(
            (self.program, "verify", "--key", KEY, f"{shelf.name}@{digest}"),
            {KEY: public_key_pem, PROMISE_KEY: promise_key_pem},
            {"SIGSTORE_REKOR_PUBLIC_KEY": PROMISE_KEY},
        )


@dataclass(frozen=True, slots=True)
class Skopeo:
    """`skopeo copy` under a policy."""

    peer: Containers
    scratch: Path
    name: ClassVar[str] = "skopeo"

    def judge(
        self, digest: str, *, shelf: Shelf, public_key_pem: bytes, promise_key_pem: bytes
    ) -> Verdict:
        """Say whether skopeo may copy the image."""
        _settle(self.scratch, shelf, public_key_pem, promise_key_pem)
        settings = ("--policy", "/mnt/policy.json", "--registries.d", "/mnt/registries.d")
        copy = ("copy", "--quiet", "--src-tls-verify=false", f"docker://{shelf.name}@{digest}")
        return Verdict.of(self.peer.run(self.scratch, "skopeo", *settings, *copy, "dir:/tmp/image"))


@dataclass(frozen=True, slots=True)
class Podman:
    """`podman pull` under a policy."""

    peer: Containers
    scratch: Path
    name: ClassVar[str] = "podman"

    def judge(
        self, digest: str, *, shelf: Shelf, public_key_pem: bytes, promise_key_pem: bytes
    ) -> Verdict:
        """Say whether Podman may pull the image."""
        _settle(self.scratch, shelf, public_key_pem, promise_key_pem)
        settings = ("--signature-policy", "/mnt/policy.json", "--tls-verify=false")
        pull = ("podman", *STORAGE, "pull", "--quiet", *settings, f"{shelf.name}@{digest}")
        # Podman has no option for registries.d, but a place where root keeps it.
        place = "mkdir -p ~/.config/containers && ln -s /mnt/registries.d ~/.config/containers/"
        return Verdict.of(
            self.peer.run(self.scratch, "sh", "-euc", f'{place}; exec "$@"', "sh", *pull)
        )


def _settle(scratch: Path, shelf: Shelf, public_key_pem: bytes, promise_key_pem: bytes) -> None:
    """Write what containers-policy.json(5) and containers-registries.d(5) want."""
    scratch.joinpath(KEY).write_bytes(public_key_pem)
    scratch.joinpath(PROMISE_KEY).write_bytes(promise_key_pem)
    signed = {
        "type": "sigstoreSigned",
        "keyPath": f"/mnt/{KEY}",
        "rekorPublicKeyPath": f"/mnt/{PROMISE_KEY}",
        "signedIdentity": {"type": "matchRepository"},
    }
    policy = {"default": [{"type": "reject"}], "transports": {"docker": {shelf.name: [signed]}}}
    scratch.joinpath("policy.json").write_text(json.dumps(policy))
    where = scratch / "registries.d"
    where.mkdir(exist_ok=True)
    attached = {"docker": {shelf.name: {"use-sigstore-attachments": True}}}
    # JSON is YAML.
    (where / "attached.yaml").write_text(json.dumps(attached))
