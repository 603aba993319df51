"""The self-test of a new key: a statement about itself, which nobody can take for another one.

    DSSEv1 39 application/vnd.sealbook.ceremony+json 412 {"ceremony_sha256":"9f86…",
    "key":"release-2027","origin":"ledger.bank.example","public_key":"MFkw…",
    "purpose":"approve","rehearsal":false,"type":"urn:sealbook:ceremony-self-test:v1"}

It ties the key to the reviewed file, and shows that the private half is there and works. No
verifier reads this payload type, and by its first bytes it is no signed note, no JSON, no
JWS and no DER. What a key signed in a rehearsal says so under its signature.
"""

from __future__ import annotations

from signer.ceremony.reading import Ceremony, WantedKey
from verifier import dsse
from verifier._strict import b64encode, canonical_json
from verifier.publickey import PublicKey

PAYLOAD_TYPE = "application/vnd.sealbook.ceremony+json"
_TYPE = "urn:sealbook:ceremony-self-test:v1"


def message(ceremony: Ceremony, wanted: WantedKey, public: PublicKey, *, rehearsal: bool) -> bytes:
    """Return what the key `public`, made as `wanted` in `ceremony`, signs."""
    payload = canonical_json(
        {
            "ceremony_sha256": ceremony.sha256,
            "key": wanted.name,
            "origin": ceremony.origin,
            "public_key": b64encode(public.spki),
            "purpose": wanted.purpose,
            "rehearsal": rehearsal,
            "type": _TYPE,
        }
    )
    return dsse.pae(PAYLOAD_TYPE, payload)
