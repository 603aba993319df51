"""What was found out about a registry, each under a name that never changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

YES, NO, UNTRIED = "yes", "no", "untried"

# In the order in which they are tried and shown: the name, and the question in words.
REACHED = "reached"
TOKENS = "tokens"
LET_IN = "let-in"
PUSH = "push"
READ = "read"
OVERWRITE = "overwrite"
SIGNATURE_TAG = "signature-tag"
SIGNATURE_TAG_AGAIN = "signature-tag-again"
REFERRERS_API = "referrers-api"
REFERRERS_LISTED = "referrers-listed"
REFERRERS_READ = "referrers-read"
FALLBACK_TAG = "fallback-tag"
FALLBACK_TAG_AGAIN = "fallback-tag-again"
NOTATION_TYPES = "notation-types"
NOTATION_READ = "notation-read"
READ_SIGNED = "read-signed"
MEDIA_TYPES = "media-types"
MANIFEST_SIZE = "manifest-size"
LAYER_SIZE = "layer-size"
ANNOTATION_SIZE = "annotation-size"
MOUNT = "mount"
TAGS = "tags"
CATALOG = "catalog"
DELETE_TAG = "delete-tag"
DELETE_REFERRER = "delete-referrer"
DELETE_SIGNATURES = "delete-signatures"

QUESTIONS = {
    REACHED: "answers us",
    TOKENS: "asks who we are",
    LET_IN: "lets us in",
    PUSH: "takes blobs, and a manifest under a tag",
    READ: "shows an image that nothing signs yet",
    OVERWRITE: "lets a tag name another image",
    SIGNATURE_TAG: "takes signatures under sha256-….sig",
    SIGNATURE_TAG_AGAIN: "takes more of them there later",
    REFERRERS_API: "keeps the list of referrers itself",
    REFERRERS_LISTED: "lists them with type and annotations",
    REFERRERS_READ: "shows a bundle that refers to it",
    FALLBACK_TAG: "takes an index of referrers under sha256-…",
    FALLBACK_TAG_AGAIN: "takes a longer one there later",
    NOTATION_TYPES: "takes the media types of notation",
    NOTATION_READ: "shows a signature of notation",
    READ_SIGNED: "shows the image once it is signed",
    MEDIA_TYPES: "takes media types that it does not know",
    MANIFEST_SIZE: "takes manifests of 4 MiB",
    LAYER_SIZE: "takes attestations of 24 MiB",
    ANNOTATION_SIZE: "takes 128 signatures, with certificates",
    MOUNT: "mounts blobs of another repository",
    TAGS: "lists tags, signatures' tags too",
    CATALOG: "lists its repositories",
    DELETE_TAG: "deletes a tag",
    DELETE_REFERRER: "deletes a referrer",
    DELETE_SIGNATURES: "deletes what is under sha256-….sig",
}


class Finding(NamedTuple):
    """The answer to one question. `code` is ours, when a refusal has one, and so is `hint`."""

    name: str
    outcome: str
    detail: str = ""
    code: str = ""
    hint: str = ""


class Findings(NamedTuple):
    """All that was found out. `left`: what was put into `scratch` and could not be deleted."""

    repository: str
    scratch: str
    found: Sequence[Finding]
    left: Sequence[str] = ()

    def of(self, name: str) -> Finding:
        """Return the answer to a question; one that was never asked is untried."""
        return next((one for one in self.found if one.name == name), Finding(name, UNTRIED))

    def is_yes(self, *names: str) -> bool:
        """Whether the answer to all these is yes."""
        return all(self.of(name).outcome == YES for name in names)

    def is_no(self, name: str, code: str = "") -> bool:
        """Whether the answer is no, and for this reason, if one is given."""
        one = self.of(name)
        return one.outcome == NO and code in ("", one.code)
