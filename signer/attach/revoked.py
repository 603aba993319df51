"""What the ledger has about an image and somebody took back, so that it is known in a registry.

A signature is told by its own bytes, which the ledger keeps: under whatever digest an artifact
holds it, and however its proof has grown since. That is so of what others signed and logged here,
as cosign does, whose entries do not say what they are about. What the ledger does not have is
somebody else's.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ledger import labels
from verifier import jws
from verifier.digest import Digest
from verifier.entry import parse_any
from verifier.errors import RevokedError
from verifier.publickey import PublicKey
from verifier.pull import kinds
from verifier.pull.forms import Form
from verifier.record import Record
from verifier.rekor_v1 import EnvelopeEntry
from verifier.repository import Repository
from verifier.trust.revocation import Revocations


class Revoked(NamedTuple):
    """Signatures about one image that do not count any more: entries by signature, and their set.

    `log_ids` are of the logs that they are in: what is too large to be read is told by its hint.
    """

    by_signature: Mapping[bytes, int] = {}
    entries: frozenset[int] = frozenset()
    log_ids: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        digest: Digest,
        records: Iterable[Record],
        revocations: Revocations,
        place: Repository | None = None,
        log_ids: Iterable[bytes] = (),
    ) -> Revoked:
        """Choose of `records`, all that the ledger has of what may be attached to `digest`.

        An image that is revoked in `place`, the repository that is looked into, is not to run from
        there, whatever repository it was signed for.
        """
        chosen = [one for one in records if _is_revoked(one, digest, revocations, place)]
        return cls(
            {signature: one.index for one in chosen for signature in _signatures(one)},
            frozenset(one.index for one in chosen),
            frozenset(one.hex() for one in log_ids),
        )

    def entry_of(self, form: Form) -> int | None:
        """Return which of these entries is attached as `form`; None: it is another signature."""
        if form.identity is not None:
            return self.by_signature.get(form.identity.signature)
        listed, manifest = form.artifact.listed, form.artifact.manifest
        hint = kinds.hinted(listed._replace(annotations=manifest.annotations))
        if hint is None or hint[0] not in self.log_ids or hint[1] not in self.entries:
            return None
        return hint[1]


def _is_revoked(
    record: Record, digest: Digest, revocations: Revocations, place: Repository | None
) -> bool:
    names = [str(place)] if place is not None else []
    if record.body:
        names += labels.of(record.entry, record.body).get("repository", [])
    try:
        for _, key in _signers(record):
            revocations.check_entry(record.index, key.hint)
        revocations.check_digest(digest, *names)
    except RevokedError:
        return True
    return False


def _signatures(record: Record) -> list[bytes]:
    """Return the bytes by which `kinds.identify` tells this signature from others."""
    logged = parse_any(record.entry)
    found = []
    for signature, key in _signers(record):
        if record.form == labels.NOTATION:
            raw = jws.raw_signature(key.algorithm.name, signature)
            found.append(urlsafe_b64encode(raw).rstrip(b"="))
            continue
        found.append(signature)
        if not isinstance(logged, EnvelopeEntry):  # under `.sig`, where the payload is the layer
            found.append(signature + f"sha256:{logged.data_digest.hex()}".encode())
    return found


def _signers(record: Record) -> list[tuple[bytes, PublicKey]]:
    logged = parse_any(record.entry)
    if isinstance(logged, EnvelopeEntry):
        return list(logged.signatures)
    return [(logged.signature, logged.key)]
