"""Status files that other verifiers would have taken, and ours does not.

Each test is named after the published failure; most are of TUF's implementations.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from tests.verifier.making import NOW, NoteSigner, Signer, World, refused, rows
from tests.verifier.statuses import STATUS_KEY, Ledger, revoked
from verifier._strict import utc
from verifier.note import Note
from verifier.trust.listed import TrustedKey, TrustedLog, keys_by_hint
from verifier.trust.signed import SignedFile
from verifier.trust.status import PAYLOAD_TYPE, Mark, Status

TWO = revoked(2, 5).json()
BEFORE = {"revocations": (revoked(2, 5),)}


@pytest.fixture
def ledger() -> Ledger:
    """A ledger of seven entries, of which one was revoked when the status was at version 7."""
    return Ledger()


def follow(ledger: Ledger, version: int, **changes: Any) -> Status:
    """Read a status file as one that follows version 7."""
    return ledger.next(ledger.payload(7, **BEFORE), ledger.payload(version, **BEFORE | changes))


def test_status_goes_forward(ledger: Ledger) -> None:
    """
    A newer status file follows, and the same one stays.
    """
    assert 8 == follow(ledger, 8).payload.version
    assert 7 == follow(ledger, 7).payload.version


def test_cve_2022_29173_a_status_file_goes_back(ledger: Ledger) -> None:
    """
    An older status file is refused, and so is a newer one that takes a revocation back.
    """
    refused("status-rollback", lambda: follow(ledger, 6))
    refused("status-rollback", lambda: follow(ledger, 8, revocations=()))
    for other in (revoked(3, 6), revoked(3, 5), revoked(2, 6)):
        refused("status-rollback", partial(follow, ledger, 8, revocations=(other,)))


def test_cve_2022_29173_a_status_file_with_an_older_checkpoint(ledger: Ledger) -> None:
    """
    A newer status file whose checkpoint is smaller than the last one hides entries.
    """
    world = World(log=ledger.world.log, leaves=6)
    refused("status-rollback", lambda: follow(ledger, 8, note=world.note, marks=()))
    split = World(log=ledger.world.log, logged=b"another history")

    refused("split-view", lambda: follow(ledger, 8, note=split.note))


def test_cve_2020_15163_two_status_files_of_one_version(ledger: Ledger) -> None:
    """
    Another status file of the version that is known is refused, whatever it says.
    """
    refused("trust-conflict", lambda: follow(ledger, 7, next_update=NOW + 1))


@pytest.mark.parametrize("purpose", ["approve", "attest", "event", "log", "witness", "timestamp"])
def test_cve_2026_49834_only_a_status_key_signs_the_status(ledger: Ledger, purpose: str) -> None:
    """
    A key that the trust file names for something else signs no status file.
    """
    data = ledger.payload().sealed(STATUS_KEY)
    Status.parse(data, ledger.trust)
    keys = [ledger.world.key, TrustedKey("status", purpose, STATUS_KEY.public, ())]
    trust = ledger.trust._replace(keys=keys_by_hint(keys))

    refused("foreign-trust", lambda: Status.parse(data, trust))
    refused("foreign-trust", lambda: ledger.read(ledger.payload(), Signer()))


def test_cve_2023_47122_a_status_file_brings_no_log_key(ledger: Ledger) -> None:
    """
    The checkpoint in a status file is by a log that the trust file names, and of that ledger.
    """
    stranger = World()
    refused("untrusted-log", lambda: ledger.status(note=stranger.note))
    refused("foreign-trust", lambda: ledger.status(origin="other.example"))


@pytest.mark.parametrize(
    ("fields", "code"),
    rows(
        ("another type", {"type": "urn:sealbook:status:v2"}, "unsupported-version"),
        ("unknown field", {"critical": True}, "unknown-field"),
        ("version 0", {"version": 0}, "malformed"),
        ("next update at once", {"next_update": utc(NOW)}, "malformed"),
        ("two revocations at one place", {"revocations": [TWO, TWO]}, "malformed"),
    ),
)
def test_go_tuf_a_status_file_has_one_shape(ledger: Ledger, fields: Any, code: str) -> None:
    """
    So it is with a status file, though its key signed it.
    """
    payload = json.dumps(json.loads(ledger.payload().json()) | fields).encode()
    data = SignedFile.sign(PAYLOAD_TYPE, payload, [STATUS_KEY]).json()

    refused(code, lambda: Status.parse(data, ledger.trust))


def test_go_tuf_marks_of_another_tree(ledger: Ledger) -> None:
    """
    A status file whose marks tell of more entries than its checkpoint has is refused.
    """
    ledger.status(marks=(Mark(7, NOW - 1),))

    refused("malformed", lambda: ledger.status(marks=(Mark(8, NOW - 1),)))
    refused("malformed", lambda: ledger.status(marks=(Mark(7, NOW + 1),)))


def test_go_tuf_a_status_file_of_another_ledger(ledger: Ledger) -> None:
    """
    The status of one ledger does not follow that of another, though one key signs both.
    """
    other = NoteSigner("other.example")
    old = ledger.status()
    ledger.world.logs = (*ledger.world.logs, TrustedLog("other.example", other.key))
    text = str(ledger.world.checkpoint._replace(origin="other.example"))
    note = str(Note(text, (other.sign(text),)))
    new = ledger.payload(8, origin="other.example", note=note)

    assert "other.example" == ledger.read(new).payload.origin
    refused("foreign-trust", lambda: old.successor(new.sealed(STATUS_KEY), ledger.trust))
