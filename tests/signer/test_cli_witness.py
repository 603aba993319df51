"""`sealbook witness`: a witness as its operator makes it, runs it, and starts it again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import uvicorn

from ledger.transport import Request
from ledger.witness.client import WitnessClient
from ledger.witness.judge import Judge
from ledger.witness.state import WitnessState
from ledger.witness.wire import Submission
from signer.cli.witness import serve
from signer.keys.memory import MemoryKey
from signer.transport import HttpTransport
from tests.ledger.making import ORIGIN, python
from tests.ledger.witnessing import LOG_KEY, OTHER_ROOT, Bench, Log, origin_hash, signed
from tests.signer.asking import PATIENCE_S
from tests.signer.commands import SEALBOOK, check_refused, one, sealbook
from tests.signer.test_tls import make_certificate
from tests.signer.world import World
from verifier import note as notes
from verifier.note import COSIGNATURE, ML_DSA, Note, NoteKey
from verifier.quorum import Quorum
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedLog

VKEY = str(NoteKey.of(ORIGIN, LOG_KEY.public))


class Running:
    """`sealbook witness serve`, in a process of its own; ends it when the block ends."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [SEALBOOK, "witness", "serve", directory, "--listen", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"serves on (\S+)$", line)
        if found is None:
            raise AssertionError(line + self.process.communicate(timeout=PATIENCE_S)[1])
        self.url = found[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=PATIENCE_S)

    def end(self, how: signal.Signals) -> int:
        """Send this signal, and return the exit code."""
        self.process.send_signal(how)
        self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode


@pytest.fixture
def transport() -> Iterator[HttpTransport]:
    """HTTP for one test."""
    made = HttpTransport()
    yield made
    made.close()


def made_in(directory: Path, name: str = "witness.example", *options: str) -> dict[str, Any]:
    """Make a witness that knows the test's log, and return what `init` printed."""
    done = sealbook("witness", "init", directory, "--name", name, "--json", *options)
    assert 0 == done.returncode, done.stderr
    assert 0 == sealbook("witness", "add-log", directory, VKEY).returncode
    return one(done)


def client_of(vkey: str, running: Running, log: Log, transport: HttpTransport) -> WitnessClient:
    """Return a client of a running witness."""
    key = NoteKey.parse(vkey)
    return WitnessClient(
        key.name,
        key,
        running.url,
        "",
        transport,
        PATIENCE_S,
        log_keys=log.ledger.log_keys,
        root_at=log.ledger.root_at,
    )


def test_init_makes_a_witness(tmp_path: Path) -> None:
    """
    Keys and memory are the owner's alone, and the printed lines are lines of a policy.
    """
    directory = tmp_path / "var" / "witness"

    made = made_in(
        directory, "witness.example", "--post-quantum", "--url", "https://witness.example"
    )

    keys = [NoteKey.parse(vkey) for vkey in made["vkeys"]]
    assert [COSIGNATURE, ML_DSA] == [key.kind for key in keys]
    quorum = Quorum.parse("\n".join([*made["policy"], "quorum witness.example", ""]))
    assert keys == list(quorum.witnesses.values())
    assert {"https://witness.example"} == set(quorum.urls.values())
    for path in [directory, *directory.rglob("*")]:
        expected = 0o700 if path.is_dir() else 0o600
        assert expected == stat.S_IMODE(path.stat().st_mode), path


def test_init_says_what_to_do_next(tmp_path: Path) -> None:
    """
    For people `init` prints the policy line and the next two commands.
    """
    done = sealbook("witness", "init", tmp_path / "w", "--name", "witness.example")

    assert "\nwitness witness.example witness.example+" in done.stdout
    assert f"sealbook witness serve {tmp_path / 'w'}" in done.stdout


@pytest.mark.parametrize("name", ["", "two words", "a+b", 'a"b', "a\\b", "x" * 256, "a\nb"])
def test_name_that_names_no_key(tmp_path: Path, name: str) -> None:
    """
    A name that no signature line can bear is refused before anything is made.
    """
    check_refused(sealbook("witness", "init", tmp_path / "w", "--name", name), "malformed")

    assert [] == list(tmp_path.iterdir())


