"""Where bundles may be found at pull time; each kind is imported when it is asked first.

file      a directory of bundles
service   by digest, over HTTP, without any credentials of the registry
registry  what is attached to the image where it was pulled from
layout    what is attached to it in an OCI image layout
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.pull.errors import PullSettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.pull.decision import Question, Source
    from verifier.pull.settings import PullSettings


class Late:
    """A source that is made when it is asked first. Safe in many threads."""

    def __init__(self, name: str, settings: PullSettings) -> None:
        """Make the source `name` as `settings` say."""
        self.name = name
        self._settings = settings
        self._made: Source | None = None

    def bundles(self, question: Question, left_s: float) -> Iterator[bytes]:
        """Yield what the source has; raises what it raises."""
        if self._made is None:  # two threads may both make one, and either will do
            self._made = make(self.name, self._settings)
        return self._made.bundles(question, left_s)


def make(name: str, settings: PullSettings) -> Source:
    """Return the source `name`.

    Raises:
        PullSettingsError: there is no such source, or it is not configured.
    """
    if name == "file" and settings.file:
        from verifier.pull.sources.file import FileSource

        return FileSource(settings.file)
    if name == "service" and settings.service is not None:
        from verifier.pull.sources.service import ServiceSource

        return ServiceSource(settings.service)
    if name == "registry":
        from verifier.pull.sources.registry import RegistrySource

        return RegistrySource(settings.registries)
    if name == "layout" and settings.layout:
        from verifier.pull.sources.layout import LayoutSource

        return LayoutSource(settings.layout)
    raise PullSettingsError(f"source {name!r} is not configured")
