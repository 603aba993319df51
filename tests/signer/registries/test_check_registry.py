"""`sealbook check-registry`: what a registry lets signatures do, tried, and what to configure."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from signer.config.registries import RegistrySection
from signer.registries.trying import scratch_below, try_registry
from signer.registries.trying.findings import QUESTIONS
from signer.registries.trying.steps import Trial
from tests.pull.hostile import HostileRegistry, answer
from tests.registries.fake_harbor import COSIGN, NOTATION, FakeHarborRules
from tests.registries.fake_referrers import Answer, Asked, FakeReferrersRegistry, Kept, Refusal
from tests.signer.commands import Done, sealbook
from tests.signer.registries.signing import push
from verifier.pull.registry.reading import read_registries
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository

APP = "team/app"
PODMAN = "/etc/containers/registries.d/sealbook.yaml"


class Strange(FakeReferrersRegistry):
    """A registry with limits and rules of its own, each by one name of `rules`."""

    def __init__(self, *rules: str, **more: Any) -> None:
        super().__init__(**more)
        self.rules = rules

    def refuses(self, asked: Asked) -> Refusal | None:
        refused = {
            "no deletes": asked.method == "DELETE",
            "no uploads": asked.method in ("POST", "PUT"),
            "small manifests": asked.kind == "manifests" and len(asked.content) > 300_000,
            "known types": b"vnd.dev.sealbook.check" in asked.content,
            "no notation": b"vnd.cncf.notary" in asked.content,
            "no signatures": asked.method == "PUT" and asked.rest.endswith(".sig"),
            "no catalog": asked.kind == "catalog",
            "no lists": asked.kind == "referrers",
            "small blobs": asked.kind == "blobs" and len(asked.content) > 2_000_000,
        }
        for rule in self.rules:
            if refused.get(rule):
                return Refusal(405, "UNSUPPORTED", rule)
        return None

    def referring(self, kept: Kept, digest: str) -> Any:
        for one in super().referring(kept, digest):
            if "untyped" in self.rules:
                one["artifactType"] = "application/vnd.oci.empty.v1+json"
            if "another" in self.rules:
                one["digest"] = f"sha256:{0:064x}"
            if "unlisted" not in self.rules:
                yield one

    def answer(self, asked: Asked) -> Answer:
        answer = super().answer(asked)
        if "other bytes" in self.rules and (asked.method, asked.kind) == ("GET", "manifests"):
            return answer._replace(content=answer.content + b" ")
        if "no header" in self.rules:
            kept = {k: v for k, v in answer.headers.items() if k != "OCI-Subject"}
            return answer._replace(headers=kept)
        return answer


def checked(
    registry: FakeReferrersRegistry | HostileRegistry, *more: object
) -> tuple[int, dict[str, Any]]:
    """Run the command; return its exit code and what it says."""
    done = sealbook("check-registry", f"{registry.address}/{APP}", "--json", *more)
    assert "" == done.stderr
    return done.returncode, json.loads(done.stdout)


def outcomes(said: Mapping[str, Any], *names: str) -> list[tuple[str, str]]:
    """Return the outcome and the code of findings."""
    found = {one["name"]: one for one in said["findings"]}
    return [(found[name]["outcome"], found[name]["code"]) for name in names]


def works(said: Mapping[str, Any]) -> dict[str, str]:
    """Return which forms are found."""
    return {one["form"]: one["works"] for one in said["readers"]}


def lines(said: Mapping[str, Any], where: str) -> list[str]:
    """Return the lines to configure in a place."""
    return [line for one in said["configure"] if one["where"] == where for line in one["lines"]]


def test_a_registry_that_can_do_everything(tmp_path: Path) -> None:
    """
    Every question is answered with yes, every reader finds its form, and nothing is left behind.
    """
    with FakeReferrersRegistry() as registry:
        push(tmp_path, f"{registry.address}/{APP}")
        before = len(registry.requests)
        code, said = checked(registry)
        [scratch] = [name for name in registry.repositories if "sealbook-check-" in name]
        kept = registry.kept(scratch)
        written = [one for one in registry.requests[before:] if not one.startswith(("GET", "HEAD"))]

    assert 0 == code
    assert list(QUESTIONS) == [one["name"] for one in said["findings"]]
    answers = {one["name"]: one["outcome"] for one in said["findings"]}
    assert "no" == answers.pop("tokens"), "it lets anybody in"
    assert {"yes"} == set(answers.values())
    assert {"yes"} == set(works(said).values())
    assert ["docker:", f'  "{registry.address}/{APP}":', "    use-sigstore-attachments: true"] == (
        lines(said, PODMAN)[1:]
    )
    assert ([], {}, {}) == (said["left"], kept.manifests, kept.tags)
    assert all(f"/{scratch}/" in one for one in written), "the repository itself is only read"


def test_without_the_referrers_api() -> None:
    """
    Bundles and notation are found by the index under a tag; the service had better attach them,
    and the lines for that are such as its configuration takes.
    """
    with FakeReferrersRegistry(referrers_api=False) as registry:
        code, said = checked(registry)

    assert 0 == code
    assert [("no", ""), ("yes", "")] == outcomes(said, "referrers-api", "fallback-tag-again")
    assert {"yes"} == set(works(said).values())
    [section] = tomllib.loads("\n".join(lines(said, "sealbook.toml")))["registries"]
    assert "all" == RegistrySection(**section).attach


def test_immutable_tags() -> None:
    """
    The legacy form is good for the first push only, the lookaside is the way, the rule to change
    is named, and what cannot be deleted is.
    """
    with FakeHarborRules(immutable=["**"]) as registry:
        code, said = checked(registry)
        [scratch] = registry.repositories.values()

    assert 1 == code
    again = ("signature-tag", "signature-tag-again", "overwrite", "delete-signatures")
    no = ("no", "immutable-tag")
    assert [("yes", ""), no, no, no] == outcomes(said, *again)
    assert "first push only" == works(said)[".sig"]
    assert {"yes"} == {works(said)[form] for form in ("bundle", "notation", "lookaside")}
    [where] = [one["where"] for one in said["configure"] if one["where"].startswith("Harbor")]
    assert any("excluding  sha256-*" in line for line in lines(said, where))
    last = f'    lookaside: "https://SEALBOOK:PORT/lookaside/{registry.address}"'
    assert last == lines(said, PODMAN)[-1]
    assert len(scratch.manifests) == len(said["left"]) > 0
    for tag in scratch.tags:
        assert any(f"{tag} (" in one for one in said["left"]), tag


def test_immutable_tags_of_images_alone() -> None:
    """
    A rule that excepts the tags of signatures is good as it is: every form is found.
    """
    with FakeHarborRules(immutable=["check*"]) as registry:
        code, said = checked(registry)

    assert (0, {"yes"}) == (code, set(works(said).values()))
    assert [("no", "immutable-tag"), ("yes", "")] == outcomes(
        said, "overwrite", "signature-tag-again"
    )


@pytest.mark.parametrize("rule", [COSIGN, NOTATION])
def test_content_trust(rule: str) -> None:
    """
    That an image is hidden until it is signed is told, and which signatures go on being hidden.
    """
    with FakeHarborRules(content_trust=rule) as registry:
        code, said = checked(registry)

    assert 1 == code
    hidden = ("no", "content-trust")
    assert [hidden, ("yes", ""), hidden, ("yes", "")] == outcomes(
        said, "read", "read-signed", "referrers-read", "notation-read"
    )
    assert {"bundle": "no", ".sig": "yes", "notation": "yes"}.items() <= works(said).items()
    assert [f"sealbook sign {said['repository']}@sha256:<hex>"] == [
        line for line in lines(said, "where images are signed") if "sealbook" in line
    ]


@pytest.mark.parametrize(
    ("rule", "name", "broken"),
    [
        ("known types", "media-types", {}),
        ("no notation", "notation-types", {"notation": "no"}),
        ("no signatures", "signature-tag", {".sig": "no"}),
        ("untyped", "referrers-listed", {"bundle": "no", "notation": "no"}),
        ("unlisted", "referrers-listed", {"bundle": "no", "notation": "no"}),
        ("another", "referrers-listed", {"bundle": "no", "notation": "no"}),
        ("no lists", "referrers-listed", {"bundle": "no", "notation": "no"}),
        ("small manifests", "manifest-size", {}),
        ("small blobs", "layer-size", {}),
        ("no catalog", "catalog", {}),
        ("no deletes", "delete-referrer", {}),
        ("other bytes", "read", dict.fromkeys(("bundle", ".sig", "notation"), "no")),
    ],
)
def test_what_a_registry_does_not_do(rule: str, name: str, broken: dict[str, str]) -> None:
    """
    Each thing that is refused is one finding with the registry's own words, and only those readers
    are said to find nothing that need it.
    """
    with Strange(rule) as registry:
        code, said = checked(registry)

    [finding] = [one for one in said["findings"] if one["name"] == name]
    assert "no" == finding["outcome"]
    assert finding["detail"]
    expected = {**dict.fromkeys(("bundle", ".sig", "notation"), "yes"), **broken}
    assert expected.items() <= works(said).items()
    assert (1 if broken else 0) == code


def test_a_list_that_is_kept_without_saying_so() -> None:
    """
    A registry that lists referrers and does not say so when they come has the API nevertheless.
    """
    with Strange("no header") as registry:
        code, said = checked(registry)

    assert 0 == code
    assert [("yes", ""), ("yes", "")] == outcomes(said, "referrers-api", "referrers-listed")


def test_sizes_that_are_taken_are_told() -> None:
    """
    Of what is too large the finding says how much is taken.
    """
    with Strange("small manifests", "small blobs") as registry:
        _, said = checked(registry)

    details = {one["name"]: one["detail"] for one in said["findings"]}
    assert details["manifest-size"].startswith("takes 256 KiB")
    assert details["layer-size"].startswith("takes 1024 KiB")


def test_what_cannot_be_deleted_is_named() -> None:
    """
    Where nothing is deleted all that was put there is named, with the registry's reason.
    """
    with Strange("no deletes") as registry:
        _, said = checked(registry)
        [scratch] = registry.repositories.values()

    assert len(scratch.manifests) == len(said["left"])
    assert all("no deletes" in one for one in said["left"])


def test_where_nothing_can_be_pushed() -> None:
    """
    Without the right to push all else is left untried, and how to say who we are is told, in lines
    that the file of registries takes.
    """
    with Strange("no uploads") as registry:
        code, said = checked(registry)

    assert 1 == code
    assert "push" == said["findings"][-1]["name"]
    assert {"no"} == {works(said)[form] for form in ("bundle", ".sig", "notation")}
    assert {"yes"} == {works(said)[form] for form in ("lookaside", "service")}
    assert 'credential = "robot"  # a file: user:secret' in lines(said, "registries.toml")


def test_lines_for_the_file_of_registries_are_taken(tmp_path: Path) -> None:
    """
    What is printed for registries.toml can be pasted.
    """
    with Strange("no uploads") as registry:
        _, said = checked(registry)
    path = tmp_path / "registries.toml"
    path.write_text("\n".join(lines(said, "registries.toml")))

    [found] = read_registries(path).configured
    assert (said["repository"], tmp_path / "robot") == (found.prefix, found.credential)


def test_a_registry_that_does_not_answer() -> None:
    """
    Where nobody listens that is the one finding, with its code, and the exit code is 1.
    """
    done = sealbook("check-registry", "127.0.0.1:9/team/app", "--json")

    [finding] = json.loads(done.stdout)["findings"]
    assert (1, "reached", "registry-unreachable") == (
        done.returncode,
        finding["name"],
        finding["code"],
    )


def test_the_table_is_for_people() -> None:
    """
    Without --json there are a table of answers, one of readers, and lines to paste.
    """
    with FakeHarborRules(immutable=["**"]) as registry:
        done: Done = sealbook("check-registry", f"{registry.address}/{APP}")

    assert "no       takes more of them there later" in done.stdout
    assert "first push only  Podman, CRI-O, skopeo      .sig" in done.stdout
    assert "    Tags                  excluding  sha256-*" in done.stdout
    assert "could not be deleted, and is still there:" in done.stdout


def test_a_scratch_repository_that_was_named(tmp_path: Path) -> None:
    """
    --scratch may be the repository itself: what was there before stays, and is as it was.
    """
    with FakeReferrersRegistry() as registry:
        push(tmp_path, f"{registry.address}/{APP}")
        kept = registry.kept(APP)
        before = dict(kept.manifests), dict(kept.tags)
        code, said = checked(registry, "--scratch", f"{registry.address}/{APP}")
        names = list(registry.repositories)
        other = sealbook("check-registry", f"{registry.address}/{APP}", "--scratch", "a.example/b")

    assert (0, [APP]) == (code, names)
    assert [("untried", "")] == outcomes(said, "mount")
    assert before == (kept.manifests, kept.tags)
    assert 2 == other.returncode, "another registry says nothing about this one"


def test_an_interrupted_check_cleans_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whoever interrupts it in the middle leaves nothing behind.
    """

    def interrupted(_: Trial) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trial, "_media_types", interrupted)
    with FakeReferrersRegistry() as registry:
        repository = Repository(f"{registry.address}/{APP}")
        with pytest.raises(KeyboardInterrupt):
            try_registry(repository, scratch_below(repository), Registries())
        [scratch] = registry.repositories.values()

    assert ({}, {}) == (scratch.manifests, scratch.tags)


