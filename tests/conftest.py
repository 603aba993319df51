"""What holds for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Hypothesis would fail a test by the clock: for an example that takes 200 ms, or for examples that
# are slow to make. Either is about the machine; `timeout` in pyproject.toml ends what never ends.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
