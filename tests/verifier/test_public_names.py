"""The names that this package offers: at most twelve, each at hand when it is asked for."""

from __future__ import annotations

import pytest

import verifier


def test_few() -> None:
    """
    There are at most twelve public names.
    """
    assert len(set(verifier.__all__)) == len(verifier.__all__) <= 12


@pytest.mark.parametrize("name", verifier.__all__)
def test_each_is_there(name: str) -> None:
    """
    Each name is what it says, also where it is imported only when it is asked for.
    """
    assert name == getattr(verifier, name).__name__


def test_no_other() -> None:
    """
    A name that is not there is missing as in every module.
    """
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = verifier.Nothing
