"""Forms: the shapes that one approval can take, each its own signature, record and entry.

    bundle         DSSE statement under a managed key      cosign 3, sigstore-js, our verifier
    simplesigning  payload with Rekor's promise             Podman, CRI-O, skopeo, cosign 2
    certificate    the statement under a short-lived leaf   keyless policies, sigstore-python
    notation       JWS under an X.509 chain                 notation, Ratify

What an approval says is a function of the request, and so is the *content* of
each form: by that it is recognised, never by its signature. Whatever is not, as
a certificate's dates or notation's signing time, is made once and kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from ledger import dedup
from ledger.labels import Labels
from ledger.plan import NewEntry
from signer.errors import UnknownFormError
from signer.keys import SigningKey
from signer.keys.messages import Approving, Message
from verifier.digest import Digest
from verifier.repository import Repository


class Approval(NamedTuple):
    """What is to be said: yes to these bytes, in this repository."""

    digest: Digest
    repository: Repository
    annotations: Mapping[str, str]
    media_type: str = ""
    size: int = 0


class Made(NamedTuple):
    """A signature with the entry that logs it.

    `promised` wants a signed entry timestamp, `stamped` an RFC 3161 one over `signature`.
    """

    entry: bytes
    body: bytes
    signature: bytes
    promised: bool = False
    stamped: bool = False
    chain: bytes = b""

    def new_entry(
        self, labels: Labels, found_by: bytes, claim: tuple[bytes, bytes] | None = None
    ) -> NewEntry:
        """Return what is to be appended; the timestamp comes later."""
        return NewEntry(
            self.entry,
            self.body,
            labels,
            found_by,
            claim,
            promised=self.promised,
            chain=self.chain,
        )


class Form(Protocol):
    """One shape. `name` is what requests, records and labels call it.

    It `waits` when it takes a device to make it besides the key that approves.
    """

    name: str
    waits: bool

    def check(self, key: SigningKey) -> None:
        """Check that `key` can sign in this form, so that every reader of it accepts the result.

        Raises:
            UnsupportedKeyError: it is of an algorithm that some reader refuses.
            UnknownFormError: something that the form needs was not configured.
        """

    def content(self, approval: Approval) -> Approving:
        """Return what the request comes to, the same for the same request.

        Raises:
            RequestError: the form needs something that the request does not say.
        """

    def labels(self, approval: Approval, key: SigningKey) -> Labels:
        """Return what an auditor will derive from the body."""

    def sign(self, content: Message, key: SigningKey) -> Made:
        """Sign `content`.

        Raises:
            KeyFailedError, KeyUnavailableError: the key failed, or cannot be asked now.
        """


class Forms:
    """The forms that this service can make, by name."""

    def __init__(self, forms: Mapping[str, Form]) -> None:
        """Offer `forms`."""
        self._forms = dict(forms)

    def named(self, name: str) -> Form:
        """Return the form `name`.

        Raises:
            UnknownFormError: there is none.
        """
        form = self._forms.get(name)
        if form is None:
            raise UnknownFormError(
                f"expected one of {', '.join(self._forms)}, found {name[:40]!r}",
                hint="leave forms empty for the key's own",
            )
        return form


def found_by(form: Form, key: SigningKey, content: bytes) -> bytes:
    """Return the dedup key of `content` in this form by this key."""
    return dedup.key(form.name, key.public, content)
