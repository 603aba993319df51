"""Every way the service refuses; catch `SigningError` for all of them.

Which gRPC status each becomes is the table in `signer.guard`.
"""

from __future__ import annotations

from verifier.errors import SealbookError


class SigningError(SealbookError):
    """The service refuses. Never raised itself: a subclass says why."""


# Who is asking.


class UnauthenticatedError(SigningError):
    """Nobody we know."""

    code = "unauthenticated"
    hint = "send the token of the service as 'authorization: Bearer TOKEN'"


class CertificateError(UnauthenticatedError):
    """The certificate of the client is not one of a client that we would know."""

    code = "bad-certificate"
    hint = "it needs one URI, spiffe://DOMAIN/PATH, and the extended key usage clientAuth"


class PermissionDeniedError(SigningError):
    """Somebody we know, who may not do this."""

    code = "permission-denied"


class NetworkError(PermissionDeniedError):
    """Calls from there are not taken."""

    code = "network"
    hint = "see access.allow of the service's configuration"


class WhereError(SigningError):
    """No place where something may be done."""

    code = "bad-place"
    hint = "write registry.example/team/app, registry.example/team/** or *"


class AccessError(SigningError):
    """The state of logins and keys cannot be read or written."""

    code = "access-store"


class RateError(SigningError):
    """The caller, or all of them together, ask for more than they may."""

    code = "too-many-calls"
    hint = "wait, and try again more slowly"


class TrailError(SigningError):
    """The audit trail cannot be written, so nothing is done that it would have to tell."""

    code = "audit-trail"
    hint = "free space where the trail is, or see the log of the service; then start it again"


class TokenError(UnauthenticatedError):
    """The token of an issuer is not one that we take. Messages never quote it."""

    code = "bad-token"
    hint = "ask the issuer for a new token, with the audience of this service"


class TokenAlgorithmError(TokenError):
    """The token is signed in a way that is not taken from this issuer."""

    code = "token-algorithm"


class TokenKeyError(TokenError):
    """No key of the issuer has the id that the token names."""

    code = "token-key"
    hint = "the keys of an issuer are looked at again at most once a minute: wait, and try again"


class TokenSignatureError(TokenError):
    """The signature of the token is not its key's."""

    code = "token-signature"


class TokenIssuerError(TokenError):
    """The token is of an issuer that is not configured."""

    code = "token-issuer"


class TokenAudienceError(TokenError):
    """The token is not for this service, or not for it alone."""

    code = "token-audience"


class TokenTimeError(TokenError):
    """The token has ended, has not begun, or lives longer than its issuer's may."""

    code = "token-time"


class TokenClaimError(TokenError):
    """The token does not say what tokens of its issuer say, or says it in another way."""

    code = "token-claim"


class TokenEventError(TokenError):
    """The token is of a build of something that is only proposed: a pull or merge request."""

    code = "token-event"
    hint = "sign from a branch or a tag; or set pull_requests = true for the issuer"


class IssuerError(SigningError):
    """The keys of an issuer cannot be had, so that its tokens cannot be judged."""

    code = "issuer-unreachable"
    hint = "try again in a minute; without a way to the issuer, configure its jwks_file"


class KeySetError(SigningError):
    """What should be the keys of an issuer is no key set that we would use."""

    code = "bad-key-set"


class TokenUsedError(UnauthenticatedError):
    """A token that was exchanged before, or may have been."""

    code = "token-used"
    hint = "log in once, `sealbook access login --out FILE`, and send --token-file FILE after that"


class SessionError(UnauthenticatedError):
    """No session: never one, ended, or of another client certificate."""

    code = "no-session"
    hint = "log in again: sealbook access login"


class ApiKeyError(UnauthenticatedError):
    """No API key that counts, here and now."""

    code = "no-api-key"
    hint = "whoever may bind roles makes another one: sealbook apikey create"


class ClaimPlaceError(PermissionDeniedError):
    """A claim would name a place that no repository can have."""

    code = "claim-place"
    hint = "a claim in a place is a path in lower case, as in team/app"


# What is asked for.


class UnknownMethodError(SigningError):
    """There is no such call."""

    code = "unknown-method"


class RequestError(SigningError):
    """The request has another shape than the contract says."""

    code = "bad-request"


class UnknownRequestFieldError(RequestError):
    """The request has a field that we do not know, and so would not check."""

    code = "unknown-field"
    hint = "the service is older than the client, or a field number is wrong"


class TrailKeptError(RequestError):
    """What the audit trail holds has to be kept longer."""

    code = "trail-kept"


class EmptyBatchError(RequestError):
    """A batch without items."""

    code = "empty-batch"


class BatchTooLargeError(RequestError):
    """More items than one batch takes."""

    code = "batch-too-large"


class UnknownFormError(RequestError):
    """A form that the key does not make."""

    code = "unknown-form"


class UnknownSigningKeyError(SigningError):
    """No signing key has this name."""

    code = "unknown-key"


