"""The types of predicate that are known by name, and what one of each must have.

A predicate under another type's name would be signed, and then judged by nobody: so
it is refused. A type that is not in the table is the caller's own, and may be anything.

Spec: in-toto/attestation, spec/predicates; cosign, specs/; slsa.dev; spdx.dev;
cyclonedx.org; openvex.dev.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from signer.attest.scan import Outline, Path
from signer.errors import PredicateError, PredicateTypeUriError
from verifier.statement import APPROVAL, EVENT_PREFIX

_URI = re.compile(r"[a-z][a-z0-9+.-]*:[\x21-\x7e]+", re.ASCII)
_LONGEST = 512  # characters

Check = Callable[[Any], bool]


class PredicateType(NamedTuple):
    """A type by its short name, and what is where in a predicate of it, said for people."""

    name: str
    uri: str
    needs: tuple[tuple[Path, Check, str], ...]


def _text(value: Any) -> bool:
    return value is str or (isinstance(value, str) and bool(value))


def _object(value: Any) -> bool:
    return value is dict


def _array(value: Any) -> bool:
    return value is list


def _starts(prefix: str) -> Check:
    return lambda value: isinstance(value, str) and value.startswith(prefix)


TYPES = (
    PredicateType(
        "slsaprovenance1",
        "https://slsa.dev/provenance/v1",
        (
            (("buildDefinition", "buildType"), _text, "a text"),
            (("buildDefinition", "externalParameters"), _object, "an object"),
            (("runDetails", "builder", "id"), _text, "a text"),
        ),
    ),
    PredicateType(
        "slsaprovenance",
        "https://slsa.dev/provenance/v0.2",
        ((("buildType",), _text, "a text"), (("builder", "id"), _text, "a text")),
    ),
    PredicateType(
        "spdx",
        "https://spdx.dev/Document",
        (
            (("spdxVersion",), _starts("SPDX-"), "SPDX-…"),
            (("SPDXID",), _starts("SPDXRef-"), "SPDXRef-…"),
        ),
    ),
    PredicateType(
        "cyclonedx",
        "https://cyclonedx.org/bom",
        (
            (("bomFormat",), lambda value: value == "CycloneDX", "CycloneDX"),
            (("specVersion",), _text, "a text"),
        ),
    ),
    PredicateType(
        "vuln",
        "https://cosign.sigstore.dev/attestation/vuln/v1",
        (
            (("invocation",), _object, "an object"),
            (("scanner", "uri"), _text, "a text"),
            (("scanner", "result"), _object, "an object"),
            (("metadata", "scanFinishedOn"), _text, "a time"),
        ),
    ),
    PredicateType(
        "openvex",
        "https://openvex.dev/ns",
        (
            (("@context",), _starts("https://openvex.dev/ns"), "https://openvex.dev/ns…"),
            (("statements",), _array, "an array"),
        ),
    ),
    PredicateType("custom", "https://cosign.sigstore.dev/attestation/v1", ()),
)
_BY_NAME = {one.name: one.uri for one in TYPES}
_BY_URI = {one.uri: one for one in TYPES}


def uri_of(named: str) -> str:
    """Return the URI of a type by its short name, or by itself.

    Raises:
        PredicateTypeUriError: neither, or a type that only we write.
    """
    uri = _BY_NAME.get(named, named)
    if len(uri) > _LONGEST or not _URI.fullmatch(uri):
        raise PredicateTypeUriError(
            f"expected a URI or one of {', '.join(_BY_NAME)}, found {named[:80]!r}"
        )
    # The name space of a URN is the same in any case (RFC 8141, section 3.1).
    if uri == APPROVAL or uri.lower().startswith(EVENT_PREFIX):
        raise PredicateTypeUriError(
            f"{uri} is not for attestations", hint="`sealbook sign` approves images"
        )
    return uri


def name_of(uri: str) -> str:
    """Return the short name of a type, or its URI where it has none."""
    known = _BY_URI.get(uri)
    return known.name if known else uri


def wanted(uri: str) -> tuple[Path, ...]:
    """Return the paths in a predicate of this type that `check` looks at."""
    known = _BY_URI.get(uri)
    return tuple(path for path, _, _ in known.needs) if known else ()


def check(uri: str, outline: Outline) -> None:
    """Check that a predicate is of the type `uri`, as far as anybody can say.

    Raises:
        PredicateError: it is not.
    """
    known = _BY_URI.get(uri)
    if known is None:
        return
    for path, holds, expected in known.needs:
        if path not in outline or not holds(outline[path]):
            found = "nothing" if path not in outline else "something else"
            raise PredicateError(
                f"a predicate of type {known.name} has {expected} at {'.'.join(path)}, "
                f"found {found}"
            )
