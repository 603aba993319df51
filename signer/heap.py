"""How memory is kept: by the C library when it is given back, by Python when it looks for garbage.

glibc has an arena of memory for each of several threads, and each stays as large as it ever was:
after a flood of gRPC's threads that is several times what was in use at any one moment.

Python's collector looks through all that lives, again and again; most of that was loaded at
the start, and lives as long as the process.
"""

from __future__ import annotations

import ctypes
import gc

_M_ARENA_MAX = -8  # malloc.h of glibc


def share_one_arena() -> None:
    """Let all threads share one arena, where the C library has them; before there are threads."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def leave_what_is_loaded() -> None:
    """Let the collector pass over what there is by now."""
    gc.collect()
    gc.freeze()
