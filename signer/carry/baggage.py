"""What goes with an image: everything that is attached to it, and what is attached to that.

A signature may be of the index or of a child, an SBOM may be signed itself. So the search goes
from digest to digest until nothing new is found; each is looked at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple

from verifier import limits
from verifier._strict import json_object
from verifier.digest import Digest
from verifier.pull.errors import TooManySignaturesError
from verifier.pull.forms import TAGS, Artifact, Found, Odd, find_forms
from verifier.pull.images import Images


class Baggage(NamedTuple):
    """All that is attached to one digest.

    `rows` are the descriptors of referrers as the source's index has them, with every field;
    `odd` is listed there and cannot be taken.
    """

    subject: Digest
    referrers: Sequence[Artifact]
    tagged: Sequence[Artifact]
    rows: Mapping[str, Mapping[str, Any]]
    odd: Sequence[Odd]


def baggage(images: Images, digests: Iterable[Digest], executor: Executor) -> list[Baggage]:
    """Return what is attached to each of `digests`, to what is attached to them, and so on.

    Raises:
        TooManySignaturesError: it is more than anybody needs.
        ImagesError, MalformedError: a list cannot be had, or cannot be read.
    """
    found: dict[Digest, Baggage] = {}
    new = list(dict.fromkeys(digests))
    count = 0
    while new:
        for one in executor.map(lambda digest: _of(images, digest), new):
            found[one.subject] = one
        attached = [a for digest in new for a in found[digest].referrers]
        count += len(attached)
        if count > limits.CARRIED:
            raise TooManySignaturesError(f"expected at most {limits.CARRIED} referrers of an image")
        wanted = dict.fromkeys(one.manifest.descriptor.digest for one in attached)
        new = [digest for digest in wanted if digest not in found]
    return list(found.values())


def _of(images: Images, digest: Digest) -> Baggage:
    found = find_forms(images, digest, read=False)
    tagged = [one for one in found.artifacts if one.where in TAGS]
    referrers = [one for one in found.artifacts if one.where not in TAGS]
    return Baggage(digest, referrers, tagged, _rows(found), found.odd)


def _rows(found: Found) -> dict[str, Mapping[str, Any]]:
    """Return each referrer as it is described where it is listed."""
    rows: dict[str, Mapping[str, Any]] = {
        one.listed.digest: one.listed.json() for one in found.artifacts
    }
    if found.fallback is not None:
        value = json_object(found.fallback.content, limit=limits.MANIFEST, floats=True)
        rows |= {row["digest"]: row for row in value["manifests"]}
    return rows
