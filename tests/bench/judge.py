"""`python -m tests.bench.judge DIR SECONDS`: how many bundles one core verifies in a second.

DIR is one of `tests.bench.evidence`. Each bundle was verified once before the clock starts.
Prints JSON, bundles (or images) a second by what was measured:

* `distinct` and `shared`: approvals with a checkpoint of their own each, and all with one;
* `status`: those of `distinct`, under a status file that takes back others;
* `policy`: images, of each an approval and a scan, under a policy and that status file;
* `certificate`: approvals under a certificate, by our judge of them;
* `theirs`: the same by sigstore-python;
* `sigstore`: by sigstore-python too, one bundle as Sigstore's own services make them.

The last three only where sigstore-python is installed.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from verifier import Digest, Policy, Repository, Status, TrustRoot, Verifier

REPOSITORY = Repository("registry.example/team/app")
MOST_REMEMBERED = 256  # checkpoints; more distinct ones than this are never remembered
_ISSUER = "https://ledger.example"
_IDENTITY = f"{_ISSUER}/keys/release"

Call = Callable[[], object]


def rate(calls: Sequence[Call], seconds: float) -> float:
    """Make the calls, over and over, and return how many a second."""
    for call in calls:
        call()
    start = time.perf_counter()
    for count, call in enumerate(itertools.cycle(calls), 1):
        call()
        taken = time.perf_counter() - start
        if taken >= seconds and count >= len(calls):
            return count / taken
    raise AssertionError("no bundles")


def bundles(folder: Path) -> list[tuple[Digest, bytes]]:
    """Return the bundles in `folder`, and the image that each is about."""
    return [(Digest(path.name), path.read_bytes()) for path in sorted(folder.iterdir())]


def ours(directory: Path) -> dict[str, list[Call]]:
    """Return what the base install is asked."""
    trust = TrustRoot.parse((directory / "trust.json").read_bytes())
    status = Status.parse((directory / "status.json").read_bytes(), trust)
    policy = Policy.parse((directory / "policy.toml").read_bytes())
    approvals = bundles(directory / "distinct")
    under_status = Verifier(trust, status=status)
    under_policy = Verifier(trust, status=status, policy=policy)
    named = dict(approvals)
    return {
        "distinct": _verifying(Verifier(trust), approvals),
        "shared": _verifying(Verifier(trust), bundles(directory / "shared")),
        "status": _verifying(under_status, approvals),
        "policy": [
            partial(under_policy.judge, [named[digest], scan], digest, REPOSITORY)
            for digest, scan in bundles(directory / "scan")
        ],
    }


def certified(directory: Path) -> dict[str, list[Call]]:
    """Return what judges of certificates are asked, as far as they are here."""
    if importlib.util.find_spec("sigstore") is None:
        return {}
    from cryptography.hazmat.primitives.asymmetric import ec
    from sigstore.models import Bundle, TrustedRoot
    from sigstore.verify import Verifier as Sigstore
    from sigstore.verify.policy import Identity

    from tests.interop import handmade
    from tests.interop.handmade.pki import Authorities
    from verifier.pull.keyless import SigstoreJudge

    def theirs(trusted_root: Path) -> Callable[[bytes], None]:
        library = Sigstore(trusted_root=TrustedRoot.from_file(str(trusted_root)))
        expected = Identity(identity=_IDENTITY, issuer=_ISSUER)

        def verify(data: bytes) -> None:
            library.verify_dsse(Bundle.from_json(data), expected)

        return verify

    root, like_sigstore = directory / "trusted_root.json", directory / "like_sigstore.json"
    judge, verify = SigstoreJudge(root.read_bytes()), theirs(root)
    found = [data for _, data in bundles(directory / "certificate")]
    for data in found:
        assert judge.certified(data)[:2] == (_IDENTITY, _ISSUER)
    made = handmade.make(certified=True, authorities=Authorities(curve=ec.SECP384R1()))
    like_sigstore.write_bytes(made.trusted_root)
    return {
        "certificate": [partial(judge.certified, data) for data in found],
        "theirs": [partial(verify, data) for data in found],
        "sigstore": [partial(theirs(like_sigstore), made.bundle)],
    }


def _verifying(verifier: Verifier, approvals: list[tuple[Digest, bytes]]) -> list[Call]:
    return [partial(verifier.verify, data, digest, REPOSITORY) for digest, data in approvals]


def main(directory: Path, seconds: float) -> None:
    """Print the rates; whatever the others load into this process comes after our own."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rates = {name: rate(calls, seconds) for name, calls in ours(directory).items()}
    rates |= {name: rate(calls, seconds) for name, calls in certified(directory).items()}
    print(json.dumps(rates))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
