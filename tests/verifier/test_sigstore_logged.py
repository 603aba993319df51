"""The logs behind foreign bundles: their proofs, promises, checkpoints and windows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.verifier.certificates import certificate
from tests.verifier.foreign import (
    HOST,
    INTEGRATED_AT,
    KINDS,
    NOW,
    Foreign,
    b64,
    sha256,
)
from tests.verifier.making import Signer, refused, rows, verdict
from tests.verifier.paths import GONE, Path, put
from verifier.sigstore.verify import Logged

KIND = pytest.mark.parametrize("kind", KINDS, ids=" ".join)
ENTRY: Path = ("verificationMaterial", "tlogEntries", 0)
PROOF: Path = (*ENTRY, "inclusionProof")
FIRST = KINDS[1]  # of Rekor v1, with a promise


def minutes(later: int) -> str:
    """Return a time so many minutes after `INTEGRATED_AT`."""
    return (
        f"2025-06-15T14:{50 + later:02}:00Z" if later < 10 else f"2025-06-15T15:{later - 10:02}:00Z"
    )


def test_promise_alone() -> None:
    """
    A bundle of version 0.1 is judged by the promise alone, also beside a proof of nothing.
    """
    foreign = Foreign(*FIRST, version="0.1", proof=False)
    shown = Foreign(*FIRST, version="0.1")
    unsigned = put(shown.document, (*PROOF, "checkpoint"), GONE)

    assert Logged(HOST, 1004, 0, INTEGRATED_AT) == foreign.judge()
    assert Logged(HOST, 1004, 0, INTEGRATED_AT) == shown.judge(unsigned)


def test_proof_alone() -> None:
    """
    An entry of Rekor v1 counts without a promise from version 0.2 on, and tells no time then.
    """
    foreign = Foreign(*FIRST, version="0.2", promise=False, integrated_at=INTEGRATED_AT)
    found = foreign.judge()

    assert found is not None
    assert 0 == found.integrated_at


@pytest.mark.parametrize(
    ("code", "changes"),
    rows(
        ("no promise in 0.1", "malformed", {"version": "0.1", "promise": False}),
        ("no proof in 0.2", "malformed", {"version": "0.2", "proof": False}),
        ("no proof in 0.3", "malformed", {"proof": False}),
        ("promise without time", "malformed", {"integrated_at": 0}),
        ("time to come", "not-yet-valid", {"integrated_at": NOW + 61}),
        ("no clock", "not-yet-valid", {"now": float("nan")}),
        ("origin of another log", "untrusted-log", {"origin": "other.example - 1"}),
        ("origin that starts alike", "untrusted-log", {"origin": f"{HOST}.other.example"}),
        ("signed by another name", "untrusted-log", {"name": "other.example"}),
        ("empty line in the checkpoint", "malformed", {"extension": "\nmore\n"}),
    ),
)
def test_first_refused(code: str, changes: dict[str, Any]) -> None:
    """
    An entry of Rekor v1 is refused without what its bundle's version demands, or not its log's.
    """
    refused(code, Foreign(*FIRST, **changes).judge)


@pytest.mark.parametrize(
    ("code", "changes"),
    rows(
        ("a promise", "malformed", {"promise": True}),
        ("a time", "malformed", {"integrated_at": INTEGRATED_AT}),
        ("another index than its proof", "malformed", {"global_index": 5}),
        ("no proof, in 0.1", "malformed", {"version": "0.1", "proof": False}),
        ("a tree's number after the origin", "untrusted-log", {"origin": f"{HOST} - 26"}),
    ),
)
def test_second_refused(code: str, changes: dict[str, Any]) -> None:
    """
    An entry of Rekor v2 has a proof, no promise, no time, and one index.
    """
    refused(code, Foreign(**changes).judge)


def test_checkpoint_with_more_lines() -> None:
    """
    Rekor v1 wrote a time under the root; it is covered by the signature, and means nothing.
    """
    assert Foreign(*FIRST, extension="Timestamp: 1679349379012118479\n").judge()


@KIND
def test_another_log(kind: tuple[str, str]) -> None:
    """
    The log's key counts, whatever id somebody gives to another.
    """
    foreign = Foreign(*kind)
    trusted = foreign.trusted
    other = Signer().public
    stolen = put(trusted, ("tlogs", 0, "publicKey", "rawBytes"), b64(other.spki))
    unknown = put(trusted, ("tlogs", 0, "logId", "keyId"), b64(sha256(other.spki)))

    assert verdict(lambda: foreign.judge(trusted=stolen)) == "bad-signature"
    refused("untrusted-log", lambda: foreign.judge(trusted=unknown))


def test_promise_of_another_id() -> None:
    """
    A promise counts under the id that is the hash of its key, and under no other.
    """
    foreign = Foreign(*FIRST, version="0.1", proof=False)
    other = b64(bytes(32))
    document = put(foreign.document, (*ENTRY, "logId", "keyId"), other)
    trusted = put(foreign.trusted, ("tlogs", 0, "logId", "keyId"), other)

    refused("bad-signature", lambda: foreign.judge(document, trusted))


@pytest.mark.parametrize(
    ("field", "value"),
    rows(
        ("time", "integratedTime", str(INTEGRATED_AT + 1)),
        ("index", "logIndex", "1005"),
        ("promise", "inclusionPromise", {"signedEntryTimestamp": b64(b"other")}),
    ),
)
def test_promise_of_something_else(field: str, value: object) -> None:
    """
    A promise is checked wherever there is one, beside a good proof too.
    """
    foreign = Foreign(*FIRST)

    refused("bad-signature", lambda: foreign.judge(put(foreign.document, (*ENTRY, field), value)))


@KIND
@pytest.mark.parametrize(
    ("code", "field", "value"),
    rows(
        ("index", "malformed", "logIndex", "7"),
        ("smaller index", "not-included", "logIndex", "2"),
        ("size", "checkpoint-mismatch", "treeSize", "8"),
        ("root", "checkpoint-mismatch", "rootHash", b64(bytes(32))),
        ("path", "malformed", "hashes", []),
        ("hash", "not-included", "hashes", [b64(bytes(32))] * 3),
        ("checkpoint", "malformed", "checkpoint", GONE),
        ("note", "malformed", "checkpoint", {"envelope": "x"}),
    ),
)
def test_proof_of_something_else(
    kind: tuple[str, str], code: str, field: str, value: object
) -> None:
    """
    A proof is checked wherever there is one, beside a good promise too.
    """
    foreign = Foreign(*kind)
    document = put(foreign.document, (*PROOF, field), value)

    if foreign.second and field == "logIndex":
        code = "malformed"  # before its path is walked
    refused(code, lambda: foreign.judge(document))


@pytest.mark.parametrize(
    ("code", "window"),
    rows(
        ("through that minute", "yes", {"end": minutes(0)}),
        ("from that minute", "yes", {"start": minutes(0)}),
        ("through the minute before", "key-window", {"end": minutes(-1)}),
        ("from the minute after", "key-window", {"start": minutes(1)}),
        ("through half a second before", "key-window", {"end": "2025-06-15T14:49:59.500Z"}),
    ),
)
def test_window_at_the_promised_time(code: str, window: dict[str, str]) -> None:
    """
    A log's key counts from the first to the last moment of its window, at the promised time.
    """
    foreign = Foreign(*FIRST)
    foreign.window |= window

    assert code == verdict(foreign.judge)


@pytest.mark.parametrize("kind", [KINDS[0], FIRST], ids=" ".join)
@pytest.mark.parametrize(
    ("code", "window"),
    rows(
        ("until now", "yes", {"end": "2025-06-15T15:06:40Z"}),
        ("until a second ago", "key-window", {"end": "2025-06-15T15:06:39Z"}),
        ("from a second on", "key-window", {"start": "2025-06-15T15:06:41Z"}),
    ),
)
def test_window_without_a_promise(kind: tuple[str, str], code: str, window: dict[str, str]) -> None:
    """
    When nobody says when something was signed, the log's key has to count now.
    """
    foreign = Foreign(*kind, promise=False)
    foreign.window |= window

    assert code == verdict(foreign.judge)


def test_no_log() -> None:
    """
    A root that names no log at all asks for the signature alone, and gets no more than that.
    """
    foreign = Foreign()
    nowhere = put(foreign.document, ("verificationMaterial", "tlogEntries"), [])
    logless = {"mediaType": foreign.trusted["mediaType"]}

    assert foreign.judge(nowhere, logless) is None
    refused("unsupported-version", lambda: foreign.judge(nowhere))
    refused("untrusted-log", lambda: foreign.judge(trusted=logless))


def test_log_of_an_unknown_algorithm() -> None:
    """
    A root whose only log has a key that we cannot check still demands a log.
    """
    foreign = Foreign()
    nowhere = put(foreign.document, ("verificationMaterial", "tlogEntries"), [])
    unknown = put(foreign.trusted, ("tlogs", 0, "publicKey", "rawBytes"), b64(b"\x30\x00"))

    refused("unsupported-version", lambda: foreign.judge(nowhere, unknown))
    refused("untrusted-log", lambda: foreign.judge(trusted=unknown))


def test_two_entries() -> None:
    """
    Two entries are refused, for one of them would go unjudged.
    """
    foreign = Foreign()
    document = foreign.document
    document["verificationMaterial"]["tlogEntries"] *= 2

    refused("unsupported-version", lambda: foreign.judge(document))


@KIND
@pytest.mark.parametrize("version", ["0.2", "0.3"])
def test_certificate(kind: tuple[str, str], version: str) -> None:
    """
    Under a certificate that is what is logged, and another of the same key is another.
    """
    foreign = Foreign(*kind, version=version, certified=True)
    place: Path = (
        ("certificate",) if version == "0.3" else ("x509CertificateChain", "certificates", 0)
    )
    shown = ("verificationMaterial", *place, "rawBytes")
    other = put(foreign.document, shown, b64(certificate(foreign.key, 78)))

    assert 4 == foreign.in_log().index
    refused("entry-mismatch", lambda: foreign.in_log(other))


@pytest.mark.parametrize("kind", KINDS[:2], ids=" ".join)
def test_message_under_a_certificate(kind: tuple[str, str]) -> None:
    """
    So it is for a message.
    """
    assert 4 == Foreign(*kind, envelope=False, certified=True).in_log().index


def test_times_of_others() -> None:
    """
    The log's key has to count at every time that somebody vouches for.
    """
    foreign = Foreign(certified=True)
    foreign.window["end"] = minutes(0)
    good, late = float(INTEGRATED_AT), INTEGRATED_AT + 1.0

    assert foreign.in_log(times=(good, good - 1))
    refused("key-window", lambda: foreign.in_log(times=(good, late)))
    refused("key-window", foreign.in_log)
