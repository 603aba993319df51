"""What is signed: whatever is made of it, only what was really signed is believed.

Where a check stands behind a signature, the fuzzer's bytes are signed first, as an attacker
with that key would do it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from tests.fuzz import seeds
from tests.fuzz.target import Targets, same, text
from tests.verifier import twin
from tests.verifier.dossiers import members, packed
from tests.verifier.making import verdict
from verifier import note as notes
from verifier import trust
from verifier._strict import canonical_json, json_object
from verifier.bundle import Bundle
from verifier.dossier import Dossier
from verifier.evidence import Evidence
from verifier.merkle import Hash, InclusionProof, hash_leaf, verify_consistency, verify_inclusion
from verifier.note import Note
from verifier.statement import APPROVAL
from verifier.trust import status
from verifier.trust.signed import SignedFile
from verifier.trust.status import Status
from verifier.verify import Verifier

TARGETS = Targets()
_NOTE_KEYS = (seeds.LOG.key, *(witness.key for witness in seeds.WITNESSES))
_JUDGE = Verifier(seeds.TRUST, clock=lambda: seeds.NOW)
_LEAVES = tuple(b"leaf %d" % i for i in range(9))


@TARGETS.add(seeds.BUNDLE)
def judged_bundle(data: bytes) -> None:
    """Of all bundles only those are good that hold the payload which the key signed."""
    found = _JUDGE.verify(data, seeds.IMAGE, seeds.REPOSITORY)
    same(seeds.WORLD.payload, Bundle.parse(data).envelope.payload)
    same((seeds.WORLD.index, "release"), (found.index, found.key))


@TARGETS.add(*seeds.STATEMENTS[:2])
def judged_statement(data: bytes) -> None:
    """Of all statements that the key signed only an approval of the image in question is good."""
    world = replace(seeds.WORLD, payload=data, witnesses=seeds.WITNESSES[:1])
    found = _JUDGE.verify(world.bundle.json(), seeds.IMAGE, seeds.REPOSITORY)
    same((seeds.IMAGE, seeds.REPOSITORY), (found.digest, found.repository))
    document = json_object(data, limit=1 << 20, floats=True)
    same(APPROVAL, document["predicateType"])
    assert any(
        one["digest"] == {"sha256": seeds.IMAGE.hex} and one["name"] == seeds.REPOSITORY
        for one in document["subject"]
    )


@TARGETS.add(seeds.NOTE.encode())
def cosigned_note(data: bytes) -> None:
    """A note counts only if it is about the text that log and witnesses signed."""
    found = Note.parse(text(data))
    assert notes.verify(found, _NOTE_KEYS)
    same(seeds.TEXT, found.text)


@TARGETS.add(seeds.TRUST.json(), seeds.TRUST._replace(version=2).json())
def trust_successor(data: bytes) -> None:
    """A trust file that our roots signed is ours or a later one."""
    signed = SignedFile.sign(trust.PAYLOAD_TYPE, data, seeds.ROOTS).json()
    found = seeds.TRUST.successor(signed)
    assert found.version > seeds.TRUST.version or found == seeds.TRUST


@cache
def _status() -> Status:
    return Status.parse(seeds.STATUS_PAYLOAD.sealed(seeds.STATUS), seeds.TRUST)


@TARGETS.add(seeds.STATUS_PAYLOAD.json(), seeds.STATUS_PAYLOAD._replace(version=3).json())
def status_successor(data: bytes) -> None:
    """A status file that the status key signed takes nothing back."""
    signed = SignedFile.sign(status.PAYLOAD_TYPE, data, [seeds.STATUS]).json()
    found = _status().successor(signed, seeds.TRUST).payload
    assert found.version > _status().payload.version or found == _status().payload
    said = {canonical_json({**one.claim(), "index": one.index}) for one in found.revocations}
    assert said >= {one.statement for one in seeds.REVOCATIONS}


@TARGETS.add(seeds.FORK.json(), seeds.SPLIT.json(), seeds.BACK.json())
def evidence(data: bytes) -> None:
    """Evidence is written as it was read; a log that signed one tree contradicts itself in none."""
    found = Evidence.parse(data)
    same(found, Evidence.parse(found.json()))
    assert verdict(lambda: found.verify(seeds.TRUST)) != "yes"


@TARGETS.add(packed(members(seeds.WORLD)), packed(members(seeds.WORLD), 0))
def dossier(data: bytes) -> None:
    """A dossier proves the one entry that is in the ledger, whatever else is in the zip file."""
    found = Dossier.parse(data)
    said = found.verify(seeds.TRUST, lambda: seeds.NOW)
    assert said.startswith(f"entry {seeds.WORLD.index} of {seeds.ORIGIN}, signed by approve key")


@TARGETS.add(
    *(bytes([0, m]) + b"".join(twin.inclusion(m, _LEAVES)) for m in (0, 5, 8)),
    *(bytes([1, m]) + b"".join(twin.consistency(m, _LEAVES)) for m in (1, 4, 6, 9)),
)
def merkle_proof(data: bytes) -> None:
    """A path is taken only if it is the one that the slow twin makes."""
    kind, m, rest = data[:1], int.from_bytes(data[1:2], "big"), data[2:]
    path = tuple(Hash(rest[i : i + 32]) for i in range(0, len(rest), 32))
    size, root = len(_LEAVES), Hash(twin.root(_LEAVES))
    if kind == b"\0":
        verify_inclusion(hash_leaf(_LEAVES[m % size]), InclusionProof(m, size, path), root)
        same(twin.inclusion(m, _LEAVES), path)
    else:
        verify_consistency(m, size, path, Hash(twin.root(_LEAVES[:m])), root)
        assert 0 < m <= size
        same(twin.consistency(m, _LEAVES), path)
