"""`notation verify` at its level "strict"."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.interop.judging import Verdict, ask
from tests.interop.pushing import Shelf, sign_layout

# As in `judges.IGNORES`.
NOTATION_IGNORES: Mapping[str, str] = {
    "signature: valid twin": "as good a signature; without a log nobody tells them apart",
    "envelope: unknown field": "unknown fields are dropped when the JSON is read",
    "header: unknown field": "unknown fields are dropped when the JSON is read",
}
CONFIG = ".config/notation"
POLICY = {
    "version": "1.0",
    "trustPolicies": [
        {
            "name": "images",
            "registryScopes": ["*"],
            "signatureVerification": {"level": "strict"},
            "trustStores": ["ca:release"],
            "trustedIdentities": ["*"],
        }
    ],
}


@dataclass(frozen=True, slots=True)
class Notation:
    """The program, and a directory of its own for layouts."""

    program: Path
    scratch: Path

    def judge(self, envelope: bytes, *, image: Path, root_pem: bytes) -> Verdict:
        """Say whether notation accepts `envelope` as a signature of the image in an OCI layout."""
        layout = self.scratch / "layout"
        shutil.rmtree(layout, ignore_errors=True)
        shutil.copytree(image, layout)
        digest = sign_layout(layout, envelope)
        where = ("--oci-layout", "--scope", "registry.example/team/app", f"{layout}@{digest}")
        return self._verify(where, root_pem)

    def judge_pushed(self, digest: str, *, shelf: Shelf, root_pem: bytes) -> Verdict:
        """Say whether notation finds a signature of `digest` in a registry and accepts it."""
        return self._verify(("--insecure-registry", f"{shelf.name}@{digest}"), root_pem)

    def _verify(self, where: tuple[str, ...], root_pem: bytes) -> Verdict:
        files = {
            f"{CONFIG}/trustpolicy.json": json.dumps(POLICY).encode(),
            f"{CONFIG}/truststore/x509/ca/release/root.pem": root_pem,
        }
        experimental = {"NOTATION_EXPERIMENTAL": "1"}
        return ask((self.program, "verify", *where), files, experimental)
