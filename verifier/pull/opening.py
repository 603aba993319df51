"""Opens a place of images, whatever it is: each kind is imported only when it is asked for."""

from __future__ import annotations

from verifier.errors import MissingExtraError
from verifier.pull.images import Images
from verifier.pull.place import FilePlace, Place
from verifier.pull.registry.settings import Registries


def open_images(place: Place, registries: Registries, *, create: bool = False) -> Images:
    """Return the repository, layout or archive at `place`; close it.

    With `create`, a layout or archive that is not there is made.

    Raises:
        ImagesError: it is not there, or not what it was said to be.
        MissingExtraError: registries need the extra `pull`, which is not installed.
    """
    if isinstance(place, FilePlace):
        if place.archive:
            from verifier.pull.archive import Archive

            return Archive(place.path, create=create)
        from verifier.pull.layouts import Layout

        return Layout(place.path, create=create)
    try:
        from verifier.pull.registry.client import Registry
    except ModuleNotFoundError as e:
        if (e.name or "").partition(".")[0] not in ("httpx", "httpcore"):
            raise
        raise MissingExtraError(
            "registries need httpx, which is not installed", hint="pip install 'sealbook[pull]'"
        ) from e
    return Registry(place.repository, registries)
