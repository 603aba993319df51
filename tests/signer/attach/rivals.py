"""Doubles of registries in which somebody else writes at the worst moment."""

from __future__ import annotations

from tests.registries.fake_referrers import Answer, Asked, FakeReferrersRegistry


class RivalWriter(FakeReferrersRegistry):
    """Without the referrers API. After `tag` was written, somebody who had read before writes.

    That happens `times` times; each time the tag becomes again what it was before anybody of us
    wrote it, which is `before`.
    """

    def __init__(self, *, suffix: str, times: int) -> None:
        super().__init__(referrers_api=False)
        self.suffix = suffix
        self.times = times
        self.before: dict[str, str | None] = {}

    def answer(self, asked: Asked) -> Answer:
        """Answer, and let the rival write after a write of ours."""
        hit = asked.method == "PUT" and self._is_rivals(asked)
        kept = self.kept(asked.name)
        if hit:
            self.before.setdefault(asked.rest, kept.tags.get(asked.rest))
        answer = super().answer(asked)
        if hit and self.times > 0:
            self.times -= 1
            stale = self.before[asked.rest]
            if stale is None:
                kept.tags.pop(asked.rest)
            else:
                kept.tags[asked.rest] = stale
        return answer

    def _is_rivals(self, asked: Asked) -> bool:
        if asked.kind != "manifests" or not asked.rest.startswith("sha256-"):
            return False
        return asked.rest.endswith(".sig") == (self.suffix == ".sig")
