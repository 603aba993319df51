"""Bundles and trusted roots of others, whose writers leave less room for one spelling."""

from __future__ import annotations

from tests.fuzz import seeds
from tests.fuzz.target import Targets, same
from tests.verifier.foreign import ARTIFACT, KINDS, Foreign, compact
from verifier.digest import Digest
from verifier.dsse import Envelope
from verifier.sigstore.artifact import Artifact
from verifier.sigstore.bundle import ForeignBundle
from verifier.sigstore.statement import digests_of
from verifier.sigstore.trusted_root import TrustedRoot
from verifier.sigstore.verify import judge

TARGETS = Targets()
_LOG = seeds.Fixed(7)


class _Fixed(Foreign):
    """A foreign bundle whose keys are numbers."""

    def __post_init__(self) -> None:
        self.signer, self.log = seeds.Fixed(8), _LOG
        self.key = self.signer.public


_ABOUT = Artifact(Digest.of(ARTIFACT), lambda: ARTIFACT)
_GOOD = [
    _Fixed(*kind, version=version, envelope=envelope)
    for version in ("0.3", "0.1")
    for kind in KINDS
    for envelope in (True, False)
    if envelope or kind[0] == "hashedrekord"
]
_CERTIFIED = [_Fixed(*KINDS[0], certified=True), _Fixed(*KINDS[1], version="0.2", certified=True)]
_ROOT = TrustedRoot.parse(compact(_GOOD[0].trusted))
_AUTHORITY = {
    "subject": {"organization": "o", "commonName": "c"},
    "uri": "https://ca.example",
    "certChain": {"certificates": [{"rawBytes": "MAA="}]},
    "validFor": {"start": "2021-01-12T11:53:27.123Z", "end": "2031-01-12T11:53:27Z"},
}


@TARGETS.add(*(compact(one.document) for one in (*_GOOD, *_CERTIFIED)))
def foreign_bundle(data: bytes) -> None:
    """A foreign bundle has a key or a certificate, and it is about what its key signed."""
    found = ForeignBundle.parse(data)
    assert bool(found.hint) is not bool(found.certificate) or not found.certificate
    if isinstance(found.signed, Envelope):
        assert len(set(digests_of(found.signed.payload))) <= found.signed.payload.count(b"sha256")


@TARGETS.add(*(compact(one.document) for one in _GOOD))
def judged_foreign_bundle(data: bytes) -> None:
    """Of all foreign bundles only those are good that hold what the key signed, where it is."""
    logged = judge(ForeignBundle.parse(data), _GOOD[0].key, _ROOT, _ABOUT, now=seeds.NOW)
    assert logged is not None
    signed = ForeignBundle.parse(data).signed
    if isinstance(signed, Envelope):
        same(_GOOD[0].payload, signed.payload)
    assert logged.tree_size in (0, 7)
    assert logged.tree_size == 0 or logged.index == _GOOD[0].index


@TARGETS.add(
    compact(_GOOD[0].trusted),
    compact(
        _GOOD[0].trusted
        | {"certificateAuthorities": [_AUTHORITY], "timestampAuthorities": [_AUTHORITY]}
        | {"ctlogs": _GOOD[0].trusted["tlogs"]}
    ),
)
def foreign_root(data: bytes) -> None:
    """A trusted root finds each of its logs by the id that it has there."""
    found = TrustedRoot.parse(data)
    for log in found.logs:
        assert found.log(log.log_id).log_id == log.log_id
