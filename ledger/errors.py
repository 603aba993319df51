"""Every way the ledger refuses; catch `LedgerError` for all of them."""

from __future__ import annotations

from verifier.errors import SealbookError


class LedgerError(SealbookError):
    """The ledger refuses. Never raised itself: a subclass says why."""


# Starting.


class LedgerMissingError(LedgerError):
    """There is no database where one was configured."""

    code = "ledger-missing"
    hint = "check the path; a new ledger is made with `sealbook init DIR`"


class LedgerBusyError(LedgerError):
    """Another process serves this ledger."""

    code = "ledger-busy"
    hint = "stop the other service first; two would fork the ledger"


class SchemaError(LedgerError):
    """The database was written by another version of this program."""

    code = "ledger-schema"


class ForeignLedgerError(LedgerError):
    """The database is another ledger's than the configured one's."""

    code = "foreign-ledger"


class DamagedError(LedgerError):
    """What is stored contradicts itself, so nothing may be signed on it."""

    code = "ledger-damaged"
    hint = "restore the database from a mirror or a backup; the entries are the truth"


class RollbackError(LedgerError):
    """The database is older than what was already signed."""

    code = "ledger-rollback"
    hint = "serving on would fork the ledger; bring back the newest database"


class CopiedError(LedgerError):
    """The database is not the file that the anchor was written for."""

    code = "ledger-copied"
    hint = "if no other copy serves, take it over with `sealbook ledger adopt`"


class AnchorMissingError(LedgerError):
    """There is no anchor, so nothing says how far this ledger had come."""

    code = "anchor-missing"
    hint = "check the path; after a check of the ledger, `sealbook ledger adopt` makes a new one"


class CheckNeededError(LedgerError):
    """The disk failed earlier, and nobody has looked since at what it kept."""

    code = "fsck-needed"
    hint = "run `sealbook fsck`; when it finds nothing wrong, the service starts again"


# Appending.


class EntryError(LedgerError):
    """An entry that no ledger takes. The others of its batch are appended."""

    code = "bad-entry"


class FrozenError(LedgerError):
    """The ledger takes no more entries, for good."""

    code = "ledger-frozen"


class ConflictError(LedgerError):
    """Somebody else moved the head: this process may not write any more."""

    code = "head-moved"


class ClockError(LedgerError):
    """The wall clock is far behind the last entry, or has leapt ahead of the time since boot."""

    code = "clock-jumped"
    hint = "set the machine's clock; if it is right now, `sealbook ledger accept-clock`"


class StorageFullError(LedgerError):
    """No space is left; nothing was written and nothing was signed."""

    code = "storage-full"
    hint = "make space; the service goes on by itself"


class StorageFailedError(LedgerError):
    """A write or sync failed, and nobody knows what is on the disk."""

    code = "storage-failed"
    hint = "check the disk, then start again: the start checks what is there"


class OutcomeUnknownError(LedgerError):
    """A commit was cut off, and may or may not have landed: reading back tells."""

    code = "outcome-unknown"
    hint = "try again; a re-run of the same request gets the same answer"


class StorageBusyError(LedgerError):
    """The store could not take the commit now; reading back showed that nothing was written."""

    code = "storage-busy"
    hint = "try again in a second"


class QueueFullError(LedgerError):
    """More appends wait than the ledger takes."""

    code = "queue-full"
    hint = "try again in a second"


class StoppingError(LedgerError):
    """The ledger is being closed."""

    code = "stopping"
    hint = "try again; a re-run of the same request gets the same answer"


class IdempotencyError(LedgerError):
    """The idempotency key was used before, for another request."""

    code = "idempotency-conflict"
    hint = "use a new key for a new request"


# Publishing.


class QuorumError(LedgerError):
    """The entry is durable, and not enough witnesses have seen it in time."""

    code = "witness-quorum"
    hint = "try again: the entry is kept, and the same request finds it"


class MirrorBehindError(LedgerError):
    """The entry is durable here, and the mirror that must hold it too does not yet."""

    code = "mirror-behind"
    hint = "see to the mirror, then try again: the entry is kept, and the same request finds it"


class WitnessError(LedgerError):
    """A witness gave no cosignature: not reached, or not with what the specification says."""

    code = "witness-failed"


class WitnessAheadError(LedgerError):
    """A witness has seen a tree of ours that we do not have: we were rolled back, or cloned.

    `note` is the evidence: a checkpoint that bears our own signature, larger than our
    tree or contradicting it; empty when the witness names a size and shows none.
    """

    code = "witness-ahead"
    hint = "publish nothing more from here; find the newest database, or the other copy"

    def __init__(self, message: str, *, hint: str = "", note: str = "") -> None:
        """Say what was seen, and show it."""
        super().__init__(message, hint=hint)
        self.note = note


# Reading.


class UnknownEntryError(LedgerError):
    """There is no such entry, or no such tree size, yet."""

    code = "unknown-entry"


class SourceError(LedgerError):
    """What an audit reads from does not answer, or not with what the specification says."""

    code = "source"


class LockedError(LedgerError):
    """What is stored here is encrypted, and its key is not at hand: nothing says it is damaged."""

    code = "body-encrypted"
    hint = "give the configuration with its [at_rest] key"


class BodyDeletedError(LedgerError):
    """The body of the entry was deleted by a logged statement; entry and proof stay."""

    code = "body-deleted"


class TransferError(LedgerError):
    """A backup, export, mirror or restore that cannot be done as asked."""

    code = "transfer"


class WitnessSetupError(LedgerError):
    """A witness that was asked to do what it is not set up for."""

    code = "witness-setup"
