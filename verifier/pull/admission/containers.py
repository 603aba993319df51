"""Every place in an object of the cluster where an image is named.

    Pod                                            spec
    Deployment, StatefulSet, DaemonSet, Job,
    ReplicaSet, ReplicationController              spec.template.spec
    CronJob                                        spec.jobTemplate.spec.template.spec
    PodTemplate                                    template.spec

In each: containers, initContainers, ephemeralContainers (which a Pod gets later, by its
subresource of that name, as `kubectl debug` does), and volumes that are images.

Of an object of another shape nothing is guessed: it is refused. So is a kind that is not here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from verifier import limits
from verifier.pull.admission.errors import KindError, PodShapeError, TooManyImagesError
from verifier.pull.admission.review import Review

_TEMPLATE = ("spec", "template", "spec")
_POD = ("spec",)
_KINDS = {
    ("", "Pod"): _POD,
    ("", "PodTemplate"): ("template", "spec"),
    ("", "ReplicationController"): _TEMPLATE,
    ("apps", "Deployment"): _TEMPLATE,
    ("apps", "StatefulSet"): _TEMPLATE,
    ("apps", "DaemonSet"): _TEMPLATE,
    ("apps", "ReplicaSet"): _TEMPLATE,
    ("batch", "Job"): _TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template", "spec"),
}
_LISTS = {
    "containers": "container",
    "initContainers": "init container",
    "ephemeralContainers": "ephemeral container",
}


class Named(NamedTuple):
    """One place. `pointer` is it as a JSON pointer (RFC 6901), `where` as people say it."""

    pointer: str
    where: str
    image: str


class PodSpec(NamedTuple):
    """What a pod would run, and with whose credentials it is pulled.

    `named` leaves out what an UPDATE does not change: it was judged when it came, and whoever
    takes a finalizer off an old object must not be stopped by what became of its images.
    """

    named: tuple[Named, ...]
    pull_secrets: tuple[str, ...]
    service_account: str


def pod_spec(review: Review) -> PodSpec:
    """Return what `review` is about.

    Raises:
        KindError: we know of no containers in this kind.
        PodShapeError: the object is not built as its kind is.
        TooManyImagesError: there are more than `limits.IMAGES` in it.
    """
    path = _KINDS.get((review.group, review.kind))
    if path is None:
        group = f" of {review.group}" if review.group else ""
        raise KindError(f"asked about a {review.kind[:80]!r}{group[:80]}")
    if review.is_now is None:
        raise PodShapeError(f"{review.what}: expected an object, found none")
    if review.is_now.get("kind", review.kind) != review.kind:
        raise PodShapeError(f"{review.what}: its object says that it is of another kind")
    spec = _down(review.is_now, path, review.what)
    may_lack = path != _POD  # a template may leave an image to whoever makes pods of it
    named = tuple(_images(spec, "/" + "/".join(path), review.what, may_lack=may_lack))
    if review.operation == "UPDATE" and review.was is not None:
        before = {
            (one.where, one.image)
            for one in _images(_down(review.was, path, review.what), "", review.what, may_lack=True)
        }
        named = tuple(one for one in named if (one.where, one.image) not in before)
    if len(named) > limits.IMAGES:
        raise TooManyImagesError(
            f"{review.what}: expected at most {limits.IMAGES} images, found {len(named)}"
        )
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    return PodSpec(named, tuple(_secrets(spec, review.what)), str(account))


def _down(value: Mapping[str, Any], path: tuple[str, ...], what: str) -> Mapping[str, Any]:
    for key in path:
        found = value.get(key)
        if not isinstance(found, dict):
            raise PodShapeError(f"{what}: expected an object at {'.'.join(path)}, found none")
        value = found
    return value


def _images(spec: Mapping[str, Any], base: str, what: str, *, may_lack: bool) -> Iterator[Named]:
    for key, called in _LISTS.items():
        for i, one in enumerate(_list(spec, key, what)):
            where = f"{called} {_name(one, i)}"
            image = one.get("image", "")
            if not isinstance(image, str):
                raise PodShapeError(f"{what}, {where}: expected a text as image")
            if image or not may_lack:
                yield Named(f"{base}/{key}/{i}/image", where, image)
    for i, one in enumerate(_list(spec, "volumes", what)):
        source = one.get("image")
        if source is None:
            continue
        where = f"volume {_name(one, i)}"
        image = source.get("reference", "") if isinstance(source, dict) else None
        if not isinstance(image, str):
            raise PodShapeError(f"{what}, {where}: expected a text as image.reference")
        if image or not may_lack:
            yield Named(f"{base}/volumes/{i}/image/reference", where, image)


def _list(spec: Mapping[str, Any], key: str, what: str) -> list[dict[str, Any]]:
    found = spec.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise PodShapeError(f"{what}: expected a list of objects as {key}")
    return found


def _name(one: Mapping[str, Any], index: int) -> str:
    name = one.get("name")
    return name[:63] if isinstance(name, str) and name else f"#{index}"


def _secrets(spec: Mapping[str, Any], what: str) -> Iterator[str]:
    for one in _list(spec, "imagePullSecrets", what):
        name = one.get("name")
        if isinstance(name, str) and name:
            yield name
