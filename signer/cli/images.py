"""How commands name images: a digest, or an OCI image layout."""

from __future__ import annotations

from pathlib import Path

from verifier.digest import Digest
from verifier.pull.layout import Manifest, read_layout

LAYOUT = "oci:"
METAVAR, HELP = "IMAGE", "sha256:<hex>, or oci:DIR[:TAG]"


def manifests(image: str) -> list[Manifest]:
    """Return what `image` names: one digest, or every manifest of an image in a layout.

    Raises:
        DigestError: neither.
        LayoutError: no layout, or not that one image in it.
    """
    if not image.startswith(LAYOUT):
        return [Manifest(Digest(image), 0, "")]
    directory, tag = image.removeprefix(LAYOUT), None
    if not Path(directory).is_dir() and ":" in directory:
        directory, _, tag = directory.rpartition(":")
    return read_layout(Path(directory), tag)
