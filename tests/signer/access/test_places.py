"""Where something may be done: by whole segments, and by nothing that looks alike (R1)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from signer.access import Grant, Principal, Where, authorise
from signer.errors import PermissionDeniedError, WhereError
from verifier.errors import RepositoryError
from verifier.repository import Repository

# Few words, so that one place often lies in another.
WORD = st.sampled_from(["a", "b", "ab", "a-b", "team", "team-evil", "x", "..", ".", "", "A", "%2f"])
PATH = st.lists(WORD, max_size=4).map(lambda words: "/".join(["host.example", *words]))
PLACE = st.one_of(st.just("*"), PATH, PATH.map(lambda path: path + "/**"), st.text(max_size=8))


def may(place: Where, repository: Repository) -> bool:
    """Whether somebody who may sign in a place may sign in a repository."""
    principal = Principal("urn:test", "x", {"sign": (Grant(place),)})
    try:
        authorise(principal, "sign", repository)
    except PermissionDeniedError:
        return False
    return True


@given(PLACE, PATH)
def test_segments(place: str, repository: str) -> None:
    """
    Whoever is allowed in a place acts only where the segments begin with the place's own.
    """
    try:
        where, named = Where(place), Repository(repository)
    except (WhereError, RepositoryError):
        return
    segments = place.removesuffix("/**").split("/")
    below = place.endswith("/**")
    expected = place == "*" or (
        named.split("/")[: len(segments)] == segments
        and (len(named.split("/")) > len(segments)) == below
    )

    assert expected == may(where, named)


@given(PLACE, PLACE, PATH)
def test_contained(outer: str, inner: str, repository: str) -> None:
    """
    What lies in a place lies in every place that contains it.
    """
    try:
        one, other, named = Where(outer), Where(inner), Repository(repository)
    except (WhereError, RepositoryError):
        return

    assert not (one.contains(other) and may(other, named)) or may(one, named)


@given(PLACE)
def test_one_spelling(place: str) -> None:
    """
    Whatever is a place prints back as it was written.
    """
    try:
        where = Where(place)
    except WhereError:
        return

    assert place == str(where)
    assert where.contains(where)
