"""Private keys, by URI: `file:keys/release.pem`. The scheme says where a key lives.

Each home of keys is a module of `signer.keys.homes` that is imported only when its scheme
is used; what it gives back is a `signer.keys.home.HomeKey`. Here it becomes a key that
looks at what it made, and a signing key one that callers may ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from signer.errors import (
    KeyFailedError,
    KeyHomeError,
    KeyRetiredError,
    KeyUnavailableError,
    WrongPurposeError,
)
from signer.keys.home import HomeKey, Role, T, Workers
from signer.keys.homes import home_of
from signer.keys.lots import Lots
from signer.keys.messages import Announcing, Message
from verifier.errors import SealbookError
from verifier.publickey import Key, PublicKey

_PROBE = b"sealbook key probe v1"
_ANY = Role("", "")
_CHECK_EVERY = 64


def open_key(uri: str, base: Path, role: Role = _ANY) -> CheckedKey:
    """Open the key that `uri` names, for `role`; relative paths start at `base`.

    Raises:
        KeyHomeError: it cannot be used, or must not be.
        KeyUnavailableError: where it lives does not answer.
        KeyFailedError: it does not sign what its public half verifies.
    """
    home, rest = home_of(uri)
    return _probed(home.open_key(rest, role, base))


def create_key(uri: str, base: Path, role: Role, algorithm: str) -> CheckedKey:
    """Make a new key where `uri` says, durably, and open it; nothing is ever overwritten.

    Raises:
        KeyHomeError: there is one already, or its home cannot make it.
        KeyUnavailableError, KeyFailedError: as `open_key`.
    """
    home, rest = home_of(uri)
    return _probed(home.create_key(rest, role, base, algorithm))


class CheckedKey:
    """A key that verifies what it made, before anybody gets it. Safe in many threads.

    A fault in memory or in a device can make a signature that does not verify, or is
    another key's, and a faulty ECDSA signature can even give the key away. What a device
    makes is always verified, and one in `check_every` of what is made in this process;
    after a failure the key is out of use. A device that does not answer is no failure.
    """

    def __init__(self, key: HomeKey, check_every: int = _CHECK_EVERY) -> None:
        """Look at what `key` makes."""
        self._key = key
        self._check_every = check_every if key.workers is None else 1
        self._made = 0
        self.healthy = True
        self.available = True

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self._key.public

    @property
    def workers(self) -> Workers | None:
        """Where it signs; None when that is here and takes microseconds."""
        return self._key.workers

    @property
    def attributes(self) -> Mapping[str, str]:
        """What its home says of it."""
        return self._key.attributes

    def close(self) -> None:
        """Give back what it holds; signs no more."""
        self._key.close()

    def sign(self, message: bytes) -> bytes:
        """Return a signature over `message`.

        Raises:
            KeyUnavailableError, KeyHomeError: where it lives does not answer, or refuses us now.
            KeyFailedError: it failed, now or earlier.
        """
        return self._checked(
            lambda: self._key.sign(message),
            lambda signature: check(self._key, message, signature),
        )

    def sign_digest(self, digest: bytes) -> bytes:
        """Return a signature over the message with this hash; raises like `sign`."""
        return self._checked(
            lambda: self._key.sign_digest(digest),
            lambda signature: check_digest(self._key, digest, signature),
        )

    def _checked(self, sign: Callable[[], bytes], verify: Callable[[bytes], None]) -> bytes:
        if not self.healthy:
            raise KeyFailedError(f"key {self.public!r} is out of use")
        try:
            signature = sign()
            self._made += 1
            if self._made % self._check_every == 0:
                verify(signature)
        except (KeyUnavailableError, KeyHomeError):
            # Not for ever: a device is looked for again, and what it says now may change.
            self.available = False
            raise
        except SealbookError:
            self.healthy = False
            raise
        except Exception as e:
            self.healthy = False
            raise KeyFailedError(f"key {self.public!r} failed to sign") from e
        self.available = True
        return signature


class SigningKey:
    """A key that callers may ask for, under its name, for messages of its purpose alone.

    `purpose` is "approve" or "attest". A `raw` key has none: it signs what nobody read, and
    nothing else. `chain` is its X.509 chain for notation, DER, its own certificate first, and
    with `verification_plugin` its signatures in that form ask for our plugin when verified.
    `also` are keys that sign the same statement again, each as a bundle of its own; `earlier`
    are the versions that signed under this name before. Once it has `ended` it refuses.
    """

    def __init__(
        self,
        name: str,
        key: HomeKey,
        forms: tuple[str, ...] = (),
        *,
        purpose: str = "approve",
        raw: bool = False,
        chain: tuple[bytes, ...] = (),
        version: int = 1,
        also: tuple[str, ...] = (),
        verification_plugin: bool = False,
    ) -> None:
        """Use `key`, which was probed at opening, under `name` for `forms`."""
        self.name = name
        self.forms = forms
        self.purpose = purpose
        self.raw = raw
        self.chain = chain
        self.version = version
        self.also = also
        self.verification_plugin = verification_plugin
        self.earlier: tuple[PublicKey, ...] = ()
        self.ended = False
        self._key = key if isinstance(key, CheckedKey) else CheckedKey(key)
        self._signs = "raw" if raw else purpose
        self._lots = Lots(self._key.workers) if self._key.workers else None

    def __repr__(self) -> str:
        """Name it, and its public half."""
        return f"<SigningKey {self.name} version {self.version} {self.public!r}>"

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return self._key.public

    @property
    def healthy(self) -> bool:
        """Whether it never failed."""
        return self._key.healthy

    @property
    def available(self) -> bool:
        """Whether it answered when it was last asked."""
        return self._key.available

    @property
    def attributes(self) -> Mapping[str, str]:
        """What its home says of it."""
        return self._key.attributes

    @property
    def workers(self) -> Workers | None:
        """Where it signs; None when that is here and takes microseconds."""
        return self._key.workers

    async def run(self, job: Callable[[], T]) -> T:
        """Return what `job`, which signs with this key, comes to: done where the key signs.

        A device's thread does it meanwhile, and the event loop goes on.

        Raises:
            KeyUnavailableError, KeyHomeError: the device did not answer in time, or refuses us.
        """
        if self._lots is None:
            return job()
        try:
            return await self._lots.run(job)
        except (KeyUnavailableError, KeyHomeError):
            self._key.available = False
            raise

    def sign(self, message: Message) -> bytes:
        """Return a signature over `message`.

        Raises:
            WrongPurposeError: it is for keys of another purpose.
            KeyRetiredError: it was retired meanwhile.
            KeyUnavailableError: where the key lives does not answer.
            KeyFailedError: the key failed, now or earlier.
        """
        self._refuse_others(message)
        return self._key.sign(message)

    def sign_digest(self, digest: Message) -> bytes:
        """Return a signature over the message with this hash, for ECDSA and RSA; raises alike."""
        self._refuse_others(digest)
        return self._key.sign_digest(digest)

    def announce(self, message: Announcing) -> bytes:
        """Return the proof that whoever announces the key has it; raises like `sign`."""
        if type(message) is not Announcing:
            raise WrongPurposeError(f"key {self.name} announces itself here and nothing else")
        return self._key.sign(message)

    def close(self) -> None:
        """Give back what it holds; signs no more."""
        self._key.close()

    def _refuse_others(self, message: Message) -> None:
        if self.ended:
            raise KeyRetiredError(f"version {self.version} of key {self.name} was retired")
        # At run time too, and also what is no message of ours at all: nothing is signed by mistake.
        if getattr(message, "purpose", None) != self._signs:
            raise WrongPurposeError(f"key {self.name} is one to {self._signs}, this is for others")


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


def _probed(key: HomeKey) -> CheckedKey:
    try:
        check(key, _PROBE, key.sign(_PROBE))
    except BaseException:
        key.close()
        raise
    return CheckedKey(key)
