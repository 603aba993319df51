"""The judge of foreign bundles: is this signed by that key, and in a log that is trusted?

`judge` is the main flow. It is pure, like `verifier.verify`: what the certificate of a
bundle is worth is asked elsewhere (`verifier.pull.keyless`), about the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from verifier._strict import b64, decimal
from verifier.errors import (
    CheckpointMismatchError,
    KeyWindowError,
    MalformedError,
    NotYetValidError,
    UnsupportedError,
    UntrustedLogError,
)
from verifier.merkle import Hash, hash_leaf, verify_inclusion
from verifier.note import Note
from verifier.publickey import PublicKey
from verifier.rekor_v1 import Promise
from verifier.sigstore.artifact import Artifact, check_signed
from verifier.sigstore.bundle import ForeignBundle, LogEntry, Proof
from verifier.sigstore.entries import check_entry, is_second
from verifier.sigstore.trusted_root import Log, TrustedRoot

_SKEW_S = 60  # by how much a log's clock may be ahead of ours


class Logged(NamedTuple):
    """Where an entry is: proven at `index` in a tree of `tree_size`, or 0, only promised.

    `integrated_at` is POSIX seconds, by the log's word; 0 when it said nothing.
    """

    origin: str
    index: int  # type: ignore[assignment]  # tuple.index is not missed
    tree_size: int
    integrated_at: int


def judge(
    bundle: ForeignBundle,
    key: PublicKey,
    root: TrustedRoot,
    artifact: Artifact,
    *,
    now: float,
) -> Logged | None:
    """Return where a log of `root` has what the managed `key` signed about `artifact`.

    None comes back only from a root without any log, for a bundle without any entry:
    who hands in such a root asks for the signature alone.

    1. The signature is by the key, and about the artifact.
    2. It is in the log: the steps of `logged`.

    Raises:
        VerificationError: one of its subclasses, by the first step that says no.
    """
    # 1.
    check_signed(bundle, key, artifact)
    # 2.
    if not (bundle.entries or root.names_logs):
        return None
    return logged(bundle, key, root, artifact, now=now)


def logged(
    bundle: ForeignBundle,
    key: PublicKey,
    root: TrustedRoot,
    artifact: Artifact | None,
    *,
    now: float,
    times: Sequence[float] = (),
) -> Logged:
    """Return where a log of `root` has the signature of `bundle`, which is by `key`.

    `times` are when it was signed, as far as others vouch for that.

    1. There is one entry, of a log of the trusted root.
    2. It is the entry that this signature makes.
    3. The log proved it under a checkpoint of its own, or promised it, as the version of the
       bundle demands; whatever is there of the two is checked.
    4. The log's key counted at every time that somebody vouches for, or else counts now.

    Raises:
        VerificationError: one of its subclasses, by the first step that says no.
    """
    # 1.
    if len(bundle.entries) != 1:
        raise UnsupportedError(f"expected one log entry, found {len(bundle.entries)}")
    entry = bundle.entries[0]
    log = root.log(entry.log_id)
    # 2.
    check_entry(entry, bundle.signed, key, bundle.certificate, artifact)
    # 3.
    second = is_second(entry)
    integrated_at = _promised(entry, log, bundle.version, now, second=second)
    origin, index, tree_size = log.host, entry.index, 0
    if entry.proof is not None:
        origin = _proven(entry, entry.proof, log, second=second)
        index, tree_size = entry.proof.inclusion.index, entry.proof.inclusion.tree_size
    elif second or bundle.version > 1:
        raise MalformedError("expected an inclusion proof, found none")
    # 4.
    signed_at = (*times, integrated_at) if integrated_at else tuple(times)
    _check_window(log, signed_at or (now,), dated=bool(signed_at))
    return Logged(origin, index, tree_size, integrated_at)


def _check_window(log: Log, times: Sequence[float], *, dated: bool) -> None:
    for time in times:
        if not log.window.covers(time):
            when = "when this was signed" if dated else "now, and nobody says when this was signed"
            raise KeyWindowError(f"the key of log {log.host} does not count {when}, at {time:.0f}")


def _promised(entry: LogEntry, log: Log, version: int, now: float, *, second: bool) -> int:
    """Return when the log says that it took the entry; 0 when it does not say."""
    if not entry.promise:
        if version == 1 and not second:
            raise MalformedError("expected a promise in a bundle of version 0.1, found none")
        if second and entry.integrated_at:
            raise MalformedError("an entry of Rekor v2 tells no time, and this one does")
        return 0  # a time that nobody signed is no time
    if second:
        raise MalformedError("an entry of Rekor v2 has no promise, and this one does")
    if not entry.integrated_at:
        raise MalformedError("expected the time of a promise, found none")
    promise = Promise(entry.log_id, entry.promise)
    promise.verify(log.key, entry.body, entry.integrated_at, entry.index)
    if not entry.integrated_at <= now + _SKEW_S:  # a clock that gives no number refuses
        raise NotYetValidError(f"the log took the entry at {entry.integrated_at}, which is to come")
    return entry.integrated_at


def _proven(entry: LogEntry, proof: Proof, log: Log, *, second: bool) -> str:
    """Check that the entry is in a tree that `log` signed, and return its origin."""
    if second and proof.inclusion.index != entry.index:
        raise MalformedError(
            f"the entry says index {entry.index}, its proof says {proof.inclusion.index}"
        )
    note = Note.parse(proof.note)
    origin, tree_size, root = _checkpoint(note.text)
    if (tree_size, root) != (proof.inclusion.tree_size, proof.root):
        raise CheckpointMismatchError(
            f"the proof is for size {proof.inclusion.tree_size} and root {proof.root.hex()}, "
            f"the checkpoint for {tree_size} and {root.hex()}"
        )
    verify_inclusion(hash_leaf(entry.body), proof.inclusion, root)
    # Rekor v1 writes the number of its tree after its name.
    if origin != log.host and (second or not origin.startswith(f"{log.host} - ")):
        raise UntrustedLogError(f"expected a checkpoint of {log.host}, found one of {origin[:80]}")
    lines = [
        line
        for line in note.signatures
        if (line.name, line.key_id) == (log.host, log.log_id[: len(line.key_id)])
    ]
    if not lines:
        raise UntrustedLogError(f"expected a signature by {log.host} under the checkpoint")
    for line in lines:
        log.key.verify(line.signature, note.text.encode())
    return origin


def _checkpoint(text: str) -> tuple[str, int, Hash]:
    """Parse a checkpoint that may have lines after its root, as Rekor v1 wrote a time there."""
    origin, *rest = text.removesuffix("\n").split("\n")
    if len(rest) < 2 or not origin or not all(rest):
        raise MalformedError("a checkpoint has an origin, a size, a root, and no empty line")
    return origin, decimal(rest[0]), Hash(b64(rest[1], size=Hash.SIZE))
