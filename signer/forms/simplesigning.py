"""The form `simplesigning`: what containers/image and cosign before 3 read.

Its readers take the log's word rather than a proof, so the entry is one of
Rekor v1 and gets a signed entry timestamp.
"""

from __future__ import annotations

from ledger import labels
from signer.forms import Approval, Made
from signer.forms.algorithms import check_algorithm
from signer.keys import SigningKey
from signer.keys.messages import Approving, Message
from verifier import simplesigning
from verifier.rekor_v1 import LegacyEntry


class SimpleSigningForm:
    """Makes payloads that are logged by their own hash."""

    name = labels.SIMPLESIGNING
    waits = False

    def check(self, key: SigningKey) -> None:
        """Check the key's algorithm; raises `UnsupportedKeyError`."""
        check_algorithm(self.name, key)

    def content(self, approval: Approval) -> Approving:
        """Return the payload."""
        said = simplesigning.payload(approval.repository, approval.digest, approval.annotations)
        return Approving(said)

    def labels(self, approval: Approval, key: SigningKey) -> labels.Labels:
        """Return the labels of the payload."""
        return labels.of_simplesigning(
            approval.repository, approval.digest, approval.annotations, key.public
        )

    def sign(self, content: Message, key: SigningKey) -> Made:
        """Sign a payload, which is the body."""
        signature = key.sign(content)
        entry = LegacyEntry.of(content, signature, key.public).body()
        return Made(entry, content, signature, promised=True)
