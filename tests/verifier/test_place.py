"""Names of images in files: what is a path, and what a name in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from verifier.digest import Digest
from verifier.pull.errors import PlaceError
from verifier.pull.place import FilePlace, parse_place

IMAGE = Digest.of(b"image")
NAME = "registry.example:5000/team/app:1.4"


@pytest.mark.parametrize(
    ("there", "text", "expected"),
    [
        ((), "new.tar", ("new.tar", "")),
        ((), "new.tar:1.4", ("new.tar", "1.4")),
        ((), f"new.tar:{NAME}", ("new.tar", NAME)),
        ((), "new:tar:1.4", ("new:tar", "1.4")),
        ((), "new.tar:not a tag", ("new.tar:not a tag", "")),
        ((), f"new.tar:{NAME}@{IMAGE}", ("new.tar", f"{NAME}@{IMAGE}")),
        (("a:1.4",), "a:1.4", ("a:1.4", "")),
        (("a", "a:b"), "a:b:1.4", ("a:b", "1.4")),
        (("a",), f"a:{NAME}", ("a", NAME)),
        (("x:y",), f"x:y:{NAME}", ("x:y", NAME)),
    ],
)
def test_names_in_files(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    there: Sequence[str],
    text: str,
    expected: tuple[str, str],
) -> None:
    """
    A path may have colons, and a name in a file too: what is there counts, else the first cut.
    """
    monkeypatch.chdir(tmp_path)
    for one in there:
        (tmp_path / one).touch()
    place = parse_place(f"oci-archive:{text}")
    path, tag = expected

    assert FilePlace(Path(path), tag, archive=True) == place
    assert f"oci-archive:{text}" == str(place)


@pytest.mark.parametrize("text", ["oci:", "oci-archive:"])
def test_no_path(text: str) -> None:
    """
    A place in a file needs a path.
    """
    with pytest.raises(PlaceError):
        parse_place(text)
