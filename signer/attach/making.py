"""What a signature becomes in a registry: its layer, and the manifest that refers to an image.

    bundle, certificate, attestation   one layer, config `{}`, artifactType that of bundles
    notation                           one layer, config `{}` under notation's own media type
    simplesigning                      a layer with annotations, in the image under the tag `.sig`

The same signature makes the same bytes each time: the time in it is its own, never now. But of a
bundle that is rendered later the proof has grown, so that what is there already is told by
`Identity`, and never by a digest.

Spec: OCI image-spec, manifest.md; cosign's BUNDLE_SPEC.md; notation's signature-specification.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from ledger import labels
from signer.forms.algorithms import readers_take
from verifier import jws, limits, simplesigning
from verifier._strict import Fields, b64, json_object, utc
from verifier.bundle import MEDIA_TYPE as BUNDLE_TYPE
from verifier.digest import Digest
from verifier.entry import Entry, parse_any
from verifier.errors import UnsupportedError
from verifier.pull import kinds
from verifier.pull.images import EMPTY, EMPTY_CONTENT, IMAGE, Descriptor
from verifier.pull.kinds import Identity
from verifier.record import Record
from verifier.rekor_v1 import EnvelopeEntry
from verifier.statement import APPROVAL

CREATED = "org.opencontainers.image.created"
CONTENT = "dev.sigstore.bundle.content"
THUMBPRINTS = "io.cncf.notary.x509chain.thumbprint#S256"
_DSSE = "dsse-envelope"
_PIECE = 256 << 10
# A timestamp's own time is the first GeneralizedTime in it, before any certificate (RFC 3161).
_STAMPED = re.compile(rb"\x18\x0f(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z")


class Made(NamedTuple):
    """One signature, ready for a registry. `content` is the layer, or the file that holds it.

    `described` describes the layer, with its annotations; `subject_of` makes the manifest, for
    which a legacy signature has none.
    """

    form: str
    index: int  # type: ignore[assignment]  # tuple.index is not missed
    described: Descriptor
    content: bytes | Path
    identity: Identity
    annotations: Mapping[str, str] = {}

    @classmethod
    def of(
        cls, record: Record, rendered: bytes | Path, log_id: bytes, predicate_type: str = ""
    ) -> Self:
        """Take a record as it is rendered for its readers; a large bundle stays in its file.

        Raises:
            UnsupportedError: no registry holds signatures of this form.
            MalformedError: it is not what its form says.
        """
        if record.form == labels.SIMPLESIGNING:
            return cls._simplesigning(record, _whole(rendered))
        if record.form == labels.NOTATION:
            return cls._notation(record, _whole(rendered), log_id)
        if record.form not in (labels.BUNDLE, labels.CERTIFICATE):
            raise UnsupportedError(f"no registry holds signatures of the form {record.form}")
        said = predicate_type or APPROVAL
        kind = record.form if said == APPROVAL else kinds.ATTESTATION
        logged = parse_any(record.entry)
        assert not isinstance(logged, EnvelopeEntry)  # never made here
        annotations = {
            CONTENT: _DSSE,
            kinds.PREDICATE_TYPE: said,
            **_time(record),
            **_place(record, log_id),
        }
        identity = Identity(kind, logged.signature, log_id, record.index)
        described = _described(BUNDLE_TYPE, rendered)
        return cls(kind, record.index, described, rendered, identity, annotations)

    @classmethod
    def _simplesigning(cls, record: Record, rendered: bytes) -> Self:
        value = json_object(rendered, limit=limits.BUNDLE)
        payload = b64(Fields(value, "signature").text("payload"))
        described = Descriptor.of(simplesigning.MEDIA_TYPE, payload)
        described = described._replace(annotations=value["annotations"])
        identity = kinds.identify(kinds.SIMPLESIGNING, described, payload)
        return cls(kinds.SIMPLESIGNING, record.index, described, payload, identity)

    @classmethod
    def _notation(cls, record: Record, rendered: bytes, log_id: bytes) -> Self:
        chain = (Entry.parse(record.entry).certificate, *jws.split_chain(record.chain))
        shown = json.dumps([hashlib.sha256(der).hexdigest() for der in chain])
        signed_at = jws.parse(record.body).signing_time
        annotations = {CREATED: utc(signed_at), THUMBPRINTS: shown, **_place(record, log_id)}
        described = Descriptor.of(jws.MEDIA_TYPE, rendered)
        identity = kinds.identify(kinds.NOTATION, described, rendered)
        return cls(kinds.NOTATION, record.index, described, rendered, identity, annotations)

    @property
    def refers(self) -> bool:
        """Whether it becomes a manifest with a subject; else it is a layer under `.sig`."""
        return self.form != kinds.SIMPLESIGNING

    @property
    def artifact_type(self) -> str:
        """What listings call it."""
        return kinds.NOTATION_TYPE if self.form == kinds.NOTATION else self.described.media_type

    @property
    def config(self) -> Descriptor:
        """Describes `{}`; notation finds its own by this media type, and by no other."""
        config = kinds.NOTATION_TYPE if self.form == kinds.NOTATION else EMPTY
        return Descriptor.of(config, EMPTY_CONTENT)

    def manifest(self, subject: Descriptor) -> bytes:
        """Return the manifest that says: this is about `subject`."""
        kind = {} if self.form == kinds.NOTATION else {"artifactType": self.artifact_type}
        manifest = {
            "schemaVersion": 2,
            "mediaType": IMAGE,
            **kind,
            "config": self.config.json(),
            "layers": [self.described.json()],
            "subject": Descriptor(*subject[:3]).json(),
            "annotations": dict(self.annotations),
        }
        return encode(manifest)

    def pieces(self) -> Iterator[bytes]:
        """Yield the layer."""
        if isinstance(self.content, bytes):
            yield self.content
            return
        with self.content.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece


def is_read(record: Record) -> bool:
    """Whether everybody who reads the form knows the key's algorithm.

    What keys sign *also*, as by ML-DSA, is in the ledger for those who ask; in a registry it
    would be in the way of readers that stop at what they do not know.
    """
    logged = parse_any(record.entry)
    return not isinstance(logged, EnvelopeEntry) and (
        record.form == labels.NOTATION or readers_take(record.form, logged.key)
    )


def encode(value: Any) -> bytes:
    """Encode a manifest, in the order of its fields."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _time(record: Record) -> dict[str, str]:
    """Say when it was made, if the record knows."""
    if record.integrated_at:
        return {CREATED: utc(record.integrated_at)}
    stamped = _STAMPED.search(record.timestamp)
    if stamped is None:
        return {}
    year, month, day, hour, minute, second = (part.decode() for part in stamped.groups())
    return {CREATED: f"{year}-{month}-{day}T{hour}:{minute}:{second}Z"}


def _place(record: Record, log_id: bytes) -> dict[str, str]:
    return {kinds.INDEX: str(record.index), kinds.LOG_ID: log_id.hex()}


def _whole(rendered: bytes | Path) -> bytes:
    return rendered if isinstance(rendered, bytes) else rendered.read_bytes()


def _described(media_type: str, content: bytes | Path) -> Descriptor:
    if isinstance(content, bytes):
        return Descriptor.of(media_type, content)
    with content.open("rb") as file:
        hashed = hashlib.file_digest(file, "sha256")
        return Descriptor(media_type, Digest(f"sha256:{hashed.hexdigest()}"), file.tell())
