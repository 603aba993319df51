"""What each flow says of a request: all that decides what is signed, in words for people.

Nothing is in it that changes from call to call, as an idempotency key does; what a renewal
supersedes is, so that one approval does for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from signer.keys import SigningKey
from signer.order import Item
from verifier.digest import Digest

What = Mapping[str, object]


def to_sign(
    signers: Iterable[tuple[str, SigningKey]],
    items: Iterable[tuple[Item, Sequence[int]]],
    reason: str,
) -> What:
    """Say what is to be approved: items with what each supersedes, by each form and key."""
    return _filled(
        {
            "items": [_item(item, supersedes) for item, supersedes in items],
            "reason": reason,
            "signatures": [{"form": form, **_key(key)} for form, key in signers],
        }
    )


def to_attest(
    keys: Iterable[SigningKey],
    digests: Iterable[Digest],
    *,
    predicate_type: str,
    predicate: tuple[bytes, int],
    supersedes: Sequence[int],
    reason: str,
) -> What:
    """Say what is to be attested; of the predicate its SHA-256, and how long it is."""
    sha256, size = predicate
    return _filled(
        {
            "digests": list(digests),
            "predicate_sha256": sha256.hex(),
            "predicate_size": size,
            "predicate_type": predicate_type,
            "reason": reason,
            "signatures": [_key(key) for key in keys],
            "supersedes": list(supersedes),
        }
    )


def to_sign_message(
    key: SigningKey,
    *,
    form: str,
    digest: bytes,
    about: Iterable[tuple[str, str]],
    reason: str,
) -> What:
    """Say what another tool wants signed: the message's digest, and what was read in it.

    `about` is digest and name of each subject, as the message has them: a name may be missing,
    and then only the caller says for which repository it is. Without a form nobody read it.
    """
    return _filled(
        {
            "about": [_filled({"digest": digest, "name": name}) for digest, name in about],
            "message_digest": digest.hex(),
            "reason": reason,
            "signatures": [{"form": form or "raw", **_key(key)}],
        }
    )


def _item(item: Item, supersedes: Sequence[int]) -> What:
    return _filled(
        {
            "annotations": dict(item.annotations),
            "digest": item.digest,
            "media_type": item.media_type,
            "promotes": "" if item.promotes is None else str(item.promotes),
            "size": item.size,
            "supersedes": list(supersedes) if item.renew else [],
            "tag": item.tag,
        }
    )


def _key(key: SigningKey) -> dict[str, object]:
    return {"key": key.name, "key_sha256": key.public.fingerprint}


def _filled(fields: Mapping[str, object]) -> dict[str, object]:
    """Leave out what says nothing."""
    return {name: value for name, value in fields.items() if value}
