"""sigstore-python reads what we write: its models are strict and were not written here.

Its *verifier* judges certificate bundles only, so a managed-key bundle is read and then refused
for that reason and no other.
"""

from __future__ import annotations

import json

import pytest

from tests.interop import handmade

sigstore_models = pytest.importorskip("sigstore_models.bundle.v1")


def test_models_read_our_bundle_whole(signed_bundle: bytes) -> None:
    """
    Sigstore's own data model takes our bundle, knows every field, and prints the same content.
    """
    bundle = sigstore_models.Bundle.from_json(signed_bundle)

    assert json.loads(signed_bundle) == json.loads(bundle.to_json())


def test_models_refuse_a_field_of_ours() -> None:
    """
    The model would say so if we added a field: it knows all fields and forbids the rest.
    """
    value = json.loads(handmade.make().bundle)
    value["verificationMaterial"]["ours"] = "1"

    with pytest.raises(ValueError, match="ours"):
        sigstore_models.Bundle.from_json(json.dumps(value))


def test_verifier_wants_a_certificate_and_nothing_else(signed_bundle: bytes) -> None:
    """
    sigstore-python refuses a managed key by name; it finds nothing else to complain about.
    """
    from sigstore.models import Bundle, InvalidBundle

    with pytest.raises(InvalidBundle, match="expected certificate in bundle"):
        Bundle.from_json(signed_bundle.decode())


def test_trusted_root_is_read_with_both_log_keys(trusted_root: str) -> None:
    """
    sigstore-python reads our trusted_root.json and finds the two keys of our log.
    """
    from sigstore._internal.trust import KeyringPurpose
    from sigstore.models import TrustedRoot

    keyring = TrustedRoot.from_file(trusted_root).rekor_keyring(KeyringPurpose.VERIFY)

    assert 2 == len(keyring._keyring)
