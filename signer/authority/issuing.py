"""Short-lived leaves, as Sigstore's clients expect them of Fulcio, with an embedded SCT.

No certificate transparency log is asked: the ledger is the log. What clients check
is that a pinned key signed a timestamp over the certificate (RFC 6962, 3.2), so a
key of ours does.
"""

from __future__ import annotations

import hashlib

from signer.authority import certificates
from signer.authority.certificates import CODE_SIGNING, extension, identifiers, key_usage
from signer.authority.der import octets, sequence, tlv, utf8
from signer.keys.home import waits
from verifier.publickey import Key, PublicKey

_LIFE_S = 600
_EARLY_S = 60  # for clocks that are a little behind ours
_NOBODY = sequence()  # the subject is the alternative name alone
# github.com/sigstore/fulcio, docs/oid-info.md: who vouches, as raw text and as a string.
_ISSUER_RAW, _ISSUER = "1.3.6.1.4.1.57264.1.1", "1.3.6.1.4.1.57264.1.8"
_SCT_LIST = "1.3.6.1.4.1.11129.2.4.2"
_ECDSA_SHA256 = b"\x04\x03"  # hash and signature algorithm, RFC 5246, 7.4.1.4.1
_V1 = b"\x00"


class LeafIssuer:
    """Certifies keys under `chain`, issuer first, and has `transparency` timestamp each leaf."""

    def __init__(self, key: Key, chain: tuple[bytes, ...], transparency: Key) -> None:
        """Issue with `key`, whose certificate is the first of `chain`."""
        from cryptography import x509

        certificate = x509.load_der_x509_certificate(chain[0])
        found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        self._key = key
        self._name = certificate.subject.public_bytes()
        self._key_id = found.value.digest
        self._key_hash = hashlib.sha256(key.public.spki).digest()
        self._transparency = transparency
        self.waits = waits(key) or waits(transparency)
        self._log_id = hashlib.sha256(transparency.public.spki).digest()

    def issue(self, public: PublicKey, identity: str, issued_by: str, now: int) -> bytes:
        """Return a leaf (DER) for `public` with `identity`, a URI, as its only name.

        It is valid for ten minutes around `now`; `issued_by` says who vouches for it.
        """
        serial = certificates.new_serial()
        valid = (now - _EARLY_S, now - _EARLY_S + _LIFE_S)
        extensions = (
            key_usage(),
            certificates.extended_key_usage(CODE_SIGNING),
            *identifiers(certificates.key_identifier(public), self._key_id),
            extension("2.5.29.17", sequence(tlv(0x86, identity.encode())), critical=True),
            extension(_ISSUER_RAW, issued_by.encode()),
            extension(_ISSUER, utf8(issued_by)),
        )

        def to_be_signed(*last: bytes) -> bytes:
            return certificates.to_be_signed(
                self._name,
                _NOBODY,
                public,
                serial=serial,
                valid=valid,
                extensions=(*extensions, *last),
            )

        scts = self._scts(to_be_signed(), 1000 * now)
        return certificates.signed(to_be_signed(extension(_SCT_LIST, octets(scts))), self._key)

    def _scts(self, tbs: bytes, now_ms: int) -> bytes:
        """Return a list with one signed certificate timestamp over a precertificate."""
        when = now_ms.to_bytes(8, "big")
        # version, certificate_timestamp, time, precert_entry, issuer, TBS, no extensions
        covered = b"".join(
            (
                _V1,
                b"\x00",
                when,
                b"\x00\x01",
                self._key_hash,
                len(tbs).to_bytes(3, "big"),
                tbs,
                b"\x00\x00",
            )
        )
        signature = self._transparency.sign(covered)
        sct = b"".join(
            (
                _V1,
                self._log_id,
                when,
                b"\x00\x00",
                _ECDSA_SHA256,
                len(signature).to_bytes(2, "big"),
                signature,
            )
        )
        one = len(sct).to_bytes(2, "big") + sct
        return len(one).to_bytes(2, "big") + one
