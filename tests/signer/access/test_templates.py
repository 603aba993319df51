"""Places that are made of claims: a path in its one spelling, or no place."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.access.oidc import Verified
from signer.access.templates import Pinned, Template, place
from signer.access.where import Where
from signer.config.access import BindingSection, IssuerSection
from signer.errors import ClaimPlaceError, WhereError
from tests.signer.access.oidc.issuing import Offline
from tests.signer.access.oidc.kinds import GITHUB, GITLAB, KUBERNETES
from tests.signer.asking import refused
from verifier.repository import Repository

BELOW = "harbor.bank/{namespace_path}/**"
_OURS = {"namespace_path": "payments/core", "namespace_id": "72", "ref_protected": "true"}


def bound(repository: str = BELOW, **more: Any) -> BindingSection:
    """Return a binding of the issuer `gitlab`, pinned unless `more` says otherwise."""
    fields = {"role": "developer", "issuer": "gitlab", "pin": "namespace_id", **more}
    return BindingSection(repository=repository, **fields)


def verified(claims: dict[str, str] | None = None, **more: str) -> Verified:
    """Return somebody of the issuer `gitlab` with these claims."""
    said = MappingProxyType({**(_OURS if claims is None else claims), **more})
    url = "https://gitlab.bank.example"
    return Verified("gitlab", url, "project_id:20", said, {}, "j", "once", b"", 0, pipeline=True)


class Book:
    """Remembers the first value of a name."""

    def __init__(self) -> None:
        self.asked: list[Pinned] = []
        self._first: dict[tuple[str, str, str], str] = {}

    def __call__(self, pinned: Pinned) -> bool:
        """Whether it is the first, or the same again."""
        self.asked.append(pinned)
        key = (pinned.issuer, pinned.name, pinned.claim)
        return self._first.setdefault(key, pinned.value) == pinned.value


def where(binding: BindingSection, whom: Verified) -> Where | None:
    """Return where a binding leads, whatever was pinned."""
    return place(binding, whom, lambda _: True)


def test_claims_fill_segments() -> None:
    """
    A claim fills one or several segments, in the middle or at the end, and may be used twice.
    """
    assert "harbor.bank/payments/core/**" == where(bound(), verified())
    assert "harbor.bank/a/**" == where(bound(), verified(namespace_path="a"))
    two = bound("harbor.bank/{namespace_path}/x/{namespace_path}")
    assert "harbor.bank/a/b/x/a/b" == where(two, verified(namespace_path="a/b"))
    assert "harbor.bank/fixed/**" == where(
        bound("harbor.bank/fixed/**", claims={"namespace_path": "payments/core"}), verified()
    )
    assert "*" == where(bound("*", claims={"namespace_path": "payments/core"}), verified())


def test_claims_of_real_issuers(tmp_path: Path) -> None:
    """
    GitHub's `repository` is an owner and a name; a claim of Kubernetes is named by its path.
    """
    for kind, claims, template, expected in (
        ("github", GITHUB, "harbor.bank/{repository}", "harbor.bank/octo-org/octo-repo"),
        ("gitlab", GITLAB, "harbor.bank/{project_path}/**", "harbor.bank/payments/core/api/**"),
        ("kubernetes", KUBERNETES, "harbor.bank/{kubernetes.io/namespace}/**", "harbor.bank/ci/**"),
    ):
        issuer = Offline(tmp_path, preset=kind)
        whom = issuer.verify(issuer.token(**claims))
        assert expected == where(
            bound(template, issuer="ci", pin=None, claims={"sub": whom.claims["sub"]}), whom
        )


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "../prod",
        "payments/../prod",
        "payments/./core",
        "payments//core",
        "/payments",
        "payments/",
        "/",
        "Payments",
        "payments/Core",
        "payments%2fcore",
        "payments%2Fcore",
        "payments\\core",
        "payments core",
        "payments\n",
        "payments\t/core",
        "payments/*",
        "*",
        "**",
        "payments/**",
        "{namespace_id}",
        "payments:latest",
        "payments@sha256:00",
        "zahlungen-é",
        "zahlungen-e\u0301",
        "ｐａｙ",  # noqa: RUF001 - full-width letters
        "payments.",
        ".payments",
        "-payments",
        "payments___core",
        "a" * 600,
        "a/" * 300 + "a",
        "harbor.bank:443/x",
    ],
)
def test_values_that_are_no_path(value: str) -> None:
    """
    A claim that is no path in its one spelling names no place: it is not cleaned up, but refused.
    """
    for template in (BELOW, "harbor.bank/{namespace_path}", "harbor.bank/x/{namespace_path}/y"):
        binding, whom = bound(template), verified(namespace_path=value)
        book = Book()
        refused("claim-place", lambda b=binding, w=whom, k=book: place(b, w, k))  # type: ignore[misc]
        assert [] == book.asked


def test_upper_case_is_told() -> None:
    """
    Whoever has upper case in a path is told that this is the reason, with what was found.
    """
    said = refused("claim-place", lambda: where(bound(), verified(namespace_path="Payments")))
    assert "lower case" in said.message
    assert "'Payments'" in said.message


@pytest.mark.parametrize(
    "text",
    [
        "{namespace_path}/**",
        "{namespace_path}",
        "{host}/payments/**",
        "harbor.bank/team-{namespace_path}/**",
        "harbor.bank/{namespace_path}-x/**",
        "harbor.bank/{a}{b}/**",
        "harbor.bank/{}/**",
        "harbor.bank/{a b}/**",
        "harbor.bank/{a/**",
        "harbor.bank/a}/**",
        "harbor.bank/{{a}}/**",
        "harbor.bank/{a}/../**",
        "harbor.bank/{a}//**",
        "harbor.bank/{a}/",
        "harbor.bank/{a}/*",
        "harbor.bank/{a}/**/b",
        "Harbor.bank/{a}/**",
        "harbor.bank:{a}/b/**",
        "/{a}/**",
        "harbor.bank/{" + "a" * 200 + "}/**",
        "",
    ],
)
def test_templates_that_are_none(text: str) -> None:
    """
    A claim stands for whole segments below a host; any other template is refused at once.
    """
    refused("bad-place", lambda: Template(text))
    with pytest.raises(ValueError, match=r"whole segments|expected|at least 1"):
        bound(text)


def test_not_about_it() -> None:
    """
    A binding is about nobody of another issuer, and nobody whose claims differ or are missing.
    """
    exact = bound(claims={"ref_protected": "true", "namespace_id": "72"})
    assert "harbor.bank/payments/core/**" == where(exact, verified())
    assert where(bound(issuer="github"), verified()) is None
    for changed in ({"ref_protected": "false"}, {"ref_protected": "TRUE"}, {"namespace_id": "720"}):
        assert where(exact, verified(**changed)) is None
    without = {name: value for name, value in _OURS.items() if name != "ref_protected"}
    assert where(exact, verified(without)) is None
    certificate = BindingSection(role="developer", certificate="spiffe://a/b")
    assert where(certificate, verified()) is None


def test_missing_claims() -> None:
    """
    A token without the claim that makes the place, or is the pin, gets no place.
    """
    for name in ("namespace_path", "namespace_id"):
        said = {key: value for key, value in _OURS.items() if key != name}
        refused("claim-place", lambda said=said: where(bound(), verified(said)))  # type: ignore[misc]
    refused("claim-place", lambda: where(bound(), verified(namespace_id="")))


def test_a12_pin() -> None:
    """
    A12: the first id that is seen with a name keeps it; whoever takes the name over gets nothing.
    """
    book = Book()
    assert "harbor.bank/payments/core/**" == place(bound(), verified(), book)
    assert "harbor.bank/payments/core/**" == place(bound(), verified(), book)
    said = refused("claim-place", lambda: place(bound(), verified(namespace_id="9072"), book))
    assert "was another's namespace_id before" in said.message
    # The first owner moved, and took the id along: the new name is theirs, and so is the old one.
    moved = place(bound(), verified(namespace_path="moved"), book)
    assert "harbor.bank/moved/**" == moved
    assert "harbor.bank/payments/core/**" == place(bound(), verified(), book)


def test_what_is_pinned() -> None:
    """
    A pin is kept by issuer and by what can be given away: what makes the place, or is asked for.
    """
    book = Book()
    place(bound(), verified(), book)
    place(bound(claims={"ref_protected": "true"}), verified(), book)
    place(bound("harbor.bank/x", claims={"namespace_path": "payments/core"}), verified(), book)
    place(
        bound("harbor.bank/x", claims={"namespace_path": "payments/core", "namespace_id": "72"}),
        verified(),
        book,
    )

    assert {
        Pinned(
            "https://gitlab.bank.example",
            '{"namespace_path":"payments/core"}',
            "namespace_id",
            "72",
        )
    } == {*book.asked}
    assert 4 == len(book.asked)


def test_no_pin_no_book() -> None:
    """
    Without a pin, and for whom a binding is not about, nothing is remembered.
    """
    book = Book()
    place(bound(pin=None, claims={"namespace_id": "72"}), verified(), book)
    place(bound(claims={"ref_protected": "no"}), verified(), book)
    assert [] == book.asked


SEGMENT = st.text("ab.-_/A%*{}", max_size=6)


@given(SEGMENT, st.sampled_from(["/**", "", "/x"]))
def test_never_outside(value: str, end: str) -> None:
    """
    Whatever a claim says, what comes out lies below what stands before it, segment by segment.
    """
    try:
        found = Template("harbor.bank/team/{a}" + end).fill({"a": value})
    except ClaimPlaceError:
        return

    assert f"harbor.bank/team/{value}{end}" == found
    assert Where("harbor.bank/team/**").contains(found)
    assert not found.covers(Repository("harbor.bank/team"))
    assert ".." not in found.split("/")


@given(st.text("ab/{}*.", max_size=12))
def test_template_is_exact(text: str) -> None:
    """
    Whatever is taken as a template without claims is that very place.
    """
    try:
        template = Template("h.x/" + text)
    except WhereError:
        return

    found = template.fill(dict.fromkeys(template.names, "c"))
    if template.names:
        assert 1 + text.count("/") == len(found.split("/"))
    else:
        assert "h.x/" + text == found


_HUB = "https://token.actions.githubusercontent.com"
_PRESETS = {
    "github": IssuerSection(issuer=_HUB, audience="a", preset="github"),
    "ghes": IssuerSection(issuer="https://ghes.example", audience="a", preset="github"),
    "gitlab": IssuerSection(issuer="https://gitlab.example", audience="a", preset="gitlab"),
    "com": IssuerSection(issuer="https://gitlab.com", audience="a", preset="gitlab"),
    "jenkins": IssuerSection(issuer="https://ci.example/oidc", audience="a", preset="jenkins"),
    "kube": IssuerSection(issuer="https://kube.example", audience="a", preset="kubernetes"),
    "any": IssuerSection(issuer="https://idp.example", audience="a"),
}
_UID = "kubernetes.io/serviceaccount/uid"


@pytest.mark.parametrize(
    ("issuer", "claims", "pin", "repository"),
    [
        ("github", {"repository_owner_id": "65"}, "repository_id", "h.x/{repository}"),
        ("github", {"repository_id": "74"}, None, "h.x/a/**"),
        ("ghes", {}, "repository_id", "h.x/{repository}"),
        ("ghes", {"repository": "a/b"}, "repository_id", "h.x/a"),
        ("gitlab", {}, "namespace_id", BELOW),
        ("gitlab", {"namespace_id": "72"}, None, BELOW),
        ("gitlab", {"project_path": "a/b"}, "project_id", "h.x/a/**"),
        ("com", {"namespace_id": "72"}, None, BELOW),
        ("jenkins", {"sub": "https://ci.example/job/a/"}, None, "h.x/a/**"),
        ("kube", {_UID: "a-b"}, None, "h.x/{kubernetes.io/namespace}/**"),
        ("kube", {"sub": "system:serviceaccount:ci:builder"}, _UID, "h.x/a"),
        ("any", {"sub": "job"}, None, "h.x/{team}/**"),
        ("any", {"team_id": "5"}, None, "h.x/{team}/**"),
        ("any", {}, "team_id", "h.x/{team}/**"),
        ("any", {"team": "a"}, None, "h.x/a/**"),
        ("any", {"team": "a"}, "team_id", "h.x/a/**"),
    ],
)
def test_bindings_that_name_somebody(
    issuer: str, claims: dict[str, str], pin: str | None, repository: str
) -> None:
    """
    A binding that asks for an id, or pins one to a name, is taken.
    """
    bound(repository, issuer=issuer, claims=claims, pin=pin).check_against(_PRESETS)


@pytest.mark.parametrize(
    ("issuer", "claims", "pin", "repository", "why"),
    [
        ("github", {"repository": "a/b"}, None, "h.x/a", "everybody"),
        ("github", {"repository": "a/b"}, "repository_id", "h.x/a", "everybody"),
        ("github", {}, "repository_id", "h.x/{repository}", "everybody"),
        ("com", {}, "namespace_id", BELOW, "everybody"),
        ("ghes", {"repository_owner": "a"}, None, "h.x/a", "change hands"),
        ("gitlab", {"namespace_path": "a"}, None, "h.x/a/**", "change hands"),
        ("gitlab", {"ref_protected": "true"}, None, BELOW, "change hands"),
        ("gitlab", {"ref_protected": "true"}, "project_id", "h.x/a/**", "with a name"),
        ("gitlab", {"project_path": "a"}, "user_login", "h.x/a/**", "as pin"),
        ("gitlab", {"namespace_id": "5"}, "pipeline_id", "h.x/a/**", "as pin"),
        ("jenkins", {"build_number": "5"}, None, "h.x/a/**", "expected sub"),
        ("kube", {"sub": "system:serviceaccount:ci:builder"}, None, "h.x/a", "change hands"),
        ("any", {"team": "a"}, None, "h.x/{team}/**", "change hands"),
        ("any", {}, "sub", "h.x/a", "with a name"),
        ("nobody", {"sub": "a"}, None, "h.x/a", "an issuer of"),
    ],
)
def test_a12_bindings_of_names(
    issuer: str, claims: dict[str, str], pin: str | None, repository: str, why: str
) -> None:
    """
    A12: a binding to what is only a name, or to everybody of a public issuer, is no binding.
    """
    binding = bound(repository, issuer=issuer, claims=claims, pin=pin)
    with pytest.raises(ValueError, match=why):
        binding.check_against(_PRESETS)
