"""A key in the transit engine, opened or made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from signer.errors import KeyExistsError, KeyFailedError, KeyObjectError
from signer.keys.transit.description import TYPES, Description
from signer.keys.transit.place import Place
from signer.keys.transit.session import Access, Session
from signer.keys.workers import Workers
from verifier._strict import b64encode
from verifier.publickey import PublicKey

_THREADS = 8  # a signature takes a few milliseconds of waiting
_MESSAGE = 23 << 20  # in Base64 less than the 32 MiB that a server takes by default


class TransitKey:
    """One version of a key that never leaves the server.

    Others than ECDSA and RSA sign whole messages, which the server is then sent: at most
    `_MESSAGE` bytes. Safe in many threads.
    """

    def __init__(self, access: Access, place: Place, described: Description) -> None:
        """Use the version that was `described`; `access` is the key's own from now on.

        Raises:
            KeyHomeError, KeyUnavailableError: what has been described is gone again.
        """
        self._access = access
        self._place = place.at(described.version)
        self._public = described.public
        self._attributes = described.attributes
        self._workers = Workers(
            f"openbao {self._place.key}", self._open_session, Session.close, _THREADS
        )

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self._public

    @property
    def workers(self) -> Workers[Session]:
        """The threads that ask the server."""
        return self._workers

    @property
    def attributes(self) -> Mapping[str, str]:
        """What the server said of the key when it was opened."""
        return self._attributes

    def close(self) -> None:
        """End the threads, and give the token back."""
        self._workers.close()
        self._access.close()

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`; ECDSA as ASN.1 DER.

        Raises:
            KeyUnavailableError: the server does not answer.
            KeyHomeError: it answers, and does not let us sign.
            KeyFailedError: it made something else, or the message is too long.
        """
        if self._signs_digests:
            name = self._public.algorithm.hash_name
            return self.sign_digest(hashlib.new(name, message).digest())
        if len(message) > _MESSAGE:
            raise KeyFailedError(f"{self._place.called} signs no message of {len(message)} bytes")
        return self._sign({"input": b64encode(message)})

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the same over the message with this hash; for ECDSA and RSA."""
        algorithm = self._public.algorithm
        if not self._signs_digests:
            raise KeyFailedError(f"a key of {algorithm.name} signs no hashes")
        if len(digest) != hashlib.new(algorithm.hash_name).digest_size:
            # The server would sign a hash of any length.
            raise KeyFailedError(f"expected a hash of {algorithm.hash_name}")
        return self._sign(
            {
                "input": b64encode(digest),
                "prehashed": True,
                "hash_algorithm": f"sha2-{algorithm.hash_name.removeprefix('sha')}",
                "marshaling_algorithm": "asn1",  # of ECDSA
                "signature_algorithm": "pkcs1v15",  # of RSA
            }
        )

    @property
    def _signs_digests(self) -> bool:
        return self._public.algorithm.name != "ed25519"

    def _sign(self, body: Mapping[str, object]) -> bytes:
        return self._workers.call(lambda session: session.sign(body))

    def _open_session(self) -> Session:
        session = Session(self._access, self._place)
        try:
            self._check_same(_found(session))
        except BaseException:
            session.close()
            raise
        return session

    def _check_same(self, described: Description) -> None:
        if described.public != self._public:
            raise KeyObjectError(f"{self._place.called} is another key than it was")


def open_key(place: Place, base: Path) -> TransitKey:
    """Open the version of the key that `place` names, or the newest.

    Raises:
        KeyHomeError: it is not there, must not be used, or we are not let in.
        KeyUnavailableError: the server does not answer.
    """
    return _opened(place, base, _found)


def create_key(place: Place, base: Path, algorithm: str) -> TransitKey:
    """Make the version of the key that `place` names, and open it; no version is the first.

    Version 1 is a new key. A later one is the next version of a key that is there, and of the
    same algorithm: that is how keys here are rotated.

    Raises:
        KeyExistsError: the version is there already.
        KeyHomeError: it cannot be made, or we are not let in.
        KeyUnavailableError: the server does not answer.
    """
    if algorithm not in TYPES:
        wanted = ", ".join(sorted(TYPES))
        raise KeyObjectError(f"expected an algorithm of {wanted}, found {algorithm[:40]!r}")
    version = place.version or 1
    return _opened(place.newest(), base, lambda session: _made(session, version, algorithm))


def _opened(place: Place, base: Path, find: Callable[[Session], Description]) -> TransitKey:
    access = Access(place, base)
    try:
        session = Session(access, place)
        try:
            described = find(session)
        finally:
            session.close()
        return TransitKey(access, place, described)
    except BaseException:
        access.close()
        raise


def _found(session: Session) -> Description:
    described = session.read()
    if described is None:
        raise KeyObjectError(f"there is no key {session.place.called}")
    return described


def _made(session: Session, version: int, algorithm: str) -> Description:
    """Make a version of the key, of which `session` sees the newest."""
    called = f"version {version} of {session.place.called}"
    newest = session.read()
    latest = 0 if newest is None else newest.version
    if version <= latest:
        raise KeyExistsError(
            f"{called} is there already", hint=f"version={latest + 1} makes the next one"
        )
    if version != latest + 1:
        raise KeyObjectError(f"{called} cannot be made: the next one is {latest + 1}")
    if newest is None:
        session.make(algorithm)
    else:
        _check_algorithm(newest, algorithm, called)
        session.rotate()
    made = _found(session)
    if made.version != version:  # who made more meanwhile will use them; we do not know ours
        raise KeyExistsError(f"{called} was made, and by somebody else version {made.version}")
    _check_algorithm(made, algorithm, called)
    return made


def _check_algorithm(described: Description, algorithm: str, called: str) -> None:
    found = described.public.algorithm.name
    if found != algorithm:
        raise KeyObjectError(f"{called}: expected {algorithm}, the key is {found}")
