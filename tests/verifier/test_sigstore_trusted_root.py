"""Sigstore's trusted_root.json: what we write is read back, and nothing else is guessed."""

from __future__ import annotations

import json
import math
from base64 import b64decode
from importlib.machinery import ModuleSpec
from pathlib import Path as FilePath
from typing import Any

import pytest

from tests.verifier.foreign import Foreign, b64
from tests.verifier.making import ORIGIN, NoteSigner, Signer, World, refused, rows
from tests.verifier.paths import GONE, Path, inside, put
from verifier.note import ML_DSA, NoteKey
from verifier.pull import bundled_root
from verifier.sigstore.trusted_root import Log, TrustedRoot, Window
from verifier.trust import TrustRoot
from verifier.trust.listed import Authority, TrustedLog
from verifier.trusted_root import START as FIRST
from verifier.trusted_root import trusted_root

START = {"start": "2021-01-12T11:53:27Z"}
GOOD: dict[str, Any] = {
    **Foreign().trusted,
    "certificateAuthorities": [
        {
            "subject": {"organization": "example", "commonName": "ca"},
            "uri": "https://ca.example",
            "certChain": {"certificates": [{"rawBytes": b64(b"der")}]},
            "validFor": {**START, "end": "2022-12-31T23:59:59.999Z"},
        }
    ],
    "timestampAuthorities": [
        {"certChain": {"certificates": [{"rawBytes": b64(b"der")}]}, "validFor": START}
    ],
}
GOOD["ctlogs"] = [
    put(GOOD["tlogs"][0], ("publicKey", "keyDetails"), "PKCS1_RSA_PKCS1V5")  # whatever it is
]
AUTHORITY: Path = ("certificateAuthorities", 0)
TLOG: Path = ("tlogs", 0)
WINDOW: Path = (*TLOG, "publicKey", "validFor")
STAMPING: Path = ("timestampAuthorities", 0, "certChain", "certificates")
ZERO_POINT = b64(bytes.fromhex("302a300506032b6570032100") + bytes(32))


def read(document: object) -> TrustedRoot:
    return TrustedRoot.parse(json.dumps(document).encode())


def trust(**changes: Any) -> TrustRoot:
    return World().trust._replace(**changes)


def test_ours_is_read_back() -> None:
    """
    The logs that our trust file names are those that are read from what is rendered of it.
    """
    world, promise = World(), Signer().public
    key = world.log.key
    logs = (TrustedLog(ORIGIN, key, promise),)
    found = TrustedRoot.parse(trusted_root(trust(logs=logs)))

    window = Window(FIRST)
    expected = [
        Log(ORIGIN, key.public, key.log_id, window),
        Log(ORIGIN, promise, NoteKey.of(ORIGIN, promise).log_id, window),
    ]
    assert expected == list(found.logs)
    assert (found.authorities, found.transparency) == ((), ())


def test_our_authorities_are_read_back() -> None:
    """
    So are the authorities, each from the first.
    """
    witness = Signer().public
    authorities = (
        Authority("certificate", (b"leaf", b"root")),
        Authority("timestamp", (b"stamp", b"root")),
        Authority("transparency", (witness.spki,)),
    )
    found = TrustedRoot.parse(trusted_root(trust(authorities=authorities)))

    assert [((b"leaf", b"root"), Window(FIRST))] == list(found.authorities)
    assert [(NoteKey.of("x", witness).log_id, Window(FIRST))] == list(found.transparency)


def test_newer_trust_file() -> None:
    """
    A newer trust file lets nothing count later: what it says of windows is the same.
    """
    older = trust(authorities=(Authority("timestamp", (b"stamp", b"root")),))
    newer = older._replace(version=older.version + 1, issued=older.issued + 400 * 86_400)

    assert trusted_root(older) == trusted_root(newer)


def test_our_post_quantum_log_is_left_out() -> None:
    """
    A log that Sigstore has no name for is in neither.
    """
    logs = (TrustedLog(ORIGIN, NoteSigner(ORIGIN, ML_DSA).key),)

    assert not TrustedRoot.parse(trusted_root(trust(logs=logs))).names_logs


def test_windows() -> None:
    """
    A window has no end unless it says so, and its fraction of a second counts.
    """
    found = read(GOOD)

    assert math.inf == found.logs[0].window.end
    assert 1672531199.999 == found.authorities[0].window.end
    assert 1610452407.123 == found.logs[0].window.start


def test_log_of_another_algorithm_is_left_out() -> None:
    """
    A log whose key we cannot check is no trusted log, and no reason to refuse the others.
    """
    other = put(
        GOOD,
        ("tlogs",),
        [GOOD["tlogs"][0], put(GOOD["tlogs"][0], ("publicKey", "rawBytes"), b64(b"?"))],
    )
    other["tlogs"][1]["logId"]["keyId"] = b64(bytes(32))

    assert 1 == len(read(other).logs)


