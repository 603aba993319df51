"""What one signature is, by its own word: of which kind, by which bytes, at which place of a log.

    bundle         a Sigstore bundle that approves, under a key     cosign 3, our verifier
    certificate    the same under a certificate                     keyless policies
    attestation    a bundle, or an envelope of cosign 2, that says more than yes
    simplesigning  a payload with annotations beside it             Podman, CRI-O, skopeo, cosign 2
    notation       a JWS or COSE envelope                           notation, Ratify
    other          anything else: an SBOM, a scanner's report, whatever comes next

Nothing here is verified. It tells two signatures apart, and one from itself rendered again: of
a bundle the proof grows, while signature and place in the log stay.
"""

from __future__ import annotations

from typing import NamedTuple

from verifier import jws, limits, simplesigning
from verifier._strict import Fields, b64, decimal, hexadecimal, json_object
from verifier.digest import Digest
from verifier.dsse import Envelope
from verifier.errors import VerificationError
from verifier.pull.images import Descriptor, Manifest
from verifier.sigstore.bundle import ForeignBundle
from verifier.statement import APPROVAL

BUNDLE, CERTIFICATE, ATTESTATION = "bundle", "certificate", "attestation"
SIMPLESIGNING, NOTATION, OTHER = "simplesigning", "notation", "other"

BUNDLE_TYPES = "application/vnd.dev.sigstore.bundle"  # and a version
NOTATION_TYPE = "application/vnd.cncf.notary.signature"
ENVELOPE_TYPE = "application/vnd.dsse.envelope.v1+json"  # of cosign 2, under the tag `.att`
ENVELOPE_TYPES = (jws.MEDIA_TYPE, "application/cose")
# What listings show of a bundle: by cosign its predicate's type, by us its place in the log too.
PREDICATE_TYPE = "dev.sigstore.bundle.predicateType"
INDEX, LOG_ID = "dev.sealbook.log.index", "dev.sealbook.log.id"


class Identity(NamedTuple):
    """What is the same of one signature wherever it is found, and of no other."""

    kind: str
    signature: bytes
    log_id: bytes = b""
    index: int = -1  # type: ignore[assignment]  # tuple.index is not missed


def kind_of(manifest: Manifest, layer: Descriptor) -> str:
    """Return what a layer of an artifact is, as far as it can be told without reading it."""
    if layer.media_type == simplesigning.MEDIA_TYPE:
        return SIMPLESIGNING
    if layer.media_type == ENVELOPE_TYPE:
        return ATTESTATION
    if layer.media_type.startswith(BUNDLE_TYPES):
        said = manifest.annotations.get(PREDICATE_TYPE, APPROVAL)
        return BUNDLE if said == APPROVAL else ATTESTATION
    if manifest.kind == NOTATION_TYPE and layer.media_type in ENVELOPE_TYPES:
        return NOTATION
    return OTHER


def identify(kind: str, layer: Descriptor, content: bytes) -> Identity:
    """Return what the signature in `content` is; of one that cannot be read, its digest.

    `kind` is `kind_of` its layer; what it is in truth may be another one.
    """
    try:
        if kind == SIMPLESIGNING:
            return _simplesigning(layer)
        if kind == NOTATION and layer.media_type == jws.MEDIA_TYPE:
            envelope = json_object(content, limit=limits.BUNDLE)
            return Identity(kind, Fields(envelope, "envelope").text("signature").encode())
        if layer.media_type.startswith(BUNDLE_TYPES):
            return _bundle(content)
    except VerificationError:
        pass  # whoever judges it will say what is wrong with it
    return Identity(kind, Digest.of(content).encode())


def _simplesigning(layer: Descriptor) -> Identity:
    said = layer.annotations
    signature = b64(said.get(simplesigning.SIGNATURE, ""))
    # One signature is over one payload: over another it would be none.
    one = Identity(SIMPLESIGNING, signature + layer.digest.encode())
    if simplesigning.BUNDLE not in said:
        return one
    entry = json_object(said[simplesigning.BUNDLE].encode(), limit=limits.BUNDLE)
    promised = Fields(entry, "bundle").inside("Payload")
    return one._replace(
        log_id=hexadecimal(promised.text("logID"), size=32), index=promised.number("logIndex")
    )


def _bundle(content: bytes) -> Identity:
    bundle = ForeignBundle.parse(content)
    signed = bundle.signed
    kind = BUNDLE if not bundle.certificate else CERTIFICATE
    if isinstance(signed, Envelope) and _predicate_type(signed) != APPROVAL:
        kind = ATTESTATION
    if not bundle.entries:
        return Identity(kind, signed.signature)
    entry = bundle.entries[0]
    return Identity(kind, signed.signature, entry.log_id, entry.index)


def _predicate_type(envelope: Envelope) -> str:
    statement = json_object(envelope.payload, limit=limits.STATEMENT, floats=True)
    said = statement.get("predicateType", "")
    return said if isinstance(said, str) else ""


def hinted(descriptor: Descriptor) -> tuple[str, int] | None:
    """Return what a listing says of the place in a log, as hex of its id and an index."""
    said = descriptor.annotations
    if INDEX not in said or LOG_ID not in said:
        return None
    try:
        return hexadecimal(said[LOG_ID], size=32).hex(), decimal(said[INDEX])
    except VerificationError:
        return None
