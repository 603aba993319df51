"""Every small change to a bundle, made from its own JSON and not from a list of fields.

For each value of the document, each object and each list, the text as a whole, and what is
inside the fields that hold a document of their own: the payload, the logged body, the
checkpoint. A mutation has the name of its field and of its change, which do not depend on
the bundle's contents, so that a table can list what two judges see differently.

    for one in mutations(bundle, others):
        print(f"{one.field}: {one.change}")    # "….inclusionProof.rootHash: flip 3"
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tests.interop.edits import GONE, Path, decoded, edited, encoded, to
from tests.interop.mutating.documents import document_changes, rendered, sorted_anew
from tests.interop.mutating.notes import note_changes
from tests.interop.mutating.values import changes


class Mutation(NamedTuple):
    """A bundle with exactly one change; the field's name is without the numbers of lists."""

    field: str
    change: str
    data: bytes


def mutations(bundle: bytes, others: Sequence[bytes]) -> Iterator[Mutation]:
    """Yield every mutation of `bundle`; none has the same bytes, or the same JSON.

    `others` are good bundles, whose fields are put in the place of its own.
    """
    good, donors = json.loads(bundle), [json.loads(other) for other in others]
    plain = rendered(good)
    for path, field, change, value in _everywhere(good, donors):
        data = rendered(edited(copy.deepcopy(good), path, to(value)))
        if data != plain:
            yield Mutation(field, change, data)
    for change, data in document_changes(bundle):
        if data != bundle:
            yield Mutation("document", change, data)


def _everywhere(good: Any, donors: Sequence[Any]) -> Iterator[tuple[Path, str, str, object]]:
    """Yield where, the field's name, the change's name, and the value that is put there."""
    for path, value in _walk(good, ()):
        field = _named(path)
        name = next((key for key in reversed(path) if isinstance(key, str)), "")
        for change, new in changes(name, value):
            yield path, field, change, new
        found = [_at(donor, path) for donor in donors]
        for number, other in enumerate(found):
            if path and other is not GONE:
                yield path, field, f"swap: with bundle {number}", other
        match path[-1:]:
            case ("canonicalizedBody" | "payload",):
                document = json.loads(decoded(value))
                for inner, part, change, new in _everywhere(document, ()):
                    spoiled = edited(copy.deepcopy(document), inner, to(new))
                    yield path, f"{field}/{part}", change, encoded(sorted_anew(spoiled))
            case ("envelope",):
                notes = [other for other in found if isinstance(other, str)]
                for line, change, new in note_changes(value, notes):
                    yield path, f"{field}/{line}", change, new


def _walk(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _walk(item, (*path, i))


def _at(value: Any, path: Path) -> Any:
    for key in path:
        try:
            value = value[key]
        except (LookupError, TypeError):
            return GONE
    return value


def _named(path: Path) -> str:
    return ".".join("[]" if isinstance(key, int) else key for key in path).replace(".[]", "[]")
