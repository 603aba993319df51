"""The subjects of in-toto statements of others, which may hash by several algorithms.

`verifier.statement` reads what we sign, more strictly: every subject by its SHA-256 alone.

Spec: github.com/in-toto/attestation, spec/v1/statement.md and spec/v0.1.
"""

from __future__ import annotations

from verifier import limits
from verifier._strict import Fields, json_object
from verifier.digest import Digest
from verifier.errors import MalformedError, UnsupportedError

_TYPES = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")


def digests_of(payload: bytes) -> tuple[Digest, ...]:
    """Return the SHA-256 digest of each subject that has one.

    Raises:
        LimitError: too large, or too many subjects.
        UnsupportedError: another version of in-toto.
        MalformedError: any other shape, or no subject.
    """
    fields = Fields(json_object(payload, limit=limits.STATEMENT, floats=True), "statement")
    version = fields.text("_type")
    if version not in _TYPES:
        raise UnsupportedError(f"expected _type {_TYPES[0]}, found {version[:80]!r}")
    if not fields.text("predicateType"):
        raise MalformedError("expected a predicate type, found an empty one")
    subjects = fields.items("subject", most=limits.SUBJECTS)
    if not subjects:
        raise MalformedError("expected a subject, found none")
    digests = []
    for i, value in enumerate(subjects):
        named = Fields(value, f"statement.subject[{i}]").inside("digest")
        if named.has("sha256"):
            digests.append(Digest("sha256:" + named.text("sha256")))
    return tuple(digests)
