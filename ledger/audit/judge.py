"""One entry at a time: is its body there, is it what was signed, and by whom?

The labels are derived here and nowhere else; what the service says of an entry
is compared with that, never used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from ledger import labels
from ledger.audit.ahead import Fetch, hash_name
from ledger.audit.announcing import unproven
from ledger.audit.bounds import Floor, utc
from ledger.audit.finding import Finding
from ledger.audit.source import Listed
from ledger.audit.trusted import Trusted
from verifier import dsse
from verifier.entry import Entry, parse_any
from verifier.errors import VerificationError
from verifier.rekor_v1 import EnvelopeEntry, LegacyEntry
from verifier.statement import APPROVAL, EVENT_PREFIX, Statement
from verifier.trust.listed import TrustedKey

DELETED = EVENT_PREFIX + "body-deleted"
BODY_MISSING = "body-missing"
MUST_STAY = "which no statement can take away"  # approvals and events
SKEW_S = 300  # how far the service's clock may be off
_REMEMBERED = 65_536  # bodies
_ENTRY_PURPOSES = ("approve", "attest", "event")


class Judged(NamedTuple):
    """What an entry turned out to be; `labels` are empty when there is no body to derive from."""

    index: int  # type: ignore[assignment]  # tuple.index is not missed
    entry: bytes
    labels: Mapping[str, list[str]]
    opaque: bool
    findings: tuple[Finding, ...]
    deletes: tuple[int, str] | None = None  # which entry's body this one says is gone


class _Said(NamedTuple):
    """What a body says: what a key must be for to say it, of what kind, and about which names."""

    purpose: str
    kind: str
    names: tuple[str, ...]
    event: Statement | None


class Judge:
    """Judges entries in order, from some index on.

    `events` has the index of the last event of each kind. If `whole` is not set,
    there were entries before whose bodies nobody looked at, so the first event of
    a kind that is not in `events` may name any index before its own.
    """

    def __init__(
        self,
        trusted: Trusted,
        *,
        events: Mapping[str, int],
        whole: bool,
        committed_at: int,
        floor: Floor,
        now: int,
    ) -> None:
        """Judge by the keys of `trusted`."""
        self._trusted = trusted
        self.events = dict(events)
        self._whole = whole
        self.committed_at = committed_at
        self._floor = floor
        self._now = now
        self._ours: dict[bytes, None] = {}  # hashes of bodies that keys of ours signed

    def judge(self, index: int, entry: bytes, listed: Listed | None, fetch: Fetch | None) -> Judged:
        """Return what the entry at `index` is; its leaf was compared before.

        Its body comes from `fetch`, which is None when no body is to be looked at.

        1. Its time, by the service's word, is no lie that shows.
        2. It is of a kind that we know; else it is opaque.
        3. Its body is there, if one of our keys signed it; a foreign one may be opaque: somebody
           uploaded it, perhaps over the hash of a body that one of our keys signed too.
        4. The body is the one that the entry names, and the signature fits it.
        5. The key may say this: listed, purpose, scope, window.
        6. Its labels, derived, are the service's.
        7. An event names the one before it; one that announces a key proves it.
        """
        # 1.
        found = list(self._time(index, listed)) if listed else []
        judged = Judged(index, entry, {}, opaque=False, findings=tuple(found))
        # 2.
        try:
            logged = parse_any(entry)
        except VerificationError:
            return judged._replace(opaque=True)
        # 3.
        if isinstance(logged, EnvelopeEntry):
            return self._judge_upload(judged, logged)
        key = (self._trusted.keys or {}).get(logged.key.hint)
        if key is None and listed and labels.is_opaque(listed.labels):
            return judged._replace(opaque=True)
        algorithm, name = hash_name(logged), logged.data_digest.hex()
        body = fetch(algorithm, name) if fetch else None
        if body is not None and (key is not None or logged.data_digest not in self._ours):
            return self._judge_body(judged, logged, key, body, listed)
        if fetch and key is not None:
            return judged._replace(findings=(*found, _missing(index, logged, key)))
        return judged._replace(opaque=fetch is not None)

    def _judge_upload(self, judged: Judged, logged: EnvelopeEntry) -> Judged:
        """Take step 3 for a kind of entry that we never make: it has no body."""
        found = [
            Finding(BODY_MISSING, judged.index, f"the body, signed by key {key.name}", "none")
            for _, public in logged.signatures
            if (key := (self._trusted.keys or {}).get(public.hint))
        ]
        return judged._replace(opaque=not found, findings=(*judged.findings, *found))

    def _judge_body(
        self,
        judged: Judged,
        logged: Entry | LegacyEntry,
        key: TrustedKey | None,
        body: bytes,
        listed: Listed | None,
    ) -> Judged:
        """Take steps 4 to 7."""
        index, found = judged.index, list(judged.findings)
        # 4.
        if fault := _unlike(index, logged, body):
            return judged._replace(findings=(*found, fault))
        # 5.
        try:
            derived = labels.of(judged.entry, body)
            said = _said(derived, body)
        except VerificationError as e:
            if key is None:  # a stranger's, in a form that is none of ours
                return judged._replace(opaque=True)
            fault = Finding("bad-body", index, "a body of a form that we make", e.message)
            return judged._replace(findings=(*found, fault))
        found += self._may(index, logged, key, said)
        if key is not None:
            self._remember(logged.data_digest)
        # 6.
        if listed and listed.labels != (ours := labels.encode(derived)):
            found.append(Finding("false-label", index, _text(ours), _text(listed.labels)))
        # 7.
        deletes = None
        if said.event is not None and key is not None and key.purpose == "event":
            found += self._chain(index, said.event)
            trusted = self._trusted
            found += unproven(index, said.event, trusted.origin, trusted.keys or {})
            deletes = _deletes(said.event)
        return judged._replace(labels=derived, findings=tuple(found), deletes=deletes)

    def _time(self, index: int, listed: Listed) -> list[Finding]:
        at, before = listed.committed_at, self.committed_at
        self.committed_at = max(at, before)
        found = []
        if at < before:
            found.append(Finding("false-time", index, f"a time from {utc(before)} on", utc(at)))
        if at > self._now + SKEW_S:
            found.append(Finding("false-time", index, f"a time before {utc(self._now)}", utc(at)))
        seen = self._floor.of(index)
        if seen and at < seen.time - SKEW_S:
            expected = (
                f"a time after {utc(seen.time)}, when {seen.whom} saw a tree of "
                f"{seen.tree_size} entries, unless it waited for its quorum since"
            )
            found.append(Finding("backdated", index, expected, utc(at)))
        return found

    def _remember(self, digest: bytes) -> None:
        """Know a body as one of ours; the oldest are forgotten."""
        self._ours[digest] = None
        if len(self._ours) > _REMEMBERED:
            del self._ours[next(iter(self._ours))]

    def _may(
        self, index: int, logged: Entry | LegacyEntry, key: TrustedKey | None, said: _Said
    ) -> list[Finding]:
        """Find what this key had no business to say."""
        if self._trusted.keys is None:  # a policy names no such keys
            return []
        kind = said.kind
        if key is None or key.purpose not in _ENTRY_PURPOSES:
            whose = f"key {logged.key.fingerprint}"
            if key is not None:
                whose = f"key {key.name}, which is for {key.purpose!r}"
            code = "unannounced-key" if key is None else "key-purpose"
            return [Finding(code, index, "a key that the trust file lists for this", whose)]
        found = []
        purpose = said.purpose
        if key.purpose != purpose:
            what = f"a key for {purpose!r} under {kind}"
            found.append(
                Finding("key-purpose", index, what, f"key {key.name}, for {key.purpose!r}")
            )
        if not key.valid_at(index):
            window = f"{key.valid_from_tree_size} to before {key.valid_through_tree_size}"
            what = f"key {key.name} only from {window}"
            found.append(Finding("key-window", index, what, f"an entry at {index}"))
        for name in said.names:
            found += self._scope(index, key, purpose, name)
        return found

    def _scope(self, index: int, key: TrustedKey, purpose: str, name: str) -> list[Finding]:
        if purpose == "event":
            expected = f"urn:sealbook:ledger:{self._trusted.origin}"
            if name != expected:
                return [Finding("event-ledger", index, f"an event about {expected}", repr(name))]
            return []
        if key.covers_name(name):
            return []
        what = f"key {key.name} only in {', '.join(key.scope)[:200]}"
        return [Finding("key-scope", index, what, repr(name[:200]))]

    def _chain(self, index: int, statement: Statement) -> list[Finding]:
        """Check that an event names the last one of its kind, and remember it."""
        kind = statement.predicate_type
        named = statement.predicate.get("previous")
        last = self.events.get(kind)
        known = self._whole or kind in self.events
        self.events[kind] = index
        if not known or (named == last and type(named) is type(last)):
            return []
        what = f"{kind} after the one at {last}" if last is not None else f"the first {kind}"
        return [Finding("event-chain", index, what, f"previous: {named!r}")]


def _said(derived: Mapping[str, list[str]], body: bytes) -> _Said:
    """Return what a body says, of which an approval has more than one form."""
    [form] = derived["form"]
    if form in (labels.SIMPLESIGNING, labels.NOTATION):
        return _Said("approve", form, tuple(derived.get("repository", [""])), None)
    statement = Statement.parse(dsse.parse_pae(body)[1])
    kind = statement.predicate_type
    is_event = kind.startswith(EVENT_PREFIX)
    purpose = "approve" if kind == APPROVAL else "event" if is_event else "attest"
    names = tuple(subject.name for subject in statement.subjects)
    return _Said(purpose, kind, names, statement if is_event else None)


def _missing(index: int, logged: Entry | LegacyEntry, key: TrustedKey) -> Finding:
    """Return the finding that the body of an entry by one of our keys is not there."""
    algorithm, name = hash_name(logged), logged.data_digest.hex()
    what = f"the body with {algorithm} {name}, signed by key {key.name}"
    if key.purpose in ("approve", "event"):
        what += f", {MUST_STAY}"
    return Finding(BODY_MISSING, index, what, "none")


def _unlike(index: int, logged: Entry | LegacyEntry, body: bytes) -> Finding | None:
    """Return the finding that `body` is not what `logged` is about, if so."""
    digest = hashlib.new(hash_name(logged), body).digest()
    if digest != logged.data_digest:
        expected = f"a body with {hash_name(logged)} {logged.data_digest.hex()}"
        return Finding("body-mismatch", index, expected, f"one with {digest.hex()}")
    try:
        logged.key.verify(logged.signature, body)
    except VerificationError as e:
        whose = f"a signature by key {logged.key.fingerprint}"
        return Finding("bad-signature", index, whose, e.message)
    return None


def _deletes(statement: Statement) -> tuple[int, str] | None:
    """Return index and digest of the body that a statement says was deleted."""
    if statement.predicate_type != DELETED:
        return None
    index, digest = statement.predicate.get("index"), statement.predicate.get("digest")
    if type(index) is not int or not isinstance(digest, str):
        return None
    return index, digest


def _text(row: bytes) -> str:
    return row[:400].decode(errors="replace")
