"""@sigstore/verify, asked about thousands of bundles in one process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.interop.edits import encoded
from tests.interop.judging import Verdict
from tests.interop.peers import JsPeer

SCRIPT = Path(__file__).with_name("judge_many.mjs")
TIMEOUT_S = 250


def judge_many(peer: JsPeer, told: Mapping[str, object], bundles: Sequence[bytes]) -> list[Verdict]:
    """Return the verdict on each bundle; judge_many.mjs says what the judge can be told.

    A bundle that ends the process is refused, and the next one is asked about in a new one.

    Raises:
        subprocess.TimeoutExpired: it did not end in time.
    """
    said: list[Verdict] = []
    while len(said) < len(bundles):
        questions = [{"whom": told}, *({"bundle": encoded(one)} for one in bundles[len(said) :])]
        done = subprocess.run(
            (peer.node, SCRIPT, peer.home),
            input="\n".join(map(json.dumps, questions)),
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
            check=False,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert answers, f"it never judged anything: {done.stderr}"
        said += [Verdict(one["accepted"] is True, one["reason"]) for one in answers]
        if len(said) < len(bundles):
            assert done.returncode != 0, "it ended early, and not by a crash"
            said.append(Verdict(accepted=False, output=f"crash: {done.stderr[-500:]}"))
    return said
