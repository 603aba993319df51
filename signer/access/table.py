"""The one table: what each call and each route asks of its caller. What is not here is refused.

A test walks the descriptors of the services and the routes of HTTP, and fails on a missing row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from signer.access.principal import Action

Record = Literal["change", "read"]


class Row(NamedTuple):
    """What a call needs.

    Attributes:
        actions: One of these has to be allowed to the caller, somewhere; the flow asks again
            for the repository that it acts on. None of them: whoever the network lets through.
        record: A `change` is in the audit trail before it happens; of the rest, refusals are.
        proven: The caller has to be on the admin socket, or known by a client certificate.
        everywhere: The actions have to be allowed everywhere: what is done or shown is about
            all of the service.
        local: The caller has to be on the service's own machine.
        basic: The secret may be Basic's password, as the clients of Rekor send it.
    """

    actions: tuple[Action, ...]
    record: Record = "read"
    proven: bool = False
    everywhere: bool = False
    local: bool = False
    basic: bool = False


_OPERATE = Row(("operate",), "change", proven=True, everywhere=True)
_SHOW = Row(("operate",), proven=True, everywhere=True)
_BIND = Row(("bind",), "change")
_FETCH = Row(("fetch",), basic=True)
_WATCH = Row(("watch",), basic=True)
_FOLLOW = Row(("fetch", "watch"), basic=True)
_APPEND = Row(("append",), "change", everywhere=True, basic=True)

METHODS: Mapping[str, Row] = {
    # Whoever may be there.
    "/grpc.health.v1.Health/Check": Row(()),
    "/grpc.health.v1.Health/List": Row(()),
    "/grpc.health.v1.Health/Watch": Row(()),
    # What calls there are, for whoever sits at the machine; off unless it is configured.
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Row((), local=True),
    "/sealbook.v1.Access/Exchange": Row((), "change"),
    # Signing.
    "/sealbook.v1.Signer/Sign": Row(("sign",), "change"),
    "/sealbook.v1.Signer/SignBatch": Row(("sign",), "change"),
    # What is read in it says which of the three it is, and that one is asked for in the flow.
    "/sealbook.v1.Signer/SignMessage": Row(("sign", "attest", "sign-raw"), "change"),
    "/sealbook.v1.Signer/Attest": Row(("attest",), "change"),
    "/sealbook.v1.Signer/GetKey": Row(("read",)),
    "/sealbook.v1.Signer/GetBundles": Row(("read", "fetch")),
    "/sealbook.v1.Signer/Publish": Row(("publish",), "change"),
    "/sealbook.v1.Signer/ListPublications": Row(("publish", "read", "operate")),
    # Each of many hosts tells every minute: only refusals are in the audit trail.
    "/sealbook.v1.Signer/ReportPulls": Row(("report",)),
    "/sealbook.v1.Signer/ListPulls": Row(("read", "operate")),
    # Reading.
    "/sealbook.v1.Ledger/GetCheckpoint": Row(("read",)),
    "/sealbook.v1.Ledger/GetEntry": Row(("read",)),
    "/sealbook.v1.Ledger/GetInclusionProof": Row(("read",)),
    "/sealbook.v1.Ledger/GetConsistencyProof": Row(("read",)),
    "/sealbook.v1.Ledger/ListEntries": Row(("read",)),
    "/sealbook.v1.Ledger/GetBody": Row(("read",)),
    "/sealbook.v1.Ledger/Search": Row(("read",)),
    "/sealbook.v1.Ledger/Pull": Row(("mirror",), everywhere=True),
    # Agreeing.
    "/sealbook.v1.Approvals/ListRequests": Row(("read",)),
    "/sealbook.v1.Approvals/GetRequest": Row(("read",)),
    "/sealbook.v1.Approvals/Approve": Row(("agree",), "change"),
    # Who may.
    "/sealbook.v1.Access/WhoAmI": Row(()),
    "/sealbook.v1.Access/CreateApiKey": _BIND,
    "/sealbook.v1.Access/ListApiKeys": Row(("bind",)),
    "/sealbook.v1.Access/RevokeApiKey": _BIND,
    "/sealbook.v1.Access/Bind": _BIND,
    "/sealbook.v1.Access/Unbind": _BIND,
    "/sealbook.v1.Access/ListBindings": Row(("bind",)),
    "/sealbook.v1.Audit/QueryTrail": Row(("audit",)),
    "/sealbook.v1.Audit/GetTrail": Row(("audit",)),
    "/sealbook.v1.Audit/ReviewAccess": Row(("audit",)),
    # Running it.
    "/sealbook.v1.Operator/GetStatus": _SHOW,
    "/sealbook.v1.Operator/ListKeys": _SHOW,
    "/sealbook.v1.Operator/Freeze": _OPERATE,
    "/sealbook.v1.Operator/AcceptClock": _OPERATE,
    "/sealbook.v1.Operator/Revoke": _OPERATE,
    "/sealbook.v1.Operator/RecordCeremony": _OPERATE,
    "/sealbook.v1.Operator/CreateKey": _OPERATE,
    "/sealbook.v1.Operator/RotateKey": _OPERATE,
    "/sealbook.v1.Operator/ImportKey": _OPERATE,
    "/sealbook.v1.Operator/SwitchKey": _OPERATE,
    "/sealbook.v1.Operator/RetireKey": _OPERATE,
    "/sealbook.v1.Operator/InstallTrust": _OPERATE,
    "/sealbook.v1.Operator/ReloadConfig": _OPERATE,
    "/sealbook.v1.Operator/DeleteBody": Row(("delete-body",), "change", proven=True),
    "/sealbook.v1.Operator/PurgeTrail": _OPERATE,
    "/sealbook.v1.Operator/RotateDataKey": _OPERATE,
    "/sealbook.v1.Operator/ChangePublications": _OPERATE,
}

# The routes of HTTP, by verb and template as in RFC 6570; HEAD is as GET. A twin of a call asks
# what the call asks.
ROUTES: Mapping[str, Row] = {
    # Whoever may be there.
    "GET /healthz": Row(()),
    "GET /readyz": Row(()),
    "POST /v1/exchange": METHODS["/sealbook.v1.Access/Exchange"],
    # Twins of calls.
    "POST /v1/sign": METHODS["/sealbook.v1.Signer/Sign"],
    "POST /v1/sign-batch": METHODS["/sealbook.v1.Signer/SignBatch"],
    "POST /v1/attest": METHODS["/sealbook.v1.Signer/Attest"],
    "POST /v1/get-bundles": METHODS["/sealbook.v1.Signer/GetBundles"],
    "POST /v1/publish": METHODS["/sealbook.v1.Signer/Publish"],
    "GET /v1/publications": METHODS["/sealbook.v1.Signer/ListPublications"],
    "POST /v1/pulls": METHODS["/sealbook.v1.Signer/ReportPulls"],
    "GET /v1/pulls": METHODS["/sealbook.v1.Signer/ListPulls"],
    # What verifiers take, by digest or by name.
    "GET /v1/bundles/{digest}": _FETCH,
    "GET /lookaside/{path}": _FETCH,
    "GET /v1/trust.json": _FOLLOW,
    "GET /v1/status.json": _FOLLOW,
    "GET /v1/policy.toml": _FOLLOW,
    "GET /v1/trusted_root.json": _FOLLOW,
    "GET /v1/signing_config.json": _FOLLOW,
    "GET /v1/tlog-policy": _FOLLOW,
    # The ledger as tiles, at both of its places; a body says which image was signed for whom.
    **{
        f"GET {prefix}/{template}": row
        for prefix in ("", "/api/v2")
        for template, row in (
            ("checkpoint", _WATCH),
            ("tile/{path}", _WATCH),
            ("bodies/{path}", Row(("read",))),
        )
    },
    # Rekor.
    "POST /api/v1/log/entries": _APPEND,
    "POST /api/v2/log/entries": _APPEND,
    "POST /api/v1/log/entries/retrieve": _WATCH,
    "GET /api/v1/log": _WATCH,
    "GET /api/v1/log/publicKey": _WATCH,
    "GET /api/v1/log/proof": _WATCH,
    "GET /api/v1/log/entries": _WATCH,
    "GET /api/v1/log/entries/{name}": _WATCH,
    "GET /metrics": Row(("monitor",), everywhere=True),
}
