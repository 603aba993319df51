"""What a policy said that is not met."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from verifier.verdict import RefusedError


def said(call: Callable[[], object]) -> RefusedError:
    """Check that a policy refuses, and return what it said."""
    with pytest.raises(RefusedError) as caught:
        call()
    assert not caught.value.verdict.met
    assert not caught.value.verdict.allowed
    return caught.value
