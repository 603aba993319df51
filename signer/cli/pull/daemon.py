"""`sealbook pull daemon`: answer at a unix socket, with nothing left to load."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from signer.cli.arguments import parser, show
from signer.cli.pull import units
from verifier.errors import SealbookError, VerificationError
from verifier.pull.daemon import CONNECTIONS, Daemon, inherited, listen, notify
from verifier.pull.settings import PATH, PullSettings

_MODES = range(0o1000)


def main(argv: list[str]) -> int:
    """Serve until SIGTERM; SIGHUP reads the settings again."""
    made = parser(
        "pull daemon",
        "Answer what may run here at a unix socket, in the foreground. Runtimes' plugins ask it\n"
        "when it is there, and judge by themselves when it is not. SIGHUP reads the settings\n"
        "again; trust files are read whenever they change.",
        "sealbook pull daemon",
        config=False,
    )
    made.add_argument(
        "--settings",
        default=os.environ.get("SEALBOOK_PULL") or PATH,
        metavar="FILE",
        help=f"(default: $SEALBOOK_PULL, or {PATH})",
    )
    made.add_argument(
        "--mode",
        type=_mode,
        default=0o600,
        help="who may connect, in octal (default: 600; systemd's socket has its own)",
    )
    made.add_argument(
        "--uid",
        type=int,
        action="append",
        default=[],
        help="a user who may ask, beside root and its own; may be given often",
    )
    made.add_argument(
        "--connections", type=int, default=CONNECTIONS, help=f"at once (default: {CONNECTIONS})"
    )
    made.add_argument(
        "--print-unit",
        choices=("service", "socket"),
        help="print this unit for systemd, and end",
    )
    args = made.parse_args(argv)
    path = os.path.abspath(args.settings)  # noqa: PTH100  as the plugin names it
    if args.print_unit:
        socket_path = PullSettings.load(path).socket if Path(path).exists() else None
        print(units.unit(args.print_unit, path, socket_path), end="")
        return 0
    if not 1 <= args.connections <= 4096:
        made.error("--connections: expected 1 to 4096")
    settings = PullSettings.load(path)
    daemon = Daemon(path, uids=args.uid, connections=args.connections)
    given = inherited()
    with given or listen(settings.socket, args.mode) as listener:
        try:
            _serve(daemon, listener, settings.socket, as_json=args.json)
        finally:
            if given is None:
                Path(settings.socket).unlink(missing_ok=True)
    return 0


def _serve(daemon: Daemon, listener: socket.socket, path: str, *, as_json: bool) -> None:
    stop, asked_to = socket.socketpair()
    with stop, asked_to:
        asked_to.setblocking(False)  # noqa: FBT003  the standard library's own parameter
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: asked_to.send(b"."))
        signal.signal(signal.SIGHUP, lambda *_: _reload(daemon))
        try:
            daemon.ready()
        except VerificationError as e:
            # It may come; until then each answer is this one, and says so.
            print(f"warning: nothing may run yet: {e.message} ({e.code})", file=sys.stderr)
        show({"socket": path}, as_json=as_json, text=f"answering at {path}")
        sys.stdout.flush()
        notify("READY=1")
        daemon.serve(listener, stop)
        notify("STOPPING=1")


def _reload(daemon: Daemon) -> None:
    try:
        daemon.reload()
    except SealbookError as e:
        print(f"error: {e.message} ({e.code})", file=sys.stderr, flush=True)


def _mode(text: str) -> int:
    number = int(text, 8)
    if number not in _MODES:
        raise ValueError
    return number
