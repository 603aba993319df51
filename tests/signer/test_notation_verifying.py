"""What `notation-sealbook` answers to `verify-signature`; with the real notation see
tests/interop/test_notation_ledger.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signer.plugins import verifying
from signer.plugins.commanded import Command
from tests.verifier.making import IMAGE, NOW, REPOSITORY
from tests.verifier.stages import Run, failing, stages, sweeping
from tests.verifier.test_pull_notation import NUMBER, NotationBook, Signature, sign
from verifier._strict import b64encode
from verifier.errors import VerificationError
from verifier.pull import gate, notation

HOME = str(Path(verifying.__file__))
CAPABILITY = verifying.CAPABILITY
ASKED = Command(REPOSITORY, IMAGE)
pytestmark = pytest.mark.filterwarnings(  # of files whose closing was made to fail
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


class Host:
    """A host with a trust directory and one signature in a file; notation asked for its image."""

    def __init__(self, home: Path) -> None:
        self.home, self.book, self.signature = home, NotationBook(), sign()
        for directory in ("trust", f"files/{IMAGE.replace(':', '-')}"):
            (home / directory).mkdir(parents=True)
        self.keep(self.signature)
        self.believe()
        text = 'trust = "trust"\nsources = ["file"]\n[file]\ndirectory = "files"\n'
        (home / "pull.toml").write_text(text)

    def keep(self, *signatures: Signature) -> None:
        """Keep what a service would hand out."""
        logged = [self.book.logged(one) for one in signatures]
        page = b'{"bundles":[' + b",".join(logged) + b'],"next":0}'
        (self.home / "files" / IMAGE.replace(":", "-") / "notation.json").write_bytes(page)

    def believe(self, policy: str = "") -> None:
        """Write the trust directory."""
        from tests.verifier.statuses import STATUS_KEY

        payload = self.book.status.payload
        (self.home / "trust" / "trust.json").write_bytes(self.book.trust.json())
        (self.home / "trust" / "status.json").write_bytes(payload.sealed(STATUS_KEY))
        if policy:
            (self.home / "trust" / "policy.toml").write_text(policy)

    def request(self, **changes: Any) -> dict[str, Any]:
        """Return a request as notation makes it."""
        extended = changes.pop("extended", {"sealbook.signature": NUMBER})
        return {
            "contractVersion": "1.0",
            "signature": {
                "criticalAttributes": {
                    "contentType": "application/vnd.cncf.notary.payload.v1+json",
                    "signingScheme": "notary.x509",
                    "expiry": "0001-01-01T00:00:00Z",
                    "extendedAttributes": extended,
                },
                "unprocessedAttributes": list(extended),
                "certificateChain": [b64encode(changes.pop("leaf", self.signature.leaf))],
            },
            "trustPolicy": {
                "trustedIdentities": ["sealbook:*"],
                "signatureVerification": [CAPABILITY],
            },
            **changes,
        }

    def answer(self, **changes: Any) -> dict[str, Any]:
        """Return the one result."""
        answer = verifying.verify_signature(self.request(**changes))
        assert ["sealbook.signature"] == answer["processedAttributes"]
        found: dict[str, Any] = answer["verificationResults"][CAPABILITY]
        return found


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """Such a host, on which it is the time of the book."""
    monkeypatch.setenv("SEALBOOK_PULL", str(tmp_path / "pull.toml"))
    monkeypatch.setattr(Command, "that_started_us", lambda: ASKED)
    monkeypatch.setattr(notation.NotationJudge.__init__, "__defaults__", (lambda: NOW,))
    monkeypatch.setattr(gate.Gate.__init__, "__kwdefaults__", {"clock": lambda: NOW})
    with sweeping():
        yield Host(tmp_path)


def test_yes(host: Host) -> None:
    """
    The very signature is in the ledger: it is a success, and says where.
    """
    assert {"success": True, "reason": "logged at 1, by key release"} == host.answer()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"extended": {"sealbook.signature": "cd" * 16}}, "unsigned"),
        ({"leaf": b"another"}, "unsigned"),
        ({"pluginConfig": {"image": f"{REPOSITORY}@sha256:{'0' * 64}"}}, "unnamed-image"),
        ({"pluginConfig": {"image": "x"}}, "digest"),
    ],
    ids=str,
)
def test_no(host: Host, changes: dict[str, Any], code: str) -> None:
    """
    Another number, another certificate or another image is no success, and the reason is told.
    """
    found = host.answer(**changes)

    assert found["success"] is False
    assert code in found["reason"]


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": {}},
        {"trustPolicy": {"trustedIdentities": [], "signatureVerification": []}},
        {"extended": {"sealbook.signature": NUMBER, "other": 1}},
        {"extended": {}},
    ],
    ids=str,
)
def test_no_request(host: Host, changes: dict[str, Any]) -> None:
    """
    What asks for something else, or for more than we know, gets no answer but an error.
    """
    with pytest.raises(VerificationError):
        host.answer(**changes)


def test_policy(host: Host) -> None:
    """
    Where there is a policy, the image must meet it too.
    """
    policy = 'type = "urn:sealbook:policy:v1"\n[[images]]\nunder = "registry.example"\n'
    policy += "[images.approval]\n"
    place = host.home / "files" / f"{IMAGE.replace(':', '-')}.bundle.json"
    host.believe(policy)
    without = host.answer()
    place.write_bytes(host.book.bundle(0))
    met = host.answer()
    host.believe(policy + "signers = 2\n")
    short = host.answer()

    assert [False, True, False] == [one["success"] for one in (without, met, short)]
    assert "(not-approved)" in short["reason"]


class Panic(BaseException):
    """As what `cryptography` raises when its own code in Rust fails: no Exception."""


def test_each_stage_raises(host: Host) -> None:
    """
    Whatever a stage raises, it is no success; notation takes no answer for a no, too.
    """
    run = Run(lambda: None, lambda _: host.answer(), (HOME,))
    errors = (RuntimeError, MemoryError, OSError, Panic)
    yes = []
    found = [s for s in stages(run) if not s.name.endswith("lock.__exit__")]
    for number, stage in enumerate(found):
        try:
            answer = failing(run, stage, errors[number % len(errors)]("canary"))
        except AssertionError:
            raise
        except BaseException:  # noqa: BLE001
            continue
        if answer["success"] is not False:
            yes.append(stage.name)

    assert len(found) > 150
    # Nobody can have written there, or locked it.
    assert set(yes) <= {"verifier.pull.trust_directory.TrustDirectory._locked -> open"}


@pytest.mark.parametrize("name", ["_look", "_question", "_trusted", "_sources"])
def test_nothing_in_the_place_of_something(
    host: Host, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """
    A step that gives nothing in the place of something is never a success.
    """
    monkeypatch.setattr(verifying, name, lambda *_: None)
    try:
        found = host.answer()
    except Exception:  # noqa: BLE001
        return

    assert found["success"] is False


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (f"notation verify {REPOSITORY}@{IMAGE}", ASKED),
        (f"/usr/bin/notation verify -v {REPOSITORY}@{IMAGE}", ASKED),
        (f"notation verify --oci-layout --scope {REPOSITORY} layout@{IMAGE}", ASKED),
        (f"notation verify --oci-layout --scope={REPOSITORY} a/layout@{IMAGE}", ASKED),
        (f"notation verify {REPOSITORY}:1.0", Command()),
        (f"notation sign {REPOSITORY}@{IMAGE}", Command()),
        (f"other verify {REPOSITORY}@{IMAGE}", Command()),
        (f"notation verify {REPOSITORY}@{IMAGE} x/y@{IMAGE}", Command()),
        (f"notation verify --scope a --scope b x@{IMAGE}", Command()),
        ("notation", Command()),
        ("", Command()),
    ],
)
def test_command(words: str, expected: Command) -> None:
    """
    Notation's command line names one image by digest, or nothing is taken from it.
    """
    assert expected == Command.parse(words.split())


def test_parent() -> None:
    """
    Whoever runs these tests is not notation.
    """
    assert Command() == Command.that_started_us()
    assert json.dumps(Command()) == '["", ""]'
