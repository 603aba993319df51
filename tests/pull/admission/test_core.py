"""What the cluster is told: yes, no or a warning, always in time, with each refused image named."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pull.admission.asking import (
    GOOD,
    OTHER,
    REPOSITORY,
    SLACK,
    Says,
    answered,
    at_once,
    core,
    object_of,
    patched,
    refusal,
    review,
    spec_of,
)
from verifier import limits
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.pull.admission import answers, containers, errands
from verifier.pull.admission import core as core_module
from verifier.pull.admission.logins import Puller
from verifier.pull.decision import Decision, Question
from verifier.repository import Repository

TAG = f"{REPOSITORY}:1.4"
GOOD_IMAGE, BAD_IMAGE = f"{REPOSITORY}@{GOOD}", f"{REPOSITORY}@{OTHER}"
BAD = {OTHER: "unsigned"}


def test_a_tag_that_moves() -> None:
    """
    A tag that is moved after it was judged moves nothing: what was judged is what is pinned.
    """
    says = Says({TAG: GOOD}, BAD)
    spec = spec_of(TAG)
    response = answered(core(says), review(spec), mutating=True)
    says.tags[TAG] = OTHER
    found = patched(response, object_of(spec))
    assert [{"name": "c0", "image": GOOD_IMAGE}] == found["spec"]["containers"]
    assert f"{TAG} is {GOOD_IMAGE}" == response["auditAnnotations"]["pinned"]
    assert answered(core(says), review(found["spec"]))["allowed"]
    refusal(answered(core(says), review(spec), mutating=True))


def test_what_the_tag_is_may_not_run() -> None:
    """
    A tag of an image that may not run is refused, and the reason is the gate's.
    """
    told = refusal(answered(core(Says({TAG: OTHER}, BAD)), review(spec_of(TAG)), mutating=True))
    assert f"container c0, {TAG}: not so (unsigned)" in told


def test_a_tag_that_is_nothing() -> None:
    """
    A tag that the registry does not know is refused with what the registry said.
    """
    told = refusal(answered(core(), review(spec_of(TAG)), mutating=True))
    assert f"{TAG} is not there (no-image)" in told


@pytest.mark.parametrize(("mutating", "pins"), [(False, True), (False, False), (True, False)])
def test_a_digest_is_demanded(mutating: bool, pins: bool) -> None:
    """
    When an object is validated, and where tags are refused, a tag is no name; nobody is asked.
    """
    says = Says({TAG: GOOD})
    asked = core(says, pins=pins)
    told = refusal(answered(asked, review(spec_of(GOOD_IMAGE, TAG)), mutating=mutating))
    assert "(image-by-tag)" in told
    assert "container c1" in told
    assert not says.resolved
    response = answered(asked, review(spec_of(GOOD_IMAGE)), mutating=mutating)
    assert response["allowed"]
    assert "patch" not in response


def test_short_names_are_judged_by_their_host() -> None:
    """
    A short name is judged in the repository that it stands for, and pinned with its host.
    """
    says = Says({"docker.io/library/web:latest": GOOD})
    spec = spec_of("web")
    found = patched(answered(core(says), review(spec), mutating=True), object_of(spec))
    assert f"docker.io/library/web@{GOOD}" == found["spec"]["containers"][0]["image"]
    assert [Question(GOOD, Repository("docker.io/library/web"))] == list(says.judged)


def test_what_has_a_digest_stays_as_it_is() -> None:
    """
    A name with a digest is not rewritten, however it is written, and a tag beside it is no tag.
    """
    says = Says()
    for image in (GOOD_IMAGE, f"{TAG}@{GOOD}", f"web@{GOOD}", f"web:1@{GOOD}"):
        for asked in (core(says), core(says, pins=False)):
            response = answered(asked, review(spec_of(image)), mutating=True)
            assert response["allowed"]
            assert "patch" not in response
    assert not says.resolved


def test_pods_with_other_secrets_ask_for_themselves() -> None:
    """
    What one pod's credentials saw is not told to another's: each resolves the tag as who it is.
    """
    says = Says({TAG: GOOD}, slow_s=0.3)
    asked = core(says)
    bodies = [
        review(spec_of(TAG, imagePullSecrets=[{"name": "a"}])),
        review(spec_of(TAG, imagePullSecrets=[{"name": "b"}])),
        review(spec_of(TAG, serviceAccountName="web")),
        review(spec_of(TAG), namespace="other"),
    ]
    found = at_once([lambda one=one: answered(asked, one, mutating=True) for one in bodies])
    assert all(one["allowed"] for one in found)
    assert {
        Puller("shop", "default", ("a",)),
        Puller("shop", "default", ("b",)),
        Puller("shop", "web"),
        Puller("other", "default"),
    } == set(says.pullers)


def test_excluded() -> None:
    """
    In a namespace that is excluded everything passes and nobody is asked; in all others not.
    """
    says = Says(refused=BAD)
    asked = core(says, exclude=["kube-system", "sealbook"])
    for namespace in ("kube-system", "sealbook"):
        assert answered(asked, review(spec_of(BAD_IMAGE), namespace=namespace))["allowed"]
    assert not says.judged
    for namespace in ("kube-system-2", "shop", "kube"):
        refusal(answered(asked, review(spec_of(BAD_IMAGE), namespace=namespace)))


def test_warned() -> None:
    """
    Where refusals are only told, the object passes with a warning that says why; what is pinned
    is pinned; elsewhere nothing changes.
    """
    says = Says({TAG: OTHER}, BAD)
    asked = core(says, warn=["staging"])
    spec = spec_of(TAG, f"{REPOSITORY}:gone", GOOD_IMAGE)
    response = answered(asked, review(spec, namespace="staging"), mutating=True)
    assert response["allowed"]
    assert [
        f"sealbook: container c0, {TAG}: not so (unsigned)",
        f"sealbook: container c1, {REPOSITORY}:gone: {REPOSITORY}:gone is not there (no-image)",
    ] == response["warnings"]
    images = [one["image"] for one in patched(response, object_of(spec))["spec"]["containers"]]
    assert [BAD_IMAGE, f"{REPOSITORY}:gone", GOOD_IMAGE] == images
    refusal(answered(asked, review(spec), mutating=True))
    judged = asked(json.dumps(review(spec, namespace="staging")).encode(), mutating=True, left_s=8)
    assert ["unsigned", "no-image", ""] == [one.code for one in judged.decisions]
    assert all(one.allowed for one in judged.decisions)


@pytest.mark.parametrize("code", ["revoked", "split-view", "internal-error"])
def test_what_is_never_only_warned_of(code: str) -> None:
    """
    What was taken back is refused also where refusals are only told, and so is a bug.
    """
    asked = core(Says(refused={OTHER: code}), warn=["staging"])
    told = refusal(answered(asked, review(spec_of(BAD_IMAGE), namespace="staging")))
    assert f"({code})" in told


def test_kinds_are_only_warned_of() -> None:
    """
    Where refusals are only told, an object that we cannot read is told too.
    """
    asked = core(warn=["staging"])
    response = answered(asked, review({"containers": 7}, namespace="staging"))
    assert response["allowed"]
    assert "(bad-object)" in response["warnings"][0]


def test_a_policy_that_only_warns() -> None:
    """
    A yes of the gate with a code is a yes with a warning, and it is pinned.
    """
    says = Says({TAG: OTHER}, {OTHER: "only-warned"})
    response = answered(core(says), review(spec_of(TAG)), mutating=True)
    assert response["allowed"]
    assert "(only-warned)" in response["warnings"][0]
    assert BAD_IMAGE in json.dumps(patched(response, object_of(spec_of(TAG))))


def test_warnings_are_what_a_cluster_shows() -> None:
    """
    Warnings are cut to what the cluster takes, and the last one says how many are not there.
    """
    many = [f"{REPOSITORY}{'x' * 200}{i}:{'t' * 100}" for i in range(40)]
    response = answered(
        core(warn=["staging"]), review(spec_of(*many), namespace="staging"), mutating=True
    )
    warnings = response["warnings"]
    assert all(len(one) <= 256 for one in warnings)
    assert sum(len(one.encode()) for one in warnings) <= 4096
    assert f"{40 - len(warnings) + 1} more images" in warnings[-1]


def test_each_refused_image_is_named() -> None:
    """
    Of twenty images, each one that is refused is named with its container, and no other.
    """
    images = [f"{REPOSITORY}{i}@{OTHER if i % 3 else GOOD}" for i in range(20)]
    told = refusal(answered(core(Says(refused=BAD)), review(spec_of(*images))))
    assert "refuses 13 of 20 images" in told
    for i in range(20):
        assert (f"container c{i}, {images[i]}: not so (unsigned)" in told) == bool(i % 3)


def test_a_long_message_is_cut() -> None:
    """
    A message that would be too long for the cluster says that there is more.
    """
    images = [f"{REPOSITORY}{i}{'x' * 150}@{OTHER}" for i in range(100)]
    told = refusal(answered(core(Says(refused=BAD)), review(spec_of(*images))))
    assert len(told) < 10_000
    assert told.endswith("and more")


def test_twenty_containers() -> None:
    """
    Twenty images are asked about side by side, each once, however often it is named.
    """
    images = [f"{REPOSITORY}{i}:1" for i in range(20)]
    says = Says({one: Digest.of(one.encode()) for one in images}, slow_s=0.3)
    began = time.monotonic()
    response = answered(core(says), review(spec_of(*images, *images)), mutating=True)
    assert response["allowed"]
    assert 20 == says.most_at_once
    assert {1} == set(says.resolved.values()) == set(says.judged.values())
    assert 20 == len(says.resolved) == len(says.judged)
    assert time.monotonic() - began < 0.6 * SLACK


def test_many_reviews_of_one_image() -> None:
    """
    Reviews that come together ask once about what they share.
    """
    says = Says({TAG: GOOD}, slow_s=0.4)
    asked = core(says)
    body = review(spec_of(TAG, f"{REPOSITORY}2@{GOOD}"))
    found = at_once([lambda: answered(asked, body, mutating=True)] * 30)
    assert all(one["allowed"] for one in found)
    assert 1 == says.resolved[TAG]
    assert {1} == set(says.judged.values())


def test_one_that_does_not_answer() -> None:
    """
    Whoever does not answer delays nobody beyond the deadline; the others are judged, and the
    answer says who it was.
    """
    slow = f"{REPOSITORY}-slow"
    says = Says(slow_s={slow: 3})
    asked = core(says)
    began = time.monotonic()
    spec = spec_of(GOOD_IMAGE, f"{slow}@{GOOD}", f"{slow}:1")
    told = refusal(answered(asked, review(spec), mutating=True, left_s=0.5))
    assert time.monotonic() - began < 2.5
    assert "2 of 3 images" in told
    assert f"{slow}@{GOOD}: nobody said in time whether it may run (admission-timeout)" in told
    assert f"{slow}:1: nobody said in time what its tag is (admission-timeout)" in told


def test_the_time_of_each_image() -> None:
    """
    An image has less time than the answer, where that is configured.
    """
    says = Says(slow_s=3)
    began = time.monotonic()
    refusal(answered(core(says, image_s=0.2), review(spec_of(GOOD_IMAGE))))
    assert time.monotonic() - began < 2.5


def test_no_time_at_all() -> None:
    """
    A review for which there is no time left is refused.
    """
    for left_s in (0, -1):
        told = refusal(answered(core(), review(spec_of(GOOD_IMAGE)), left_s=left_s))
        assert "(admission-timeout)" in told


def test_a_full_house() -> None:
    """
    Where too much goes on already, an image is refused at once; afterwards it is not.
    """
    says = Says(slow_s=0.4)
    asked = core(says)
    asked._errands._flights._most_of_lane = 2
    images = [f"registry.example/a{i}@{GOOD}" for i in range(3)]
    told = refusal(answered(asked, review(spec_of(*images, f"other.example/b@{GOOD}"))))
    assert "1 of 4 images" in told
    assert "too many images of registry.example are being looked at now" in told
    assert answered(asked, review(spec_of(*images[:2])))["allowed"]


def test_an_answer_about_another_image() -> None:
    """
    A yes about another image than was asked about is a no.
    """

    class Confused(Says):
        def decide(self, *asked: Any) -> Decision:
            return super().decide(*asked)._replace(digest=OTHER)

    told = refusal(answered(core(Confused()), review(spec_of(GOOD_IMAGE))))
    assert "(internal-error)" in told


@pytest.mark.parametrize("result", [None, True, "yes", GOOD, object()])
def test_an_answer_that_is_none(result: Any) -> None:
    """
    Whatever a broken gate or resolver returns is a no, at once.
    """

    class Broken(Says):
        def decide(self, *_: Any) -> Any:
            return result

    class Lost(Says):
        def resolve(self, *_: Any) -> Any:
            return None if result is GOOD else result

    for says, image in ((Broken(), GOOD_IMAGE), (Lost(), TAG)):
        told = refusal(answered(core(says), review(spec_of(image)), mutating=True))
        assert "(internal-error)" in told


STAGES = [
    (core_module, "parse_review"),
    (core_module, "pod_spec"),
    (core_module, "parse_reference"),
    (core_module, "Puller"),
    (core_module, "_pinned"),
    (errands, "parse_reference"),
    (errands, "Question"),
    (errands, "wait"),
    (errands, "Deadline"),
    (errands.Errands, "run"),
    (errands.Flights, "join"),
    (errands._Errand, "left_s"),
    (containers, "_images"),
    (containers, "_secrets"),
    (answers, "allowed"),
    (Says, "decide"),
    (Says, "resolve"),
]
BUGS = [
    ValueError("a bug"),
    VerificationError("unusual"),
    MemoryError(),
    RecursionError(),
    KeyError("a"),
    AssertionError(),
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: type(bug).__name__)
@pytest.mark.parametrize(("where", "name"), STAGES, ids=lambda one: getattr(one, "__name__", one))
def test_each_stage_raises(
    where: Any, name: str, bug: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whatever goes wrong, wherever: the object is refused, also where refusals are only told.
    """

    def breaks(*_: Any, **__: Any) -> Any:
        raise bug

    asked = core(Says({TAG: GOOD}), warn=[] if type(bug) is VerificationError else ["shop"])
    assert answered(asked, review(spec_of(TAG)), mutating=True)["allowed"]
    monkeypatch.setattr(where, name, breaks)
    refusal(answered(asked, review(spec_of(TAG)), mutating=True))


