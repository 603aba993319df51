"""How the C library keeps memory that was given back to it.

glibc has an arena of memory for each of several threads, and each stays as large as it ever was:
after a flood of gRPC's threads that is several times what was in use at any one moment.
"""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8  # malloc.h of glibc


def share_one() -> None:
    """Let all threads share one arena, where the C library has them; before there are threads."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
