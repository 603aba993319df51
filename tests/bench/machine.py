"""What the figures were measured on. No host name, nothing that names an owner."""

from __future__ import annotations

import os
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path
from urllib.request import urlopen

from pysqlite3 import dbapi2

from tests.crash.service import Service
from verifier.checkpoint import Checkpoint
from verifier.note import Note

_LIBRARIES = ("cryptography", "grpcio", "protobuf")
_SYNCS = 200
_PAGE = 4096


def describe(scratch: Path) -> dict[str, str]:
    """Return the machine in words; `scratch` is where the ledger lies."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    libraries = [f"{name} {version(name)}" for name in _LIBRARIES]
    return {
        "CPU": f"{_model()}, {os.cpu_count()} cores",
        "memory": f"{memory / 2**30:.0f} GiB",
        "disk": f"{_file_system(scratch)}, fdatasync of 4 KiB {_sync_ms(scratch):.2f} ms (median)",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "libraries": ", ".join([*libraries, f"SQLite {dbapi2.sqlite_version}"]),
        "Sealbook": version("sealbook"),
    }


def peak_memory(pid: int) -> int:
    """Return the peak of resident memory of a process, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise AssertionError("no VmHWM")


def tree_size(service: Service) -> int:
    """Return how many entries the ledger of a running service has."""
    with urlopen(f"http://{service.addresses.http}/checkpoint") as page:
        return Checkpoint.parse(Note.parse(page.read().decode()).text).tree_size


def _model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _file_system(directory: Path) -> str:
    """Return the kind of file system that `directory` is on: on tmpfs nothing is durable."""
    found = "", ""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, kind, *_ = line.split(" ")
        if directory.resolve().is_relative_to(mount) and len(mount) >= len(found[0]):
            found = mount, kind
    return found[1]


def _sync_ms(directory: Path) -> float:
    """Return how long it takes to overwrite 4 KiB durably: the floor under every append."""
    path = directory / "sync"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        taken = []
        for i in range(_SYNCS):
            start = time.perf_counter()
            os.pwrite(fd, bytes([i]) * _PAGE, 0)
            os.fdatasync(fd)
            taken.append(time.perf_counter() - start)
    finally:
        os.close(fd)
        path.unlink()
    return 1e3 * statistics.median(taken)
