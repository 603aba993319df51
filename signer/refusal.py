"""Refusals: what a caller is told when something is not done. One table of errors.

Every refusal has a status, a code that never changes, a message that holds nothing of ours
alone, and a reference. Under that reference the audit trail has what was denied and decided, and
the log what nobody expected: of that the caller gets the reference, and not a word more.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import NamedTuple

import grpc
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from ledger import errors as ledger_errors
from signer import errors
from signer.access.admitting import Denied, Visit
from verifier.errors import RevokedError, SealbookError, VerificationError

log = structlog.get_logger()

DOMAIN = "sealbook"

# The first row whose class fits decides. What is not here is an internal error.
_STATUS: tuple[tuple[type[SealbookError], grpc.StatusCode], ...] = (
    (errors.UnauthenticatedError, grpc.StatusCode.UNAUTHENTICATED),
    (errors.PermissionDeniedError, grpc.StatusCode.PERMISSION_DENIED),
    (errors.WhereError, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.AccessError, grpc.StatusCode.UNAVAILABLE),
    (errors.IssuerError, grpc.StatusCode.UNAVAILABLE),
    (errors.RateError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.TrailError, grpc.StatusCode.UNAVAILABLE),
    (errors.UnknownMethodError, grpc.StatusCode.UNIMPLEMENTED),
    (errors.RequestError, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.UnknownSigningKeyError, grpc.StatusCode.NOT_FOUND),
    (errors.NotFoundError, grpc.StatusCode.NOT_FOUND),
    (errors.PromotesError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.GateError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.ApprovalNeededError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.UploadError, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.KeyFailedError, grpc.StatusCode.UNAVAILABLE),
    (errors.KeyUnavailableError, grpc.StatusCode.UNAVAILABLE),
    (errors.KeyRetiredError, grpc.StatusCode.UNAVAILABLE),
    (errors.KeyHomeError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.KeyStandingError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.KeyUntrustedError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.KeyOverlapError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.KeyBookError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.AtRestError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.TrustRestartError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.ReloadError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.PublicationsError, grpc.StatusCode.UNAVAILABLE),
    (errors.PullsError, grpc.StatusCode.UNAVAILABLE),
    (errors.PublicationsFullError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.NotPublishedHereError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.TimestampError, grpc.StatusCode.UNAVAILABLE),
    (errors.StatusFileError, grpc.StatusCode.UNAVAILABLE),
    (ledger_errors.UnknownEntryError, grpc.StatusCode.NOT_FOUND),
    (ledger_errors.BodyDeletedError, grpc.StatusCode.NOT_FOUND),
    (ledger_errors.IdempotencyError, grpc.StatusCode.FAILED_PRECONDITION),
    (ledger_errors.ForeignLedgerError, grpc.StatusCode.INVALID_ARGUMENT),
    (ledger_errors.FrozenError, grpc.StatusCode.FAILED_PRECONDITION),
    (ledger_errors.ClockError, grpc.StatusCode.UNAVAILABLE),
    (ledger_errors.StorageFullError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (ledger_errors.QueueFullError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (ledger_errors.EntryError, grpc.StatusCode.INVALID_ARGUMENT),
    (ledger_errors.StorageBusyError, grpc.StatusCode.UNAVAILABLE),
    (ledger_errors.StoppingError, grpc.StatusCode.UNAVAILABLE),
    (ledger_errors.QuorumError, grpc.StatusCode.UNAVAILABLE),
    (ledger_errors.MirrorBehindError, grpc.StatusCode.UNAVAILABLE),
    (ledger_errors.WitnessAheadError, grpc.StatusCode.UNAVAILABLE),
    (ledger_errors.RollbackError, grpc.StatusCode.FAILED_PRECONDITION),
    (RevokedError, grpc.StatusCode.FAILED_PRECONDITION),
    (VerificationError, grpc.StatusCode.INVALID_ARGUMENT),
)

INTERNAL = "internal-error"
# Who they are and what they may do was the matter: the trail has to tell of it.
_DENIED = (errors.UnauthenticatedError, errors.PermissionDeniedError, errors.RateError)
PASSING = (ledger_errors.QueueFullError, ledger_errors.StorageBusyError, errors.RateError)


def codes() -> frozenset[str]:
    """Return every code that a refusal can have, but for those that errors bring from elsewhere."""
    kinds = [kind for kind, _ in _STATUS]
    for kind in kinds:  # grows meanwhile
        kinds += kind.__subclasses__()
    return frozenset(kind.code for kind in kinds) | {INTERNAL}


class Refused(NamedTuple):
    """What a caller is told. `message` holds nothing that is ours alone.

    `request` is the id of the request that others have to approve first, if any. `passing`:
    the same call may be taken in a second.
    """

    status: grpc.StatusCode
    code: str
    message: str
    hint: str
    request: str = ""
    reference: str = ""
    passing: bool = False

    def details(self) -> bytes:
        """Return the same as a google.rpc.Status with ErrorInfo, as other tools read it."""
        info = AnyMessage()
        info.Pack(error_details_pb2.ErrorInfo(reason=self.code, domain=DOMAIN))
        number: int = self.status.value[0]
        message = f"{self.message} ({self.code})"
        status: bytes = status_pb2.Status(
            code=number, message=message, details=[info]
        ).SerializeToString()
        return status


class Refusals:
    """Refuses calls: the caller gets an answer, the metrics and the trail hear of it."""

    def __init__(
        self,
        denied: Denied = lambda *_: None,
        count: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        """Tell `denied` whom we turned away, and `count` the code of each refusal, and of what."""
        self._denied = denied
        self._count = count

    def of(self, visit: Visit, error: Exception) -> Refused:
        """Return what the caller of `visit` is told about `error`."""
        told = refused(error, visit.caller.reference)
        self._count(told.code, visit.what)
        if isinstance(error, _DENIED):
            self._denied(visit.caller, visit.who, visit.what, told.code)
        return told


def refused(error: Exception, reference: str = "") -> Refused:
    """Return what a caller may be told about `error`, and log what they may not."""
    reference = reference or secrets.token_hex(8)
    if isinstance(error, errors.KeyFailedError) and error.__cause__ is not None:
        # By its kind alone: what a device says may hold what it should not.
        cause = type(error.__cause__).__name__
        log.critical("a key failed, and is out of use", error=error.message, cause=cause)
    for kind, status in _STATUS:
        if isinstance(error, kind):
            request = error.request if isinstance(error, errors.ApprovalNeededError) else ""
            passing = isinstance(error, PASSING)
            return Refused(
                status, error.code, error.message, error.hint, request, reference, passing
            )
    log.error("internal error", reference=reference, exc_info=error)
    return Refused(
        grpc.StatusCode.INTERNAL,
        INTERNAL,
        f"the service failed, reference {reference}",
        "give the reference to whoever runs the service",
        reference=reference,
    )
