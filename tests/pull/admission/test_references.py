"""How an image's name in a pod is read: as containerd reads it, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pull.admission.asking import GOOD
from verifier.pull.admission.errors import ImageNameError
from verifier.pull.admission.references import parse_reference

HUB = "docker.io/library"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        # The rows of distribution/reference, `ParseNormalizedNamed`.
        ("web", f"{HUB}/web:latest"),
        ("web:1.4", f"{HUB}/web:1.4"),
        (f"web@{GOOD}", f"{HUB}/web@{GOOD}"),
        (f"web:1.4@{GOOD}", f"{HUB}/web:1.4@{GOOD}"),
        ("team/web", "docker.io/team/web:latest"),
        ("team/sub/web", "docker.io/team/sub/web:latest"),
        ("docker.io/web", f"{HUB}/web:latest"),
        ("docker.io/team/web", "docker.io/team/web:latest"),
        ("index.docker.io/web", f"{HUB}/web:latest"),
        ("index.docker.io/team/web:1", "docker.io/team/web:1"),
        ("library/web", f"{HUB}/web:latest"),
        ("registry.example/web", "registry.example/web:latest"),
        ("registry.example:5000/team/web:1.4", "registry.example:5000/team/web:1.4"),
        ("localhost/web", "localhost/web:latest"),
        ("localhost:5000/web", "localhost:5000/web:latest"),
        ("10.0.0.1:5000/web", "10.0.0.1:5000/web:latest"),
        ("registry:5000/web", "registry:5000/web:latest"),
        ("registry.example:5000", f"{HUB}/registry.example:5000"),  # no slash: a name and a tag
        ("web:V1", f"{HUB}/web:V1"),
        ("a__b/c-d.e:x", "docker.io/a__b/c-d.e:x"),
    ],
)
def test_what_is_meant(written: str, meant: str) -> None:
    """
    A name means the repository and tag that containerd takes it for.
    """
    assert meant == str(parse_reference(written).place)


@pytest.mark.parametrize(
    "written",
    [
        "",
        " web",
        "web ",
        "web\n",
        "Web",
        "team/Web",
        "Team/web",
        "REGISTRY.example/web",
        "registry.example/Web:1",
        "/web",
        "web/",
        "team//web",
        "web:",
        "web:-x",
        "web:a b",
        f"web:{'t' * 129}",
        "web@",
        "web@sha256:",
        f"web@{GOOD.upper()}",
        f"web@{GOOD[:-1]}",
        f"web@{GOOD}@{GOOD}",
        f"web@sha512:{'0' * 128}",
        f"@{GOOD}",
        "a" * 64,  # an image's ID, of whoever has it
        "https://registry.example/web",
        "registry.example:0/web",
        "registry.example:99999/web",
        "registry-1.docker.io/library/web",
        "docker.io:443/web",
        "[::1]:5000/web",
        "auto:\u0661",
        "wéb",
        "web/../../secrets",
        "-web/x",
        "x" * 600,
    ],
)
def test_what_is_refused(written: str) -> None:
    """
    A name that no runtime takes, or that two would read in two ways, is refused with a hint.
    """
    with pytest.raises(ImageNameError) as caught:
        parse_reference(written)
    assert "bad-image-name" == caught.value.code


def test_pinned() -> None:
    """
    What is pinned is the repository, with its host, and the digest alone.
    """
    assert f"{HUB}/web@{GOOD}" == parse_reference("web:1.4").pinned(GOOD)
    assert f"registry.example:5000/web@{GOOD}" == parse_reference(
        "registry.example:5000/web"
    ).pinned(GOOD)


@given(st.text(max_size=80) | st.text("aA0.:/@-_sha256", max_size=120))
def test_any_text(text: str) -> None:
    """
    Whatever is written is read, or refused; what is read is read the same when it is written out.
    """
    try:
        reference = parse_reference(text)
    except ImageNameError:
        return
    assert reference == parse_reference(str(reference.place))
    assert reference.digest or reference.place.tag
