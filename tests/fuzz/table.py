"""All targets, by name."""

from __future__ import annotations

from tests.fuzz import (
    admission,
    foreign,
    formats,
    policies,
    pulls,
    registries,
    signed,
    stored,
    tokens,
)
from tests.fuzz.target import Target

_ALL = (
    formats.TARGETS,
    signed.TARGETS,
    policies.TARGETS,
    foreign.TARGETS,
    stored.TARGETS,
    tokens.TARGETS,
    registries.TARGETS,
    admission.TARGETS,
    pulls.TARGETS,
)
TARGETS: dict[str, Target] = {name: one for some in _ALL for name, one in some.items()}
assert len(TARGETS) == sum(map(len, _ALL))
