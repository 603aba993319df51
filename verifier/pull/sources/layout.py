"""Bundles that are attached to the image in an OCI image layout on this host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from verifier.pull.errors import UnreadableSourceError
from verifier.pull.layouts import Layout
from verifier.pull.sources.attached import attached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.pull.decision import Question


class LayoutSource:
    """One layout, read anew for each image."""

    name = "layout"

    def __init__(self, directory: str) -> None:
        """Look in the layout at `directory`."""
        self._directory = Path(directory)

    def bundles(self, question: Question, left_s: float) -> Iterator[bytes]:  # noqa: ARG002
        """Yield what is attached to the image; `Source` says more.

        Raises:
            VerificationError: it is no layout.
            UnreadableSourceError: it cannot be read.
        """
        try:
            images = Layout(self._directory)
            try:
                yield from attached(images, question.digest)
            finally:
                images.close()
        except OSError as e:
            raise UnreadableSourceError(f"cannot read {self._directory}: {e.strerror}") from e
