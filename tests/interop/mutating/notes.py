"""What can be done to the lines of a signed checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.interop.edits import decoded, encoded
from tests.interop.mutating.values import base64_changes, decimal_changes, text_changes

_LINES = ("origin", "size", "root", "blank")
_HINT_SIZE = 4


def note_changes(note: str, others: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the name of a line, that of a change, and the note with it.

    `others` are good notes of the same log or of others, whose signatures are tried here.
    """
    for line, change, lines in _changed(note.split("\n")):
        yield line, change, "\n".join(lines)
    text, _, signatures = note.partition("\n\n")
    yield "note", "line ends of DOS", note.replace("\n", "\r\n")
    yield "note", "no line end at the end", note.removesuffix("\n")
    yield "note", "line end at the end", f"{note}\n"
    yield "note", "text at the end", f"{note}other"
    yield "note", "text before", f"other\n{note}"
    yield "note", "empty line before", f"\n{note}"
    yield "note", "two empty lines", f"{text}\n\n\n{signatures}"
    yield "note", "spaces in the empty line", f"{text}\n \n{signatures}"
    yield "note", "signatures twice", f"{note}{signatures}"
    yield "note", "signed again below", f"{note}\n{signatures}"
    yield "note", "dash: hyphen", note.replace("— ", "- ")
    yield "note", "dash: en dash", note.replace("— ", "\u2013 ")
    yield "note", "dash: no space", note.replace("— ", "—")
    yield "note", "dash: two spaces", note.replace("— ", "—  ")
    stranger = f"— stranger.example {encoded(bytes(range(68)))}\n"
    yield "note", "stranger: last", f"{note}{stranger}"
    yield "note", "stranger: first", f"{text}\n\n{stranger}{signatures}"
    yield "note", "stranger: alone", f"{text}\n\n{stranger}"
    yield "note", "stranger: no Base64", f"{note}— stranger.example other!\n"
    yield "note", "stranger: four bytes", f"{note}— stranger.example {encoded(bytes(4))}\n"
    _, name, signature = signatures.split("\n")[0].split(" ")
    false = f"— {name} {encoded(decoded(signature)[:_HINT_SIZE] + bytes(64))}\n"
    yield "note", "false signature: last", f"{note}{false}"
    yield "note", "false signature: first", f"{text}\n\n{false}{signatures}"
    for number, other in enumerate(others):
        yield "note", f"swap: signatures of bundle {number}", f"{text}\n\n{_signatures(other)}"
        yield "note", f"swap: text of bundle {number}", f"{_text(other)}\n\n{signatures}"


def _changed(lines: list[str]) -> Iterator[tuple[str, str, list[str]]]:
    for i, line in enumerate(lines[:-1]):
        name = _LINES[i] if i < len(_LINES) else "signature"

        def put(*new: str, at: int = i) -> list[str]:
            return [*lines[:at], *new, *lines[at + 1 :]]

        yield name, "gone", put()
        yield name, "twice", put(line, line)
        yield name, "carriage return after", put(f"{line}\r")
        yield name, "tab after", put(f"{line}\t")
        if i + 1 < len(lines):
            yield name, "after the next", [*lines[:i], lines[i + 1], line, *lines[i + 2 :]]
        values = [*text_changes(line)]
        if name == "origin":
            values += [("number of a tree after", f"{line} - 1"), ("port after", f"{line}:443")]
        elif name == "size":
            values += decimal_changes(line)
        elif name == "root":
            values += base64_changes(line)
            values += [("line after", f"{line}\nother"), ("empty line after", f"{line}\n")]
        elif name == "signature":
            values += _signature_line(line)
        for change, new in values:
            yield name, change, put(str(new))


def _signature_line(line: str) -> Iterator[tuple[str, str]]:
    dash, name, signature = line.split(" ")
    for change, new in base64_changes(signature):
        yield change, f"{dash} {name} {new}"
    for change, new in text_changes(name):
        yield f"name, {change}", f"{dash} {new} {signature}"
    yield "name: without the last part", f"{dash} {name.rpartition('.')[0]} {signature}"
    yield "name: of an address", f"{dash} https://{name} {signature}"
    yield "words: one more", f"{line} other"
    yield "words: one less", f"{dash} {signature}"


def _text(note: str) -> str:
    return note.partition("\n\n")[0]


def _signatures(note: str) -> str:
    return note.partition("\n\n")[2]
