"""Web servers that know nothing of us, for what was exported."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from tests.signer.asking import eventually
from tests.signer.commands import free_address

NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")


@contextmanager
def python_server(folder: Path) -> Iterator[str]:
    """Serve a folder by the standard library's server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """Serve a folder by nginx, with the configuration that the documentation shows."""
    assert NGINX is not None
    base = folder.parent / "nginx"
    base.mkdir()
    address = free_address()
    temporary = "\n".join(
        f"{kind}_temp_path {base}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (base / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {base}/pid; error_log {base}/error.log;
events {{}}
http {{
  access_log off; {temporary}
  server {{
    listen {address};
    root {folder};
    location = /checkpoint {{
      default_type "text/plain; charset=utf-8"; add_header Cache-Control "public, max-age=1";
    }}
    location /tile/ {{
      default_type application/octet-stream;
      add_header Cache-Control "public, max-age=31536000, immutable";
    }}
  }}
}}
""")
    command = [
        NGINX,
        "-p",
        str(base),
        "-c",
        str(base / "nginx.conf"),
        "-e",
        str(base / "error.log"),
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: _listens(address, process))
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _listens(address: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "it ended"
    connection = HTTPConnection(address)
    try:
        connection.connect()
    except ConnectionRefusedError:
        return False
    finally:
        connection.close()
    return True
