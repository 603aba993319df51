"""The figures: what is measured, in what order, and what each of them includes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import (
    access,
    admission,
    attest,
    evidence,
    hsm,
    hsm_tables,
    ledger_tables,
    ledgers,
    machine,
    offline,
    pull,
    pull_tables,
    registry,
    registry_tables,
    verify_tables,
)
from tests.bench.load import BATCH
from tests.bench.report import Bar, Report, Table, number
from tests.bench.rounds import Effort, Kind, Rounds
from tests.crash.service import Service

_SIGN = """\
Each call approves another image. It lasts from the request's bytes in the client to the answer's \
bytes there: loopback gRPC without TLS on one connection, token, statement, P-256 signature by a \
key in a file, SQLite commit with synchronous=FULL, anchor with fdatasync, Ed25519 checkpoint, \
inclusion proof, bundle as JSON. The load client shares the cores with the service; it makes its \
requests before the clock starts and looks at the answers after it has stopped. CPU is user and \
system time of the whole process, for each signature."""
_BATCH = f"""\
As above with {BATCH} digests a call, in one commit and under one checkpoint; a call's time is \
that of the whole batch. The answers carry records and proofs; rendering bundles from them is the \
caller's and not in here."""
_FORMS = """\
As above with the forms that a new key makes, bundle and simplesigning: for each image two \
signatures, two entries, an RFC 3161 timestamp and Rekor's promise. Figures are of images."""
_COALESCE = """\
Callers of `signer.client.AsyncClient.sign`, each with one call under way. The library joins what \
waits into SignBatch calls, and checks every answer (entry, statement, proof), which is in the \
client's CPU. Compare with the unary calls above that have as many in flight, made by a client \
that checks nothing."""
_RERUN = """\
No new signatures: h2load can send only one request over and over, and a re-run is answered with \
the entry that is there. This is transport, token, statement, lookup, proof and bundle, without \
signature and commit: what the service does for a client that costs little."""
_REKOR = """\
wrk posts hashedrekord requests as cosign 3 does, over HTTP/1.1 on loopback without TLS, with the \
append token. Each carries another P-256 signature, by one of 16 keys; all are made before the \
clock starts. A call lasts until its entry is durable, under a published checkpoint and proven: \
JSON read strictly, signature verified, SQLite commit with synchronous=FULL, anchor with \
fdatasync, Ed25519 checkpoint. Sigstore's own server (rekor-tiles 2.3.0 on POSIX files, tuned: \
batches and checkpoints of 100 ms), on two cores too, took 1,000 ms at 1 and 64 clients, and came \
to 63 a second at 64 clients and 1,294 at 2,000."""
_NO_PROGRAM = "Not measured: {} is not here (Debian's package {})."
_PACKAGES = {"rerun": ("h2load", "nghttp2-client"), "rekor": ("wrk", "wrk")}
_ATTEST = """\
One caller attests a CycloneDX document full of numbers, in a process of its own, while another \
signs one image after the other. The document is sent in pieces, read strictly, written to disk, \
spliced, hashed, signed, dated and synced. Memory is the most that the service used meanwhile, \
above what it had before. Median of three."""

_LOAD_COLUMNS = (
    "in flight",
    "a second",
    "slowest to fastest run",
    "call p50, ms",
    "call p99, ms",
    "client CPU, µs",
    "service CPU, µs",
    "others' CPU",
)


def measure(
    service: Service, scratch: Path, effort: Effort, command: str, step: Callable[[str], None]
) -> Report:
    """Measure a service that was founded for this, and return the report.

    Files go to `scratch`, on the disk of the ledger. `step` is told what is being done.

    1. The machine.
    2. The service under load, round by round; then with one large attestation.
    3. Verifying the bundles that it made.
    4. Whole processes, the service's own among them.
    5. Services whose keys are elsewhere, beside one whose key is in a file.
    6. A service that knows its callers by certificate and session, beside one with a token.
    7. Images in a registry, beside cosign and skopeo.
    8. Pull time: a host, and a cluster's webhook.
    9. The ledger without the service, at a million entries.
    """
    # 1.
    step("the machine")
    described = machine.describe(scratch)
    # 2.
    service.start()
    rounds = Rounds(service, effort, step)
    rounds.run()
    step("attest")
    attesting = attest.median([attest.measure(service, effort.attest) for _ in range(3)])
    # 3.
    step("verify")
    evidence.make(service, scratch, effort.bundles, effort.revocations)
    verifying = offline.verifying(scratch, effort.verify_s)
    described["ledger"] = f"grew from 1 entry to {machine.tree_size(service):,}"
    # 4.
    step("processes")
    memory = machine.peak_memory(service.pid)
    service.stop()
    processes = offline.processes(scratch, effort.processes)
    starts = offline.Process.of([[_start(service), memory] for _ in range(effort.starts)])

    # 5.
    homes = hsm.measure(scratch, effort.homes, step)
    # 6.
    logins = access.measure(scratch, effort.logins, step)
    # 7.
    images = registry.measure(scratch, effort.registry, step)
    # 8.
    host = pull.measure(scratch, effort.pulls.processes, effort.pulls.asks, step)
    cluster = admission.measure(scratch, effort.pulls.reviews, step)
    # 9.
    ledger = ledgers.measure(scratch, effort.ledger, step)

    ratio = rounds.median(("coalesce", 64)).rate / rounds.median(("sign", 64)).rate
    return Report(
        command,
        f"{datetime.now(UTC):%Y-%m-%d}",
        described,
        rounds.disturbance(),
        (
            *_bars(rounds),
            *_attest_bars(attesting),
            *verify_tables.bars(verifying, processes),
            *hsm_tables.bars(homes),
            *access.bars(logins),
            *registry_tables.bars(images),
            *pull_tables.bars(host, cluster),
            *ledger_tables.bars(ledger),
        ),
        _goals(rounds, ratio),
        (
            _load_table("Sign", rounds, "sign", _SIGN),
            _load_table(f"SignBatch of {BATCH}", rounds, "batch", _BATCH),
            _load_table("Sign in two forms", rounds, "sign-forms", _FORMS),
            _load_table(f"SignBatch of {BATCH} in two forms", rounds, "batch-forms", _FORMS),
            _load_table("The coalescing client", rounds, "coalesce", _COALESCE),
            _load_table("The same request again, by h2load", rounds, "rerun", _RERUN),
            _load_table("Uploads of other people's signatures, by wrk", rounds, "rekor", _REKOR),
            _attest_table(attesting),
            verify_tables.verify_table(verifying, effort.revocations),
            verify_tables.process_table(processes, starts),
            *hsm_tables.tables(homes),
            access.table(logins),
            registry_tables.table(images),
            *pull_tables.tables(host, cluster),
            *ledger_tables.tables(ledger),
        ),
    )


