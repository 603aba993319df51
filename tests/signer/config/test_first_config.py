"""The first configuration names everything that can be said, and all of it can be."""

from __future__ import annotations

import re
import tomllib
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from signer.config import Config
from signer.configuring.first import first_config

FILE = Path("/nowhere/sealbook.toml")
COMMENTED = re.compile(r"(?m)^# (?=\[+[a-z_.]+\]+(?:  #.*)?$|[a-z_]+(?:\.[a-z_]+)* = )")


class _Uris(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return f"file:keys/{name}.pem"


TEXT = first_config(
    "ledger.example", "127.0.0.1:0", "127.0.0.1:0", _Uris(log_post_quantum="file:keys/pq.pem")
)
UNCOMMENTED = COMMENTED.sub("", TEXT)


def test_nothing_is_forgotten() -> None:
    """
    Every setting of every section is in it, as it is or in a comment; a new one must be, too.
    """
    said = tomllib.loads(UNCOMMENTED)
    missing = set(_settings(Config)) - set(_said(said, ""))

    assert {"base", "file"} == missing


def test_all_of_it_can_be_said() -> None:
    """
    With every comment's mark gone it is read, values of production and all.
    """
    assert Config.parse(TEXT, FILE).bindings == ()
    config = Config.parse(UNCOMMENTED, FILE)

    assert {"github", "cluster", "staff"} == set(config.issuers)
    assert len(TEXT.splitlines()) == len(UNCOMMENTED.splitlines())


def test_defaults_are_the_defaults() -> None:
    """
    A value that is shown in a comment, where nothing of its own is meant, is what holds without.
    """
    bare, full = Config.parse(TEXT, FILE), Config.parse(UNCOMMENTED, FILE)

    assert bare.access.rate == full.access.rate
    assert bare.access.session_s == full.access.session_s
    assert bare.trail == full.trail.model_copy(update={"syslog": None})
    assert bare.warn == full.warn
    assert bare.signing.overlap_s == full.signing.overlap_s
    assert bare.signing.book == full.signing.book
    assert bare.trust.status_every_s == full.trust.status_every_s
    for section in ("anchor", "mirror", "witnesses"):
        one, other = getattr(bare, section), getattr(full, section)
        for name in ("timeout_s", "deadline_s", "fail"):
            assert getattr(one, name, None) == getattr(other, name, None)


def _settings(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Yield the name of each setting; of sections that have names, or are listed, "*" for that."""
    for name, field in model.model_fields.items():
        called = above + (field.alias or name)
        inner = _section(field.annotation)
        if inner is None:
            yield called
            continue
        section, several = inner
        yield from _settings(section, f"{called}.*." if several else f"{called}.")


def _section(annotation: Any) -> tuple[type[BaseModel], bool] | None:
    """Return the section that a setting is, and whether there may be several."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        found = [one for one in map(_section, inside) if one]
        return found[0] if found else None
    if origin in (dict, tuple):
        found = [one for one in map(_section, inside) if one]
        return (found[0][0], True) if found else None
    return None


def _said(values: dict[str, Any], above: str) -> Iterator[str]:
    several = {"approvers", "issuers", "signing.keys", "witnesses.at"}
    for name, value in values.items():
        called = above + name
        if isinstance(value, dict) and called in several:
            for one in value.values():
                yield from _said(one, f"{called}.*.")
        elif isinstance(value, dict) and called != "bindings.*.claims":
            yield from _said(value, f"{called}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for one in value:
                yield from _said(one, f"{called}.*.")
        else:
            yield called
