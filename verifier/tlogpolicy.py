"""Policies (c2sp.org/tlog-policy): which logs count, and who must have seen their checkpoints.

    log example.com/log+33d7b496+AeHT… https://example.com/log
    witness a example.com/a+175d2001+BOHT…
    witness b example.com/b+b2106db9+BK9k… https://example.com/b
    group any-two 2 a b
    quorum any-two

Any listed log suffices. A log whose key rotates, or that signs with two kinds of
key, has a line for each; the name in its keys is its origin. Which key is a log's
and which a witness's is decided here and nowhere else: no signature says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self

from verifier import note as notes
from verifier.checkpoint import Checkpoint
from verifier.errors import MalformedError, UntrustedLogError, WitnessQuorumError
from verifier.note import ECDSA, ED25519, ML_DSA, Note, NoteKey
from verifier.quorum import Quorum, check_text, words_of


class Endorsed(NamedTuple):
    """A checkpoint that satisfied a policy, which log keys signed it, and which witnesses."""

    checkpoint: Checkpoint
    logs: tuple[NoteKey, ...]
    witnesses: tuple[str, ...]  # as the policy calls them


class TlogPolicy(NamedTuple):
    """The keys of logs, each with its address or "", and which witnesses suffice."""

    logs: tuple[tuple[NoteKey, str], ...]
    quorum: Quorum

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a policy file.

        Raises:
            MalformedError: any other form, or `check_roles` says no.
            UnsupportedKeyError: a kind of key that this verifier does not know.
        """
        check_text(text)
        logs: list[tuple[NoteKey, str]] = []
        rest = []
        for line in text[:-1].split("\n"):
            match words_of(line):
                case ["log", vkey]:
                    logs.append((_log(vkey), ""))
                case ["log", vkey, url]:
                    logs.append((_log(vkey), url))
                case _:
                    rest.append(line)
        policy = cls(tuple(logs), Quorum.parse("\n".join([*rest, ""])))
        check_roles((key for key, _ in logs), policy.quorum)
        return policy

    def log_keys(self, origin: str) -> tuple[NoteKey, ...]:
        """Return the keys of the log `origin`; none when it is not listed."""
        return tuple(key for key, _ in self.logs if key.name == origin)

    def verify(self, note: Note) -> Endorsed:
        """Return the checkpoint in `note` once a listed log and the quorum signed it.

        Raises:
            MalformedError: it is no checkpoint.
            UntrustedLogError: no listed key of its origin signed it.
            SignatureError: a line that names a listed key does not verify.
            WitnessQuorumError: too few witnesses did.
        """
        checkpoint = Checkpoint.parse(note.text)
        keys = self.log_keys(checkpoint.origin)
        if not keys:
            raise UntrustedLogError(f"no pinned log is called {checkpoint.origin!r}")
        logs = notes.verify(note, keys)
        known = self.quorum.witnesses
        if not known:
            return Endorsed(checkpoint, logs, ())
        try:
            signed = notes.verify(note, known.values())
        except UntrustedLogError:
            signed = ()
        names = tuple(name for name, key in known.items() if key in signed)
        if not self.quorum.satisfied_by(set(names)):
            raise WitnessQuorumError(
                f"witnesses {len(names)} of {len(known)}, expected {self.quorum.name}"
            )
        return Endorsed(checkpoint, logs, names)

    def __str__(self) -> str:
        """Print a policy file that `parse` reads as the same policy."""
        lines = (f"log {key} {url}".rstrip(" ") + "\n" for key, url in self.logs)
        return "".join(lines) + self.quorum.text


def check_roles(logs: Iterable[NoteKey], quorum: Quorum) -> None:
    """Check that each key, and each name, is either a log's or a witness's.

    Raises:
        MalformedError: one key twice, or a witness with the name of a log. A
            line of kind 6 under that name could be meant as either.
        AmbiguousKeyError: two keys with one name and one id.
    """
    logs = tuple(logs)
    witnesses = tuple(quorum.witnesses.values())
    publics = {key.public for key in (*logs, *witnesses)}
    if len(publics) != len(logs) + len(witnesses):
        raise MalformedError("one key is listed for two logs, or for a log and a witness")
    if not {key.name for key in logs}.isdisjoint(key.name for key in witnesses):
        raise MalformedError("a witness has the name of a log")
    notes.refuse_ambiguous((*logs, *witnesses))


def _log(vkey: str) -> NoteKey:
    key = NoteKey.parse(vkey)
    if key.kind not in (ED25519, ECDSA, ML_DSA):
        raise MalformedError(f"expected the key of a log, found kind {key.kind}")
    return key
