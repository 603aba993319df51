"""What it costs to know who is calling: mutual TLS and a session, beside a token on loopback."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import grpc
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from signer.access.first_authority import FirstAuthority, Issued
from signer.v1 import access_pb2, access_pb2_grpc
from tests.bench import rounds
from tests.bench.load import Run
from tests.bench.report import Bar, Table, number
from tests.crash.service import Service

TOKEN, SESSION = "a token, on loopback", "mutual TLS, and a session of a JWT"
MANY = 64
_ISSUER, _AUDIENCE = "https://ci.bench.example", "ledger.bench.example"
_CALLER = "spiffe://bench.example/ci"
_LIFE_S = 600
_ACCESS = f"""
[issuers.ci]
issuer = "{_ISSUER}"
audience = "{_AUDIENCE}"
jwks_file = "ci.jwks"

[[bindings]]
role = "developer"
issuer = "ci"
claims = {{ project_id = "4711" }}
repository = "registry.example/team/**"
"""
_INCLUDES = f"""\
Sign as above, by two services that differ in who calls and how. One gets its token over loopback \
without TLS. The other one asks each client for a certificate, over TLS 1.3, and the caller has \
traded a JSON Web Token for a session before the clock starts; each call looks at the address, \
the certificate, the session and its bindings, and authorises on the repository. Both write the \
audit trail. In each round both have a run with one and with {MANY} in flight, now one first, now \
the other; a part is the median over the rounds of what one took beside the other."""


class Logins(NamedTuple):
    """What was measured: runs by caller and by calls in flight, those of one round in one place."""

    runs: dict[tuple[str, int], list[Run]]

    def median(self, caller: str, in_flight: int) -> Run:
        """Return the run in the middle, by rate."""
        runs = sorted(self.runs[caller, in_flight], key=lambda run: run.rate)
        return runs[len(runs) // 2]

    def part(self, in_flight: int, figure: Callable[[Run], float]) -> float:
        """Return how a figure with a session compares with a token's: the median of the rounds."""
        pairs = zip(self.runs[SESSION, in_flight], self.runs[TOKEN, in_flight], strict=True)
        return statistics.median(figure(run) / figure(beside) for run, beside in pairs)


def measure(scratch: Path, size: rounds.Logins, step: Callable[[str], None]) -> Logins:
    """Measure in `scratch`, round by round."""
    runs: dict[tuple[str, int], list[Run]] = {}
    with (
        Service(scratch / "by-token") as plain,
        Service(scratch / "by-session") as guarded,
    ):
        files, key = _secure(guarded.directory)
        plain.start()
        guarded.start()
        session = _log_in(guarded, files, key)
        callers: list[tuple[str, Service, str | None, dict[str, str]]] = [
            (TOKEN, plain, None, {}),
            (SESSION, guarded, session, files),
        ]
        for n in range(size.rounds):
            for in_flight, calls in ((1, size.one), (MANY, size.many)):
                for name, service, token, tls in callers:
                    step(f"round {n + 1}: Sign, {in_flight} in flight, {name}")
                    kind = ("sign", in_flight)
                    run = rounds.load(service, kind, calls, f"{in_flight} {n}", token, **tls)
                    runs.setdefault((name, in_flight), []).append(run)
            callers.reverse()
        plain.stop()
        guarded.stop()
    return Logins(runs)


def bars(logins: Logins) -> tuple[Bar, ...]:
    """Return what knowing the caller may cost."""
    p50 = 100 * logins.part(1, lambda run: run.p50_ms)
    cost = 100 * logins.part(MANY, _cpu)
    unit = "% of a token's"
    return (
        Bar("Sign, one in flight, p50, mutual TLS and session", 115, unit, p50, at_most=True),
        Bar(f"the same, {MANY} in flight, the service's CPU", 120, unit, cost, at_most=True),
    )


def table(logins: Logins) -> Table:
    """Return what was measured."""
    columns = (
        "who calls",
        "in flight",
        "a second",
        "call p50, ms",
        "call p99, ms",
        "of a token's p50",
        "client CPU, µs",
        "service CPU, µs",
        "of a token's",
        "others' CPU",
    )
    rows = []
    for (caller, in_flight), _ in sorted(logins.runs.items(), key=lambda one: one[0][::-1]):
        run = logins.median(caller, in_flight)
        is_session = caller == SESSION
        p50, cost = (
            f"{logins.part(in_flight, figure):.0%}" if is_session else "100%"
            for figure in (lambda run: run.p50_ms, _cpu)
        )
        rows.append(
            (
                caller,
                str(in_flight),
                number(run.rate),
                number(run.p50_ms),
                number(run.p99_ms),
                p50,
                number(1e6 * run.client_cpu_s / run.digests),
                number(1e6 * _cpu(run)),
                cost,
                f"{run.others:.0%}",
            )
        )
    return Table("Knowing who calls", columns, rows, _INCLUDES)


def _cpu(run: Run) -> float:
    return run.service_cpu_s / run.digests


def _secure(directory: Path) -> tuple[dict[str, str], ECKey]:
    """Have a service ask for certificates; return a client's files, and the issuer's key."""
    _write(directory / "clients", authority := FirstAuthority.make("clients", 1))
    clients = FirstAuthority.load(authority.certificate, authority.key)
    _write(directory / "ci", clients.client(_CALLER, 1))
    _write(directory / "servers", authority := FirstAuthority.make("servers", 1))
    servers = FirstAuthority.load(authority.certificate, authority.key)
    _write(directory / "server", servers.server(["127.0.0.1"], 1))
    listen = '[listen]\ntls_certificate = "server.pem"\ntls_key = "server.key"\n'
    file = directory / "sealbook.toml"
    text = file.read_text().replace("[listen]\n", f'{listen}client_ca = "clients.pem"\n')
    file.write_text(text + _ACCESS)
    key = ECKey.generate_key("P-256", {"kid": "bench", "use": "sig", "alg": "ES256"})
    (directory / "ci.jwks").write_text(json.dumps(KeySet([key]).as_dict(private=False)))
    names = {"ca": "servers.pem", "certificate": "ci.pem", "key": "ci.key"}
    return {name: str(directory / file) for name, file in names.items()}, key


def _write(place: Path, issued: Issued) -> None:
    place.with_suffix(".pem").write_bytes(issued.certificate)
    place.with_suffix(".key").touch(0o600)
    place.with_suffix(".key").write_bytes(issued.key)


def _log_in(service: Service, files: dict[str, str], key: ECKey) -> str:
    """Trade a token of the issuer for a session."""
    now = int(time.time())
    claims = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": "project:4711",
        "project_id": "4711",
        "jti": f"bench-{now}",
        "iat": now,
        "nbf": now,
        "exp": now + _LIFE_S,
    }
    token = jwt.encode({"alg": "ES256", "kid": "bench"}, claims, key)
    ca, certificate, private = (Path(files[n]).read_bytes() for n in ("ca", "certificate", "key"))
    credentials = grpc.ssl_channel_credentials(ca, private, certificate)
    with grpc.secure_channel(service.addresses.grpc, credentials) as channel:
        answer = access_pb2_grpc.AccessStub(channel).Exchange(
            access_pb2.ExchangeRequest(token=token), timeout=30
        )
    return str(answer.session)
