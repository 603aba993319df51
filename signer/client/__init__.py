"""The client library: sign from CI, in a program of yours.

    with Client("127.0.0.1:8640", token) as client:
        signed = client.sign("sha256:…", "registry.example/team/app", annotations={"env": "prod"})
        Path("bundle.json").write_bytes(signed.bundle())

    Client("ledger.example:8640", ca=roots, certificate=pem, key=private)       # mutual TLS
    Client("ledger.example:8640", ca=roots, oidc_token=Path("job.jwt").read_text)  # a job's token

Calls that are made at the same time, from many threads or tasks, for the same
repository and key travel together in one SignBatch: whatever waits while a call
is under way is the next one. When a batch is refused, its calls are made singly,
so that one caller's fault is not another's. Every answer is checked: it is about
the digest and repository that were asked for, and its proof leads to its checkpoint.
"""

from signer.client.aio import AsyncClient
from signer.client.answer import Signed
from signer.client.sync import Client
from signer.order import Item

__all__ = ["AsyncClient", "Client", "Item", "Signed"]
