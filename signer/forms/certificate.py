"""The form `certificate`: the bundle's statement under a short-lived leaf of our own authority.

The leaf is of the signing key itself and lives ten minutes around the signature;
its timestamp says that they fit. For policies that ask for an identity.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ledger import labels
from signer.authority import Issuer
from signer.errors import UnknownFormError
from signer.forms import Approval, Made
from signer.forms.algorithms import check_algorithm
from signer.forms.bundle import parsed, statement_of
from signer.keys import SigningKey
from signer.keys.messages import Approving, Message
from verifier import dsse
from verifier.entry import Entry


class CertificateForm:
    """Makes envelopes whose entry holds the leaf instead of the key."""

    name = labels.CERTIFICATE

    def __init__(
        self, origin: str, issuer: Issuer | None, clock: Callable[[], float] = time.time
    ) -> None:
        """Let `issuer` say that a key is the service's at `origin`."""
        self._origin = origin
        self._issuer = issuer
        self._clock = clock
        self.waits = issuer is not None and issuer.waits

    def check(self, key: SigningKey) -> None:
        """Check the key's algorithm, and that there is an issuer.

        Raises:
            UnsupportedKeyError, UnknownFormError: it is not for this form.
        """
        check_algorithm(self.name, key)
        if self._issuer is None:
            raise UnknownFormError(
                "the form certificate needs an issuer",
                hint="set keys.issuer, keys.transparency and certificates.issuer",
            )

    def content(self, approval: Approval) -> Approving:
        """Return the pre-authentication encoding of the statement."""
        return Approving(dsse.pae(dsse.IN_TOTO, statement_of(approval)))

    def labels(self, approval: Approval, key: SigningKey) -> labels.Labels:
        """Return the labels of the statement."""
        return labels.of_statement(parsed(approval), key.public, certified=True)

    def sign(self, content: Message, key: SigningKey) -> Made:
        """Sign an encoding, which is the body, and certify the key for this moment."""
        assert self._issuer is not None
        issued_by = f"https://{self._origin}"
        identity = f"{issued_by}/keys/{key.name}"
        leaf = self._issuer.issue(key.public, identity, issued_by, int(self._clock()))
        signature = key.sign(content)
        entry = Entry.of(content, signature, key.public, leaf).body()
        return Made(entry, content, signature, stamped=True)
