"""How callers and bindings are told, to people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format

from signer.v1 import access_pb2 as pb

SERVICE = "/sealbook.v1.Access/"


def named(who: pb.Identity) -> str:
    """Return who somebody is, in a word."""
    return f"{who.issuer}#{who.subject}"


def grants(who: pb.Identity) -> Iterator[str]:
    """Yield what somebody may do, a line for each place and reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for grant in who.grants:
        found.setdefault((grant.where, grant.rule), []).append(grant.action)
    if not found:
        yield "  may       nothing"
    for (where, rule), actions in found.items():
        yield f"  may       {', '.join(actions)} in {where}  ({rule})"


def about(one: pb.Binding) -> str:
    """Return in words whom a binding is about."""
    who = [one.certificate] if one.certificate else []
    if one.issuer:
        who.append(" ".join([one.issuer, *(f"{k}={v}" for k, v in sorted(one.claims.items()))]))
    who += [f"from {', '.join(one.networks)}"] if one.networks else []
    return " ".join(who)


def line(one: pb.Binding) -> str:
    """Return a binding in one line."""
    by = f"  by {one.bound_by}" if one.bound_by else ""
    return f"{one.rule:<12}  {one.role:<12}  {one.repository}  {about(one)}{by}"


def as_json(message: pb.Binding | pb.Identity | pb.ApiKey) -> dict[str, Any]:
    """Return a message for machines: every field, by its name in the contract."""
    told: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    # protobuf's JSON writes 64 bits as text.
    return {k: int(v) if k.endswith("_at") else v for k, v in told.items()}
