"""Keeping this process's memory, and the keys in it, to itself.

A core dump would have the private keys that were opened, PINs and tokens; so would the memory
of a process that another one of the same user may read. Memory is not locked: that would take
a limit which most systems do not grant, and lock caches with it. Let swap be encrypted, or
none (`MemorySwapMax=0` of systemd).
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

from signer.errors import HardeningError

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def harden() -> None:
    """Let nobody but root read this process's memory, and nobody get a core dump of it.

    The limit alone does not stop a core that is piped to a program, nor a debugger; not being
    dumpable does, on Linux. To be called before the first secret is read. A program that is
    started from here has the limit, and is dumpable again.

    Raises:
        HardeningError: the system refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
            refused = os.strerror(ctypes.get_errno())
            raise HardeningError(f"this process cannot be kept out of core dumps: {refused}")
