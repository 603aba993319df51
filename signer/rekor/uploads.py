"""Uploads: entries that somebody else signed, appended once.

1. The signature is by a key that every client accepts, and was verified by whoever parsed.
2. What is there already is answered as it is: a duplicate is no error.
3. Under a key of our own, only what we have logged ourselves, with its body.
4. Append: answered once it is durable and published. The audit trail says before what was
   decided, and then what came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ledger import dedup, labels
from ledger.answer import Appended
from ledger.ledger import Ledger
from ledger.plan import NewEntry
from ledger.publication import Published
from ledger.sequencer import Sequencer
from signer.access import Principal, authorise_everywhere
from signer.audit_trail.trail import Trail
from signer.errors import OwnKeyError
from verifier.entry import Entry
from verifier.errors import SealbookError, UnsupportedKeyError
from verifier.merkle import InclusionProof
from verifier.publickey import PublicKey
from verifier.record import Record
from verifier.rekor_v1 import EnvelopeEntry, LegacyEntry

Uploaded = Entry | LegacyEntry | EnvelopeEntry

_ACCEPTED = ("ecdsa-p256", "rsa-2048", "rsa-3072", "rsa-4096")
_SIGNED_HERE = (labels.BUNDLE, labels.SIMPLESIGNING, labels.CERTIFICATE)


class Logged(NamedTuple):
    """What an upload came to."""

    record: Record
    proof: InclusionProof
    published: Published


class Uploads:
    """Appends what others signed. Runs on one event loop."""

    def __init__(
        self,
        ledger: Ledger,
        sequencer: Sequencer,
        own: Callable[[PublicKey], bool],
        trail: Trail,
    ) -> None:
        """Append through `sequencer`; `own` says which keys are this service's, now or once.

        Nothing that `trail` cannot tell of is appended.
        """
        self.ledger = ledger
        self._sequencer = sequencer
        self._own = own
        self._trail = trail

    async def log(self, entry: Uploaded, principal: Principal) -> Logged:
        """Return `entry` in the ledger, published: as it is there, or new, for `principal`.

        Raises:
            PermissionDeniedError: who asks may not append.
            TrailError: the audit trail cannot be written; nothing was appended.
            OwnKeyError: it is under a key of ours, and we did not log it.
            LedgerError: nothing was written, or is not published in time.
        """
        rule = authorise_everywhere(principal, "append").rule
        # 2., 3.
        known_by = dedup.upload_of(entry)
        found = self._find(entry, known_by)
        if found is not None:
            index, known_by = found
            published = self.ledger.published
            if index < published.checkpoint.tree_size:
                with self._trail.decided(principal, "upload", _told(entry, rule)) as course:
                    course.found(index)
                return self.logged(index, published)
        elif self._is_own(entry):
            raise OwnKeyError("the signature is under a key of this service, which did not log it")
        # 4. What is committed but not yet published is appended again, which waits for it.
        promised = not isinstance(entry, Entry)
        new = NewEntry(entry.body(), b"", labels.of_upload(entry), known_by, promised=promised)
        with self._trail.decided(principal, "upload", _told(entry, rule), [known_by]) as course:
            [answer] = await self._sequencer.append([new])
            course.appended([new], [answer])
            if isinstance(answer, SealbookError):
                raise answer
        assert isinstance(answer, Appended)
        return Logged(answer.record, answer.proof, answer.published)

    def find(self, entry: Uploaded) -> int | None:
        """Return where an entry is that was uploaded, or that we made ourselves."""
        found = self._find(entry, dedup.upload_of(entry))
        return found[0] if found else None

    def logged(self, index: int, published: Published | None = None) -> Logged:
        """Return the entry at `index`, proven under `published`, or the newest checkpoint.

        Raises:
            UnknownEntryError: that tree does not have it.
        """
        published = published or self.ledger.published
        proof = self.ledger.prove(index, published.checkpoint.tree_size)
        return Logged(self.ledger.record(index), proof, published)

    def _is_own(self, entry: Uploaded) -> bool:
        return any(map(self._own, keys_of(entry)))

    def _find(self, entry: Uploaded, uploaded_as: bytes) -> tuple[int, bytes] | None:
        """Return where it is, and the dedup key by which it is found there.

        It may be committed, and not yet known to the ledger.
        """
        store = self.ledger.store
        index = store.find(uploaded_as)
        if index is not None:
            return index, uploaded_as
        if isinstance(entry, EnvelopeEntry) or not self._is_own(entry):
            return None
        # With its body it is known by the message, so that the signature must be compared.
        for form in _SIGNED_HERE:
            known_by = dedup.key_of(form, entry.key, entry.data_digest)
            index = store.find(known_by)
            if index is not None:
                logged = self.ledger.stored(index).entry
                if dedup.upload(logged) == uploaded_as:
                    return index, known_by
        return None


def _told(entry: Uploaded, rule: str) -> dict[str, object]:
    """Return what the audit trail says of an upload."""
    found = labels.of_upload(entry)
    return {
        "digests": found.get("digest", []),
        "keys": [key.fingerprint for key in keys_of(entry)],
        "rule": rule,
    }


def keys_of(entry: Uploaded) -> tuple[PublicKey, ...]:
    """Return the keys that an entry was signed with."""
    if isinstance(entry, EnvelopeEntry):
        return tuple(key for _, key in entry.signatures)
    return (entry.key,)


def check_key(key: PublicKey) -> None:
    """Check that every client verifies signatures by `key`, and so the log takes them.

    Raises:
        UnsupportedKeyError: some do not.
    """
    found = key.algorithm.name
    if found not in _ACCEPTED:
        raise UnsupportedKeyError(
            f"expected a key of {', '.join(_ACCEPTED)}, found {found}",
            hint="ECDSA P-256 is the one key that every client accepts",
        )