def test_witness_is_made_once(tmp_path: Path) -> None:
    """
    Where something is, no witness is made: its keys and its memory could be lost.
    """
    made_in(tmp_path / "w")

    done = sealbook("witness", "init", tmp_path / "w", "--name", "other.example")

    check_refused(done, "witness-setup")


def test_logs_of_a_trust_file(tmp_path: Path, world: World) -> None:
    """
    The trust file of a ledger tells all that a witness must know of it.
    """
    sealbook("witness", "init", tmp_path / "w", "--name", "witness.example")
    trust = world.directory / "trust.json"

    added = sealbook("witness", "add-log", tmp_path / "w", "--trust", trust, "--json")
    again = sealbook("witness", "add-log", tmp_path / "w", "--trust", trust, "--json")

    keys = [log.checkpoint_key for log in world.trust.logs]
    assert [str(key) for key in keys] == [log["vkey"] for log in one(added)["logs"]]
    assert one(added)["logs"][0]["new"]
    assert not any(log["new"] for log in one(again)["logs"])


def test_further_key_of_a_log(tmp_path: Path) -> None:
    """
    A second key for a known origin is how a log rotates, and keeps what was recorded.
    """
    made_in(tmp_path / "w")
    vkey = str(NoteKey.of(ORIGIN, MemoryKey.generate("ed25519").public))

    done = sealbook("witness", "add-log", tmp_path / "w", vkey)
    shown = one(sealbook("witness", "show", tmp_path / "w", "--json"))

    assert "a known log: ledger.example" in done.stdout
    assert sorted([VKEY, vkey]) == sorted(shown["logs"][0]["vkeys"])


def test_keys_that_are_no_log_s(tmp_path: Path) -> None:
    """
    Neither a witness's key, nor this witness's own, nor an example key, is a log's.
    """
    made = made_in(tmp_path / "w", "witness.example", "--post-quantum")
    own = NoteKey.parse(made["vkeys"][0])
    example = TrustRoot.parse(Path("keys-example/trust.json").read_bytes()).logs[0]

    def add(*args: object) -> Any:
        return sealbook("witness", "add-log", tmp_path / "w", *args)

    check_refused(add(made["vkeys"][0]), "witness-setup")
    check_refused(add(made["vkeys"][1]), "witness-setup")
    check_refused(add(NoteKey.of("ledger.example", own.public)), "witness-setup")
    check_refused(add(example.checkpoint_key), "example-key")
    check_refused(add(), "witness-setup")
    check_refused(add("x"), "malformed")
    check_refused(add(VKEY, "x"), "malformed")
    assert 1 == len(one(sealbook("witness", "show", tmp_path / "w", "--json"))["logs"])
    assert 0 == add(example.checkpoint_key, "--example-keys").returncode


@pytest.mark.parametrize("action", ["add-log", "show", "serve"])
def test_absent_witness_is_not_made_in_passing(tmp_path: Path, action: str) -> None:
    """
    A wrong path is refused, with the way to make a witness, and nothing is made there.
    """
    more = [VKEY] if action == "add-log" else []

    said = check_refused(sealbook("witness", action, tmp_path / "w", *more), "witness-setup")

    assert "sealbook witness init" in said
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("action", ["add-log", "serve"])
def test_lost_memory_is_refused(tmp_path: Path, action: str) -> None:
    """
    A witness whose database is gone does not begin with a new one.
    """
    made_in(tmp_path / "w")
    (tmp_path / "w" / "witness.db").unlink()
    more = [VKEY] if action == "add-log" else []

    check_refused(sealbook("witness", action, tmp_path / "w", *more), "witness-setup")

    assert not (tmp_path / "w" / "witness.db").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        'name = "w"\n',
        'name = "w"\nkeys = []\n',
        'name = "w"\nkeys = [1]\n',
        'name = "two words"\nkeys = ["file:keys/witness.pem"]\n',
        'name = "w"\nkeys = ["file:keys/witness.pem"]\nmore = 1\n',
        'name = "w"\nname = "v"\nkeys = ["file:keys/witness.pem"]\n',
        "\ud800",
    ],
)
def test_spoiled_setup_is_refused(tmp_path: Path, text: str) -> None:
    """
    A `witness.toml` that says anything else is refused, and a field that we do not know too.
    """
    made_in(tmp_path / "w")
    (tmp_path / "w" / "witness.toml").write_bytes(text.encode("utf-8", "surrogatepass"))

    check_refused(sealbook("witness", "show", tmp_path / "w"), "witness-setup")


