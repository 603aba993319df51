"""L5: nothing that is a secret is compared in a way that tells, by its time, how much of it fits.

Read from the source, of all packages: where a name says that it holds a secret, or the hash of
one, there is `hmac.compare_digest`, and no `==`, `!=`, `in`, `startswith` or search in a dict
that a caller's secret is the key of, unless that key is a hash.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import ledger
import signer
import verifier

SECRET = re.compile(
    r"(?:.*_)?(?:secret|token|password|passphrase|pin|session|bearer|credential|api_key)"
    r"(?:_?(?:hash|hashed|sha256|digest|bytes|text))?",
)
# What is compared with them says nothing about a secret: whether there is one, or its kind.
HARMLESS = (ast.Constant, ast.Tuple, ast.Set, ast.List)
# Here the word means another thing.
OTHERWISE = {
    "signer/keys/token/": {"token", "session"},  # the label of a device, and its session
    "signer/attest/scan.py": {"token"},  # of JSON
    "signer/access/oidc/presets.py": {"pin"},  # the claim that is one
    "signer/access/templates.py": {"pin"},
    "signer/client/bearer.py": {"token"},  # one's own, with what one's own file had before
    "signer/keys/transit/client.py": {"secret"},  # looks for ours in an answer, to hide it
}


def sources() -> Iterator[Path]:
    """Yield every module that is ours and not generated."""
    for package in (ledger, signer, verifier):
        assert package.__file__
        for path in sorted(Path(package.__file__).parent.rglob("*.py")):
            if "/v1/" not in str(path):
                yield path


def named(node: ast.expr) -> str:
    """Return the last word of an expression, as in `token` of `self._token[:9]`."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return node.attr.lstrip("_")
        case ast.Subscript():
            return named(node.value)
        case ast.Call(func=ast.Attribute(value=value, attr="encode" | "hex" | "digest" | "strip")):
            return named(value)
        case ast.Call(func=func, args=[only]) if "hash" in named(func):
            return named(only)
    return ""


def told(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each secret that is compared in a way that tells."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            equal = any(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops)
            if not equal or any(isinstance(side, HARMLESS) for side in sides):
                continue
            for side in sides:
                if SECRET.fullmatch(named(side)):
                    yield node.lineno, named(side)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            looks = node.func.attr in {"startswith", "endswith", "index", "find", "get"}
            for one in node.args if looks else ():
                # What is looked up by its hash tells at most something of the hash.
                if not isinstance(one, ast.Call) and SECRET.fullmatch(named(one)):
                    yield node.lineno, named(one)
        elif isinstance(node, ast.Subscript) and SECRET.fullmatch(named(node.slice)):
            yield node.lineno, named(node.slice)


def test_no_secret_is_compared_by_steps() -> None:
    """
    No module compares a secret but in constant time.
    """
    found = []
    for path in sources():
        text = str(path)
        for line, name in told(ast.parse(path.read_text())):
            if not any(part in text and name in names for part, names in OTHERWISE.items()):
                found.append(f"{path}:{line}: {name}")

    assert not found


@pytest.mark.parametrize(
    "line",
    [
        "secret == other",
        "self._token != sent",
        "_hash(token) == known.hash",
        "found.secret_hash == x",
        "token in self._known",
        "known.startswith(secret)",
        "self._by.get(token)",
        "self._by[session]",
        "password.encode() == x",
        "token[:9] == other[:9]",
    ],
)
def test_would_be_found(line: str) -> None:
    """
    Each way of telling is one that this test sees.
    """
    assert [*told(ast.parse(line))]


@pytest.mark.parametrize(
    "line", ["token == ''", "token is None", "kind in ('a', 'b')", "compare_digest(token, x)"]
)
def test_would_not(line: str) -> None:
    """
    What tells nothing is let be.
    """
    assert not [*told(ast.parse(line))]
