"""From the cluster's question to the node's pull: what was judged is what a containerd pulls."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.interop.containerd import serving_containerd
from tests.interop.image import Image
from tests.interop.product import sealbook
from tests.interop.pushing import Shelf
from tests.pull.admission.asking import answered, object_of, patched, refusal, review, spec_of
from verifier.pull.admission.opening import open_core
from verifier.pull.admission.settings import AdmissionSettings
from verifier.pull.gate import Gate
from verifier.pull.registry.settings import Registries
from verifier.pull.settings import PullSettings

pytestmark = pytest.mark.root


def test_a_tag_that_moves_between_admission_and_pull(
    containerd: Path, registry: str, service: Path, tmp_path: Path
) -> None:
    """
    A tag is moved to an unsigned image after the pod was admitted: the node, which checks
    nothing itself here, pulls the image that was judged, and not what the tag is now.
    """
    repository = f"{registry}/admitted/app"
    images = {tag: Image.made(tmp_path / tag, greeting=tag) for tag in ("good", "unsigned")}
    tag = f"{repository}:1.4"
    with Shelf(repository) as shelf:
        shelf.image(images["good"].layout, "1.4")
    good = images["good"].index.digest
    out = ("--no-attach", "--out", tmp_path / "bundles")
    sealbook("sign", f"{repository}@{good}", *out, "--config", service)
    url = f"http://{tomllib.loads(service.read_text())['listen']['http']}"
    sealbook("trust", "sync", url, tmp_path / "trust", "--first")
    settings = tmp_path / "pull.toml"
    settings.write_text(
        f'trust = "trust"\nsources = ["service"]\n[service]\nurl = {json.dumps(url)}\n'
        "[cache]\nrefused_s = 0\n"
    )
    core = open_core(
        Gate(PullSettings.load(settings)),
        AdmissionSettings(pull_secrets=False),
        Registries(docker=False),
    )
    spec = spec_of(tag)
    response = answered(core, review(spec), mutating=True)
    assert response["allowed"], response
    [admitted] = patched(response, object_of(spec))["spec"]["containers"]
    with Shelf(repository) as shelf:
        shelf.image(images["unsigned"].layout, "1.4")

    assert f"{repository}@{good}" == admitted["image"]
    assert "(unsigned)" in refusal(answered(core, review(spec), mutating=True))
    assert answered(core, review(spec_of(admitted["image"])))["allowed"]
    with serving_containerd(containerd, plain=(registry,)) as node:
        by_tag, by_admission = node.pull(tag), node.pull(admitted["image"])
        assert by_tag.allowed, by_tag.error
        assert by_admission.allowed, by_admission.error
        assert by_tag.image != by_admission.image
        node.remove(tag)
        node.remove(admitted["image"])
