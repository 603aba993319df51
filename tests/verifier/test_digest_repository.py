"""Digests, repositories and scopes: one spelling each, and no folding of look-alikes."""

from __future__ import annotations

import hashlib

import pytest

from tests.verifier.making import refused
from verifier.digest import Digest
from verifier.repository import Repository, Scope

HEX = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
REPOSITORY = "registry.example/team/app"


@pytest.mark.parametrize(
    "text",
    [
        # D1, D5, D6: another algorithm or length.
        "",
        "sha256:",
        HEX,
        f"sha512:{HEX}",
        f"sha512:{HEX}{HEX}",
        f"sha256:{HEX}{HEX}",
        f"sha256:{HEX[:-1]}",
        f"sha256:{HEX}0",
        f"sha1:{HEX[:40]}",
        f"md5:{HEX[:32]}",
        f"sha256+b64:{HEX}",
        # D2, D3: the algorithm and the digits have one spelling.
        f"SHA256:{HEX}",
        f"Sha256:{HEX}",
        f"sha-256:{HEX}",
        f"sha256={HEX}",
        f"sha256::{HEX}",
        f"\u017fha256:{HEX}",
        f"sha256:{HEX.upper()}",
        f"sha256:g{HEX[1:]}",
        # D4: what is invisible.
        f" sha256:{HEX}",
        f"sha256: {HEX}",
        f"sha256:{HEX} ",
        f"sha256:{HEX}\n",
        f"sha256:{HEX}\0",
        f"sha256:{HEX}\u200b",
        f"\ufeffsha256:{HEX}",
        f"sha256:{HEX[:-1]}\u200b",
        f"sha256:{HEX[:-1]}\uff11",
        f"sha256:{HEX[:-1]}\u0661",
        f"sha256:{HEX[:-1]}\ud800",
        # D7: a tag, or more than a digest.
        "latest",
        f"{REPOSITORY}:latest",
        f"{REPOSITORY}@sha256:{HEX}",
        f"{REPOSITORY}:latest@sha256:{HEX}",
        f"@sha256:{HEX}",
        f"sha256:{HEX},sha256:{HEX}",
        # D11: cosign's tag for a digest.
        f"sha256-{HEX}",
        f"sha256-{HEX}.sig",
    ],
)
def test_bad_digests(text: str) -> None:
    """
    Whatever is not `sha256:` and 64 lower-case hexadecimal digits is no digest.
    """
    refused("bad-digest", lambda: Digest(text))


@pytest.mark.parametrize("content", [b"", b"hello\n"])
def test_digest_of_content(content: bytes) -> None:
    """
    The digest of bytes is their SHA-256; that of no bytes is a digest like any other.
    """
    expected = hashlib.sha256(content).hexdigest()
    digest = Digest.of(content)

    assert (f"sha256:{expected}", expected) == (str(digest), digest.hex)
    assert digest == Digest(str(digest))


@pytest.mark.parametrize(
    "text",
    [
        REPOSITORY,
        "registry.example/app",
        "registry.example:1/app",
        "registry.example:65535/team/app",
        "localhost/app",
        "localhost:5000/app",
        "build-host:5000/app",
        "192.0.2.1/app",
        "xn--bcher-kva.example/app",
        "docker.io/library/nginx",
        "registry.example/a.b_c__d-e--f/0",
        f"registry.example/{'a' * 238}",
    ],
)
def test_good_repositories(text: str) -> None:
    """
    A host, perhaps a port, and a path in lower case name a repository.
    """
    assert text == Repository(text)


