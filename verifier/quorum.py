"""Witness quorums (c2sp.org/tlog-policy): how many others must have seen a checkpoint.

    witness a example.com/a+175d2001+BOHT…
    witness b example.com/b+b2106db9+BK9k…
    group any-two 2 a b
    quorum any-two

`quorum none` asks for nobody. A name is defined before it is used, and is a
member of at most one group, so that no witness can count twice. A witness may
have an address as its last word. Lines about logs: `verifier.tlogpolicy`.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import decimal
from verifier.errors import LimitError, MalformedError
from verifier.note import COSIGNATURE, ML_DSA, NoteKey, refuse_ambiguous

NONE = "none"

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_BLANKS = re.compile(r"[ \t]+")  # str.split() would take Unicode's spaces too


class Group(NamedTuple):
    """At least `threshold` of `members`, which are witnesses or groups."""

    threshold: int
    members: tuple[str, ...]


class Quorum(NamedTuple):
    """Which sets of witnesses suffice; `text` is what it was parsed from."""

    witnesses: dict[str, NoteKey]
    groups: dict[str, Group]
    name: str
    text: str
    urls: dict[str, str]  # of those witnesses that have one

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a policy without `log` lines; the trust root names the logs.

        Raises:
            MalformedError: any other form, a name defined twice or never, one
                key under two names, a threshold of none or of more than there are.
            AmbiguousKeyError: two keys with one name and one id.
        """
        check_text(text)
        quorum = cls({}, {}, "", text, {})
        chosen: list[str] = []
        grouped: set[str] = set()
        for line in text[:-1].split("\n"):
            words = words_of(line)
            if words:
                quorum._line(words, chosen, grouped)
        if len(chosen) != 1:
            raise MalformedError(f"expected one quorum line, found {len(chosen)}")
        refuse_ambiguous(quorum.witnesses.values())
        return quorum._replace(name=chosen[0])

    def satisfied_by(self, witnesses: AbstractSet[str]) -> bool:
        """Whether these witnesses, by name, are enough."""
        satisfied = set(self.witnesses) & set(witnesses)
        for name, group in self.groups.items():  # each after its members
            if len(satisfied.intersection(group.members)) >= group.threshold:
                satisfied.add(name)
        return self.name == NONE or self.name in satisfied

    def _line(self, words: list[str], chosen: list[str], grouped: set[str]) -> None:
        match words:
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._define(name)
                self.witnesses[name] = _witness(vkey, self.witnesses)
                if url:
                    self.urls[name] = url[0]
            case ["group", name, threshold, *members] if members:
                self._define(name)
                self.groups[name] = self._group(threshold, members, grouped)
            case ["quorum", name]:
                if name != NONE:
                    self._known(name)
                chosen.append(name)
            case _:
                raise MalformedError(f"not a line of a witness policy: {' '.join(words)[:80]!r}")

    def _define(self, name: str) -> None:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise MalformedError(f"the name {name[:80]!r} is taken")

    def _known(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise MalformedError(f"the name {name[:80]!r} is not defined")

    def _group(self, threshold: str, members: list[str], grouped: set[str]) -> Group:
        for member in members:
            self._known(member)
            if member in grouped:
                raise MalformedError(f"{member[:80]!r} is a member twice")
            grouped.add(member)
        words = {"all": len(members), "any": 1}
        least = words[threshold] if threshold in words else decimal(threshold)
        if not 1 <= least <= len(members):
            raise MalformedError(f"expected a threshold of 1 to {len(members)}, found {least}")
        return Group(least, tuple(members))


def check_text(text: str) -> None:
    """Check that `text` can be a policy: lines, and no control character but tabs.

    Raises:
        MalformedError: it cannot.
    """
    if len(text) > limits.NOTE:
        raise LimitError(f"expected at most {limits.NOTE} characters of policy")
    if not text.endswith("\n") or _CONTROL.search(text):
        raise MalformedError("expected lines that end in a newline, without control characters")


def words_of(line: str) -> list[str]:
    """Return the words of a line; none of an empty line or a comment."""
    words = _BLANKS.split(line.strip(" \t"))
    return [] if not words[0] or words[0].startswith("#") else words


def _witness(vkey: str, known: dict[str, NoteKey]) -> NoteKey:
    key = NoteKey.parse(vkey)
    if key.kind not in (COSIGNATURE, ML_DSA):
        raise MalformedError(f"expected the key of a witness, found kind {key.kind}")
    # A cosignature of kind 4 does not sign its name: one key under two names would count twice.
    if any(key.public == other.public for other in known.values()):
        raise MalformedError("two witnesses have one key")
    return key
