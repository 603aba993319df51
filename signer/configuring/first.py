"""The configuration that `sealbook init` writes, with what can be said besides as comments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

_CONFIG = """\
# Sealbook's configuration. Relative paths start here. `sealbook config check` says what it means.
# What may change while the service runs, after `sealbook config reload` or SIGHUP: access (but not
# its database), issuers, bindings, approvers, protected, key_changes, gates, registries, publish
# (but not its database and workers), warn, trust.policy, TLS files, trail.retain_days and
# trail.syslog. The rest takes a restart. Each change is logged for good, without secrets. In
# comments is what may be said besides.
origin = "{origin}"

[ledger]
directory = "ledger"
anchor = "anchor"  # another disk is better
# anchor_sync = "each-second"  # instead of "each-commit": faster, and a second may be rolled back

[keys]
log = "{uris[log]}"
# log_also = ["file:keys/log-2.pem"]  # while the log key rotates, they sign every checkpoint too
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
# book = "keys/book.json"  # where keys live that were made by command; the service writes it
# overlap_s = 86400  # how long trust.json must have listed a key before it takes another's place

[signing.keys.release]
uri = "{uris[release]}"
# What a Sign makes that names no forms; there are "certificate" and "notation" too.
forms = {forms}
certificate = "certificates/release.pem"
# verification_plugin = true  # notation then asks its plugin notation-sealbook for the ledger
# also = ["release-pq"]  # keys that sign the same again, each as a bundle of its own
# rotate_every_days = 365  # warn when it gets older

[signing.keys.attest]
uri = "{uris[attest]}"
purpose = "attest"

# [signing.keys.blind]  # signs hashes of what nobody read, and no verifier trusts it
# uri = "file:keys/blind.pem"
# raw = true

[listen]
grpc = "{grpc}"
http = "{http}"
operator = "run/operator.sock"
# Beyond loopback there must be TLS. The files are read again when they change.
# tls_certificate = "tls/server.pem"
# tls_key = "tls/server.key"
# client_ca = "tls/clients.pem"  # gRPC wants a certificate of each client, by this authority alone
# reflection = true  # let grpcurl list the methods
# public_url = "https://sealbook.bank.example"  # where clients find the HTTP side, if elsewhere

[access]
token = "token"
append_token = "append-token"  # for `cosign` and others who upload what they signed
# approver_token = "approver-token"  # for persons who look, and agree to what others ask for
# database = "access.db"  # sessions and API keys; a restart, to move it
# allow = ["10.20.0.0/16", "127.0.0.0/8"]  # who may connect at all; without it everybody
# proxies = ["10.20.0.5/32"]  # whose X-Forwarded-For is believed
# deny_certificates = ["{zeros}"]  # SHA-256 of the public key
# session_s = 900  # how long a session lasts at most

# [access.rate]  # calls of each principal, and of all together
# each_per_s = 2000
# each_burst = 4000
# all_per_s = 8000
# all_burst = 16000

# [issuers.github]  # who vouches for callers by tokens (OpenID Connect)
# issuer = "https://token.actions.githubusercontent.com"
# audience = "sealbook.bank.example"
# preset = "github"  # or "gitlab", "kubernetes", "jenkins": what is known of its claims
# lifetime_s = 900  # tokens that live longer are refused; without it as the preset says
# pull_requests = true  # take tokens of pull requests too, whose code nobody has reviewed

# [issuers.cluster]
# issuer = "https://kubernetes.bank.example"
# audience = "sealbook.bank.example"
# preset = "kubernetes"
# jwks_url = "https://kubernetes.bank.example/openid/v1/jwks"  # without it, as discovery says
# ca = "tls/cluster.pem"  # instead of the system's roots

# [issuers.staff]
# issuer = "https://login.bank.example"
# audience = "sealbook.bank.example"
# jwks_file = "issuers/staff.json"  # where the issuer cannot be reached from here
# algorithms = ["ES256"]
# people = true  # its tokens are persons', and no pipeline's

# [[bindings]]  # who has which role where; default deny
# role = "developer"  # signs and attests there
# repository = "registry.bank.example/payments/**"  # or "*", or one repository
# issuer = "github"
# claims = {{ repository_owner_id = "4711", ref = "refs/heads/main" }}  # ids: names change hands

# [[bindings]]
# role = "developer"
# repository = "registry.bank.example/{{repository}}/**"  # a place that claims make
# issuer = "github"
# claims = {{ repository_owner_id = "4711" }}
# pin = "repository_id"  # the first one seen with a name keeps it

# [[bindings]]
# role = "publisher"  # or "operator", "auditor", "approver", "appender", "prefix-admin", "admin"
# repository = "registry.bank.example/payments/**"
# certificate = "spiffe://bank.example/ci/payments"
# from = ["10.20.0.0/16"]  # and from there alone
# people = true  # it is a person, and no pipeline

