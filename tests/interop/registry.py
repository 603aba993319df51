"""A real registry, docker-registry 2.8: no referrers API, so clients use the fallback tag."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# Port 0: the kernel chooses, and the registry's log says what it chose.
CONFIG = """\
version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {%s, delete: {enabled: true}}
http: {addr: "127.0.0.1:0", secret: tests}
"""
AUTH = "auth: {htpasswd: {realm: tests, path: %s}}\n"
STOP_TIMEOUT_S = 30


@contextmanager
def serving_registry(
    program: Path,
    scratch: Path,
    *,
    on_disk: bool = False,
    htpasswd: str = "",
    environment: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Serve an empty registry meanwhile; give its `host:port`. What it has is lost with it.

    `on_disk`: it keeps files below `scratch`, as in earnest. `htpasswd`: lines of user and bcrypt,
    who alone may do anything; without it nobody is asked who they are. `environment`: more of its
    configuration, as REGISTRY_HTTP_TLS_KEY.

    Raises:
        AssertionError: it ended before it listened; the text is its log.
    """
    config, log = scratch / "config.yml", scratch / "registry.log"
    files = f"filesystem: {{rootdirectory: {json.dumps(str(scratch / 'registry'))}}}"
    text = CONFIG % (files if on_disk else "inmemory: {}")
    if htpasswd:
        known = scratch / "htpasswd"
        known.write_text(htpasswd)
        text += AUTH % json.dumps(str(known))
    config.write_text(text)
    process = subprocess.Popen(
        [program, "serve", config],
        cwd=scratch,
        env={"HOME": str(scratch), **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    with process.stderr as said, log.open("wb") as kept:
        draining = threading.Thread(target=shutil.copyfileobj, args=(said, kept))
        try:
            address = _address(said, kept)
            # From here on nobody reads the log, but a full pipe would stop the registry.
            draining.start()
            yield address
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)
            if draining.ident is not None:
                draining.join()


def _address(said: IO[bytes], kept: IO[bytes]) -> str:
    lines = []
    for line in said:
        kept.write(line)
        lines.append(line.decode(errors="replace"))
        if found := re.search(r"listening on (127\.0\.0\.1:\d+)", lines[-1]):
            return found[1]
    raise AssertionError(f"the registry ended before it listened: {''.join(lines)}")
