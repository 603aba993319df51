"""Where images are named: in every kind of object, and in every kind of container."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pull.admission.asking import (
    GOOD,
    OTHER,
    PATHS,
    REPOSITORY,
    Says,
    answered,
    core,
    object_of,
    patched,
    refusal,
    review,
    spec_of,
)
from verifier import limits

KEYS = ("containers", "initContainers", "ephemeralContainers", "volumes")
BAD = {OTHER: "unsigned"}
TAG = f"{REPOSITORY}:1.4"
GOOD_IMAGE, BAD_IMAGE = f"{REPOSITORY}@{GOOD}", f"{REPOSITORY}@{OTHER}"


def _images(now: Any, kind: tuple[str, str]) -> list[str]:
    for key in PATHS[kind]:
        now = now[key]
    listed = [one for key in KEYS[:3] for one in now.get(key, [])]
    return [one["image"] for one in listed] + [
        one["image"]["reference"] for one in now.get("volumes", []) if "image" in one
    ]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kind", PATHS, ids=lambda kind: kind[1])
@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_no_place_is_overlooked(kind: tuple[str, str], key: str, operation: str) -> None:
    """
    An image that may not run is refused wherever it is named, and the answer says where.
    """
    bad = review(spec_of(GOOD_IMAGE, BAD_IMAGE, key=key), kind=kind, operation=operation)
    told = refusal(answered(core(Says(refused=BAD)), bad))
    name = "volume v1" if key == "volumes" else "container c1"
    assert f"{name}, {BAD_IMAGE}: not so (unsigned)" in told
    assert "1 of 2 images" in told
    good = review(spec_of(GOOD_IMAGE, key=key), kind=kind, operation=operation)
    assert answered(core(Says(refused=BAD)), good)["allowed"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kind", PATHS, ids=lambda kind: kind[1])
def test_every_place_is_pinned(kind: tuple[str, str], key: str) -> None:
    """
    A tag is pinned to the digest that was judged wherever it is named, and nothing else changes.
    """
    says = Says({TAG: GOOD})
    spec = spec_of(TAG, GOOD_IMAGE, TAG, key=key)
    now = object_of(spec, kind)
    response = answered(core(says), review(spec, kind=kind), mutating=True)
    found = patched(response, now)
    assert [GOOD_IMAGE] * 3 == _images(found, kind)
    expected = object_of(spec_of(*[GOOD_IMAGE] * 3, key=key), kind)
    assert expected == found
    assert 1 == says.resolved[TAG], "a tag is resolved once, so that it is one image everywhere"
    assert answered(core(says), review(spec_of(*_images(found, kind)), kind=kind))["allowed"]


def test_all_kinds_of_containers_together() -> None:
    """
    One pod with each kind of container is judged by all of them, and each refused one is named.
    """
    spec = {key: spec_of(BAD_IMAGE, key=key)[key] for key in KEYS}
    told = refusal(answered(core(Says(refused=BAD)), review(spec)))
    for name in ("[1] container c0", "init container c0", "ephemeral container c0", "volume v0"):
        assert name in told


def test_debugging() -> None:
    """
    `kubectl debug` comes as the subresource ephemeralcontainers; what it adds is judged.
    """
    was = spec_of(GOOD_IMAGE)
    for image, allowed in ((BAD_IMAGE, False), (GOOD_IMAGE, True)):
        now = was | {"ephemeralContainers": [{"name": "debug", "image": image}]}
        value = review(now, was=was, operation="UPDATE", subResource="ephemeralcontainers")
        response = answered(core(Says(refused=BAD)), value)
        assert allowed == response["allowed"]
        assert allowed or "ephemeral container debug" in refusal(response)


def test_what_an_update_leaves_alone() -> None:
    """
    An UPDATE that changes no image passes, so that labels and finalizers of what was taken back
    can be changed; one that renames, adds or changes an image does not.
    """
    asked = core(Says(refused=BAD))
    was = spec_of(BAD_IMAGE)
    kind = ("apps", "Deployment")
    same = review(was | {"dnsPolicy": "Default"}, was=was, kind=kind, operation="UPDATE")
    assert answered(asked, same)["allowed"]
    for now in (
        spec_of(GOOD_IMAGE, BAD_IMAGE),
        spec_of(BAD_IMAGE, BAD_IMAGE),
        spec_of(BAD_IMAGE, key="initContainers"),
        {"containers": [{"name": "other", "image": BAD_IMAGE}]},
        spec_of(BAD_IMAGE.replace("shop", "stop")),
    ):
        refusal(answered(asked, review(now, was=was, kind=kind, operation="UPDATE")))
    refusal(answered(asked, review(was, was=was, kind=kind, operation="CREATE")))
    refusal(answered(asked, review(was, kind=kind, operation="UPDATE")))


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_what_runs_nothing(operation: str) -> None:
    """
    Taking an object away, or looking into one, is let through: nothing new runs by it.
    """
    says = Says(refused=BAD)
    gone = review(None, was=spec_of(BAD_IMAGE), operation=operation)
    assert answered(core(says), gone)["allowed"]
    assert not says.judged


@pytest.mark.parametrize(
    "kind",
    [("", "Secret"), ("apps", "Pod"), ("argoproj.io", "Rollout"), ("", "Deployment")],
)
def test_kinds_that_we_do_not_know(kind: tuple[str, str]) -> None:
    """
    A kind in which we know of no containers is refused, and so is a group that is not its own.
    """
    value = review(spec_of(GOOD_IMAGE), kind=("", "Pod"))
    value["request"]["kind"] = {"group": kind[0], "version": "v1", "kind": kind[1]}
    assert "(unknown-kind)" in refusal(answered(core(), value))


@pytest.mark.parametrize(
    "spec",
    [
        "text",
        [],
        {"containers": {}},
        {"containers": ["text"]},
        {"containers": [{"name": "c", "image": 7}]},
        {"containers": [{"name": "c", "image": [GOOD_IMAGE]}]},
        {"containers": [{"name": "c"}]},
        {"containers": [{"name": "c", "image": ""}]},
        {"containers": [{"name": "c", "image": None}]},
        {"initContainers": "text"},
        {"volumes": [{"name": "v", "image": "text"}]},
        {"volumes": [{"name": "v", "image": {"reference": 7}}]},
        {"volumes": 7},
    ],
)
def test_shapes_that_no_object_has(spec: Any) -> None:
    """
    Of a pod that is built otherwise nothing is guessed: it is refused.
    """
    for mutating in (True, False):
        refusal(answered(core(), review(spec), mutating=mutating))


def test_templates_may_leave_an_image_out() -> None:
    """
    A template may name no image, as the API allows; the pod that is made of it may not.
    """
    nothing = {"containers": [{"name": "c"}]}
    assert answered(core(), review(nothing, kind=("apps", "Deployment")))["allowed"]
    assert "(bad-image-name)" in refusal(answered(core(), review(nothing)))


def test_more_images_than_are_judged() -> None:
    """
    An object with more images than the limit is refused as a whole; with as many it is judged.
    """
    many = [f"{REPOSITORY}{i}@{GOOD}" for i in range(limits.IMAGES)]
    assert answered(core(), review(spec_of(*many)))["allowed"]
    told = refusal(answered(core(), review(spec_of(*many, f"{REPOSITORY}@{GOOD}"))))
    assert "(too-many-images)" in told


def test_whose_object_it_says_it_is() -> None:
    """
    An object that says it is of another kind than the request is refused.
    """
    value = review(spec_of(GOOD_IMAGE))
    value["request"]["object"]["kind"] = "Deployment"
    assert "(bad-object)" in refusal(answered(core(), value))
