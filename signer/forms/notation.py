"""The form `notation`: a JWS envelope under the key's own X.509 chain.

Its signing time is mandatory, so the message is no function of the request; the
payload is, and names repository and requester in its annotations.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from ledger import labels
from signer.errors import RequestError, UnknownFormError
from signer.forms import Approval, Made
from signer.forms.algorithms import check_algorithm
from signer.keys import SigningKey
from signer.keys.messages import Approving, Message
from verifier import jws
from verifier.entry import Entry


class NotationForm:
    """Makes JWS signing inputs; the entry holds the leaf, the record what stands above it."""

    name = labels.NOTATION
    waits = False

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Take the signing time from `clock`."""
        self._clock = clock

    def check(self, key: SigningKey) -> None:
        """Check the key's algorithm, and that it has a chain.

        Raises:
            UnsupportedKeyError, UnknownFormError: it is not for this form.
        """
        check_algorithm(self.name, key)
        if not key.chain:
            raise UnknownFormError(
                f"the form notation needs a certificate for key {key.name}",
                hint=f"set signing.keys.{key.name}.certificate",
            )

    def content(self, approval: Approval) -> Approving:
        """Return the payload; raises `RequestError` without the manifest's media type and size."""
        return Approving(jws.payload(self._target(approval)))

    def labels(self, approval: Approval, key: SigningKey) -> labels.Labels:
        """Return the labels of the payload."""
        return labels.of_notation(self._target(approval), key.public)

    def sign(self, content: Message, key: SigningKey) -> Made:
        """Sign a payload, now; a number tells the signature from all others to our plugin."""
        algorithm = key.public.algorithm.name
        number = secrets.token_hex(16) if key.verification_plugin else ""
        message = jws.signing_input(algorithm, int(self._clock()), content, number)
        return self.sign_message(Approving(message), key)

    def sign_message(self, message: Message, key: SigningKey) -> Made:
        """Sign a whole signing input, which is the body."""
        signature = key.sign(message)
        leaf, *above = key.chain
        entry = Entry.of(message, signature, key.public, leaf).body()
        return Made(entry, message, signature, chain=b"".join(above))

    def _target(self, approval: Approval) -> jws.TargetArtifact:
        if not approval.media_type or not approval.size:
            raise RequestError(
                "the form notation needs media_type and size of the manifest",
                hint="sign an OCI layout, or say both",
            )
        annotations = {**approval.annotations, labels.REPOSITORY: approval.repository}
        return jws.TargetArtifact(approval.media_type, approval.digest, approval.size, annotations)
