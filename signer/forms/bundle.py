"""The form `bundle`: an in-toto statement in a DSSE envelope, under a managed key.

What cosign 3 and sigstore-js read, and what our own verifier judges.
"""

from __future__ import annotations

from ledger import labels
from signer.forms import Approval, Made
from signer.forms.algorithms import check_algorithm
from signer.keys import SigningKey
from signer.keys.messages import Approving, Message
from verifier import dsse
from verifier import statement as statements
from verifier.entry import Entry
from verifier.statement import Statement, Subject


class BundleForm:
    """Makes envelopes that are logged by the hash of their pre-authentication encoding."""

    name = labels.BUNDLE
    waits = False

    def check(self, key: SigningKey) -> None:
        """Check the key's algorithm; raises `UnsupportedKeyError`."""
        check_algorithm(self.name, key)

    def content(self, approval: Approval) -> Approving:
        """Return the pre-authentication encoding of the statement."""
        return Approving(dsse.pae(dsse.IN_TOTO, statement_of(approval)))

    def labels(self, approval: Approval, key: SigningKey) -> labels.Labels:
        """Return the labels of the statement."""
        return labels.of_statement(parsed(approval), key.public)

    def sign(self, content: Message, key: SigningKey) -> Made:
        """Sign an encoding, which is the body."""
        signature = key.sign(content)
        entry = Entry.of(content, signature, key.public).body()
        return Made(entry, content, signature, stamped=True)


def statement_of(approval: Approval) -> bytes:
    """Return the payload that approves."""
    return statements.approval(approval.repository, approval.digest, approval.annotations)


def parsed(approval: Approval) -> Statement:
    """Return the same as `Statement.parse` would."""
    subject = Subject(approval.digest, approval.repository, approval.annotations)
    return Statement((subject,), statements.APPROVAL, {})
