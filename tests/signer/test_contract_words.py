"""The words of the contract: every field, method and service says what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.signer.commands import ROOT

PROTO = ROOT / "proto"


# Messages whose comment describes all of their fields: "Each field as in SignRequest."
DESCRIBED_WHOLE = {"Item"}


def described() -> Iterator[tuple[str, list[str]]]:
    """Yield each field, method and service of the contract, and the comment lines above it."""
    for path in sorted(PROTO.rglob("*.proto")):
        comment: list[str] = []
        block = ""
        for line in path.read_text().splitlines():
            text = line.strip()
            if opened := re.match(r"(service|message|enum) (\w+) \{", text):
                block = opened[2]
            if text.startswith("//"):
                comment.append(text)
            elif named := re.match(r"(?:rpc|service) (\w+)|.* (\w+) = \d+;", text):
                yield f"{block}.{named[1] or named[2]}", comment
                comment = []
            else:
                comment = []


def test_comments() -> None:
    """
    Every service and method is described, and every field whose message is not described whole.
    """
    found = dict(described())
    bare = [name for name, comment in found.items() if not comment]

    assert len(found) > 80
    assert [] == [name for name in bare if name.split(".")[0] not in DESCRIBED_WHOLE]
    assert not DESCRIBED_WHOLE - {name.split(".")[0] for name in bare}
