"""Announcements of keys, as an auditor judges them: whoever has the keys wanted them."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.audit.finding import Finding
from verifier._strict import Fields
from verifier.errors import SignatureError, VerificationError
from verifier.statement import EVENT_PREFIX, Statement
from verifier.trust.life import ADDED, Added
from verifier.trust.listed import TrustedKey

_EXPECTED = "a key with the proof of its holder, and of the holder of the one that it replaces"


def unproven(
    index: int, event: Statement, origin: str, keys: Mapping[str, TrustedKey]
) -> list[Finding]:
    """Find what is wrong with an announcement; other events say nothing about new keys.

    `keys` are those of the trust file, by hint: what replaces another key names one of them,
    unless that was dropped since. Then the new key's own proof has to do.
    """
    if event.predicate_type != EVENT_PREFIX + ADDED:
        return []
    said = {name: value for name, value in event.predicate.items() if name != "previous"}
    try:
        added = Added.read(Fields(said, "predicate"))
        replaces = added.announcement.replaces
        if not replaces or replaces in keys:
            added.check(origin, keys[replaces].public if replaces else None)
        else:
            public = added.announcement.public
            if public.hint not in added.proofs:
                return [Finding("unproven-key", index, _EXPECTED, "no proof by the new key")]
            public.verify(added.proofs[public.hint], added.announcement.message(origin))
    except SignatureError as e:
        return [Finding("unproven-key", index, _EXPECTED, e.message)]
    except VerificationError as e:
        return [Finding("bad-body", index, f"the predicate of a {ADDED}", e.message)]
    return []
