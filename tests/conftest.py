"""What holds for all tests: Hypothesis leaves no files behind, and looks at no clock.

It would fail a test for an example that takes 200 ms, or for examples that are slow to make.
Either is about the machine; `timeout` in pyproject.toml ends what never ends. `make test` tries
the same examples each time, so that it judges a change and not a day; `make fast` tries others.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "sealbook",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
    derandomize="SEALBOOK_EXPLORE" not in os.environ,
    print_blob=True,
)
settings.load_profile("sealbook")
