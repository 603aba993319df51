"""`FakeHarborRules`: what Harbor's rules do to signatures. A double; no Harbor can be had here.

It is a registry with the referrers API, as Harbor is since 2.8, and it imitates what versions
2.8 to 2.14 answer where one of three rules is on, in their status and words:

immutable      tags of these patterns are written once. The first push works; a later one of the
               same tag, whatever it brings, is a 412 PRECONDITION, and so is deleting what such
               a tag names. Rules are patterns: `**` covers `sha256-*.sig` too, where each new
               signature has to be another push.
content_trust  "cosign" or "notation": a manifest that has no accessory of that kind is shown to
               nobody, by GET or HEAD, also not to who would sign it: 412 PROJECTPOLICYVIOLATION.
               Asked is whether there is one, not whether it is good. Such signatures themselves
               are shown. A Sigstore bundle is none (`subject.accessory`): it satisfies no rule,
               and is not shown either. Some versions let clients through that call themselves
               cosign or notation and may push; this one lets nobody through.
replicate      an image arrives elsewhere with the accessory that was pushed last, and no other.

Deleting by tag is not supported, by any Harbor. Not imitated: projects, robots, tokens, quotas,
scanners, proxies, and Harbor's own API. `refused` has what was refused, for tests to look at.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from tests.registries.fake_referrers import Answer, Asked, FakeReferrersRegistry, Kept, Refusal

COSIGN, NOTATION = "cosign", "notation"
_SIGNATURE_TAG = re.compile(r"sha256-([0-9a-f]{64})\.sig")
_SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
# Of artifacts with a subject; every other kind is a `subject.accessory`.
_KINDS = {
    "application/vnd.cncf.notary.signature": NOTATION,
    "application/vnd.dev.cosign.artifact.sig.v1+json": COSIGN,
}


class Accessory(NamedTuple):
    """Something about `subject`: its digest, the rule that it satisfies, the tag it came under."""

    subject: str
    digest: str
    kind: str
    tag: str = ""


class FakeHarborRules(FakeReferrersRegistry):
    """Serves while it is entered. An administrator may change the rules at any time."""

    def __init__(self, *, immutable: Sequence[str] = (), content_trust: str = "") -> None:
        super().__init__()
        self.immutable = tuple(immutable)
        self.content_trust = content_trust
        self.refused: list[str] = []
        self._accessories: dict[str, list[Accessory]] = {}

    def accessories(self, name: str, subject: str) -> list[Accessory]:
        """Return what was pushed about `subject`, the last one last."""
        return [one for one in self._accessories.get(name, ()) if one.subject == subject]

    def replicate(self, name: str, reference: str, target: FakeReferrersRegistry) -> None:
        """Copy an image to the repository of that name in `target`, as a replication rule does."""
        source, there = self.kept(name), target.kept(name)
        digest = source.tags.get(reference, reference)
        _copy(source, there, digest)
        if reference != digest:
            there.tags[reference] = digest
        for one in self.accessories(name, digest)[-1:]:
            _copy(source, there, one.digest)
            if one.tag:
                there.tags[one.tag] = one.digest

    def refuses(self, asked: Asked) -> Refusal | None:
        refusal = self._refusal(asked) if asked.kind == "manifests" else None
        if refusal is not None:
            self.refused.append(f"{asked.method} {asked.rest} {refusal.code}")
        return refusal

    def answer(self, asked: Asked) -> Answer:
        with self._lock:
            answer = super().answer(asked)
            if (asked.method, asked.kind, answer.status) == ("PUT", "manifests", 201):
                self._remember(asked, answer.headers["Docker-Content-Digest"])
            return answer

    def _refusal(self, asked: Asked) -> Refusal | None:
        kept = self.kept(asked.name)
        digest = asked.rest if ":" in asked.rest else kept.tags.get(asked.rest, "")
        if asked.method == "PUT":
            again = asked.rest in kept.tags and self._is_immutable(asked.rest)
            return _immutable(asked.name, asked.rest) if again else None
        if asked.method == "DELETE":
            if ":" not in asked.rest:
                return Refusal(405, "UNSUPPORTED", f"unsupported digest {asked.rest}")
            for tag, of in kept.tags.items():
                if of == digest and self._is_immutable(tag):
                    return _immutable(asked.name, tag)
            return None
        is_hidden = self.content_trust and digest in kept.manifests
        if is_hidden and not self._is_shown(asked.name, digest):
            words = f"The image is not signed by {self.content_trust}."
            return Refusal(412, "PROJECTPOLICYVIOLATION", words)
        return None

    def _is_immutable(self, tag: str) -> bool:
        return any(fnmatch.fnmatch(tag, rule.replace("**", "*")) for rule in self.immutable)

    def _is_shown(self, name: str, digest: str) -> bool:
        return any(
            (one.subject == digest and one.kind == self.content_trust)
            or (one.digest == digest and one.kind)
            for one in self._accessories.get(name, ())
        )

    def _remember(self, asked: Asked, digest: str) -> None:
        manifest = json.loads(asked.content)
        tagged = _SIGNATURE_TAG.fullmatch(asked.rest)
        subject = manifest.get("subject")
        if tagged and _SIMPLE_SIGNING in [one["mediaType"] for one in manifest.get("layers", ())]:
            made = Accessory(f"sha256:{tagged[1]}", digest, COSIGN, asked.rest)
        elif subject:
            kind = manifest.get("artifactType") or manifest["config"]["mediaType"]
            made = Accessory(subject["digest"], digest, _KINDS.get(kind, ""))
        else:
            return
        self._accessories.setdefault(asked.name, []).append(made)


def _immutable(name: str, tag: str) -> Refusal:
    """Refuse as Harbor does, which names the repository without its project."""
    named = f"{name.partition('/')[2] or name}:{tag}"
    words = f"Failed to process request due to '{named}' configured as immutable."
    return Refusal(412, "PRECONDITION", words)


def _copy(source: Kept, there: Kept, digest: str) -> None:
    """Copy a manifest, what is under it, and its blobs."""
    there.manifests[digest] = source.manifests[digest]
    value = json.loads(source.manifests[digest][1])
    for child in value.get("manifests", ()):
        _copy(source, there, child["digest"])
    for one in (*value.get("layers", ()), *([value["config"]] if "config" in value else ())):
        there.blobs[one["digest"]] = source.blobs[one["digest"]]
