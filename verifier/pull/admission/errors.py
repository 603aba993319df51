"""What can go wrong between the cluster's question and our answer."""

from __future__ import annotations

from verifier.errors import MalformedError, VerificationError


class AdmissionError(VerificationError):
    """Never raised itself: the webhook cannot say yes."""


class ReviewError(MalformedError):
    """No AdmissionReview v1 that can be answered."""

    code = "bad-review"


class KindError(AdmissionError):
    """We are asked about a kind of object in which we know of no containers."""

    code = "unknown-kind"
    hint = "take it out of the rules of the webhook configuration"


class PodShapeError(AdmissionError):
    """The object is not built as its kind is, so that a container might be overlooked."""

    code = "bad-object"


class ImageNameError(AdmissionError):
    """The image is not named as runtimes name images, or in a way that two could read in two."""

    code = "bad-image-name"


class TagError(AdmissionError):
    """The image is named by a tag, and a digest is demanded."""

    code = "image-by-tag"


class TooManyImagesError(AdmissionError):
    """More images than are judged for one object."""

    code = "too-many-images"


class TooLateError(AdmissionError):
    """The answer was not there in time."""

    code = "admission-timeout"
    hint = "is the registry, or the service, slow? what was found is remembered for the next try"


class PullSecretError(AdmissionError):
    """The pod's pull secrets cannot be read."""

    code = "pull-secrets"


class AdmissionSettingsError(AdmissionError):
    """admission.toml cannot be used."""

    code = "bad-admission-settings"
