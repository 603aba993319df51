"""All targets, by name."""

from __future__ import annotations

from tests.fuzz import formats, signed
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {**formats.TARGETS, **signed.TARGETS}
assert len(TARGETS) == len(formats.TARGETS) + len(signed.TARGETS)