def test_log_cannot_be_taken_away() -> None:
    """
    There is no action that forgets a log.
    """
    done = sealbook("witness", "remove-log")

    assert 2 == done.returncode
    assert "no action 'remove-log'" in done.stderr


@pytest.mark.parametrize("action", ["init", "add-log", "show", "serve"])
def test_help_has_an_example(action: str) -> None:
    """
    Every action explains itself, with an example to copy.
    """
    done = sealbook("witness", action, "--help")

    assert 0 == done.returncode
    assert f"example:\n  sealbook witness {action} /var/lib/witness" in done.stdout


def test_help_lists_the_actions() -> None:
    """
    Without an action the command lists them, which is asked wrongly unless it was asked for.
    """
    assert 2 == sealbook("witness").returncode
    done = sealbook("witness", "--help")
    assert 0 == done.returncode
    assert "add-log" in done.stdout


def test_serving_wants_a_log(tmp_path: Path) -> None:
    """
    A witness of nothing says what is missing, and does not listen.
    """
    sealbook("witness", "init", tmp_path / "w", "--name", "witness.example")

    check_refused(sealbook("witness", "serve", tmp_path / "w"), "witness-setup")


@pytest.mark.parametrize(
    "address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "witness.example:0", "8642", "[::1:0"]
)
def test_without_tls_on_loopback_only(tmp_path: Path, address: str) -> None:
    """
    Without TLS no address is taken that others could reach.
    """
    made_in(tmp_path / "w")

    check_refused(sealbook("witness", "serve", tmp_path / "w", "--listen", address), "listen")


def test_taken_address_is_refused(tmp_path: Path) -> None:
    """
    A port that somebody has is refused with a hint; so is one that is none.
    """
    made_in(tmp_path / "w")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for listen in (address, "127.0.0.1:x", "127.0.0.1:70000"):
            done = sealbook("witness", "serve", tmp_path / "w", "--listen", listen)
            check_refused(done, "listen")


def test_bad_tls_files_are_refused(tmp_path: Path) -> None:
    """
    A certificate without a key, one that does not fit, a key that others read: each is refused.
    """
    made_in(tmp_path / "w")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        make_certificate(tmp_path / name)
    certificate, key = tmp_path / "a" / "tls.pem", tmp_path / "a" / "tls.key"

    def run(*options: object, listen: str = "0.0.0.0:0") -> Any:
        return sealbook("witness", "serve", tmp_path / "w", "--listen", listen, *options)

    for listen in ("0.0.0.0:0", "127.0.0.1:0"):  # on loopback too: who names a key wants TLS
        told = check_refused(run("--tls-certificate", certificate, listen=listen), "listen")
        assert "--tls-certificate and --tls-key together" in told
        told = check_refused(run("--tls-key", key, listen=listen), "listen")
        assert "--tls-certificate and --tls-key together" in told
    other = tmp_path / "b" / "tls.key"
    check_refused(run("--tls-certificate", certificate, "--tls-key", other), "listen")
    key.chmod(0o644)
    check_refused(run("--tls-certificate", certificate, "--tls-key", key), "key-file-permissions")


def test_serving_with_tls(tmp_path: Path) -> None:
    """
    With a certificate a witness is asked over HTTPS, and cosigns.
    """
    made = made_in(tmp_path / "w")
    make_certificate(tmp_path)
    options = ["--tls-certificate", f"{tmp_path}/tls.pem", "--tls-key", f"{tmp_path}/tls.key"]
    log = Log()
    with (
        Running(tmp_path / "w", *options) as running,
        contextlib.closing(HttpTransport(tmp_path / "tls.pem")) as transport,
    ):
        assert running.url.startswith("https://")
        client = client_of(made["vkeys"][0], running, log, transport)
        lines = client.cosign(log.ledger.signed.note, log.ledger.path_between)

    assert 1 == len(lines)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_sizes_survive_a_restart(
    tmp_path: Path, transport: HttpTransport, how: signal.Signals
) -> None:
    """
    However a witness ended, the next one asks for growth from what the last one cosigned.
    """
    made = made_in(tmp_path / "w")
    log = Log()
    log.grow(3)
    with Running(tmp_path / "w") as running:
        client = client_of(made["vkeys"][0], running, log, transport)
        client.cosign(log.ledger.signed.note, log.ledger.path_between)
        check_refused(sealbook("witness", "serve", tmp_path / "w"), "ledger-busy")
        check_refused(sealbook("witness", "add-log", tmp_path / "w", VKEY), "ledger-busy")
        beside = one(sealbook("witness", "show", tmp_path / "w", "--json"))
        assert (0 if how is signal.SIGTERM else -how) == running.end(how)

    shown = one(sealbook("witness", "show", tmp_path / "w", "--json"))
    assert beside == shown
    assert [(ORIGIN, 4)] == [(log["origin"], log["tree_size"]) for log in shown["logs"]]
    assert (
        "ledger.example: 4 entries, cosigned 20"
        in sealbook("witness", "show", tmp_path / "w").stdout
    )
    with Running(tmp_path / "w") as running:
        body = str(Submission(0, (), Note.parse(log.notes[1]))).encode()
        answer = transport(Request("POST", f"{running.url}/add-checkpoint", body))
        assert (409, "text/x.tlog.size", b"4\n") == answer


def test_three_witnesses_of_one_company(tmp_path: Path, transport: HttpTransport) -> None:
    """
    Three processes with keys of their own make a quorum, of which one may be away.
    """
    names = [f"w{i}.bank.example" for i in range(3)]
    made = {name: made_in(tmp_path / name, name, "--post-quantum") for name in names}
    policy = [made[name]["policy"][0] for name in names]
    group = f"group most 2 {' '.join(names)}"
    quorum = Quorum.parse("\n".join([*policy, group, "quorum most", ""]))
    log = Log()
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(Running(tmp_path / name)) for name in names}
        clients = {
            name: client_of(made[name]["vkeys"][0], running[name], log, transport) for name in names
        }
        for client in clients.values():
            client.cosign(log.ledger.signed.note, log.ledger.path_between)
        running[names[0]].end(signal.SIGKILL)
        log.grow(2)
        note = Note.parse(log.ledger.signed.note)
        for name in names[1:]:
            lines = clients[name].cosign(str(note), log.ledger.path_between)
            note = note._replace(signatures=(*note.signatures, *lines))

    signers = {key.name for key in notes.verify(note, quorum.witnesses.values())}
    assert set(names[1:]) == signers
    assert quorum.satisfied_by(signers)


