"""Who used the CPU while something was measured: client, service, or somebody else."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple, Self

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_IDLE = (3, 4)  # idle and iowait, in the first line of /proc/stat
_GUEST = 8  # from here on its columns repeat what others say


class Spent(NamedTuple):
    """What was used between two moments; `others` is a part of the machine, from 0 to 1."""

    seconds: float
    client_s: float
    service_s: float
    others: float


class Cpu(NamedTuple):
    """The clocks at one moment, in seconds; `machine_s` is what all processes have used."""

    wall_s: float
    client_s: float
    service_s: float
    machine_s: float

    @classmethod
    def now(cls, client_s: float, service_pid: int) -> Self:
        """Read the clocks; `client_s` is the caller's own reading of its CPU time."""
        fields = Path(f"/proc/{service_pid}/stat").read_text().rpartition(")")[2].split()
        service = int(fields[11]) + int(fields[12])  # user and system, of all threads
        columns = [int(n) for n in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
        busy = sum(n for i, n in enumerate(columns[:_GUEST]) if i not in _IDLE)
        return cls(time.perf_counter(), client_s, service * _TICK_S, busy * _TICK_S)

    def since(self, before: Cpu) -> Spent:
        """Return what was used since `before`."""
        wall, client, service, machine = (
            now - then for now, then in zip(self, before, strict=True)
        )
        others = (machine - client - service) / (wall * (os.cpu_count() or 1))
        return Spent(wall, client, service, max(0.0, others))
