"""What is judged: images that a running service signed in every form, and whom to trust.

A directory of it holds `trust.json`, `status.json`, `trusted_root.json`, `policy.toml`,
`release.pub`, and bundles, each named by the digest of its image:

* `distinct`: approvals that have a checkpoint of their own each;
* `shared`: approvals that all have the same;
* `scan`: what a scanner found in images of `distinct`, with a checkpoint of its own each;
* `certificate`: approvals of some images of `distinct` under a certificate;
* `image`: an OCI layout whose only image has an approval and a scan among the above, and
  a signature of notation's in the layout; `notation.pem` is the root to that.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from signer.cli import operator
from signer.client import Client, Item, Signed
from signer.v1 import operator_pb2
from tests.bench.load import BATCH, REPOSITORY
from tests.crash.service import Service
from tests.interop.image import Image
from tests.interop.pushing import sign_layout
from verifier.digest import Digest
from verifier.errors import SealbookError
from verifier.vulnerabilities import PREDICATE_TYPE, Finding, Report, Scan, Scanner

_FINDINGS = 50
_FILES = ("trust.json", "status.json", "trusted_root.json", "release.pub")
_BEGIN = "-----BEGIN CERTIFICATE-----"
_POLICY = """\
type = "urn:sealbook:policy:v1"

[[images]]
under = "registry.example/team"
max_checkpoint_age = "1 day"

[images.approval]
keys = ["release"]
max_age = "90 days"

[images.vulnerabilities]
max_severity = "medium"
max_age = "7 days"
keys = ["attest"]
"""


def make(service: Service, directory: Path, count: int, revocations: int) -> None:
    """Fill `directory`: `count` images in `distinct`, at most 100 elsewhere.

    The status file takes as many other images back as there are `revocations`.
    """
    for name in ("distinct", "shared", "scan", "certificate"):
        (directory / name).mkdir()
    image = Image.made(directory / "image")
    digests = [
        Digest(image.index.digest),
        *(Digest.of(b"distinct %d" % i) for i in range(1, count)),
    ]
    with Client(service.addresses.grpc, service.token) as client:
        for digest in digests:
            _keep(directory / "distinct", digest, client.sign(digest, REPOSITORY))
        for digest in digests[:BATCH]:
            certified = client.sign(digest, REPOSITORY, forms=["certificate"])
            _keep(directory / "certificate", digest, certified)
            scanned = client.attest([digest], REPOSITORY, PREDICATE_TYPE, _scan())
            (directory / "scan" / digest).write_bytes(b"".join(scanned.pieces()))
        index = {"media_type": image.index.media_type, "size": image.index.size}
        signed = client.sign(digests[0], REPOSITORY, forms=["notation"], **index)
        sign_layout(image.layout, signed.bundle())
        others = [Digest.of(b"shared %d" % i) for i in range(min(count, BATCH))]
        answers = client.sign_batch(REPOSITORY, [Item(digest) for digest in others])
        for digest, answer in zip(others, answers, strict=True):
            _keep(directory / "shared", digest, answer)
    for i in range(revocations):
        _revoke(service, Digest.of(b"revoked %d" % i))
    for name in _FILES:
        shutil.copy(service.directory / name, directory)
    chain = (service.directory / "certificates" / "release.pem").read_text()
    (directory / "notation.pem").write_text(_BEGIN + chain.rpartition(_BEGIN)[2])
    (directory / "policy.toml").write_text(_POLICY)


def _keep(directory: Path, digest: Digest, signed: Signed | SealbookError) -> None:
    if isinstance(signed, SealbookError):
        raise signed
    (directory / digest).write_bytes(signed.bundle())


def _scan() -> bytes:
    """Return what a scanner says that found nothing of weight."""
    now = int(time.time())
    findings = [
        Finding(
            "low", f"CVE-2026-{1000 + i}", f"lib{i}", "1.0", "1.1", f"pkg:deb/debian/lib{i}@1.0"
        )
        for i in range(_FINDINGS)
    ]
    scanner = Scanner("scanner", "pkg:generic/scanner@1.0", "1.0", database_time=now)
    return Scan(scanner, now, now, tuple(findings), Report("trivy", bytes(32))).predicate()


def _revoke(service: Service, digest: Digest) -> None:
    image = operator_pb2.RevokeRequest.Image(digest=digest)
    request = operator_pb2.RevokeRequest(reason="holds a back door", image=image)
    answer = operator_pb2.RevokeResponse
    operator.ask(service.config, "Revoke", request, answer, operator.EVENT_TIMEOUT_S)
