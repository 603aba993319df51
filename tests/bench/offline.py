"""What needs no service: verifying in a warm process, and whole processes from cold."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench.judge import REPOSITORY
from tests.crash.service import ROOT
from tests.interop import peers
from tests.interop.judging import CLOSED
from tests.interop.notation_judge import CONFIG, POLICY
from verifier.digest import Digest
from verifier.statement import APPROVAL

_HERE = Path(__file__).parent
_VERIFY_RUNS = 3


class Process(NamedTuple):
    """Whole processes: median, fastest and slowest time, and the peak of resident memory."""

    median_s: float
    fastest_s: float
    slowest_s: float
    peak_bytes: int

    @classmethod
    def of(cls, runs: list[list[float]]) -> Process:
        """Sum up runs of [seconds, bytes]."""
        times = [seconds for seconds, _ in runs]
        peak = max(int(size) for _, size in runs)
        return cls(statistics.median(times), min(times), max(times), peak)


class Processes(NamedTuple):
    """Processes by what they do; `others` by their names and versions, without what is not here."""

    verify: Process
    with_status: Process
    with_policy: Process
    nothing: Process
    others: Mapping[str, Process | None]


class _Command(NamedTuple):
    words: Sequence[str]
    environment: Mapping[str, str] | None = None  # None is our own


def verifying(directory: Path, seconds: float) -> dict[str, float]:
    """Return the best of a few runs: on one core, whatever disturbs only slows it down."""
    command = [sys.executable, "-m", "tests.bench.judge", str(directory), str(seconds)]
    runs = [
        json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
        for _ in range(_VERIFY_RUNS)
    ]
    return {name: max(run[name] for run in runs) for name in runs[0]}


def processes(directory: Path, count: int) -> Processes:
    """Time programs that judge one image, each `count` times in turn with the others."""
    index = json.loads((directory / "image" / "index.json").read_bytes())
    digest = Digest(index["manifests"][0]["digest"])
    approval, scan = (str(directory / folder / digest) for folder in ("distinct", "scan"))
    trust = [sys.executable, "-m", "verifier", "--trust", str(directory / "trust.json")]
    status = [*trust, "--status", str(directory / "status.json")]
    about = ["--repository", REPOSITORY, digest]
    ours = [
        _Command([*trust, *about, approval]),
        _Command([*status, *about, approval]),
        _Command([*status, "--policy", str(directory / "policy.toml"), *about, approval, scan]),
        _Command([sys.executable, "-c", "pass"]),
    ]
    theirs = {
        name: asking(program, directory, digest)
        for name, (obtain, asking) in _PEERS.items()
        if (program := _obtained(obtain))
    }
    done = subprocess.run(
        [sys.executable, "-S", "-E", str(_HERE / "cold.py"), str(count)],
        input=json.dumps([*ours, *theirs.values()]),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    measured = [Process.of(runs) for runs in json.loads(done.stdout)]
    others = {
        f"{name}, {peers.version_of(Path(command.words[0]))}": process
        for (name, command), process in zip(theirs.items(), measured[len(ours) :], strict=True)
    }
    absent = dict.fromkeys(name for name in _PEERS if name not in theirs)
    verify, with_status, with_policy, nothing = measured[: len(ours)]
    return Processes(verify, with_status, with_policy, nothing, {**others, **absent})


def _obtained(obtain: Callable[[], Path]) -> Path | None:
    try:
        return obtain()
    except peers.PeerUnavailable:
        return None


def _cosign(program: Path, directory: Path, digest: Digest) -> _Command:
    words = [str(program), "verify-blob-attestation", "--key", str(directory / "release.pub")]
    words += ["--trusted-root", str(directory / "trusted_root.json")]
    words += ["--bundle", str(directory / "distinct" / digest), "--type", APPROVAL]
    words += ["--digest", digest.hex, "--digestAlg", "sha256"]
    return _Command(words, _alone(directory / "cosign"))


def _notation(program: Path, directory: Path, digest: Digest) -> _Command:
    home = directory / "notation"
    store = home / CONFIG / "truststore" / "x509" / "ca" / "release"
    store.mkdir(parents=True)
    (store / "root.pem").write_bytes((directory / "notation.pem").read_bytes())
    (home / CONFIG / "trustpolicy.json").write_text(json.dumps(POLICY))
    words = [str(program), "verify", "--oci-layout", "--scope", REPOSITORY]
    words.append(f"{directory / 'image'}@{digest}")
    return _Command(words, {**_alone(home), "NOTATION_EXPERIMENTAL": "1"})


def _alone(home: Path) -> dict[str, str]:
    """Return an environment with a home of its own, and no network."""
    home.mkdir(exist_ok=True)
    return {"HOME": str(home), "TMPDIR": str(home), "HTTP_PROXY": CLOSED, "HTTPS_PROXY": CLOSED}


_PEERS = {
    "`cosign verify-blob-attestation`": (peers.cosign, _cosign),
    "`notation verify`": (peers.notation, _notation),
}
