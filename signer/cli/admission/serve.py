"""`sealbook admission serve`: answer a cluster's reviews."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from signer.address import listen
from signer.admission.running import Webhook, serve
from signer.admission.settings import Settings
from signer.cli.arguments import parser

_FILE = Path("/etc/sealbook/admission.toml")


def main(argv: list[str]) -> int:
    """Serve until SIGTERM."""
    made = parser(
        "admission serve",
        "Answer the API server's AdmissionReviews, in the foreground: POST /mutate and /validate.\n"
        "GET /healthz, /readyz and /metrics are for probes and Prometheus. Without TLS on\n"
        "loopback only. SIGTERM ends it once whoever asks has had time to ask another one.",
        "sealbook admission serve /etc/sealbook/admission.toml",
        config=False,
    )
    made.add_argument(
        "settings", type=Path, nargs="?", default=_FILE, metavar="FILE", help=f"default: {_FILE}"
    )
    args = made.parse_args(argv)
    settings = Settings.load(args.settings)
    listener, address = listen(settings.listen.address)
    with listener, Webhook(settings) as webhook:
        scheme = "http" if webhook.tls is None else "https"

        def began() -> None:
            print(f"the admission webhook answers on {scheme}://{address}", flush=True)

        asyncio.run(serve(webhook, settings, listener, began))
    if webhook.app.close():
        os._exit(0)  # else Python would wait for a thread that may never end
    return 0
