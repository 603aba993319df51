"""What is asked of one bundle, and what a good one says."""

from __future__ import annotations

from typing import NamedTuple

from verifier import limits
from verifier.digest import Digest
from verifier.statement import Statement
from verifier.verdict import Verified


class Question(NamedTuple):
    """What is asked about an image. `names` is None when any repository will do.

    `purposes` are those of the keys that may answer; `unnamed` is whether a statement that
    names no repository counts.
    """

    digest: Digest
    names: tuple[str, ...] | None
    purposes: tuple[str, ...] = ("approve",)
    unnamed: bool = False
    limit: int = limits.BUNDLE


class Testimony(NamedTuple):
    """A good statement about the image. `signer` tells signers apart, whatever they are called.

    `trusted_key` is the key's name in trust.json; "" when a certificate alone says whose it is.
    """

    verified: Verified
    statement: Statement
    signer: str
    trusted_key: str
