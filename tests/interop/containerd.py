"""A real containerd that pulls as Kubernetes tells it to: by CRI, over gRPC on its socket.

All that it keeps and mounts is in a directory and a mount namespace of its own, and goes with
it. Pulling needs no runc, no network plug-in and no pod; it needs root. Of CRI only what the
tests call is spoken, so that no generated code is needed:

    ImageService.PullImage(PullImageRequest{image = 1: ImageSpec{image = 1: string}})
    -> PullImageResponse{image_ref = 1: string}

Spec: github.com/kubernetes/cri-api, pkg/apis/runtime/v1/api.proto.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc

from tests.interop.peers import PeerUnavailable

START_TIMEOUT_S = 30
PULL_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30

# What is left out has containerd's own default. The rest keeps it from directories of the machine.
CONFIG = """\
version = 3
root = "{home}/root"
state = "{home}/state"
disabled_plugins = ["io.containerd.internal.v1.tracing", "io.containerd.nri.v1.nri"]

[grpc]
address = "{home}/containerd.sock"

[ttrpc]
address = "{home}/ttrpc.sock"

[plugins."io.containerd.internal.v1.opt"]
path = "{home}/opt"

[plugins."io.containerd.cri.v1.images".registry]
config_path = "{home}/certs.d"

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{home}/cni"]
conf_dir = "{home}/cni"
"""
BINDIR = """
[plugins."io.containerd.image-verifier.v1.bindir"]
bin_dir = {bin_dir}
"""
# All that containerd mounts, and whatever it starts, ends with it.
_ALONE = (
    *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"),
    "--mount-proc",
)
_PATIENCE = (("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200))


class Pulled(NamedTuple):
    """What CRI answered: the image's id, or the text of its error, which kubelet shows."""

    reference: str
    image: str = ""
    error: str = ""

    @property
    def allowed(self) -> bool:
        return bool(self.image)


class Containerd:
    """One that runs."""

    def __init__(self, program: Path, home: Path) -> None:
        self._ctr = program.with_name("ctr")
        self.home = home
        self.socket = home / "containerd.sock"
        self._channel = grpc.insecure_channel(f"unix://{self.socket}", options=_PATIENCE)

    def close(self) -> None:
        self._channel.close()

    def pull(self, reference: str) -> Pulled:
        """Pull as kubelet does, also when the image is here already.

        Raises:
            grpc.RpcError: containerd itself is not well.
        """
        asked = _message(1, _message(1, reference.encode()))
        try:
            answer = self._call("PullImage", asked)
        except grpc.RpcError as e:
            if e.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNIMPLEMENTED):
                raise
            return Pulled(reference, error=str(e.details()))
        assert answer[:1] == b"\x0a", answer
        return Pulled(reference, image=answer[2 : 2 + answer[1]].decode())

    def remove(self, reference: str) -> None:
        """Forget an image, so that the next pull is the first."""
        self._call("RemoveImage", _message(1, _message(1, reference.encode())))

    def ready(self) -> bool:
        """Say whether it answers."""
        try:
            self._call("ListImages", b"", timeout_s=1)
        except grpc.RpcError:
            return False
        return True

    def ctr(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run containerd's own command, in the namespace that CRI uses."""
        return subprocess.run(
            [self._ctr, "--address", self.socket, "--namespace", "k8s.io", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=PULL_TIMEOUT_S,
            check=False,
        )

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return (self.home / "containerd.log").read_text(errors="replace")

    def _call(self, method: str, asked: bytes, timeout_s: float = PULL_TIMEOUT_S) -> bytes:
        call = self._channel.unary_unary(f"/runtime.v1.ImageService/{method}")
        answer: bytes = call(asked, timeout=timeout_s)
        return answer


@contextmanager
def serving_containerd(
    program: Path,
    *,
    bin_dir: Path | None = None,
    settings: str = "",
    plain: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Containerd]:
    """Run containerd meanwhile, with no image in it.

    `bin_dir`: where its image verifiers are; None leaves containerd's default out, so that what
    `settings`, more of its configuration, says of it counts. `plain`: registries, as
    `host:port`, that speak HTTP. `environment`: what it, and so each verifier, is given.

    Raises:
        PeerUnavailable: it does not start here.
    """
    # A socket's path is short, and a test's own directory need not be.
    with tempfile.TemporaryDirectory(prefix="sealbook-ctrd-") as scratch:
        home = Path(scratch)
        text = CONFIG.format(home=home) + settings
        if bin_dir is not None:
            text += BINDIR.format(bin_dir=json.dumps(str(bin_dir)))
        (home / "config.toml").write_text(text)
        (home / "cni").mkdir()
        for address in plain:
            (home / "certs.d" / address).mkdir(parents=True)
            hosts = home / "certs.d" / address / "hosts.toml"
            hosts.write_text(f'server = "http://{address}"\n')
        with (home / "containerd.log").open("wb") as log:
            process = subprocess.Popen(
                [*_ALONE, program, "--config", home / "config.toml", "--log-level", "debug"],
                cwd=home,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        served = Containerd(program, home)
        try:
            _started(served, process)
            yield served
        finally:
            served.close()
            _stop(process)


def check_starts(program: Path) -> None:
    """Check that this machine lets containerd run, or raise `PeerUnavailable`."""
    with serving_containerd(program):
        pass


def _started(served: Containerd, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while not served.ready():
        if process.poll() is not None or time.monotonic() > end:
            raise PeerUnavailable(f"containerd does not start here: {served.log[-2000:]}")
        time.sleep(0.05)


def _stop(unshare: subprocess.Popen[bytes]) -> None:
    """End containerd, which is the first of its process namespace, and then unshare ends."""
    if unshare.poll() is None:
        for child in Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGTERM)
    try:
        unshare.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        unshare.kill()
        unshare.wait()


def _message(field: int, content: bytes) -> bytes:
    """Return one length-delimited field of protobuf's encoding."""
    assert len(content) < 1 << 14
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return bytes([field << 3 | 2]) + length + content
