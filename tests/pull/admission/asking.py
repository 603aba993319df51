"""Reviews as an API server writes them, and doubles of whoever the core asks."""

from __future__ import annotations

import base64
import copy
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jsonpatch

from verifier.digest import Digest
from verifier.pull.admission.core import Core
from verifier.pull.admission.logins import Puller
from verifier.pull.admission.settings import AdmissionSettings
from verifier.pull.decision import Decision, Question
from verifier.pull.errors import NoImageError
from verifier.pull.place import RegistryPlace
from verifier.pull.registry.deadline import Deadline

GOOD, OTHER = Digest.of(b"a good image"), Digest.of(b"another one")
REPOSITORY = "registry.example/shop/web"
SLACK = 10  # on a machine that is busy, nothing is timed closer than this

PATHS = {
    ("", "Pod"): ("spec",),
    ("", "PodTemplate"): ("template", "spec"),
    ("", "ReplicationController"): ("spec", "template", "spec"),
    ("apps", "Deployment"): ("spec", "template", "spec"),
    ("apps", "StatefulSet"): ("spec", "template", "spec"),
    ("apps", "DaemonSet"): ("spec", "template", "spec"),
    ("apps", "ReplicaSet"): ("spec", "template", "spec"),
    ("batch", "Job"): ("spec", "template", "spec"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template", "spec"),
}


def spec_of(*images: str, key: str = "containers", **more: Any) -> dict[str, Any]:
    """A pod's spec whose containers run `images`."""
    if key == "volumes":
        listed = [{"name": f"v{i}", "image": {"reference": one}} for i, one in enumerate(images)]
    else:
        listed = [{"name": f"c{i}", "image": one} for i, one in enumerate(images)]
    return {key: listed, "dnsPolicy": "ClusterFirst", **more}


def object_of(spec: Any, kind: tuple[str, str] = ("", "Pod")) -> dict[str, Any]:
    """An object of a kind, with a pod's spec where that kind has it."""
    for key in reversed(PATHS[kind]):
        spec = {key: spec}
    version = f"{kind[0]}/v1" if kind[0] else "v1"
    return {"apiVersion": version, "kind": kind[1], "metadata": {"name": "web"}, **spec}


def review(
    spec: Any = None,
    *,
    kind: tuple[str, str] = ("", "Pod"),
    was: Any = None,
    operation: str = "CREATE",
    namespace: str = "shop",
    **changes: Any,
) -> dict[str, Any]:
    """An AdmissionReview, with these fields of its request changed; None takes one out."""
    now = None if spec is None else object_of(spec, kind)
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": kind[0], "version": "v1", "kind": kind[1]},
        "resource": {"group": kind[0], "version": "v1", "resource": f"{kind[1].lower()}s"},
        "requestKind": {"group": kind[0], "version": "v1", "kind": kind[1]},
        "name": "web",
        "namespace": namespace,
        "operation": operation,
        "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
        "object": now,
        "oldObject": None if was is None else object_of(was, kind),
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        **changes,
    }
    request = {key: value for key, value in request.items() if value is not None}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


class Says:
    """A double of the gate and of registries. `tags`: what they are; `refused`: digests.

    `bug`: what a stage raises; `slow_s`: how long each answer takes. It counts what was asked.
    """

    def __init__(
        self,
        tags: Mapping[str, Digest] | None = None,
        refused: Mapping[Digest, str] | None = None,
        slow_s: Mapping[str, float] | float = 0.0,
    ) -> None:
        self.tags = dict(tags or {})
        self.refused = dict(refused or {})
        self.slow_s = slow_s
        self.judged: Counter[Question] = Counter()
        self.resolved: Counter[str] = Counter()
        self.pullers: list[Puller] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def decide(self, question: Question, puller: Puller, deadline_s: float) -> Decision:  # noqa: ARG002
        self._busy(question.repository)
        with self._lock:
            self.judged[question] += 1
        code = self.refused.get(question.digest, "")
        allowed = not code or code.startswith("only-")
        return Decision(allowed, question.digest, question.repository, code, code and "not so")

    def resolve(self, place: RegistryPlace, puller: Puller, deadline: Deadline) -> Digest:  # noqa: ARG002
        self._busy(place.repository)
        with self._lock:
            self.resolved[str(place)] += 1
            self.pullers.append(puller)
        if str(place) not in self.tags:
            raise NoImageError(f"{place} is not there")
        return self.tags[str(place)]

    def _busy(self, repository: str) -> None:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        slow = self.slow_s
        time.sleep(slow.get(repository, 0) if isinstance(slow, Mapping) else slow)
        with self._lock:
            self.at_once -= 1


def core(says: Says | None = None, **settings: Any) -> Core:
    """A core that asks `says`, under these settings."""
    says = says or Says()
    made = AdmissionSettings()._replace(
        **{key: frozenset(v) if key in ("warn", "exclude") else v for key, v in settings.items()}
    )
    return Core(says, made, says)


def answered(
    asked: Core, value: Mapping[str, Any], *, mutating: bool = False, left_s: float = 8
) -> dict[str, Any]:
    """The response, once it is seen to be one that an API server takes."""
    body = json.dumps(value).encode()
    said = json.loads(asked.decide(body, mutating=mutating, left_s=left_s))
    assert ("admission.k8s.io/v1", "AdmissionReview") == (said["apiVersion"], said["kind"])
    response: dict[str, Any] = said["response"]
    request = value.get("request")
    assert response["uid"] in ((request.get("uid") if isinstance(request, dict) else ""), "")
    assert isinstance(response["allowed"], bool)
    assert ("patch" in response) == ("patchType" in response)
    assert response["allowed"] == ("status" not in response)
    return response


def patched(response: Mapping[str, Any], now: Any) -> Any:
    """The object after the patch, as an implementation that is not ours applies it."""
    if "patch" not in response:
        return copy.deepcopy(now)
    assert "JSONPatch" == response["patchType"]
    return jsonpatch.apply_patch(now, base64.b64decode(response["patch"], validate=True).decode())


def refusal(response: Mapping[str, Any]) -> str:
    """The text that a person would see, of an answer that must be a no."""
    assert not response["allowed"], response
    status = response["status"]
    assert "Failure" == status["status"]
    assert status["code"] in (400, 403, 500, 504)
    message: str = status["message"]
    assert message.isprintable()
    return message


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each returns, all begun together."""
    found: list[Any] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(i: int) -> None:
        barrier.wait()
        found[i] = calls[i]()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return found
