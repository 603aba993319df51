"""What tests ask for, and how they look at the answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from signer.client import Signed
from signer.order import Item
from signer.v1 import signer_pb2
from verifier import dsse
from verifier.digest import Digest
from verifier.errors import SealbookError
from verifier.repository import Repository
from verifier.statement import Statement

ORIGIN = "ledger.example"
REPOSITORY = Repository("registry.example/team/app")
OTHER_REPOSITORY = Repository("registry.example/team/other")
PATIENCE_S = 60  # ten times what a busy machine needs for whatever must happen soon
SIGN = "/sealbook.v1.Signer/Sign"
SIGN_BATCH = "/sealbook.v1.Signer/SignBatch"


def digest(n: int) -> Digest:
    """Return the digest of image `n`."""
    return Digest.of(b"image %d" % n)


def item(n: int, **more: Any) -> Item:
    """Return the wish to have image `n` approved."""
    return Item(digest(n), **more)


def order(n: int, **more: Any) -> signer_pb2.SignRequest:
    """Return the request of a single Sign."""
    return signer_pb2.SignRequest(**{"digest": digest(n), "repository": REPOSITORY, **more})


def refused(code: str, call: Callable[[], object]) -> SealbookError:
    """Check that `call` refuses with this code, and return what it said."""
    with pytest.raises(SealbookError) as caught:
        call()
    assert code == caught.value.code, caught.value.message
    return caught.value


def annotations(signed: Signed) -> dict[str, str]:
    """Return the annotations that an answer's statement bears."""
    [subject] = Statement.parse(dsse.parse_pae(signed.record.body)[1]).subjects
    return dict(subject.annotations)


def eventually(holds: Callable[[], object]) -> None:
    """Return once `holds()` is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)