def test_evidence_is_written_for_strangers(tmp_path: Path) -> None:
    """
    A log that showed two trees of one size is named, and a stranger's verifier accepts the file.
    """
    made_in(tmp_path / "w")
    with WitnessState(tmp_path / "w") as state:
        key = MemoryKey.load(tmp_path / "w" / "keys" / "witness.pem")
        judge = Judge(state, "witness.example", (key,))
        for old, root in [(0, OTHER_ROOT), (1, Log().ledger.root_at(1))]:
            body = str(Submission(old, (), Note.parse(signed(1, root)))).encode()
            judge.add_checkpoint(body)
    log = TrustedLog(ORIGIN, NoteKey.parse(VKEY))
    trust = TrustRoot(1, 1, 2**33, (log,), {}, Quorum.parse("quorum none\n"))
    (tmp_path / "trust.json").write_bytes(trust.json())

    done = sealbook("witness", "show", tmp_path / "w", "--evidence", tmp_path / "out")
    [evidence] = (tmp_path / "out").iterdir()
    judged = python(
        "-m", "verifier", "evidence", "--trust", str(tmp_path / "trust.json"), str(evidence)
    )

    assert "1 split views" in done.stdout
    assert f"{origin_hash().hex()}-0.json" == evidence.name
    assert 0 == judged.returncode, judged.stderr