class WrongPurposeError(RequestError):
    """The key is there, and not for this."""

    code = "key-purpose"


class BlindSigningError(RequestError):
    """What is to be signed was not given, or cannot be read: nobody could say what it means."""

    code = "blind-signing"
    hint = "name a key that is configured with raw = true, which no verifier of ours trusts"


class SigningTimeError(RequestError):
    """A message that says it was signed at another time than now."""

    code = "signing-time"
    hint = "is the clock of the machine right that made the message?"


class OwnKeyError(RequestError):
    """Somebody uploads a signature under a key of this service."""

    code = "own-key"
    hint = "call Sign, or let cosign sign with --key sealbook://NAME"


class PredicateError(RequestError):
    """The predicate is not of the type that it is said to be."""

    code = "predicate-type-mismatch"


class PredicateTypeUriError(RequestError):
    """The type of a predicate is no URI, or one that is not for callers."""

    code = "bad-predicate-type"


class PromotesError(SigningError):
    """What an approval should stand on is none, or does not count."""

    code = "promotes"
    hint = "name an approval of the same digest in another repository, by its index"


class NotFoundError(SigningError):
    """Nothing is known about what was asked for."""

    code = "not-found"


# Who has to agree.


class ApprovalNeededError(SigningError):
    """Others have to approve this first; the same call goes through once they did."""

    code = "approval-needed"

    def __init__(self, message: str, request: str) -> None:
        """Name the request that is to be approved, by its id."""
        super().__init__(message, hint=f"sealbook approve {request}")
        self.request = request


class RequesterNeededError(RequestError):
    """Nobody says who asks, and others could not be told apart from them."""

    code = "requester-needed"
    hint = "say --as NAME, by your name in [approvers]"


class PersonKeyError(RequestError):
    """A key that is to be the service's, or in its trust file, is a person's own."""

    code = "person-key"
    hint = "a person approves with a key that nobody else can use; make another one"


class UnknownApproverError(NotFoundError):
    """Nobody who may approve has this name."""

    code = "unknown-approver"


class UnknownRequestError(NotFoundError):
    """No such request is open."""

    code = "unknown-request"
    hint = "it has expired, or the service was restarted: the same call again opens it again"


class OwnRequestError(PermissionDeniedError):
    """Somebody approves what they ask for themselves."""

    code = "own-request"


# What keeps us from doing it.


class ReportError(RequestError):
    """A scanner's report that cannot be read, or does not say enough."""

    code = "bad-report"


class CeremonyError(RequestError):
    """Something about a key ceremony. Never raised itself."""


class CeremonyFileError(CeremonyError):
    """The file of a ceremony does not say what is to be made, and before whom."""

    code = "ceremony-file"


class CeremonyFolderError(CeremonyError):
    """A ceremony would write where something is already."""

    code = "ceremony-folder"
    hint = "nothing is ever overwritten; name another folder"


class CeremonyFailedError(CeremonyError):
    """A ceremony stopped; its transcript says where."""

    code = "ceremony-failed"


class TranscriptError(CeremonyError):
    """The transcript of a ceremony that cannot be read, or does not hold."""

    code = "ceremony-transcript"


class RehearsalError(CeremonyError):
    """A rehearsal, where a ceremony was expected; or the other way round."""

    code = "ceremony-rehearsal"


class NotLoggedError(CeremonyError):
    """What is shown of the ledger is not about this ceremony."""

    code = "ceremony-not-logged"


class UploadError(SigningError):
    """An upload that did not come in time."""

    code = "upload-too-slow"


class KeyHomeError(SigningError):
    """A key that cannot be used, wherever it lives. Never raised itself."""


class KeyUriError(KeyHomeError):
    """A key's URI that cannot be read, or names no home of keys that we know."""

    code = "key-uri"


class KeyLibraryError(KeyHomeError):
    """What the home of a key needs is not installed."""

    code = "key-library"


class KeyFileError(KeyHomeError):
    """A key file that cannot be used, or must not be."""

    code = "key-file"


class KeyFileModeError(KeyFileError):
    """A key file that others can read, or could replace."""

    code = "key-file-permissions"


class PassphraseError(KeyHomeError):
    """A passphrase or PIN that cannot be had, or does not fit."""

    code = "key-passphrase"


class PinError(PassphraseError):
    """A token refused the PIN; it is not tried again before it was changed."""

    code = "key-pin"
    hint = "a token locks itself after a few wrong PINs: change the pin-source, then start again"


class KeyObjectError(KeyHomeError):
    """A device has no such key, has two of them, or has one that it does not guard."""

    code = "key-object"


class KeyAccessError(KeyHomeError):
    """The server with the key takes no credentials of ours, or does not let them use the key."""

    code = "key-access"
    hint = "a refused credential is not tried again: replace the file that it is in"


class KeyRoleError(KeyHomeError):
    """A key that was made under another name, or for another purpose."""

    code = "key-role"


class KeyExistsError(KeyHomeError):
    """There is a key already where one was to be made."""

    code = "key-exists"
    hint = "nothing is ever overwritten; name another place"