@pytest.mark.parametrize(
    "text",
    [
        # The host is always written.
        "",
        "/",
        "app",
        "team/app",
        "library/nginx",
        "/team/app",
        "registry.example",
        "registry.example/",
        "localhost:5000",
        # One case, ASCII only.
        "Registry.example/app",
        "registry.example/App",
        "registry.\u212aexample/app",
        "registry.example/\u017fap",
        "b\u00fccher.example/app",
        "registry.example/caf\u00e9",
        "registry.example/cafe\u0301",
        "registry.example/\uff41pp",
        # The path cannot climb or vanish.
        "registry.example/../app",
        "registry.example/team/../app",
        "registry.example/./app",
        "registry.example/team//app",
        "registry.example//app",
        "registry.example/app/",
        "registry.example/team%2fapp",
        "registry.example/team\\app",
        # Separators stand alone, between letters.
        "registry.example/.app",
        "registry.example/app.",
        "registry.example/-app",
        "registry.example/a..b",
        "registry.example/a___b",
        "registry.example/a._b",
        # Nothing around it.
        f" {REPOSITORY}",
        f"{REPOSITORY} ",
        f"{REPOSITORY}\n",
        f"{REPOSITORY}\0",
        f"{REPOSITORY}\u200b",
        f"{REPOSITORY}/\nx",
        f"https://{REPOSITORY}",
        f"user@{REPOSITORY}",
        f"{REPOSITORY}:latest",
        f"{REPOSITORY}@sha256:{HEX}",
        f"{REPOSITORY}?x",
        f"{REPOSITORY}#x",
        f"{REPOSITORY}\ud800",
        # Ports have one spelling.
        "registry.example:/app",
        "registry.example:0/app",
        "registry.example:080/app",
        "registry.example:65536/app",
        "registry.example:99999/app",
        "registry.example:100000/app",
        "registry.example:-1/app",
        "registry.example:\u0661/app",
        "registry.example:80:80/app",
        # Hosts that a URL parser might take.
        ".example/app",
        "registry./app",
        "registry..example/app",
        "-registry.example/app",
        "registry-.example/app",
        "registry_x.example/app",
        "[::1]/app",
        "[::1]:5000/app",
        # Docker's registry has one name, and its short names are not names.
        "index.docker.io/library/nginx",
        "registry-1.docker.io/library/nginx",
        "registry.hub.docker.com/library/nginx",
        "docker.io/nginx",
        # The limit.
        f"registry.example/{'a' * 239}",
        f"registry.example/{'a/' * 10_000}a",
    ],
)
def test_bad_repositories(text: str) -> None:
    """
    Whatever is not a canonical `host[:port]/path` is refused, never repaired.
    """
    refused("bad-repository", lambda: Repository(text))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("index.docker.io/library/nginx", "docker.io"),
        ("team/app", "registry.example"),
    ],
)
def test_hint_says_what_to_write(text: str, hint: str) -> None:
    """
    A refused repository comes with what to write instead.
    """
    refusal = refused("bad-repository", lambda: Repository(text))

    assert hint in refusal.hint


@pytest.mark.parametrize(
    ("scope", "covers"),
    [
        ("*", True),
        ("registry.example", True),
        ("registry.example/team", True),
        (REPOSITORY, True),
        ("registry.example/tea", False),
        ("registry.example/team/ap", False),
        ("registry.example/team/app/x", False),
        ("registry.example/other", False),
        ("registry.exampl", False),
        ("example", False),
        ("registry.example:443", False),
        ("registry.example:443/team", False),
        ("other.example", False),
    ],
)
def test_scopes(scope: str, covers: bool) -> None:
    """
    A scope covers what lies below it by whole segments, and nothing that merely begins alike.
    """
    assert covers == Scope(scope).covers(Repository(REPOSITORY))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "**",
        "*.example",
        "registry.example/*",
        "registry.example/team*",
        "registry.example/",
        "registry.example//team",
        "registry.example/../team",
        "Registry.example",
        "registry.example\n",
        " *",
        "*\n",
        f"registry.example/{'a' * 239}",
    ],
)
def test_bad_scopes(text: str) -> None:
    """
    A scope is `*` or a prefix of a repository; there are no other patterns.
    """
    refused("bad-repository", lambda: Scope(text))
