"""Have the runtimes of this host pull: a bait, and images that are signed.

Podman and skopeo pull the bait by its own name, which stands for every registry that their policy
does not name, and again as if it lay in each place that it names: a registries.conf of our own
sends them to the bait. What they pull goes to a scratch directory. CRI-O and containerd remove
the bait should they have taken it.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from signer.cli.pull.cri import Answer, command, pull
from verifier.pull.installing.bait import TAG, Bait
from verifier.pull.installing.finding import Tried

_CONTAINERS = ("Source image rejected", "rejected by policy", "SignatureValidationFailed")
_OURS = re.compile(r"sealbook: (?:\S+ )?refused")
_PLACE = re.compile(r"[a-z0-9.*-]+(?::[0-9]+)?(?:/[a-z0-9._/-]+)?")
_AS_IF = "sealbook-check"


def by_cri(
    bait: Bait, signed: Sequence[str], socket: str, timeout_s: float, *, containerd: bool
) -> Iterator[Tried]:
    """Yield what containerd, or else CRI-O, at `socket` does with each image."""
    for image, reference in _images(bait, signed):
        keep = image == "signed"
        answer = pull(socket, reference, timeout_s, ctr=containerd, keep=keep)
        refused = _OURS.search(answer.said) if containerd else _by_policy(answer)
        yield Tried(image, reference, *answer, ours=bool(refused))


def by_containers(
    bait: Bait, signed: Sequence[str], program: str, scopes: Sequence[str], timeout_s: float
) -> Iterator[Tried]:
    """Yield what Podman or skopeo, which `program` is, does with each image."""
    with tempfile.TemporaryDirectory(prefix="sealbook-check-") as name:
        scratch = Path(name)
        yield _tried(scratch, program, "unsigned", bait.reference, timeout_s, plain=True)
        for scope in filter(_PLACE.fullmatch, scopes):
            there = scope.replace("*", _AS_IF, 1)
            if "*" in there:
                continue
            (scratch / "registries.conf").write_text(_as_if(there, bait))
            reference = f"{there}/{_AS_IF}:{TAG}"
            yield _tried(scratch, program, "unsigned", reference, timeout_s, mapped=True)
        for reference in signed:
            yield _tried(scratch, program, "signed", reference, timeout_s)


def _tried(
    scratch: Path,
    program: str,
    image: str,
    reference: str,
    timeout_s: float,
    *,
    plain: bool = False,
    mapped: bool = False,
) -> Tried:
    """`plain`: there is no TLS. `mapped`: the registries.conf in `scratch` counts."""
    environment = dict(os.environ)
    config = str(scratch / "registries.conf")
    if Path(program).name == "skopeo":
        words = ["copy", "--quiet", *(["--src-tls-verify=false"] if plain else [])]
        words = [*(["--registries-conf", config] if mapped else []), *words]
        words += [f"docker://{reference}", f"dir:{scratch / 'image'}"]
    else:
        if mapped:
            environment["CONTAINERS_REGISTRIES_CONF"] = config
        words = ["--storage-driver", "vfs"]
        words += ["--root", str(scratch / "root"), "--runroot", str(scratch / "run")]
        words += ["pull", "--quiet", *(["--tls-verify=false"] if plain else []), reference]
    answer = command([program, *words], timeout_s, Path(program).name, environment)
    refused = _by_policy(answer)
    allowed = False if refused else (answer.allowed or None)  # another failure says nothing
    return Tried(image, reference, answer.by, allowed, answer.said, ours=refused)


def _by_policy(answer: Answer) -> bool:
    """Whether the policy refused it, and not a registry or a network."""
    return answer.allowed is False and any(sign in answer.said for sign in _CONTAINERS)


def _images(bait: Bait, signed: Sequence[str]) -> list[tuple[str, str]]:
    return [("unsigned", bait.reference), *(("signed", reference) for reference in signed)]


def _as_if(scope: str, bait: Bait) -> str:
    return "\n".join(
        [
            "[[registry]]",
            f"prefix = {json.dumps(scope)}",
            f"location = {json.dumps(f'{bait.address}/{_AS_IF}')}",
            "insecure = true",
            "",
        ]
    )
