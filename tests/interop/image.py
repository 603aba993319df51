"""A small image of two platforms, as an OCI layout."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from signer.cli import demo_image
from tests.interop.pushing import Descriptor

TAG = "1.0"


class Image(NamedTuple):
    """The layout, what describes its index, and the child that runs on this machine."""

    layout: Path
    index: Descriptor
    child: str
    children: Sequence[str] = ()

    @classmethod
    def made(cls, layout: Path, greeting: str = "hello") -> Self:
        """Write the layout to a new directory."""
        demo_image.write(layout, TAG, greeting)
        [top] = json.loads((layout / "index.json").read_bytes())["manifests"]
        index = Descriptor(top["mediaType"], top["digest"], top["size"])
        content = (layout / "blobs" / "sha256" / index.digest.partition(":")[2]).read_bytes()
        children = [one["digest"] for one in json.loads(content)["manifests"]]
        return cls(layout, index, children[0], children)
