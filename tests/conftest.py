"""What holds for all tests: Hypothesis leaves no files behind, and looks at no clock.

It would fail a test for an example that takes 200 ms, or for examples that are slow to make.
Either is about the machine; `timeout` in pyproject.toml ends what never ends.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "sealbook",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
    print_blob=True,
)
settings.load_profile("sealbook")
