"""A case like one of the conformance suite's, and how the suite asks about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.interop.handmade.bundle import ISSUER
from tests.interop.keyless_making import Keyless
from tests.signer.commands import Done, sealbook
from tests.verifier.foreign import ARTIFACT, Foreign
from verifier.digest import Digest

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


def said_no(done: Done) -> str:
    """Return the code of a refusal, which is on the standard error with its reason."""
    assert done.returncode == 1, done.stdout + done.stderr
    first = done.stderr.splitlines()[0]
    assert first.startswith("no: ")
    return first.rpartition("(")[2].removesuffix(")")