ALONE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())
from signer.cli import main
from signer.cli.witness import serve
sys.exit(main(["witness", *sys.argv[2:]]))
"""


@pytest.mark.parametrize("action", ["init", "add-log", "show", "serve"])
def test_a_witness_needs_little(tmp_path: Path, action: str) -> None:
    """
    A witness's machine needs no gRPC, pydantic, starlette, structlog or httpx.
    """
    absent = "grpc,grpc_health,google,pydantic,starlette,structlog,prometheus_client,httpx"
    if action != "init":
        made_in(tmp_path / "w")
    more = {
        "init": ["--name", "witness.example"],
        "add-log": [VKEY],
        "show": ["--json"],
        "serve": ["--listen", "192.0.2.1:0"],
    }[action]

    done = python("-c", ALONE, absent, action, str(tmp_path / "w"), *more)

    if action == "serve":
        assert "(listen)" in done.stderr, done.stderr
    else:
        assert 0 == done.returncode, done.stderr


def test_headers_must_come_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whoever opens a connection and does not say what for is cut off; others are served.
    """
    monkeypatch.setattr(serve, "READ_S", 0.05)
    with Bench(tmp_path) as bench, patient(bench) as address:
        for begun in (b"", b"GET /health HTTP/1.1\r\nhost: x\r\n", b"G"):
            with socket.create_connection(address, PATIENCE_S) as slow:
                slow.sendall(begun)
                assert b"" == received(slow)
        with socket.create_connection(address, PATIENCE_S) as quick:
            quick.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert received(quick).endswith(b"\r\n\r\nok\n")


def received(connection: socket.socket) -> bytes:
    """Return all that comes until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(4096):
            found += more
    return found


@contextlib.contextmanager
def patient(bench: Bench) -> Iterator[tuple[str, int]]:
    """Serve a witness with the command's own protocol, in a thread; yield where."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = serve.Witness(bench.judge, lambda _: None)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=serve._Patient,
                ws="none",
                log_config=None,
                access_log=False,
                lifespan="off",
            )
        )
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join()


FAILING = """
import sys
from ledger.errors import StorageFailedError
from ledger.witness.state import WitnessState
from signer.cli import main

def failing(*_):
    raise StorageFailedError("commit: disk I/O error")

WitnessState.advance = failing
sys.exit(main(["witness", "serve", sys.argv[1], "--listen", "127.0.0.1:0"]))
"""


def test_failed_disk_ends_the_process(tmp_path: Path, transport: HttpTransport) -> None:
    """
    After a failed write the process ends with code 74, having cosigned nothing.
    """
    made_in(tmp_path / "w")
    process = subprocess.Popen(
        [sys.executable, "-c", FAILING, tmp_path / "w"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    body = str(Submission(0, (), Note.parse(Log().notes[1]))).encode()

    answer = transport(Request("POST", f"{url}/add-checkpoint", body))

    _, said = process.communicate(timeout=PATIENCE_S)
    assert (503, 74) == (answer.status, process.returncode)
    assert "error: commit: disk I/O error (storage-failed)" in said


def test_json_of_a_refusal(tmp_path: Path) -> None:
    """
    Machines get the code of a refusal as JSON too.
    """
    done = sealbook("witness", "show", tmp_path, "--json")

    assert "witness-setup" == json.loads(done.stdout)["error"]
