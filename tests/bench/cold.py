"""`python -S -E cold.py COUNT`: time whole processes, from a parent too small to disturb them.

Reads a list of [command line, environment, or null for its own] as JSON on standard
input, runs each of them COUNT times in turn, and prints for each a list of [seconds,
peak resident bytes]. A child counts its parent's memory as its own until it has its own
program, so the parent imports next to nothing.
"""

import json
import os
import sys
import time


def measure(command: list[str], environment: dict[str, str] | None) -> tuple[float, int]:
    """Run `command`, which must succeed, and return its time and memory."""
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
    start = time.perf_counter()
    pid = os.posix_spawn(command[0], command, environment or os.environ, file_actions=quiet)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    assert status == 0, command
    return seconds, usage.ru_maxrss << 10


def main() -> None:
    """Measure the commands in turn, so that whatever disturbs disturbs all of them."""
    commands = json.load(sys.stdin)
    rounds = [[measure(*command) for command in commands] for _ in range(int(sys.argv[1]))]
    print(json.dumps(list(zip(*rounds, strict=True))))


if __name__ == "__main__":
    main()
