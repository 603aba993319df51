"""Have containerd or CRI-O pull as Kubernetes does, by CRI on their socket.

By `crictl` where it is installed, else by grpcio where that is, else, for containerd, by `ctr`:
that asks the same verifiers, but not by the way of Kubernetes. Of CRI two calls are spoken:

    ImageService.PullImage(PullImageRequest{image = 1: ImageSpec{image = 1: string}})
    ImageService.RemoveImage(RemoveImageRequest{image = 1: ImageSpec{image = 1: string}})

Spec: github.com/kubernetes/cri-api, pkg/apis/runtime/v1/api.proto.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from typing import NamedTuple

_NAMESPACE = "sealbook-check"


class Answer(NamedTuple):
    """What happened, and how it was asked. `allowed` is None where nobody could tell."""

    by: str
    allowed: bool | None
    said: str = ""


def pull(socket: str, reference: str, timeout_s: float, *, ctr: bool, keep: bool) -> Answer:
    """Have whoever listens at `socket` pull `reference`; unless `keep`, it is removed again."""
    if program := shutil.which("crictl"):
        words = [program, "--runtime-endpoint", f"unix://{socket}"]
        words += ["--image-endpoint", f"unix://{socket}"]
        answer = command([*words, "pull", reference], timeout_s, f"crictl, {socket}")
        if answer.allowed and not keep:
            command([*words, "rmi", reference], timeout_s, "")
        return answer
    if importlib.util.find_spec("grpc") is not None:
        return _by_grpc(socket, reference, timeout_s, keep=keep)
    program = shutil.which("ctr") if ctr else None
    if program is None:
        return Answer(socket, None, "there is no crictl here, nor grpcio")
    words = [program, "--address", socket, "--namespace", _NAMESPACE, "images"]
    answer = command([*words, "pull", "--plain-http", reference], timeout_s, f"ctr, {socket}")
    if answer.allowed:
        command([*words, "rm", reference], timeout_s, "")
    return answer


def command(
    words: list[str], timeout_s: float, by: str, environment: dict[str, str] | None = None
) -> Answer:
    """Run a command that pulls; exit code 0 is a yes, and all else a no with what it printed."""
    try:
        done = subprocess.run(  # noqa: S603  programs of this host, by their own names
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(by, None, f"no answer in {timeout_s:g} s")
    except OSError as e:
        return Answer(by, None, f"{words[0]}: {e.strerror}")
    return Answer(by, done.returncode == 0, done.stdout.decode(errors="replace").strip())


def _by_grpc(socket: str, reference: str, timeout_s: float, *, keep: bool) -> Answer:
    import grpc

    away = (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    )
    asked, by = _message(_message(reference.encode())), f"CRI, {socket}"
    with grpc.insecure_channel(f"unix://{socket}") as channel:

        def call(name: str) -> None:
            method = f"/runtime.v1.ImageService/{name}"
            ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
            ask(asked, timeout=timeout_s)

        try:
            call("PullImage")
        except grpc.RpcError as e:
            said = str(e.details())
            return Answer(by, None if e.code() in away else False, said)
        if not keep:
            call("RemoveImage")
    return Answer(by, allowed=True)


def _message(content: bytes) -> bytes:
    """Return field 1, length-delimited, of protobuf's encoding."""
    size, length = len(content), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return b"\x0a" + length + bytes([size]) + content
