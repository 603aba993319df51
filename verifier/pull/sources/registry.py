"""Bundles that are attached to the image where it was pulled from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.errors import MissingExtraError
from verifier.pull.registry.reading import read_registries
from verifier.pull.sources.attached import attached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.pull.decision import Question
    from verifier.pull.registry.settings import Registries


class RegistrySource:
    """The registry of each image. Safe in many threads; needs the extra `pull`."""

    name = "registry"

    def __init__(self, settings: str | Registries = "") -> None:
        """Use these settings, or the file at that path, or else the one that this host has."""
        self._settings = settings

    def bundles(self, question: Question, left_s: float) -> Iterator[bytes]:
        """Yield what is attached to the image; `Source` says more.

        Raises:
            MissingExtraError: httpx is not installed.
            ImagesError: the registry cannot be asked.
        """
        try:
            from verifier.pull.registry.client import Registry
        except ModuleNotFoundError as e:
            if (e.name or "").partition(".")[0] not in ("httpx", "httpcore"):
                raise
            raise MissingExtraError(
                "registries need httpx, which is not installed", hint="pip install 'sealbook[pull]'"
            ) from e
        until = time.monotonic() + left_s
        registries = self._settings
        if isinstance(registries, str):
            registries = read_registries(Path(registries) if registries else None)
        images = Registry(question.repository, registries, deadline_s=left_s, until=until)
        try:
            yield from attached(images, question.digest)
        finally:
            images.close()
