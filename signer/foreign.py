"""What a message says that another tool made: nothing is signed that was not read here.

    DSSEv1 28 application/vnd.in-toto+json …     cosign 3; `cosign attest`
    {"critical":{…},"optional":…}                `cosign sign` before version 3
    base64url(protected) "." base64url(payload)  notation

Cosign's own statement and notation's payload name no repository, so whoever asks
has to. What only we say of a request, under `sealbook.`, no such message may say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

from ledger import labels
from signer.errors import BlindSigningError, SigningTimeError, WrongPurposeError
from verifier import dsse, jws, limits
from verifier import statement as statements
from verifier.digest import Digest
from verifier.errors import (
    LimitError,
    MalformedError,
    RepositoryError,
    RepositoryMismatchError,
    UnsupportedError,
    VerificationError,
)
from verifier.repository import Repository
from verifier.simplesigning import SimpleSigning
from verifier.statement import APPROVAL, EVENT_PREFIX, Statement

_MOST = 256 << 10  # bytes of a message
_SIGNED_WITHIN_S = 300
_ES256 = "ES256"  # what signatures by the one algorithm are called that notation's form takes
_DOCKER, _DOCKER_ALIAS = "docker.io/", "index.docker.io/"  # as cosign writes it


class Said(NamedTuple):
    """What a message is, what its key must be for, and digest and name of each of its subjects."""

    form: str
    purpose: Literal["approve", "attest"]
    subjects: tuple[tuple[Digest, str], ...]

    def about(self, asked: Repository | None) -> tuple[tuple[Digest, Repository | None], ...]:
        """Return what is spoken about, and where; None for what has no name of ours.

        Raises:
            RepositoryError: an approval for something else than a repository.
            RepositoryMismatchError: the message names another repository than `asked`.
        """
        found = []
        for digest, name in self.subjects:
            repository = self._repository(name) if name else asked
            if asked and repository != asked:
                raise RepositoryMismatchError(
                    f"asked for {asked}, the message is about {name[:120]!r}"
                )
            found.append((digest, repository))
        return tuple(found)

    def _repository(self, name: str) -> Repository | None:
        if name.startswith(_DOCKER_ALIAS):
            name = _DOCKER + name.removeprefix(_DOCKER_ALIAS)
        try:
            return Repository(name)
        except RepositoryError:
            if self.purpose == "approve":
                raise
            return None  # attestations are about files too


def check_size(message: bytes) -> None:
    """Raise `LimitError` if `message` is longer than any that we take."""
    if len(message) > _MOST:
        raise LimitError(f"expected a message of at most {_MOST} bytes, found {len(message)}")


def read(message: bytes, now: float) -> Said:
    """Return what `message` says; `now` is POSIX seconds.

    Raises:
        LimitError: it is longer than 256 KiB, or an annotation is too long.
        BlindSigningError: it is of no kind that we read.
        MalformedError: an annotation or name that is no text to show, or one that only we set.
        WrongPurposeError: an event, which nobody can ask for.
        SigningTimeError: notation's signing time is not now.
    """
    check_size(message)
    if message.startswith(dsse.PREFIX):
        return _statement(message)
    if message.startswith(b"{"):
        return _simplesigning(message)
    return _notation(message, now)


def _statement(message: bytes) -> Said:
    with _reading("an in-toto statement"):
        payload_type, payload = dsse.parse_pae(message)
        if payload_type != dsse.IN_TOTO:
            raise UnsupportedError(f"found payload type {payload_type[:80]!r}")
        statement = Statement.parse(payload)
    kind = statement.predicate_type
    # A URN's scheme and namespace are the same in any case (RFC 8141, section 3.1).
    if kind.casefold().startswith(EVENT_PREFIX):
        raise WrongPurposeError(f"expected an approval or attestation, found {kind[:80]!r}")
    for subject in statement.subjects:
        statements.check_annotations(subject.annotations)
    subjects = tuple((subject.digest, subject.name) for subject in statement.subjects)
    _check_shown(kind, *(name for _, name in subjects))
    return Said(labels.BUNDLE, "approve" if kind == APPROVAL else "attest", subjects)


def _simplesigning(message: bytes) -> Said:
    with _reading("a simple-signing payload"):
        simple = SimpleSigning.parse(message)
    _check_keys(simple.optional)
    _check_shown(simple.repository)
    return Said(labels.SIMPLESIGNING, "approve", ((simple.digest, simple.repository),))


def _notation(message: bytes, now: float) -> Said:
    with _reading("a statement, a simple-signing payload or a notation message"):
        signed = jws.parse(message)
        if signed.algorithm != _ES256:
            raise UnsupportedError(f"expected {_ES256}, found {signed.algorithm}")
    statements.check_annotations(signed.target.annotations)
    if abs(now - signed.signing_time) > _SIGNED_WITHIN_S:
        raise SigningTimeError(
            f"expected a signing time within {_SIGNED_WITHIN_S} s of {now:.0f}, "
            f"found {signed.signing_time}"
        )
    return Said(labels.NOTATION, "approve", ((signed.target.digest, ""),))


@contextmanager
def _reading(kind: str) -> Iterator[None]:
    """Whatever cannot be read is not signed; what is too long to be read, says so."""
    try:
        yield
    except LimitError:
        raise
    except VerificationError as e:
        raise BlindSigningError(f"expected {kind}: {e.message}") from e


def _check_keys(optional: Mapping[str, Any]) -> None:
    """Check simple signing's optional part, in which values need not be text."""
    statements.check_annotations(
        {key: value if isinstance(value, str) else "" for key, value in optional.items()}
    )


def _check_shown(*labelled: str) -> None:
    """Check what becomes a label, which terminals show and people search for."""
    for text in labelled:
        if len(text) > limits.REPOSITORY or not text.isprintable():
            raise MalformedError(
                f"expected at most {limits.REPOSITORY} printable characters, found {text[:120]!r}"
            )
