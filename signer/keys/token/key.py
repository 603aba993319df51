"""A key in a token."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from signer.errors import KeyFileError, KeyObjectError, KeyUnavailableError, KeyUriError
from signer.keys.home import Role
from signer.keys.token import objects
from signer.keys.token.schemes import scheme_of
from signer.keys.token.sessions import AbsentKeyError, Opened, Sessions
from signer.keys.token.signing import Signing
from signer.keys.token.uri import TokenUri
from signer.keys.workers import Workers
from verifier import limits
from verifier.errors import SealbookError
from verifier.publickey import PublicKey

_PROBE = b"sealbook token probe v1"


class _Held:
    """The key in one thread's session; replaced when its generation is over."""

    __slots__ = ("generation", "session", "signing")

    def __init__(self, opened: Opened, signing: Signing) -> None:
        self.generation, _, self.session = opened
        self.signing = signing


class TokenKey:
    """A private key in a token, guarded by it.

    Whenever its session is opened, the key is found again, and must be the one that it was:
    the token says so, and a signature proves it.
    """

    def __init__(self, uri: TokenUri, base: Path) -> None:
        """Open the key.

        Raises:
            KeyHomeError: it is not there, not guarded, or not the one with `public-key`.
            KeyUnavailableError: the token does not answer.
        """
        self._uri = uri
        self._public: PublicKey | None = _pinned(uri, base)
        self._attributes: Mapping[str, str] = {}
        self._sessions = Sessions(uri, base)
        try:
            self._workers = Workers(uri.place, self._open, self._close, uri.sessions)
        except BaseException:
            self._sessions.close()
            raise

    @property
    def public(self) -> PublicKey:
        """The public half."""
        assert self._public is not None
        return self._public

    @property
    def workers(self) -> Workers[_Held]:
        """The threads that have sessions on the token."""
        return self._workers

    @property
    def attributes(self) -> Mapping[str, str]:
        """What the token says of the key, by the names of PKCS#11, and of itself."""
        return self._attributes

    def close(self) -> None:
        """Close its sessions, and the library after its last key."""
        self._workers.close()
        self._sessions.close()

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`; ECDSA as ASN.1 DER.

        Raises:
            KeyUnavailableError: the token does not answer.
            KeyHomeError: it has another key now, or refuses the PIN.
            KeyFailedError: it made something that is no signature.
        """
        data = self._scheme.of_message(self.public.algorithm, message)
        return self._scheme.signature(self._workers.call(partial(self._ask, data)))

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the same over the message with this hash; for ECDSA and RSA."""
        data = self._scheme.of_digest(self.public.algorithm, digest)
        return self._scheme.signature(self._workers.call(partial(self._ask, data)))

    def _ask(self, data: bytes, held: _Held) -> bytes:
        with self._sessions.asking() as generation:
            if generation == held.generation:
                return held.signing.sign(data)
        # Another key's trouble began the library anew, and nothing is wrong with this one.
        fresh = self._open()
        held.generation, held.session, held.signing = fresh.generation, fresh.session, fresh.signing
        with self._sessions.asking() as generation:
            if generation == held.generation:
                return held.signing.sign(data)
        raise KeyUnavailableError(f"{self._uri.place} comes and goes")

    def _open(self) -> _Held:
        """Open a session with the key in it, the one that it always was."""
        try:
            return self._sessions.open(self._found)
        except AbsentKeyError as e:
            if not self._attributes:
                raise
            # It was there: what a device loses for a while is no reason to stop for good.
            raise KeyUnavailableError(e.message) from e

    def _found(self, opened: Opened) -> _Held:
        private = objects.find(opened.session, self._uri)
        said = objects.public_of(opened.session, private)
        public = self._public or said
        if public is None:
            raise KeyObjectError(
                f"{self._uri.place} does not say which public key {self._uri.key} has",
                hint="name a PEM file with it: ?public-key=PATH",
            )
        if said not in (None, public):
            raise KeyObjectError(
                f"expected {public!r} as {self._uri.key} in {self._uri.place}, found {said!r}"
            )
        scheme = scheme_of(public.algorithm.name)
        if private.key_type is not scheme.key_type:
            raise KeyObjectError(
                f"expected a key of {scheme.algorithm} as {self._uri.key}, "
                f"found one of {private.key_type.name}"
            )
        signing = Signing(self._sessions.library, opened.session, private, scheme.mechanism)
        raw = signing.sign(scheme.of_message(public.algorithm, _PROBE))
        try:
            public.verify(scheme.signature(raw), _PROBE)
        except SealbookError as e:
            raise KeyObjectError(
                f"what {self._uri.key} in {self._uri.place} signs is not by {public!r}"
            ) from e
        if not self._attributes:
            self._public, self._scheme = public, scheme
            self._attributes = objects.described(private, opened.token)
        return _Held(opened, signing)

    def _close(self, held: _Held) -> None:
        with self._sessions.asking() as generation:
            if generation == held.generation:
                held.session.close()


def open_key(uri: TokenUri, base: Path) -> TokenKey:
    """Open a key; raises like `TokenKey`."""
    if uri.id is None and uri.label is None:
        raise KeyUriError("expected id= or object= in a key URI: which key is it?")
    return TokenKey(uri, base)


def create_key(uri: TokenUri, role: Role, base: Path, algorithm: str) -> TokenKey:
    """Make a key in the token, and open it.

    Raises:
        KeyExistsError: there is an object with its label, or its id, already.
        KeyHomeError: the token does not make such keys, or does not let us in.
        KeyUnavailableError: it does not answer.
    """
    scheme = scheme_of(algorithm)
    label = uri.label or role.name
    if not label:
        raise KeyUriError("expected object= in the URI of a new key: what is it called?")

    def make(opened: Opened) -> bytes:
        key_id = objects.make(opened.session, uri, label, scheme)
        opened.session.close()
        return key_id

    sessions = Sessions(uri, base)
    try:
        return TokenKey(uri.named(sessions.open(make, write=True), label), base)
    finally:
        sessions.close()


def _pinned(uri: TokenUri, base: Path) -> PublicKey | None:
    """Return the one public key that the key may have, where the URI names it."""
    if not uri.public_key:
        return None
    path = base / uri.public_key
    try:
        with path.open("rb") as file:
            return PublicKey.from_pem(file.read(limits.KEY))
    except OSError as e:
        raise KeyFileError(f"cannot read {path}: {e.strerror}") from e
    except SealbookError as e:
        raise KeyFileError(f"{path}: {e.message}") from e
