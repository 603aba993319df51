"""The verifier's figures as bars and tables."""

from __future__ import annotations

from collections.abc import Mapping

from tests.bench.offline import Process, Processes
from tests.bench.report import Bar, Table, number

_VERIFY = """\
`verifier.Verifier.verify` in a warm process on one core, from a bundle's bytes to the verdict, \
every step of it. Best of three runs. A checkpoint that was seen before is remembered, and its \
signature not checked again. The status file takes back other images; under the policy \
`Verifier.judge` is asked about an image with an approval and a scan of 50 findings, a checkpoint \
each. sigstore-python is `verify_dsse` with an identity, warm too, on the same core and from \
bytes as well. It takes no bundle without a certificate, and so it checks a chain, a certificate \
timestamp and an RFC 3161 timestamp that those above do not have. It is asked about ours in that \
form, whose authorities have P-256 keys; and, over and over, about one as Sigstore's own services \
make them, whose authorities have P-384 keys. All of its bundles have an entry of Rekor v2. Our \
own judge of certificates asks that library, and looks again at what it leaves open."""
_PROCESSES = """\
Whole processes with their files in the page cache and their bytecode compiled: from spawn to \
exit, and for the service from spawn until it has opened and checked its ledger and listens; its \
memory is the most that it used under the load above. All but it judge one image, the same, and \
say yes: `python -m verifier` its approval under a trust file, then under a status file too, then \
approval and scan under a policy; cosign the same approval under the key and the log, without a \
repository; notation its own signature of the image in an OCI layout, by certificate, without a \
log or a timestamp. Both are Debian's builds, and have no network."""
_ROWS = {
    "distinct": "each bundle with a checkpoint of its own",
    "shared": "all with one checkpoint, seen before",
    "status": "checkpoints of their own, and a status file of {} revocations",
    "policy": "images: an approval and a scan under a policy, and that status file",
    "certificate": "under certificates: `verifier.pull.keyless.SigstoreJudge`",
    "theirs": "the same by sigstore-python",
    "sigstore": "one like Sigstore's own, by sigstore-python",
}
_NOT_HERE = "not here"


def bars(rates: Mapping[str, float], processes: Processes) -> tuple[Bar, ...]:
    """Return what the verifier must hold to."""
    sigstore = rates.get("sigstore")
    against = [
        Bar(f"the same, {said}, to sigstore-python on its own kind", 15, "times", rate / sigstore)
        for said, rate in (("new", rates["distinct"]), ("remembered", rates["shared"]))
        if sigstore
    ]
    verify = processes.verify
    return (
        Bar("verify, new checkpoints", 2500, "a second", rates["distinct"]),
        Bar("verify, a remembered checkpoint", 4000, "a second", rates["shared"]),
        *against,
        Bar("`python -m verifier`, median", 120, "ms", 1e3 * verify.median_s, at_most=True),
        Bar("`python -m verifier`, memory", 40, "MB", verify.peak_bytes / 1e6, at_most=True),
    )


def verify_table(rates: Mapping[str, float], revocations: int) -> Table:
    """Return how much a warm process judges."""
    rows = [
        (said.format(revocations), number(rates[name]) if name in rates else _NOT_HERE)
        for name, said in _ROWS.items()
    ]
    return Table("Verify", ("bundles", "a second"), rows, _VERIFY)


def process_table(processes: Processes, starts: Process) -> Table:
    """Return what whole processes take."""
    columns = ("process", "median, ms", "fastest, ms", "slowest, ms", "peak memory, MB")
    measured = {
        "`python -m verifier`": processes.verify,
        "the same with `--status`": processes.with_status,
        "the same with `--status` and `--policy`": processes.with_policy,
        "`python -c pass`": processes.nothing,
        **processes.others,
        "`sealbook serve`, until ready": starts,
    }
    return Table("Processes", columns, [_row(*one) for one in measured.items()], _PROCESSES)


def _row(name: str, process: Process | None) -> tuple[str, ...]:
    if process is None:
        return (name, _NOT_HERE, "", "", "")
    times = (process.median_s, process.fastest_s, process.slowest_s)
    return (name, *(number(1e3 * s) for s in times), number(process.peak_bytes / 1e6))