class KeyUnavailableError(SigningError):
    """The device with the key does not answer; nothing was signed."""

    code = "key-unavailable"
    hint = "the same request again is safe; the service goes on by itself when the device is back"


class GateError(SigningError):
    """What has to hold before an image is approved does not; `code` is the policy's own."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        """Carry what the policy said."""
        super().__init__(message, hint=hint)
        self.code = code


class KeyFailedError(SigningError):
    """A key made a signature that does not verify, or none."""

    code = "key-failed"
    hint = "the key is out of use until the service is restarted"


class KeyRetiredError(SigningError):
    """The key was retired while the request was under way; nothing was signed."""

    code = "key-retired"
    hint = "the same request again is signed by the key that took its place"


class KeyStandingError(SigningError):
    """A key is not at the point of its life where this can be done."""

    code = "key-standing"
    hint = "sealbook key list says where each version stands"


class KeyUntrustedError(SigningError):
    """The trust file in force does not let a key say what it would have to."""

    code = "key-not-trusted"
    hint = "have the roots sign trust-next.json, then: sealbook trust install"


class KeyOverlapError(SigningError):
    """A key is trusted for so short a time that verifiers may not have heard of it."""

    code = "key-overlap"
    hint = "wait, or say --now: who has not synced since then refuses what it signs"


class KeyBookError(SigningError):
    """The book of keys cannot be read or written, or does not say where a key lives."""

    code = "key-book"


class AtRestError(SigningError):
    """What is stored encrypted cannot be opened; nothing says that it is damaged."""

    code = "at-rest"


class WrongKekError(AtRestError):
    """The key-encryption key is not the one that wrapped our data keys."""

    code = "at-rest-key"
    hint = "at_rest.key names the present one, at_rest.previous the one before it"


class DataKeysError(AtRestError):
    """The book of data keys is missing, altered, or older than what was encrypted."""

    code = "data-keys"
    hint = "bring it back from a backup: without it nobody opens what is encrypted"


class TrustRestartError(SigningError):
    """A trust file changes what a running service cannot."""

    code = "trust-restart"
    hint = "stop the service, put the file in the place of trust.json, and start it again"


class TimestampError(SigningError):
    """The timestamp authority gave no timestamp that holds; nothing was logged."""

    code = "timestamp-failed"
    hint = "the same request again is safe"


class TrustedRootError(SigningError):
    """The trusted_root.json that the service hands out is not about this ledger."""

    code = "trusted-root"
    hint = "write it anew: sealbook trusted-root trust.json > trusted_root.json"


class StatusFileError(SigningError):
    """The status file cannot be read or written, or is not of this ledger."""

    code = "status-file"
    hint = "move it away, and start again: it is made anew from the ledger"


class ConfigError(SigningError):
    """The configuration does not say what to do."""

    code = "config"


class ConfigRestartError(ConfigError):
    """The configuration changed in what takes a restart; all that was there stays in force."""

    code = "config-restart"
    hint = "undo that, or restart the service"


class ReloadError(SigningError):
    """The configuration was not loaded again, and nothing changed; `code` says why."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        """Carry what is wrong with it, for whoever runs the service."""
        super().__init__(message, hint=hint)
        self.code = code


class HardeningError(SigningError):
    """The system does not keep others from this process's memory."""

    code = "not-hardened"


class ListenError(SigningError):
    """An address that cannot be listened on, or must not be."""

    code = "listen"


# What was signed, attached to images in registries.


class PublicationsError(SigningError):
    """What waits to be attached cannot be read or written."""

    code = "publications"


class PublicationsFullError(SigningError):
    """So much waits to be attached that no more is taken."""

    code = "publications-full"
    hint = "is a registry down? `sealbook publish list` says what waits, and why"


class PullsError(SigningError):
    """What hosts tell of their pulls cannot be counted, or looked at."""

    code = "pulls"


class NotPublishedHereError(SigningError):
    """The service does not write to this repository."""

    code = "not-published-here"
    hint = "say publish = true for a prefix of it in [[registries]] of the configuration"


class NothingSignedError(NotFoundError):
    """Nothing that counts was signed about this digest in this repository."""

    code = "nothing-signed"
    hint = "sign it there first"


# What a client meets.


class ServiceError(SigningError):
    """The service refused; `code`, message and hint are its own.

    `request` is the id of the request that others have to approve first, if there is one;
    `reference` is what the call is called in the service's audit trail.
    """

    def __init__(
        self, code: str, message: str, hint: str = "", request: str = "", reference: str = ""
    ) -> None:
        """Carry what the service said."""
        super().__init__(message, hint=hint)
        self.code = code
        self.request = request
        self.reference = reference


class ServiceUnreachableError(SigningError):
    """No answer from the service."""

    code = "unreachable"
    hint = "is it running: sealbook serve? does it want --ca, or --client-certificate?"


class WrongAnswerError(SigningError):
    """The service answered with something else than was asked for."""

    code = "wrong-answer"
