"""What a cluster sends us: whatever it is, it is read, or it is a refusal with a code."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from tests.fuzz.target import Targets, same, text
from verifier import limits
from verifier._strict import Fields, json_object
from verifier.errors import MalformedError
from verifier.pull.admission.containers import pod_spec
from verifier.pull.admission.logins import read_secret
from verifier.pull.admission.references import parse_reference
from verifier.pull.admission.review import parse_review
from verifier.pull.admission.settings import AdmissionSettings

TARGETS = Targets()
_DIGEST = f"sha256:{'0' * 64}"
_POD = {
    "containers": [{"name": "a", "image": "web:1"}],
    "initContainers": [{"name": "b", "image": f"a.example/b@{_DIGEST}"}],
    "volumes": [{"name": "v", "image": {"reference": "a.example/v:1"}}],
    "imagePullSecrets": [{"name": "pull"}],
}


def _review(kind: str, group: str, spec: object, operation: str = "CREATE") -> bytes:
    request = {
        "uid": "705ab4f5-6393",
        "kind": {"group": group, "version": "v1", "kind": kind},
        "operation": operation,
        "namespace": "shop",
        "object": {"kind": kind, "spec": spec},
        "oldObject": {"kind": kind, "spec": spec},
    }
    value = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return json.dumps(value, separators=(",", ":")).encode()


@TARGETS.add(
    _review("Pod", "", _POD),
    _review("Job", "batch", {"template": {"spec": _POD}}, "UPDATE"),
)
def admission_review(data: bytes) -> None:
    """Every image that is to be judged stands in the object where its pointer says."""
    review = parse_review(data)
    assert review.what.isprintable()
    for one in pod_spec(review).named:
        value = json.loads(data)["request"]["object"]
        for key in one.pointer.split("/")[1:]:
            value = value[int(key)] if isinstance(value, list) else value.get(key, "")
        same(value, one.image)


@TARGETS.add(b"web", b"registry.example:5000/team/web:1.4", f"a.example/web@{_DIGEST}".encode())
def pod_image(data: bytes) -> None:
    """An image's name means one repository, with its host, and a tag or a digest."""
    found = parse_reference(text(data))
    same(found, parse_reference(str(found.place)))
    assert found.digest or found.place.tag


@TARGETS.add(
    b'{"type":"kubernetes.io/dockercfg","data":{".dockercfg":'
    b'"eyJhLmV4YW1wbGUiOnsiYXV0aCI6ImNtOWliM1E2ZUE9PSJ9fQ=="}}'
)
def pull_secret(data: bytes) -> None:
    """Whatever a secret holds, nobody sees it in what is said of it."""
    for one in read_secret(json_object(data, limit=limits.DOCKER_CONFIG), "a secret"):
        assert not one.key.startswith(("http://", "https://"))
        if len(one.credential.secret) > len(one.credential.user):
            assert one.credential.secret not in repr(one)


@TARGETS.add(b'tags = "refuse"\nexclude = ["a"]\nwarn = ["b"]\ndeadline_s = 5\n')
def admission_settings(data: bytes) -> None:
    """No namespace is excluded and warned of at once, and there is time for an answer."""
    try:
        fields = Fields(tomllib.loads(data.decode()), "admission")
    except ValueError as e:
        raise MalformedError("not TOML") from e
    found = AdmissionSettings.of(fields, Path("/etc/sealbook"))
    assert not found.exclude & found.warn
    assert 0 < found.image_s <= found.deadline_s < 30
