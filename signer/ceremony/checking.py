"""Check a key ceremony: what an auditor does with its transcript, in numbered steps.

1. It is a transcript, in the one spelling that its hash is of; its words are those of the text
   that was read and signed in the room, when that is at hand.
2. It was held in earnest, and came to its end.
3. The file in it is the one that was reviewed, when that is at hand.
4. Its keys are those of the file, each where the file says, of its algorithm, and with what the
   file demands of its home.
5. Each signed its self-test: the private half was there, and under this file.
6. The ledger has its hash, when the proof is at hand.

That the home told the truth, and that those in the room were there, no hash can show: that is
what people sign for.
"""

from __future__ import annotations

from signer.ceremony import self_test
from signer.ceremony.reading import Ceremony, WantedKey
from signer.ceremony.telling import tell
from signer.ceremony.transcript import DONE, MadeKey, Transcript
from signer.errors import NotLoggedError, RehearsalError, TranscriptError
from verifier import limits
from verifier._strict import b64encode, canonical_json
from verifier.bundle import Bundle
from verifier.dossier import Dossier
from verifier.errors import SignatureError
from verifier.statement import EVENT_PREFIX, Statement
from verifier.trust import TrustRoot
from verifier.verify import Verifier

EVENT = "key-ceremony"
_ZIP = b"PK\3\4"


def check(
    data: bytes,
    *,
    rehearsal: bool = False,
    text: bytes | None = None,
    file: bytes | None = None,
) -> Transcript:
    """Return the transcript in `data`, of a ceremony that was held as its file demands.

    With `rehearsal` it must be one, and otherwise must not. `text` is what people signed, and
    `file` what was reviewed.

    Raises:
        TranscriptError, CeremonyFileError: it is none, or does not hold.
        RehearsalError: it is not of the kind that was asked for.
    """
    # 1.
    found = Transcript.parse(data)
    if text is not None and tell(found).encode() != text:
        raise TranscriptError("the text says something else than the transcript")
    # 2.
    if found.rehearsal is not rehearsal:
        kinds = ("a ceremony held in earnest", "a rehearsal")
        raise RehearsalError(f"expected {kinds[rehearsal]}, found {kinds[found.rehearsal]}")
    if found.outcome != DONE:
        raise TranscriptError(f"the ceremony is not done: {found.failure or found.outcome}")
    # 3.
    ceremony = found.ceremony
    if file is not None and file != ceremony.text:
        reviewed = Ceremony.parse(file).sha256
        raise TranscriptError(f"expected the file {reviewed}, found {ceremony.sha256}")
    # 4.
    if [key.name for key in found.keys] != [key.name for key in ceremony.keys]:
        raise TranscriptError("expected the keys of the file, each made once")
    for wanted, made in zip(ceremony.keys, found.keys, strict=True):
        _check_key(found, wanted, made)
    return found


def claim(transcript: Transcript) -> dict[str, object]:
    """Return what the event about it says, without its `previous`."""
    return {
        "ceremony_sha256": transcript.ceremony.sha256,
        "keys": [
            {
                "name": wanted.name,
                "public_key": b64encode(made.public.spki),
                "purpose": wanted.purpose,
            }
            for wanted, made in zip(transcript.ceremony.keys, transcript.keys, strict=True)
        ],
        "title": transcript.ceremony.title,
        "transcript_sha256": transcript.sha256,
    }


def check_logged(transcript: Transcript, trust: TrustRoot, proof: bytes) -> int:
    """Return the index of the event about `transcript`, which `proof` shows to be logged.

    `proof` is the zip of `sealbook evidence`, or the bundle in it. Step 6.

    Raises:
        NotLoggedError: it is of another event.
        VerificationError: it proves nothing under `trust`.
    """
    if proof.startswith(_ZIP):
        dossier = Dossier.parse(proof)
        dossier.verify(trust)
        proof = dossier.bundle
    bundle = Bundle.parse(proof, limits.ATTESTATION)
    endorsed, key = Verifier(trust).logged(bundle)
    origin = endorsed.checkpoint.origin
    if origin != transcript.ceremony.origin:
        raise NotLoggedError(f"expected the ledger {transcript.ceremony.origin}, found {origin}")
    said = Statement.parse(bundle.envelope.payload)
    if key.purpose != "event" or said.predicate_type != EVENT_PREFIX + EVENT:
        raise NotLoggedError(f"expected a {EVENT} event, found {said.predicate_type[:120]!r}")
    logged = {name: value for name, value in said.predicate.items() if name != "previous"}
    if canonical_json(logged) != canonical_json(claim(transcript)):
        raise NotLoggedError(f"entry {bundle.proof.index} is about another ceremony")
    return bundle.proof.index


def _check_key(transcript: Transcript, wanted: WantedKey, made: MadeKey) -> None:
    if not transcript.rehearsal and made.uri != wanted.uri:
        raise TranscriptError(f"key {made.name} was not made where the file says")
    if made.public.algorithm.name != wanted.algorithm:
        found = made.public.algorithm.name
        raise TranscriptError(f"key {made.name}: expected {wanted.algorithm}, found {found}")
    missed = wanted.missed(made.attributes)
    if missed:
        raise TranscriptError(f"key {made.name}: {missed}")
    # 5.
    message = self_test.message(
        transcript.ceremony, wanted, made.public, rehearsal=transcript.rehearsal
    )
    try:
        made.public.verify(made.self_test, message)
    except SignatureError as e:
        raise TranscriptError(f"key {made.name} did not sign its self-test") from e
