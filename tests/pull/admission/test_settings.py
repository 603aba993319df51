"""What a cluster decides of the webhook: the table [admission]."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from verifier._strict import Fields
from verifier.pull.admission import settings as module
from verifier.pull.admission.errors import AdmissionSettingsError
from verifier.pull.admission.settings import AdmissionSettings, ClusterSettings

BASE = Path("/etc/sealbook")


def _read(text: str) -> AdmissionSettings:
    return AdmissionSettings.of(Fields(tomllib.loads(text), "admission"), BASE)


def test_nothing_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    Without a word tags are pinned, all is enforced but in kube-system and where we run, and an
    answer is there before the cluster gives up.
    """
    monkeypatch.setattr(module, "_MOUNTED", tmp_path)
    assert AdmissionSettings() == _read("")
    (tmp_path / "namespace").write_text("gatekeeping\n")
    found = _read("")
    assert {"kube-system", "gatekeeping"} == found.exclude
    assert found.pins
    assert not found.warn
    assert found.image_s <= found.deadline_s < 10
    assert {"gatekeeping"} == _read("exclude = []").exclude
    assert (3, 3) == _read("deadline_s = 3")[3:5], "no image has longer than the answer"


def test_everything_said() -> None:
    """
    What the module's text shows is what can be said.
    """
    assert module.__doc__ is not None
    shown = module.__doc__.partition("\n\n")[2].replace("[admission]", "")
    shown = shown.replace("[admission.cluster]", "[cluster]").replace("\n    ", "\n")
    assert AdmissionSettings(
        exclude=frozenset({"kube-system", "sealbook"}),
        warn=frozenset({"staging"}),
        cluster=ClusterSettings("https://10.0.0.1:6443", BASE / "token", BASE / "ca.crt"),
    ) == _read(shown)


@pytest.mark.parametrize(
    "text",
    [
        'tags = "keep"',
        "tags = true",
        "exclude = 7",
        'exclude = ["Kube"]',
        'exclude = ["*"]',
        'exclude = [""]',
        "warn = [7]",
        'exclude = ["a"]\nwarn = ["a"]',
        "deadline_s = 0",
        "deadline_s = 30",
        "image_s = 1.5",
        "image_s = -1",
        'pull_secrets = "yes"',
        'own_namespace = "A"',
        "unknown = 1",
        "[cluster]\nunknown = 1",
        '[cluster]\nurl = "http://10.0.0.1"',
        '[cluster]\nurl = "https://a/b"',
        '[cluster]\nurl = "https://u:p@a"',
    ],
)
def test_settings_that_are_refused(text: str) -> None:
    """
    What is said otherwise is refused, and not passed by.
    """
    with pytest.raises(AdmissionSettingsError) as caught:
        _read(text)
    assert "bad-admission-settings" == caught.value.code
