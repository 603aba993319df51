"""The warm daemon's units for systemd, which opens the socket itself.

Whoever asks believes a socket that root opened, so that the daemon needs no right of root's: it
runs as a user that exists while it does, and that can write its cache and nothing else. What it
reads, the settings and what they name, has to be readable for it: for a token or a client's key
give those a group, and name that in `SupplementaryGroups=`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from verifier.pull.settings import PATH, SOCKET

_SOCKET = """\
# /etc/systemd/system/sealbook-pull.socket
[Unit]
Description=What may run on this host, by Sealbook: socket

[Socket]
ListenStream={socket}
SocketMode=0600

[Install]
WantedBy=sockets.target
"""
_SERVICE = """\
# /etc/systemd/system/sealbook-pull.service
[Unit]
Description=What may run on this host, by Sealbook
Requires=sealbook-pull.socket
After=network.target

[Service]
Type=notify
ExecStart={program} pull daemon --settings {settings}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
DynamicUser=yes
CacheDirectory=sealbook
CapabilityBoundingSet=
LockPersonality=yes
MemoryDenyWriteExecute=yes
MemoryMax=512M
NoNewPrivileges=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
TasksMax=1024
"""


def unit(kind: str, settings: str = PATH, socket: str | None = None) -> str:
    """Return the unit `kind`, service or socket, for the daemon of these settings."""
    program = Path(sys.executable).with_name("sealbook")
    words = {"settings": settings, "socket": socket or SOCKET, "program": program}
    return {"service": _SERVICE, "socket": _SOCKET}[kind].format(**words)
