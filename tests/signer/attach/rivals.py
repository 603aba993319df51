"""Doubles of registries in which somebody else writes at the worst moment."""

from __future__ import annotations

from tests.registries.fake_referrers import Answer, Asked, FakeReferrersRegistry


class RivalWriter(FakeReferrersRegistry):
    """Without the referrers API. After the tag was written, somebody who had read before writes.

    That happens `times` times: right after the writing, or `late`, after it was looked at once.
    Each time the tag becomes what it was before anybody of us wrote it.
    """

    def __init__(self, *, suffix: str, times: int, late: bool = False) -> None:
        super().__init__(referrers_api=False)
        self.suffix = suffix
        self.times = times
        self.late = late
        self._before: dict[str, str | None] = {}
        self._due = False

    def answer(self, asked: Asked) -> Answer:
        """Answer, and let the rival write."""
        if not self._is_rivals(asked):
            return super().answer(asked)
        kept = self.kept(asked.name)
        if asked.method == "PUT":
            self._before.setdefault(asked.rest, kept.tags.get(asked.rest))
        answer = super().answer(asked)
        if asked.method == "PUT":
            self._due = True
        if self._due and self.times > 0 and (asked.method == "HEAD" or not self.late):
            self._due = False
            self.times -= 1
            stale = self._before[asked.rest]
            if stale is None:
                kept.tags.pop(asked.rest)
            else:
                kept.tags[asked.rest] = stale
        return answer

    def _is_rivals(self, asked: Asked) -> bool:
        if asked.kind != "manifests" or not asked.rest.startswith("sha256-"):
            return False
        return asked.rest.endswith(".sig") == (self.suffix == ".sig")
