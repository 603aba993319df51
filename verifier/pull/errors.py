"""What can go wrong where images are kept: no, and what to do about it.

Catch `ImagesError`. It is a `VerificationError`: what could not be fetched, or was not what it
was asked for, is not an image that may run.
"""

from __future__ import annotations

from verifier.errors import VerificationError


class ImagesError(VerificationError):
    """Never raised itself: a place of images did not do what it was asked."""


class PlaceError(ImagesError):
    """Not a place of images: registry/repository[:tag][@digest], oci:DIR or oci-archive:FILE."""

    code = "bad-place"
    hint = "as in registry.example/team/app:1.4, oci:DIR:1.4 or oci-archive:FILE:1.4"


class NoImageError(ImagesError):
    """There is no such image, tag, manifest or blob."""

    code = "no-image"


class RegistrySettingsError(ImagesError):
    """The file of registries, or a docker configuration, cannot be used."""

    code = "bad-registries"


class RegistryUnreachableError(ImagesError):
    """Nobody answers there, or not under a certificate that we take."""

    code = "registry-unreachable"


class RegistryTimeoutError(RegistryUnreachableError):
    """The answer was not there, whole, by the deadline."""

    code = "registry-timeout"


class RegistryBusyError(RegistryUnreachableError):
    """The registry cannot answer now: it is asked too much, or has a fault of its own."""

    code = "registry-busy"
    hint = "try again later"


class RegistryAccessError(ImagesError):
    """The registry wants to know who asks, or does not let them."""

    code = "registry-denied"


class TokenRealmError(RegistryAccessError):
    """The registry sends us for a token to a host that was not configured."""

    code = "token-realm"


class RedirectError(ImagesError):
    """The registry sends us where we do not go."""

    code = "bad-redirect"


class RegistryAnswerError(ImagesError):
    """The registry answered what the distribution specification does not allow."""

    code = "bad-registry-answer"


class RefusedContentError(ImagesError):
    """The registry does not take this content: too large for it, or against its rules."""

    code = "registry-refused"


class WrongContentError(ImagesError):
    """The content is not what its digest or size says."""

    code = "wrong-content"


class TooManySignaturesError(ImagesError):
    """More signatures or referrers than are read: somebody may be hiding the good one."""

    code = "too-many-signatures"


class ReadOnlyError(ImagesError):
    """Nothing can be written there, or deleted."""

    code = "read-only"


class ImmutableTagError(ReadOnlyError):
    """The registry does not let this tag be written again."""

    code = "immutable-tag"
    hint = "except sha256-* tags from its immutability rules, or serve signatures by lookaside"


class ContentTrustError(RegistryAccessError):
    """The registry shows no manifest without a signature, not even to who would sign it."""

    code = "content-trust"
    hint = "sign by digest and let the service publish, or take the rule off while it is signed"


class BusyTagError(ImagesError):
    """Others write this tag all the time; it could not be made to hold everything."""

    code = "busy-tag"


# At pull time.


class PullError(VerificationError):
    """Never raised itself: there is no answer whether an image may run, so it may not."""


class PullSettingsError(PullError):
    """The settings of pulls cannot be used."""

    code = "bad-pull-settings"


class UnsignedError(PullError):
    """Every source answered, and none has a signature of the image."""

    code = "unsigned"
    hint = "was it signed, and is it this digest? sealbook sign REPOSITORY@DIGEST"


class PullTimeoutError(PullError):
    """The time was over before there was an answer."""

    code = "pull-timeout"


class PullBusyError(PullError):
    """More is asked at once than is answered."""

    code = "pull-busy"
    hint = "try again later"


class UnreadableSourceError(PullError):
    """A file or directory with bundles, or what is believed, cannot be read."""

    code = "unreadable"


class NoProofError(PullError):
    """The image is signed in forms without a proof that it is logged."""

    code = "no-proof"
    hint = "attach the bundle too, or let the service be asked: sources in pull.toml"


class ServiceUnreachableError(PullError):
    """The service does not answer, or not under a certificate that we take."""

    code = "service-unreachable"


class ServiceAccessError(PullError):
    """The service does not let us ask."""

    code = "service-denied"
    hint = "a token or client certificate in [service] of pull.toml says who asks"


class ServiceBusyError(ServiceUnreachableError):
    """The service cannot answer now."""

    code = "service-busy"


class ServiceAnswerError(PullError):
    """What answers is no service of ours, or says what cannot be read."""

    code = "bad-service-answer"
