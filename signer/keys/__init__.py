"""Private keys, by URI: `file:keys/release.pem`. The scheme says where a key lives.

Each home of keys is a module of its own that is imported only when its scheme
is used; what it gives back is a `verifier.publickey.Key`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from signer.errors import KeyFailedError, KeyFileError
from verifier.errors import SealbookError
from verifier.publickey import Key, PublicKey

_PROBE = b"sealbook key probe v1"


def open_key(uri: str, base: Path) -> Key:
    """Open the key that `uri` names; relative paths start at `base`.

    Raises:
        KeyFileError: it cannot be read, or others can read it too.
        KeyFailedError: it does not sign what its public half verifies.
    """
    scheme, _, rest = uri.partition(":")
    if scheme not in _OPENERS or not rest:
        known = ", ".join(f"{scheme}:" for scheme in sorted(_OPENERS))
        raise KeyFileError(f"expected a key URI with one of {known}, found {uri[:120]!r}")
    key = _OPENERS[scheme](rest, base)
    check(key, _PROBE, key.sign(_PROBE))
    return key


class SigningKey:
    """A key that callers may ask for, under its name, with a check on itself.

    `purpose` is "approve" or "attest". A `raw` key has none: it signs what nobody read, and
    nothing else. `chain` is its X.509 chain for notation, DER, its own certificate first.

    A fault in memory or in a device can make a signature that does not verify,
    and a faulty ECDSA signature can even give the key away. One in `check_every`
    is verified before it leaves; after a failure the key is out of use.
    """

    def __init__(
        self,
        name: str,
        key: Key,
        forms: tuple[str, ...] = (),
        check_every: int = 64,
        *,
        purpose: str = "approve",
        raw: bool = False,
        chain: tuple[bytes, ...] = (),
    ) -> None:
        """Use `key`, which was checked at opening, under `name` for `forms`."""
        self.name = name
        self.forms = forms
        self.purpose = purpose
        self.raw = raw
        self.chain = chain
        self.healthy = True
        self._key = key
        self._check_every = check_every
        self._made = 0

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self._key.public

    def sign(self, message: bytes) -> bytes:
        """Return a signature over `message`.

        Raises:
            KeyFailedError: the key failed, now or earlier.
        """
        return self._checked(
            lambda: self._key.sign(message),
            lambda signature: check(self._key, message, signature),
        )

    def sign_digest(self, digest: bytes) -> bytes:
        """Return a signature over the message with this hash; for ECDSA and RSA.

        Raises:
            KeyFailedError: the key failed, now or earlier.
        """
        return self._checked(
            lambda: self._key.sign_digest(digest),
            lambda signature: check_digest(self._key, digest, signature),
        )

    def _checked(self, sign: Callable[[], bytes], verify: Callable[[bytes], None]) -> bytes:
        if not self.healthy:
            raise KeyFailedError(f"key {self.name} is out of use")
        try:
            signature = sign()
            self._made += 1
            if self._made % self._check_every == 0:
                verify(signature)
        except SealbookError:
            self.healthy = False
            raise
        except Exception as e:
            self.healthy = False
            raise KeyFailedError(f"key {self.name} failed to sign") from e
        return signature


def check(key: Key, message: bytes, signature: bytes) -> None:
    """Check what `key` just made; raises `KeyFailedError` when it is not a signature."""
    try:
        key.public.verify(signature, message)
    except SealbookError as e:
        raise KeyFailedError("a key made a signature that does not verify") from e


def check_digest(key: Key, digest: bytes, signature: bytes) -> None:
    """Check what `key` just made of a hash; raises `KeyFailedError` when it is no signature."""
    try:
        key.public.verify_digest(signature, digest)
    except SealbookError as e:
        raise KeyFailedError("a key made a signature that does not verify") from e


def _open_file(path: str, base: Path) -> Key:
    from signer.keys.file import FileKey

    return FileKey.load(base / path)


_OPENERS: dict[str, Callable[[str, Path], Key]] = {"file": _open_file}