@pytest.mark.parametrize(
    ("code", "path", "value"),
    rows(
        (
            "media type",
            "unsupported-version",
            ("mediaType",),
            "application/vnd.dev.sigstore.trustedroot.v0.2+json",
        ),
        ("no start", "malformed", WINDOW, {}),
        ("no window", "malformed", WINDOW, GONE),
        ("start in another spelling", "malformed", (*WINDOW, "start"), "2021-01-12T11:53:27+00:00"),
        (
            "fraction of ten digits",
            "malformed",
            (*WINDOW, "start"),
            "2021-01-12T11:53:27.0123456789Z",
        ),
        ("fraction in the middle", "malformed", (*WINDOW, "start"), "2021-01-12T11:53.5Z:27Z"),
        ("end before start", "malformed", (*WINDOW, "end"), "2021-01-12T11:53:27.122Z"),
        ("hash", "unsupported-version", (*TLOG, "hashAlgorithm"), "SHA2_512"),
        ("key of another name", "key-details", (*TLOG, "publicKey", "keyDetails"), "PKIX_ED25519"),
        ("weak key", "weak-key", (*TLOG, "publicKey", "rawBytes"), ZERO_POINT),
        ("short id", "malformed", (*TLOG, "logId", "keyId"), b64(b"1234")),
        ("no host", "malformed", (*TLOG, "baseUrl"), "rekor.example"),
        ("https without a host", "malformed", (*TLOG, "baseUrl"), "https:///rekor.example"),
        ("another scheme", "malformed", (*TLOG, "baseUrl"), "ftp://rekor.example"),
        ("brackets without an address", "malformed", (*TLOG, "baseUrl"), "https://rekor.[]"),
        ("a bracket that stays open", "malformed", (*TLOG, "baseUrl"), "https://[::1"),
        ("no address", "malformed", (*TLOG, "baseUrl"), GONE),
        ("a log twice", "ambiguous-key", ("tlogs",), GOOD["tlogs"] * 2),
        ("too many logs", "over-limit", ("tlogs",), GOOD["tlogs"] * 65),
        ("no checkpoint id", "malformed", (*TLOG, "checkpointKeyId"), {"keyId": ""}),
        (
            "checkpoint id of another",
            "malformed",
            (*TLOG, "checkpointKeyId"),
            {"keyId": b64(b"1234")},
        ),
        ("no chain", "malformed", ("certificateAuthorities", 0, "certChain", "certificates"), []),
        ("long chain", "over-limit", STAMPING, [{"rawBytes": ""}] * 17),
        ("large certificate", "over-limit", STAMPING, [{"rawBytes": b64(bytes(16385))}]),
        ("authority without window", "malformed", ("timestampAuthorities", 0, "validFor"), GONE),
        ("null", "malformed", ("tlogs",), None),
    ),
)
def test_refused(code: str, path: Path, value: object) -> None:
    """
    A root that two readers could read differently, or that is never right, is refused.
    """
    refused(code, lambda: read(put(GOOD, path, value)))


@pytest.mark.parametrize("path", inside(GOOD, dict, top=True))
def test_unknown_field(path: Path) -> None:
    """
    No object in it has a field that nobody reads.
    """
    refused("unknown-field", lambda: read(put(GOOD, (*path, "more"), "1")))


@pytest.mark.parametrize("size", [4, 32])
def test_newer_fields(size: int) -> None:
    """
    What newer services write beside is read: operators, and the id under checkpoints.
    """
    log = GOOD["tlogs"][0]
    hint = {"keyId": b64(b64decode(log["logId"]["keyId"])[:size])}
    newer = put(put(GOOD, (*AUTHORITY, "operator"), "example"), (*AUTHORITY, "subject"), {})
    newer = put(put(newer, (*TLOG, "operator"), "example"), (*TLOG, "checkpointKeyId"), hint)

    assert read(newer).logs == read(GOOD).logs


def test_root_of_a_library(monkeypatch: pytest.MonkeyPatch, tmp_path: FilePath) -> None:
    """
    Sigstore's own roots are those that its library has in its place: of production, of staging.
    """
    spec = ModuleSpec("sigstore", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path / "other"), str(tmp_path)]
    monkeypatch.setattr(bundled_root, "find_spec", lambda name: {"sigstore": spec}[name])
    for host in ("sigstore.dev", "sigstage.dev"):
        place = tmp_path / "_store" / f"https%3A%2F%2Ftuf-repo-cdn.{host}"
        place.mkdir(parents=True)
        (place / "trusted_root.json").write_text(host)

    assert b"sigstore.dev" == bundled_root.bundled_root()
    assert b"sigstage.dev" == bundled_root.bundled_root(staging=True)


@pytest.mark.parametrize("installed", [False, True])
def test_no_root_of_a_library(monkeypatch: pytest.MonkeyPatch, *, installed: bool) -> None:
    """
    Where the library is not installed, or has none, the hint says both ways out.
    """
    spec = ModuleSpec("sigstore", None, is_package=True) if installed else None
    monkeypatch.setattr(bundled_root, "find_spec", lambda _: spec)

    said = refused("missing-extra", bundled_root.bundled_root)
    assert "--trusted-root" in said.hint
    assert "sealbook[keyless]" in said.hint