def _start(service: Service) -> float:
    seconds = service.start()
    service.stop()
    return seconds


def _bars(rounds: Rounds) -> tuple[Bar, ...]:
    """Return what the service must hold to."""
    one, many = rounds.median(("sign", 1)), rounds.median(("sign", 64))
    return (
        Bar("Sign, one in flight, p50", 6, "ms", one.p50_ms, at_most=True),
        Bar("Sign, 64 in flight", 1000, "a second", many.rate),
        *(
            Bar(
                f"SignBatch of {BATCH}, {in_flight} in flight",
                3500,
                "digests a second",
                rounds.median(("batch", in_flight)).rate,
            )
            for in_flight in (1, 4)
        ),
        Bar(
            "Sign in two forms, 64 in flight",
            500,
            "images a second",
            rounds.median(("sign-forms", 64)).rate,
        ),
        Bar(
            f"SignBatch of {BATCH} in two forms, 4 in flight",
            1200,
            "images a second",
            rounds.median(("batch-forms", 4)).rate,
        ),
        *_rekor_bars(rounds),
    )


def _rekor_bars(rounds: Rounds) -> tuple[Bar, ...]:
    if ("rekor", 1) not in rounds.kinds:
        return ()
    one, many = rounds.median(("rekor", 1)), rounds.median(("rekor", 64))
    return (
        Bar("Rekor POST, one client, p50", 5, "ms", one.p50_ms, at_most=True),
        Bar("Rekor POST, 64 clients", 2000, "entries a second", many.rate),
    )


def _attest_bars(attesting: attest.Attested) -> tuple[Bar, ...]:
    above = attesting.above_bytes / 2**20
    return (
        Bar("Attest of a 10 MiB SBOM, memory above idle", 60, "MiB", above, at_most=True),
        Bar("Sign meanwhile, the longest", 50, "ms", attesting.longest_sign_ms, at_most=True),
    )


def _attest_table(attesting: attest.Attested) -> Table:
    columns = ("call, s", "memory above idle, MiB", "longest Sign, ms", "the same alone, ms")
    row = (
        number(attesting.seconds),
        number(attesting.above_bytes / 2**20),
        number(attesting.longest_sign_ms),
        number(attesting.longest_alone_ms),
    )
    return Table("Attest of a 10 MiB SBOM", columns, [row], _ATTEST)


def _goals(rounds: Rounds, ratio: float) -> tuple[Bar, ...]:
    """Return what the design wants in the end."""
    one, many = rounds.median(("sign", 1)), rounds.median(("sign", 64))
    batches = rounds.median(("batch", 4))
    return (
        Bar("Sign, one in flight, p50", 5, "ms", one.p50_ms, at_most=True),
        Bar("Sign, one in flight, p99", 20, "ms", one.p99_ms, at_most=True),
        Bar("Sign, 64 in flight", 1200, "a second", many.rate),
        Bar(f"SignBatch of {BATCH}, 4 in flight", 5000, "digests a second", batches.rate),
        Bar("the coalescing client, 64 callers", 3, "times unary", ratio),
    )


def _load_table(title: str, rounds: Rounds, what: str, includes: str) -> Table:
    kinds = [kind for kind in rounds.kinds if kind[0] == what]
    if not kinds:
        return Table(title, (), (), _NO_PROGRAM.format(*_PACKAGES[what]))
    return Table(title, _LOAD_COLUMNS, [_load_row(rounds, kind) for kind in kinds], includes)


def _load_row(rounds: Rounds, kind: Kind) -> tuple[str, ...]:
    run, (slowest, fastest) = rounds.median(kind), rounds.spread(kind)
    return (
        str(kind[1]),
        number(run.rate),
        f"{number(slowest)} to {number(fastest)}",
        number(run.p50_ms),
        number(run.p99_ms),
        number(1e6 * run.client_cpu_s / run.digests),
        number(1e6 * run.service_cpu_s / run.digests),
        f"{run.others:.0%}",
    )
