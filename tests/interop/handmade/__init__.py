"""Signatures of every form, made with `cryptography` and the program openssl alone.

They share no line with the service, so that a mistake there cannot hide here.
All keys are new in every process.
"""

from __future__ import annotations

from tests.interop.handmade.bundle import ORIGIN, PREDICATE_TYPE, Handmade, make
from tests.interop.handmade.legacy import Legacy, make_legacy
from tests.interop.handmade.notation import Jws, make_notation

__all__ = [
    "ORIGIN",
    "PREDICATE_TYPE",
    "Handmade",
    "Jws",
    "Legacy",
    "make",
    "make_legacy",
    "make_notation",
]