def test_a_refusal_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    When not even the refusal can be written, there is one that was written before.
    """

    def breaks(*_: Any, **__: Any) -> Any:
        raise ValueError("a bug")

    for name in ("refused", "refused_whole", "_review"):
        monkeypatch.setattr(answers, name, breaks)
    assert "(internal-error)" in refusal(
        answered(core(Says(refused=BAD)), review(spec_of(BAD_IMAGE)))
    )


def test_what_a_refusal_counts_under() -> None:
    """
    What was refused counts under its repository, once that is known, and not under a tag.
    """
    asked = core(Says(refused=BAD))
    body = json.dumps(review(spec_of(TAG, "Web", BAD_IMAGE))).encode()
    found = [(one.repository, one.digest) for one in asked(body, mutating=True, left_s=5).decisions]
    assert [(REPOSITORY, ""), ("", ""), (REPOSITORY, OTHER)] == found


MALFORMED: list[Any] = [
    {},
    {"apiVersion": "admission.k8s.io/v1beta1"},
    {"kind": "AdmissionRequest"},
    {"request": None},
    {"request": []},
    {"request": {}},
    {"request": {"uid": 7}},
]
FIELDS: list[dict[str, Any]] = [
    {"uid": ""},
    {"uid": "x" * 200},
    {"uid": "\u0661"},
    {"operation": "PATCH"},
    {"operation": 7},
    {"kind": "Pod"},
    {"kind": {}},
    {"kind": {"kind": ["Pod"]}},
    {"namespace": "Shop"},
    {"namespace": "kube-system\n"},
    {"namespace": ["kube-system"]},
    {"object": "text"},
    {"object": [1]},
    {"oldObject": 7},
    {"subResource": {}},
    {"name": 7},
]


@pytest.mark.parametrize("changes", MALFORMED + [{"request": one} for one in FIELDS])
def test_malformed_reviews(changes: dict[str, Any]) -> None:
    """
    What is no question of an API server is refused as such.
    """
    value = review(spec_of(GOOD_IMAGE))
    if isinstance(request := changes.get("request"), dict) and request:
        value["request"] |= request
    else:
        value = value | changes if changes else {}
    assert "(bad-review)" in refusal(answered(core(exclude=[]), value))


def _raw(**changes: Any) -> bytes:
    return json.dumps(review(spec_of(GOOD_IMAGE), **changes)).encode()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed"),
        (b"[]", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"{" * 1000, "over-limit"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "over-limit"),
        (_raw() + b"x", "malformed"),
        (_raw()[:-1], "malformed"),
        (_raw().replace(b'"operation"', b'"operation": "DELETE", "operation"'), "duplicate-key"),
        (_raw().replace(b'"image"', b'"image": "other", "image"'), "duplicate-key"),
        (_raw() + b" " * limits.ADMISSION, "over-limit"),
        (_raw(name="\0"), "malformed"),
        (_raw().replace(b'"dryRun": false', b'"dryRun": NaN'), "malformed"),
    ],
    ids=range(12),
)
def test_malformed_bytes(body: bytes, code: str) -> None:
    """
    What is no JSON of one meaning is refused before anything in it is believed.
    """
    says = Says()
    said = json.loads(core(says).decide(body, mutating=True))["response"]
    assert f"({code})" in refusal(said)
    assert not says.judged


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["containers", "image", "name", "spec", "template", "volumes"])
            | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_anything_in_any_place(data: st.DataObject) -> None:
    """
    Whatever stands in one place of a review, there is an answer, and it is a no or is right.
    """
    value = review(spec_of(BAD_IMAGE, key="initContainers", volumes=[{"name": "v"}]))
    place: Any = value
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        place = inner
    place[key] = data.draw(_JSON)
    said = json.loads(core(Says(refused=BAD)).decide(json.dumps(value).encode(), mutating=True))
    if said["response"]["allowed"]:
        assert BAD_IMAGE not in json.dumps(value) or _lets_through(value)


def _lets_through(value: dict[str, Any]) -> bool:
    request = value["request"]
    return request["operation"] in ("DELETE", "CONNECT") or request["namespace"] == "kube-system"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    """
    Bytes that are no review are a no, whatever they are.
    """
    refusal(json.loads(core().decide(body, mutating=False))["response"])


def test_dry_runs() -> None:
    """
    A dry run is judged as in earnest, and whoever counts or alerts can tell.
    """
    for dry in (True, False):
        body = json.dumps(review(spec_of(BAD_IMAGE), dryRun=dry)).encode()
        judged = core(Says(refused=BAD))(body, mutating=False, left_s=5)
        assert not judged.allowed
        assert dry == judged.dry_run
        assert ("unsigned", "Pod shop/web") == (judged.code, judged.what)


def test_pods_that_have_no_name_yet() -> None:
    """
    A pod of a Deployment has no name when it is judged; it is told by how its name will begin.
    """
    value = review(spec_of(BAD_IMAGE), name="")
    value["request"]["object"]["metadata"] = {"generateName": "web-7d4b9-"}
    judged = core(Says(refused=BAD))(json.dumps(value).encode(), mutating=False, left_s=5)
    assert "Pod shop/web-7d4b9-" in judged.what
