"""Who will find their signatures in a registry that was tried, and what to configure.

cosign 3, our verifier   bundles, by the referrers API or the index at sha256-<hex>
cosign 2                 all signatures of an image, in the one at sha256-<hex>.sig
Podman, CRI-O            the same; or from the service's lookaside, without the registry
notation                 envelopes, by the referrers API or that index
containerd               nothing: its verifier asks the service for a digest
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from signer.registries.trying import findings as names
from signer.registries.trying.findings import NO, YES, Findings

FIRST = "first push only"
_SERVICE = "https://SEALBOOK:PORT"  # where ours is, we do not know here


class Reader(NamedTuple):
    """A client, the form it reads, whether it will find it, and what stands against that."""

    name: str
    form: str
    works: str
    why: str = ""


class Advice(NamedTuple):
    """What to change, `where`, to the very lines, and `why`."""

    why: str
    where: str
    lines: Sequence[str]


def readers(found: Findings) -> list[Reader]:
    """Return who will find what."""
    bundle = _listed(found, names.REFERRERS_READ)
    notation = _listed(found, names.NOTATION_TYPES, names.NOTATION_READ)
    simple = _simple(found)
    return [
        Reader("sealbook verify, cosign 3", "bundle", *bundle),
        Reader("cosign 3, under a key", "bundle, .sig", *min(bundle, simple, key=_order)),
        Reader("cosign 2", ".sig", *simple),
        Reader("Podman, CRI-O, skopeo", ".sig", *simple),
        Reader("Podman, CRI-O", "lookaside", YES, "from the service, whatever the registry does"),
        Reader("notation", "notation", *notation),
        Reader("containerd", "service", YES, "asks the service by digest"),
    ]


def _order(found: tuple[str, str]) -> int:
    return (YES, FIRST, NO).index(found[0])


def all_found(found: Findings) -> bool:
    """Whether every form can be put where its reader looks, now and later."""
    return all(reader.works == YES for reader in readers(found))


def _listed(found: Findings, *needed: str) -> tuple[str, str]:
    """Return whether referrers are found: by the API, or else by an index under a tag."""
    for name in (names.PUSH, names.READ_SIGNED, *needed):
        if not found.is_yes(name):
            return NO, _why(found, name)
    if found.is_yes(names.REFERRERS_API):
        return _all_of(found, names.REFERRERS_LISTED) or (YES, "referrers API")
    missing = _all_of(found, names.FALLBACK_TAG, again=names.FALLBACK_TAG_AGAIN)
    return missing or (YES, "index at sha256-<hex>")


def _simple(found: Findings) -> tuple[str, str]:
    needed = (names.PUSH, names.READ_SIGNED, names.SIGNATURE_TAG)
    missing = _all_of(found, *needed, again=names.SIGNATURE_TAG_AGAIN)
    return missing or (YES, "image at sha256-<hex>.sig")


def _all_of(found: Findings, *needed: str, again: str = "") -> tuple[str, str] | None:
    """Return what stands against it, if one of `needed` does; or that `again` does."""
    for name in needed:
        if not found.is_yes(name):
            return NO, _why(found, name)
    if again and not found.is_yes(again):
        return FIRST, _why(found, again)
    return None


def _why(found: Findings, name: str) -> str:
    one = found.of(name)
    detail = one.code or one.detail or "not tried"
    return f"{names.QUESTIONS[name]}: {one.outcome} ({detail})"


def advice(found: Findings) -> Iterator[Advice]:
    """Yield what to configure, the most urgent first."""
    if not found.is_yes(names.PUSH):
        if found.is_no(names.PUSH) or found.is_no(names.LET_IN):
            yield _credential(found)
        return
    if found.is_no(names.READ, "content-trust"):
        yield _content_trust(found)
    if any(found.is_no(name, "immutable-tag") for name in _TAGS):
        yield _immutable(found)
    works = {reader.form: reader.works for reader in readers(found)}
    yield _podman(found, attached=works[".sig"] == YES)
    if found.is_no(names.REFERRERS_API) and works["bundle"] == YES:
        yield Advice(
            "without the referrers API parallel signers overwrite each other's index: "
            "let the service attach, one after the other",
            "sealbook.toml",
            [
                "[[registries]]",
                f'prefix = "{found.repository}"',
                'credential = "registry-robot"',
                "publish = true",
                'attach = "all"',
            ],
        )
    if found.is_no(names.DELETE_REFERRER):
        yield Advice(
            "what is revoked cannot be taken out of this registry: verifiers need the status file",
            "the registry's configuration (docker-registry: config.yml)",
            ["storage:", "  delete:", "    enabled: true"],
        )


_TAGS = (
    names.OVERWRITE,
    names.SIGNATURE_TAG_AGAIN,
    names.FALLBACK_TAG_AGAIN,
    names.DELETE_SIGNATURES,
)


def _podman(found: Findings, *, attached: bool) -> Advice:
    host = found.repository.partition("/")[0]
    where = "use-sigstore-attachments: true"
    option = "--attachments"
    if not attached:
        where = f'lookaside: "{_SERVICE}/lookaside/{host}"'
        option = f"--lookaside {_SERVICE}"
    return Advice(
        "Podman, CRI-O and skopeo look for signatures only where they are told to",
        "/etc/containers/registries.d/sealbook.yaml",
        [
            f"# sealbook trust podman trust.json --registry {host} {option} --out /etc/containers",
            "docker:",
            f'  "{found.repository}":',
            f"    {where}",
        ],
    )


def _immutable(found: Findings) -> Advice:
    if not found.is_no(names.SIGNATURE_TAG_AGAIN, "immutable-tag"):
        return Advice(
            "tags of images are immutable here, and those of signatures are not: good as it is",
            "nothing",
            [],
        )
    return Advice(
        "signatures' tags are immutable: what is signed later cannot be added. Except them from "
        "the rule, or sign in all forms at once and serve later signatures by lookaside",
        "Harbor: project, Policy, Tag Immutability, the rule that covers this repository",
        ["For the repositories  matching   **", "Tags                  excluding  sha256-*"],
    )


def _content_trust(found: Findings) -> Advice:
    lines = [f"sealbook sign {found.repository}@sha256:<hex>"]
    if found.is_no(names.REFERRERS_READ, "content-trust"):
        lines.append("# and turn off: Harbor: project, Configuration, Deployment security")
    return Advice(
        "an image is shown to nobody before it is signed, so that its tag cannot be resolved: "
        "name the digest, which `docker push` and `buildah push --digestfile` tell. The rule asks "
        "whether there is a signature, not whether it is good: verify where images run",
        "where images are signed",
        lines,
    )


def _credential(found: Findings) -> Advice:
    return Advice(
        "nothing can be pushed here: say who we are, or try in a repository that is there, with "
        "--scratch",
        "registries.toml",
        [
            "[[registry]]",
            f'prefix = "{found.repository}"',
            'credential = "robot"  # a file: user:secret',
        ],
    )
