"""What the server says of a key, and which keys we refuse: `GET transit/keys/NAME`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signer.errors import KeyObjectError, KeyUnavailableError
from signer.keys.transit.place import Place
from verifier._strict import Fields, b64
from verifier.algorithms import ALGORITHMS, ED25519
from verifier.errors import MalformedError, VerificationError
from verifier.publickey import PublicKey, ed25519

# What the engine calls our algorithms, which is what we call them.
TYPES = frozenset(
    row.name for row in ALGORITHMS if row.name.startswith(("ecdsa-", "ed25519", "rsa-"))
)
# Whoever may, could take such a key along; and once set, neither is ever unset.
_LEAKS = ("exportable", "allow_plaintext_backup")


@dataclass(frozen=True, slots=True)
class Description:
    """One version of a key that never leaves the server and is not made from another."""

    version: int
    public: PublicKey
    attributes: Mapping[str, str]


def describe(body: Mapping[str, Any], place: Place) -> Description:
    """Read the description of the key at `place`, in the version named there or the newest.

    Raises:
        KeyObjectError: there is no such version, or the key is one that we refuse.
        KeyUnavailableError: the answer is not one of OpenBao or Vault.
    """
    try:
        return _described(Fields(body, "answer").inside("data"), place)
    except MalformedError as e:
        raise KeyUnavailableError(f"{place.server} describes no key: {e.message}") from e


def _described(data: Fields, place: Place) -> Description:
    kind, latest = data.text("type"), data.number("latest_version")
    flags = {name: data.take(name, bool) for name in (*_LEAKS, "derived", "deletion_allowed")}
    version = place.version or latest
    place = place.at(version)
    if kind not in TYPES:
        raise KeyObjectError(
            f"{place.called}: expected a key of {', '.join(sorted(TYPES))}, found {kind[:40]!r}"
        )
    for leak in _LEAKS:
        if flags[leak]:
            raise KeyObjectError(
                f"{place.called}: expected a key that cannot leave the server, it is {leak}"
            )
    if flags["derived"]:
        raise KeyObjectError(f"{place.called}: expected one key, it is derived for each context")
    if data.has("soft_deleted") and data.take("soft_deleted", bool):
        raise KeyObjectError(f"{place.called} is deleted, though it can still be restored")
    versions = data.inside("keys")
    if not versions.has(str(version)):
        raise KeyObjectError(f"{place.called}: there is no such version, the newest is {latest}")
    if version < data.number("min_encryption_version"):
        raise KeyObjectError(f"{place.called}: the version signs no more (min_encryption_version)")
    public = _public(versions.inside(str(version)).text("public_key"), kind, place)
    imported = data.has("imported_key") and data.take("imported_key", bool)
    attributes = {
        "home": "openbao",
        "uri": str(place),
        "type": kind,
        "version": str(version),
        "made": "elsewhere, and imported" if imported else "by the server",
        "deletable": "yes" if flags["deletion_allowed"] else "no",
        **dict.fromkeys((*_LEAKS, "derived"), "no"),
    }
    return Description(version, public, attributes)


def _public(text: str, kind: str, place: Place) -> PublicKey:
    try:
        is_raw = kind == ED25519.name
        public = ed25519(b64(text)) if is_raw else PublicKey.from_pem(text.encode())
    except VerificationError as e:
        raise KeyObjectError(f"{place.called}: {e.message}") from e
    if public.algorithm.name != kind:
        raise KeyObjectError(f"{place.called}: expected {kind}, found {public.algorithm.name}")
    return public
