"""The catalogue of bad inputs: what fooled a verifier of this kind once, and must not fool ours.

A row is a way to go wrong, a letter and a number; a case is one input of it:

    B  bundles                     N  notes, checkpoints, cosignatures
    S  signatures and keys         P  proofs
    D  digests                     C  keys, hints, certificates
    E  envelopes and statements    T  time
"""

from __future__ import annotations

from tests.verifier.catalogue import (
    bundle_bytes,
    bundle_fields,
    bundles,
    digests,
    envelope_signatures,
    envelopes,
    files,
    freshness,
    keys,
    manifests,
    notes,
    policies,
    proofs,
    roles,
    signatures,
    statements,
    times,
    weak_keys,
)
from tests.verifier.catalogue.case import Case

ROWS = {"B": 20, "S": 11, "D": 14, "E": 17, "N": 23, "P": 20, "C": 9, "T": 7}

# Rows that somebody else judges than the verifier's core, and the test of each.
ELSEWHERE = {
    "P16": "audit/test_tiles.py::test_each_forged_tile_is_found",  # the ledger reads tiles
    "C6": "interop/test_certificate_catalogue.py::test_case",  # needs the extra `keyless`
    "C7": "interop/test_certificate_catalogue.py::test_case",
    "C8": "interop/test_certificate_catalogue.py::test_case",
    "C9": "interop/test_certificate_catalogue.py::test_case",
}

MODULES = (
    *(bundle_bytes, bundle_fields, bundles, signatures, weak_keys, digests, manifests),
    *(
        envelopes,
        envelope_signatures,
        statements,
        policies,
        notes,
        roles,
        files,
        proofs,
        keys,
        times,
        freshness,
    ),
)

ALL: list[Case] = [case for module in MODULES for case in module.cases()]