# [[bindings]]
# role = "runtime"  # or "witness", "monitor": what is read without any other proof
# repository = "*"
# from = ["10.30.0.0/16"]

[trust]
trust = "trust.json"  # signed with keys/trust-root.pem: keep that elsewhere
trusted_root = "trusted_root.json"
status = "status.json"  # what was revoked; the service writes it
# status_every_s = 3600  # at least so often
# policy = "policy.toml"  # what an image needs, for verifiers who ask here

# [approvers.alice]  # somebody who may agree to what others ask for
# key = "approvers/alice.pub"
# principals = ["https://login.bank.example#4711"]  # who she is when she calls: never both

# [[protected]]  # what is signed only once so many others agreed
# under = "registry.bank.example/payments"
# approvals = 1
# pipelines_only = true  # no person signs there, whoever agrees

# [[protected]]
# key = "release"
# approvals = 1

# [key_changes]  # what is done to keys
# approvals = 1

# [[gates]]  # what has to hold by trust.policy before anything is approved
# under = "registry.bank.example/payments"
# demand = ["vulnerabilities", "requester"]  # a scan, fresh and clean; who asks is who may

# [trail]  # who did what: a file for each segment, whose hash is in the ledger
# directory = "trail"
# segment_s = 60
# retain_days = 1096  # how long content is kept; at least 183
# syslog = "unix:/dev/log"  # each line there too; or "udp:IP:PORT", "tcp:IP:PORT"

# [at_rest]  # encrypt what is stored
# key = "file:keys/kek"  # 32 bytes; or pkcs11:…
# previous = "file:keys/kek-1"  # the one before it, until all is wrapped by the new one
# bodies = true  # of attestations
# api_keys = true

# [[registries]]  # where the service attaches what was signed to the images
# prefix = "registry.bank.example/payments"  # the longest one that fits counts
# credential = "registry-robot"  # a file with user:secret; or "systemd:NAME"
# ca = "tls/registry.pem"  # instead of the system's roots
# client_certificate = "tls/registry-client.pem"
# client_key = "tls/registry-client.key"
# token_hosts = ["auth.bank.example"]  # others that may hand out its tokens
# redirect_hosts = ["s3.bank.example"]  # inside our network, where its content is
# plain_http = false  # without it: on loopback alone
# timeout_s = 60  # for each thing that is asked of it
# publish = true  # else nothing is written there
# attach = "all"  # whatever is signed there, without being asked; else "asked"
# also = false  # what second keys sign, too

# [publish]
# database = "publish.db"  # what waits for its registry
# workers = 4  # repositories at once
# most_waiting = 10000
# keep_days = 30  # how long what is done with is shown
# late_s = 900  # when the log begins to say that something waits

# [pulls]  # what hosts tell of what they let run and refused
# database = "pulls.db"
# keep_days = 90
# most_a_day = 5000  # repositories and outcomes that are told apart; the rest is one

# [warn]  # when the log begins to say what ends
# days = 30

# [timestamp]  # an outside RFC 3161 authority instead of ours; list its chain in trust.json
# url = "https://tsa.bank.example/tsr"
# chain = "certificates/outside.pem"
# ca = "tls/tsa.pem"  # instead of the system's roots
# timeout_s = 5

# [anchor]  # a program that gets each day's checkpoint on standard input; what it prints is kept
# exec = ["/usr/local/bin/timestamp"]
# timeout_s = 60

# [witnesses]  # where those of the trust file's quorum answer, who see a tree before readers do
# fail = "closed"  # or "open": publish after the deadline without the quorum
# deadline_s = 5
# timeout_s = 2  # of each
# ca = "tls/witnesses.pem"  # instead of the system's roots
# at.auditor.url = "https://witness.auditor.example"
# at.auditor.monitoring = "https://witness.auditor.example/cosigned"  # where it shows what it saw

# [mirror]  # Sign answers once `sealbook ledger mirror DIR --follow`, elsewhere, has the entry
# synchronous = true
# deadline_s = 5
"""

_QUANTUM = """\
log_post_quantum = "{uri}"  # ML-DSA-44, on published checkpoints
"""
FORMS = ("bundle", "simplesigning")


def first_config(
    origin: str,
    grpc: str,
    http: str,
    uris: Mapping[str, str],
    forms: Sequence[str] = FORMS,
) -> str:
    """Return the sealbook.toml of a new service; `uris` say where each of its keys is.

    Every setting that there is is named in it, most of them in comments.
    """
    at = uris.get("log_post_quantum")
    quantum = _QUANTUM.format(uri=at) if at else ""
    return _CONFIG.format(
        origin=origin,
        grpc=grpc,
        http=http,
        quantum=quantum,
        uris=uris,
        forms=json.dumps(list(forms)),
        zeros="0" * 64,
    )
