"""Who acts, for what happens far below the call: events are logged deep inside of flows."""

from __future__ import annotations

from contextvars import ContextVar

from signer.access import Principal

# What the service does of itself: on a signal, or when it starts.
ITSELF = Principal("urn:sealbook:service", "self", {}, proof="none")
# Tasks and threads that a call begins inherit it.
ACTING: ContextVar[Principal] = ContextVar("acting", default=ITSELF)
