"""YAML as clusters read it, written without a library: mappings, lists, texts, numbers, yes and no.

A text is quoted unless nobody could read anything else in it; several lines stand as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_PLAIN = re.compile(r"[A-Za-z/](?:[A-Za-z0-9_./-]*[A-Za-z0-9_/])?", re.ASCII)
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})  # not texts


def documents(objects: Iterable[Mapping[str, Any]]) -> str:
    """Return these objects as one stream of documents."""
    return "".join("---\n" + "\n".join(_mapping(one, "")) + "\n" for one in objects)


def _mapping(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, inner in value.items():
        yield from _placed(f"{indent}{_text(key)}:", inner, indent)


def _placed(before: str, value: object, indent: str) -> Iterator[str]:
    """Yield a value behind what names it."""
    match value:
        case dict() if value:
            yield before
            yield from _mapping(value, indent + "  ")
        case list() if value:
            yield before
            yield from _items(value, indent)
        case str() if _is_block(value):
            yield f"{before} |"
            yield from (f"{indent}  {line}" if line else "" for line in value[:-1].split("\n"))
        case _:
            yield f"{before} {_scalar(value)}"


def _items(value: list[Any], indent: str) -> Iterator[str]:
    for item in value:
        if isinstance(item, dict) and item:
            first, *rest = _mapping(item, indent + "  ")
            yield f"{indent}- {first.removeprefix(indent + '  ')}"
            yield from rest
        elif isinstance(item, list) and item:
            yield f"{indent}-"
            yield from _items(item, indent + "  ")
        else:
            yield from _placed(f"{indent}-", item, indent)


def _scalar(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return _text(value)
        case dict():
            return "{}"
        case list():
            return "[]"
    raise TypeError(type(value).__name__)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    quoted = json.dumps(text)
    if text.isascii():
        return quoted
    # JSON has two halves of a character beyond U+FFFF, which YAML knows as one.
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character.isascii():
        return json.dumps(character)[1:-1]
    return f"\\U{ord(character):08x}"


def _is_block(text: str) -> bool:
    """Whether lines can stand as they are, and say the same."""
    lines = text.split("\n")
    return (
        len(lines) > 2
        and lines[-1] == ""
        and lines[-2] != ""
        and lines[0][:1] not in ("", " ")
        and all(line.isprintable() or line.replace("\t", "").isprintable() for line in lines)
    )
