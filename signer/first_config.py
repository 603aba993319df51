"""The configuration that `sealbook init` writes, with what can be said besides as comments."""

from __future__ import annotations

from collections.abc import Mapping

_CONFIG = """\
# Sealbook's configuration. Relative paths start here. `sealbook serve --help` has more.
origin = "{origin}"

[ledger]
directory = "ledger"
anchor = "anchor"  # another disk is better

[keys]
log = "{uris[log]}"
{quantum}promise = "{uris[promise]}"
event = "{uris[event]}"
status = "{uris[status]}"
seal = "keys/seal"
timestamp = "{uris[timestamp]}"
issuer = "{uris[issuer]}"  # of short-lived certificates
transparency = "{uris[transparency]}"  # says when they were issued

[certificates]  # made with keys/root.pem, which the service never reads: keep it elsewhere
timestamp = "certificates/timestamp.pem"
issuer = "certificates/issuer.pem"

[signing]
default_key = "release"
default_attest_key = "attest"
# overlap_s = 86400  # how long trust.json must have listed a key before it takes another's place

[signing.keys.release]
uri = "{uris[release]}"
# What a Sign makes that names no forms; there are "certificate" and "notation" too.
forms = ["bundle", "simplesigning"]
certificate = "certificates/release.pem"
# also = ["release-pq"]  # keys that sign the same again, each as a bundle of its own
# rotate_every_days = 365  # warn when it gets older

[signing.keys.attest]
uri = "{uris[attest]}"
purpose = "attest"

[listen]
grpc = "{grpc}"
http = "{http}"
operator = "run/operator.sock"

[access]
token = "token"
append_token = "append-token"  # for `cosign` and others who upload what they signed

[trust]
trust = "trust.json"  # signed with keys/trust-root.pem: keep that elsewhere
trusted_root = "trusted_root.json"
status = "status.json"  # what was revoked; the service writes it
# policy = "policy.toml"  # what an image needs, for verifiers who ask here

# [approvers.alice]  # somebody who may agree to what others ask for
# key = "approvers/alice.pub"

# [[protected]]  # what is signed only once so many others agreed
# under = "registry.bank.example/payments"
# approvals = 1

# [key_changes]  # what is done to keys
# approvals = 1

# [warn]  # when the log begins to say what ends
# days = 30

# [timestamp]  # an outside RFC 3161 authority instead of ours; list its chain in trust.json
# url = "https://tsa.bank.example/tsr"
# chain = "certificates/outside.pem"

# [anchor]  # a program that gets each day's checkpoint on standard input; what it prints is kept
# exec = ["/usr/local/bin/timestamp"]

# [witnesses]  # where those of the trust file's quorum answer, who see a tree before readers do
# fail = "closed"  # or "open": publish after the deadline without the quorum
# at.auditor.url = "https://witness.auditor.example"

# [mirror]  # Sign answers once `sealbook ledger mirror DIR --follow`, elsewhere, has the entry
# synchronous = true
"""

_QUANTUM = """\
log_post_quantum = "{uri}"  # ML-DSA-44, on published checkpoints
"""


def first_config(origin: str, grpc: str, http: str, uris: Mapping[str, str]) -> str:
    """Return the sealbook.toml of a new service; `uris` say where each of its keys is."""
    at = uris.get("log_post_quantum")
    quantum = _QUANTUM.format(uri=at) if at else ""
    return _CONFIG.format(origin=origin, grpc=grpc, http=http, quantum=quantum, uris=uris)