def test_the_scratch_repository() -> None:
    """
    It is a new one below the repository that is named, or beside it where there are two levels.
    """
    app = Repository("registry.example/team/app")
    assert scratch_below(app).startswith("registry.example/team/app/sealbook-check-")
    assert scratch_below(app) != scratch_below(app)
    hub = scratch_below(Repository("docker.io/team/app"))
    assert hub.startswith("docker.io/team/sealbook-check-")


def test_a_realm_that_is_elsewhere(tmp_path: Path) -> None:
    """
    A registry that sends us for a token to a host that nobody configured answers us, asks who we
    are, and does not let us in; the line to add is printed.
    """
    path = tmp_path / "registries.toml"
    (tmp_path / "robot").write_text("robot:secret\n")
    (tmp_path / "robot").chmod(0o600)
    with HostileRegistry() as registry:
        said = {"WWW-Authenticate": 'Bearer realm="https://auth.bank.example/token",service="r"'}
        registry.sends[f"/v2/{APP}/manifests/check"] = lambda _: answer(401, b"", said)
        path.write_text(f'[[registry]]\nprefix = "{registry.address}"\ncredential = "robot"\n')
        scratch = ("--scratch", f"{registry.address}/{APP}")
        code, found = checked(registry, "--registries", path, *scratch)

    assert 1 == code
    assert [("yes", ""), ("yes", ""), ("no", "token-realm")] == outcomes(
        found, "reached", "tokens", "let-in"
    )
    assert 'realm="https://auth.bank.example/token"' in found["findings"][1]["detail"]
    assert 'token_hosts = ["auth.bank.example"]' in found["findings"][-1]["hint"]
