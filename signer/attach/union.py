"""One tag that many write and nobody may lose anything under: `sha256-<hex>`, `….sig`, `….att`.

    image    its `layers` are signatures; its configuration lists their digests
    index    its `manifests` are referrers, where the registry keeps no list of them

A registry has no compare-and-swap on tags: whoever read before another wrote, and writes after,
takes the other's away. So a `Union` remembers all that it ever saw under the tag, and writes that
together with what it wants: nothing is removed or put into another order, and fields that nobody
here knows are kept. Whether it lasts is for `signer.attach.settling`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from signer.attach.making import encode
from verifier import limits
from verifier._strict import json_object
from verifier.digest import Digest
from verifier.errors import MalformedError
from verifier.pull import kinds
from verifier.pull.errors import NoImageError, TooManySignaturesError
from verifier.pull.images import IMAGE, INDEX, Descriptor, Images, Manifest

CONFIG = "application/vnd.oci.image.config.v1+json"
_TRIES = 4
_NEVER = "0001-01-01T00:00:00Z"  # as cosign dates layers that are no layers of files

Item = Mapping[str, Any]  # a descriptor as it is written, with all its fields


class Union:
    """What a tag is to hold: what is wanted, and all that was seen there, less what is unwanted.

    Not safe in several threads at once.
    """

    def __init__(
        self,
        images: Images,
        tag: str,
        *,
        index: bool = False,
        unwanted: Callable[[Item], bool] | None = None,
    ) -> None:
        """Care for `tag`; `index`: of referrers. What is `unwanted` is taken out, and stays out."""
        self.images = images
        self.tag = tag
        self.written_at: float | None = None  # by the monotonic clock: then all was there
        self._field = "manifests" if index else "layers"
        self._media_type = INDEX if index else IMAGE
        self._most = limits.REFERRERS if index else limits.SIGNATURE_LAYERS
        self._unwanted = unwanted or (lambda _: False)
        self._seen: dict[bytes, Item] = {}
        self._manifest: Manifest | None = None
        self._value: dict[str, Any] = {}
        self._complete = False

    def want(self, items: Iterable[Item]) -> None:
        """Have these there too, after all that is there. Their content must be there already."""
        for item in items:
            self._seen.setdefault(_key(item), item)
        self._complete = self._is_complete()

    def forget(self, item: Item) -> None:
        """Want this one no more; what is there stays."""
        self._seen.pop(_key(item), None)
        self._complete = self._is_complete()

    def start(self, manifest: Manifest | None) -> None:
        """Take it that this was there just now; `write` looks whether it still is."""
        self._take(manifest)

    @property
    def complete(self) -> bool:
        """Whether nothing was missing, and nothing unwanted there, at the last look."""
        return self._complete

    def look(self) -> bool:
        """Look what is there now; return whether nothing is missing, and nothing unwanted there.

        Raises:
            MalformedError: it is not what it should be; it is left alone.
            ImagesError: it cannot be read.
        """
        # Nothing changed in most looks, which a digest tells as well.
        if self._manifest is None or not self._complete or not self._is_as_seen():
            self._take(self._read())
        return self._complete

    def places(self) -> set[tuple[str, int]]:
        """Return where in logs what was there at the last look says that it is."""
        present = self._manifest.children if self._manifest is not None else ()
        return {place for one in present if (place := kinds.hinted(one)) is not None}

    def write(self, changed: Callable[[], object] = lambda: None) -> None:
        """Put everything there, together with what whoever was faster put there.

        `changed` is called after each look that saw something else than the one before.

        Raises:
            ImmutableTagError: the registry does not let the tag be written again.
            TooManySignaturesError: it would hold more than is read.
            ImagesError: it cannot be written.
        """
        for _ in range(_TRIES):
            content = self._content()
            # What others write between this look and our own writing is lost for them and us.
            if self._is_as_seen():
                break
            self._take(self._read())
            changed()
            if self._complete:
                return
        self.images.put_manifest(content, self._media_type, self.tag)
        self._take(Manifest.parse(content, self._media_type))
        self.written_at = time.monotonic()

    def _content(self) -> bytes:
        present = self._present()
        there = {_key(item) for item in present}
        missing = [item for key, item in self._seen.items() if key not in there]
        items = [one for one in (*present, *missing) if not self._unwanted(one)]
        if len(items) > self._most:
            raise TooManySignaturesError(f"expected at most {self._most} under {self.tag}")
        value = {"schemaVersion": 2, "mediaType": self._media_type, **self._value}
        if self._field == "layers":
            value["config"] = self._config(items)
        value[self._field] = items
        return encode(value)

    def _is_as_seen(self) -> bool:
        seen = self._manifest.descriptor.digest if self._manifest is not None else None
        try:
            return self.images.resolve(self.tag).digest == seen
        except NoImageError:
            return seen is None

    def _read(self) -> Manifest | None:
        try:
            return self.images.manifest(self.tag)
        except NoImageError:
            return None

    def _take(self, manifest: Manifest | None) -> None:
        """Remember what is there."""
        value: dict[str, Any] = {}
        if manifest is not None:
            value = json_object(manifest.content, limit=limits.MANIFEST, floats=True)
            if not isinstance(value.get(self._field), list):
                raise MalformedError(f"expected {self._field} under the tag {self.tag}, found none")
            self._media_type = manifest.descriptor.media_type
        self._manifest, self._value = manifest, value
        for item in self._present():
            self._seen.setdefault(_key(item), item)
        self._complete = self._is_complete()

    def _present(self) -> list[Item]:
        present: list[Item] = self._value.get(self._field, [])
        return present

    def _is_complete(self) -> bool:
        there = {_key(item) for item in self._present()}
        return not any(map(self._unwanted, self._present())) and all(
            key in there or self._unwanted(item) for key, item in self._seen.items()
        )

    def _config(self, items: list[Item]) -> Item:
        """Put the configuration of an image of these layers there, and describe it."""
        old = self._manifest.config if self._manifest is not None else None
        value: dict[str, Any] = {"architecture": "", "os": "", "config": {}}
        if old is not None:
            content = self.images.small_blob(old, limits.MANIFEST)
            value = json_object(content, limit=limits.MANIFEST, floats=True)
        known = dict(zip(map(_key, self._present()), _diff_ids(value), strict=False))
        # A payload is a layer that is not compressed: its digest is what files would have beside.
        diff_ids = [known.get(_key(item), item["digest"]) for item in items]
        value["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
        if isinstance(told := value.get("history"), list):
            value["history"] = [*told, *[{"created": _NEVER}] * (len(items) - len(told))]
            value["history"] = value["history"][: len(items)]
        content = encode(value)
        media_type = old.media_type if old is not None else CONFIG
        described = Descriptor(media_type, Digest.of(content), len(content))
        self.images.put_blob(described, [content])
        return {**self._value.get("config", {}), **described.json()}


def _key(item: Item) -> bytes:
    """Tell items apart: one payload under two signatures is two layers."""
    return json.dumps(item, sort_keys=True, separators=(",", ":")).encode()


def _diff_ids(config: Mapping[str, Any]) -> list[str]:
    rootfs = config.get("rootfs")
    found = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    return found if isinstance(found, list) else []
