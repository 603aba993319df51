"""Records: what the ledger keeps of one signature, and everything that it renders to.

A record is made once and rendered often. Time, promise and certificates are part
of it, so that every rendering is the same but for the proof, which grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from verifier import dsse
from verifier.bundle import Bundle
from verifier.dsse import Envelope
from verifier.entry import Entry
from verifier.errors import MalformedError, UnsupportedError
from verifier.merkle import InclusionProof


class Record(NamedTuple):
    """One signature as it is stored.

    `body` is the signed message, `entry` the canonical body of its leaf. `promise`
    (`rekor_v1.Promise`, stored) is about `integrated_at`, POSIX seconds; `timestamp`
    is an RFC 3161 response; `chain` are the DER certificates above the entry's own.
    Of a body that is too large to be here, `body_size` says how many bytes it has.
    """

    index: int  # type: ignore[assignment]  # tuple.index is not missed
    form: str
    entry: bytes
    body: bytes
    promise: bytes = b""
    timestamp: bytes = b""
    chain: bytes = b""
    integrated_at: int = 0
    body_size: int = 0

    def bundle(self, proof: InclusionProof, note: str, log_id: bytes) -> Bundle:
        """Render as a bundle under `note`, the signed checkpoint that `proof` leads to.

        Raises:
            MalformedError, UnsupportedError: this record is not of a form that has a bundle.
        """
        payload_type, payload = dsse.parse_pae(self.body)
        if payload_type != dsse.IN_TOTO:
            raise UnsupportedError(f"no bundle holds a payload of type {payload_type[:80]!r}")
        return self._bundle(payload, proof, note, log_id)

    def rendered(self, proof: InclusionProof, note: str, log_id: bytes) -> bytes:
        """Render as readers of the form take it.

        A Sigstore bundle; a simple-signing payload with its annotations, as JSON; or a
        JWS envelope.

        Raises:
            UnsupportedError: nobody reads this form.
        """
        if self.form == "simplesigning":
            return self.sigstore_json()
        if self.form == "notation":
            return self._notation()
        if not self.body:
            raise UnsupportedError(f"there is no body to render at {self.index}")
        return self.bundle(proof, note, log_id).json()

    def pieces(
        self, body: Iterable[bytes], proof: InclusionProof, note: str, log_id: bytes
    ) -> Iterator[bytes]:
        """Yield the bundle of a record whose `body` comes in pieces; nothing is held but a piece.

        Raises:
            MalformedError: the body is no encoding of an in-toto statement.
        """
        yield from self._bundle(b"", proof, note, log_id).pieces(dsse.payload_of(body))

    def _bundle(self, payload: bytes, proof: InclusionProof, note: str, log_id: bytes) -> Bundle:
        entry = Entry.parse(self.entry)
        return Bundle(
            Envelope(payload, entry.signature),
            "" if entry.certificate else entry.key.hint,
            log_id,
            self.entry,
            proof,
            note,
            (self.timestamp,) if self.timestamp else (),
            entry.certificate,
        )

    def sigstore_json(self) -> bytes:
        """Render a signature in the form `simplesigning`, as containers/image keeps it.

        Raises:
            MalformedError, UnsupportedError: this record is of another form, or was not promised.
        """
        from verifier import simplesigning
        from verifier.rekor_v1 import LegacyEntry, Promise

        signature = LegacyEntry.parse(self.entry).signature
        annotations = simplesigning.layer_annotations(
            self.entry, signature, Promise.parse(self.promise), self.integrated_at, self.index
        )
        return simplesigning.sigstore_json(self.body, annotations)

    def _notation(self) -> bytes:
        from verifier import jws

        entry = Entry.parse(self.entry)
        if not entry.certificate:
            raise MalformedError("expected a certificate in the entry of a notation signature")
        signature = jws.raw_signature(entry.key.algorithm.name, entry.signature)
        chain = [entry.certificate, *jws.split_chain(self.chain)]
        return jws.envelope(self.body, signature, chain)
