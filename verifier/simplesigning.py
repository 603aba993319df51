"""Simple signing: the form that containers/image and cosign before 3 read.

    {"critical":{"identity":{"docker-reference":"registry.example/team/app"},
                 "image":{"docker-manifest-digest":"sha256:…"},
                 "type":"cosign container image signature"},
     "optional":{"env":"prod"}}

(one line, canonical JSON; `optional` is null without annotations). The payload is
what is signed, with ECDSA or RSA over SHA-256. Beside it, as annotations of an OCI
layer or in a lookaside file, stand the signature and Rekor's promise.

Spec: github.com/containers/image, docs/containers-signature.5.md; cosign's
specs/SIGNATURE_SPEC.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from verifier import limits
from verifier._strict import Fields, b64encode, canonical_json, json_object
from verifier.digest import Digest
from verifier.errors import MalformedError, UnsupportedError
from verifier.rekor_v1 import Promise

MEDIA_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
TYPE = "cosign container image signature"
SIGNATURE = "dev.cosignproject.cosign/signature"
BUNDLE = "dev.sigstore.cosign/bundle"
LOOKASIDE = b"\x00sigstore-json\n"  # what a file outside of registries begins with


class SimpleSigning(NamedTuple):
    """A parsed payload; `repository` is a docker reference, which may be no name of ours."""

    repository: str
    digest: Digest
    optional: Mapping[str, Any]

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Parse a payload; nothing in it is trusted yet.

        Raises:
            UnsupportedError: another type of payload.
            MalformedError: any other shape.
        """
        fields = Fields(json_object(body, limit=limits.PAYLOAD), "payload")
        critical = fields.inside("critical")
        identity, image = critical.inside("identity"), critical.inside("image")
        kind = critical.text("type")
        if kind != TYPE:
            raise UnsupportedError(f"expected a payload of type {TYPE!r}, found {kind[:80]!r}")
        parsed = cls(
            identity.text("docker-reference"),
            Digest(image.text("docker-manifest-digest")),
            fields.nullable("optional", dict) or {},
        )
        for part in (identity, image, critical, fields):
            part.done()
        if not parsed.repository:
            raise MalformedError("expected a docker-reference, found an empty one")
        return parsed

    @property
    def annotations(self) -> dict[str, str]:
        """The optional values that are text: what annotations become."""
        return {key: value for key, value in self.optional.items() if isinstance(value, str)}


def payload(repository: str, digest: Digest, annotations: Mapping[str, str]) -> bytes:
    """Return the payload that approves `digest` in `repository`; the same for the same input."""
    return canonical_json(
        {
            "critical": {
                "identity": {"docker-reference": repository},
                "image": {"docker-manifest-digest": digest},
                "type": TYPE,
            },
            "optional": dict(annotations) or None,
        }
    )


def layer_annotations(
    entry: bytes, signature: bytes, promise: Promise, integrated_at: int, index: int
) -> dict[str, str]:
    """Return what stands beside a payload in an OCI layer.

    The fields are exactly those that containers/image expects: it refuses any other.
    """
    said = {
        "SignedEntryTimestamp": b64encode(promise.signature),
        "Payload": {
            "body": b64encode(entry),
            "integratedTime": integrated_at,
            "logIndex": index,
            "logID": promise.log_id.hex(),
        },
    }
    return {
        SIGNATURE: b64encode(signature),
        BUNDLE: json.dumps(said, separators=(",", ":")),
    }


def sigstore_json(body: bytes, annotations: Mapping[str, str]) -> bytes:
    """Return payload and annotations as containers/image keeps them outside of registries.

    A lookaside file has the line `LOOKASIDE` before it.
    """
    value = {"mimeType": MEDIA_TYPE, "payload": b64encode(body), "annotations": dict(annotations)}
    return json.dumps(value, separators=(",", ":")).encode()
