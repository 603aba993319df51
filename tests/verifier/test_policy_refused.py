"""Policies that are misspelt, half written or written otherwise, and what would read as nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.verifier.making import IMAGE, refused, rows
from verifier import limits
from verifier.policy import Policy
from verifier.statement import APPROVAL

HEADER = 'type = "urn:sealbook:policy:v1"\n'
EVERYWHERE = '[[images]]\nunder = "*"\n'
MINIMAL = f"{EVERYWHERE}[images.approval]\n"
WHO = '{ identity = "x", issuer = "y" }'


def of_images(text: str) -> str:
    """Return rules for images that say `text` too."""
    return f'[[images]]\nunder = "a.example"\n{text}\n[images.approval]\n'


def of_approval(text: str) -> str:
    """Return rules for approvals that say `text`."""
    return f"{MINIMAL}{text}\n"


def of_attestation(text: str) -> str:
    """Return rules for an attestation that say `text`."""
    return f"{EVERYWHERE}[[images.attestation]]\n{text}\n"


def of_scans(text: str) -> str:
    """Return rules for vulnerability reports that say `text`."""
    return f"{EVERYWHERE}[images.vulnerabilities]\n{text}\n"


def excuse(text: str) -> str:
    """Return rules that take one vulnerability, of which they say `text`."""
    return of_scans(f'max_severity = "low"\nallow = [{{ {text} }}]')


def glass(until: str, digest: str = IMAGE) -> str:
    """Return rules whose glass is broken for an image until a time."""
    return of_images(f'break_glass = [{{ digest = "{digest}", until = {until}, why = "x" }}]')


def remap(text: str) -> str:
    """Return rules that remap."""
    return of_images(f"remap = [{{ {text} }}]")


BAD: list[tuple[Any, ...]] = [
    ("no TOML", "[["),
    ("unknown field", f'mod = "warn"\n{MINIMAL}'),
    ("images as one table", '[images]\nunder = "*"\n[images.approval]\n'),
    ("images as text", 'images = "*"\n'),
    ("no prefix", "[[images]]\n[images.approval]\n"),
    ("a wildcard in a prefix", MINIMAL.replace("*", "a.example/*")),
    ("one prefix twice", MINIMAL * 2),
    ("unknown field of images", of_images('mod = "warn"')),
    ("a mode that is none", of_images('mode = "off"')),
    ("unnamed as a bool", of_images("unnamed = true")),
    ("unnamed in capitals", of_images('unnamed = "Allow"')),
    ("negative witnesses", of_images("witnesses = -1")),
    ("witnesses as text", of_images('witnesses = "1"')),
    ("witnesses as a bool", of_images("witnesses = true")),
    ("half a witness", of_images("witnesses = 0.5")),
    ("approval as a list", f"{EVERYWHERE}approval = []\n"),
    ("a key of TOML twice", of_approval('max_age = "1 day"\nmax_age = "2 days"')),
    ("unknown field of an approval", of_approval('key = "release"')),
    ("a key that is no name", of_approval('keys = ["Release"]')),
    ("a key that is no text", of_approval("keys = [1]")),
    ("a key twice in a list", of_approval('keys = ["release", "release"]')),
    ("a key outside of a list", of_approval('keys = "release"')),
    ("more signers than keys", of_approval('keys = ["release"]\nsigners = 2')),
    ("more signers than anybody", of_approval(f'keys = ["qa"]\nidentities = [{WHO}]\nsigners = 3')),
    ("identity without an issuer", of_approval('identities = [{ identity = "x" }]')),
    ("empty identity", of_approval('identities = [{ identity = "", issuer = "x" }]')),
    ("identity of two lines", of_approval('identities = [{ identity = "x\\ny", issuer = "x" }]')),
    ("long identity", of_approval(f'identities = [{{ identity = "{"x" * 1025}", issuer = "x" }}]')),
    ("more of identity", of_approval('identities = [{ identity = "x", issuer = "y", re = "z" }]')),
    ("one identity twice", of_approval(f"identities = [{WHO}, {WHO}]")),
    ("a requester's number", of_approval("requester = { project_id = 4711 }")),
    ("a requester's empty claim", of_approval('requester = { project_id = "" }')),
    ("an attestation that is an approval", of_attestation(f'type = "{APPROVAL}"')),
    ("an attestation of an empty type", of_attestation('type = ""')),
    ("an attestation without a type", of_attestation("")),
    ("an attestation that is an event", of_attestation('type = "urn:sealbook:revocation"')),
    ("no severity", of_scans("")),
    ("severity unknown", of_scans('max_severity = "unknown"')),
    ("severity in capitals", of_scans('max_severity = "HIGH"')),
    ("fixed only as text", of_scans('max_severity = "low"\nfixed_only = "yes"')),
    ("unknown field of scans", of_scans('max_severity = "low"\nmax = 1')),
    ("an excuse without an end", excuse('cve = "C", why = "x"')),
    ("an excuse without a reason", excuse('cve = "C", until = 2026-12-31')),
    ("an excuse with an empty reason", excuse('cve = "C", until = 2026-12-31, why = ""')),
    ("an excuse for nothing", excuse('cve = "", until = 2026-12-31, why = "x"')),
    ("more in an excuse", excuse('cve = "C", until = 2026-12-31, why = "x", all = true')),
    ("glass for a tag", glass("2026-12-31", "latest")),
    ("glass without an end", of_images(f'break_glass = [{{ digest = "{IMAGE}", why = "x" }}]')),
    *((f"until {until}", glass(until)) for until in (
        *("9999-12-31", "2026-12-31T12:00:00", "2026-12-31T12:00:00+01:00", "12:00:00"),
        *('"2026-12-31"', "2026", "2026-02-30", "true", "{}"),
    )),
    ("a remap of everything", remap('signed = "*", as = "a.example/x"')),
    ("a remap to everything", remap('signed = "a.example/x", as = "*"')),
    ("a remap of a host", remap('signed = "a.example", as = "b.example/x"')),
    ("a remap to a host", remap('signed = "a.example/x", as = "b.example"')),
    ("a remap to nowhere", remap('signed = "a.example/x"')),
    ("more in a remap", remap('signed = "a.example/x", as = "b.example/x", all = true')),
    *((f"span {span!r}", f'max_trust_age = "{span}"\n{MINIMAL}') for span in (
        *("", "0 days", "1 days", "2 day", "1 week", "01 day", "1.5 days", "-1 day", "1  day"),
        *(" 1 day", "1 day ", "1 Day", "100000 days", "\uff11 day", "7d", "P7D", "1\u00a0day"),
    )),
    ("a span as a number", f"max_trust_age = 7\n{MINIMAL}"),
]  # fmt: skip


@pytest.mark.parametrize("text", rows(*BAD))
def test_bad(text: str) -> None:
    """
    Whatever is misspelt, missing, too much or of another kind is a policy that cannot be read.
    """
    refused("bad-policy", lambda: Policy.parse((HEADER + text).encode()))


@pytest.mark.parametrize("header", ["", 'type = "urn:sealbook:policy:v2"\n', "type = 1\n"])
def test_another_type(header: str) -> None:
    """
    What does not say that it is a policy of this version is none.
    """
    Policy.parse((HEADER + MINIMAL).encode())

    refused("bad-policy", lambda: Policy.parse((header + MINIMAL).encode()))


@pytest.mark.parametrize(
    "data",
    rows(
        ("nothing", b""),
        ("not UTF-8", b"\xff"),
        ("byte-order mark", b"\xef\xbb\xbf" + (HEADER + MINIMAL).encode()),
        ("NUL", (HEADER + MINIMAL).encode() + b"#\0"),
        ("too large", (HEADER + MINIMAL).encode() + b"#" * limits.POLICY),
        ("deep", HEADER.encode() + b"a=" + b"[" * 100_000),
        ("a number of 100,000 digits", HEADER.encode() + b"a=" + b"1" * 100_000),
    ),
)
def test_bad_bytes(data: bytes) -> None:
    """
    What is no text of a reasonable size is refused in the same words.
    """
    refused("bad-policy", lambda: Policy.parse(data))


@pytest.mark.parametrize("count", [256, 257])
def test_most(count: int) -> None:
    """
    A list holds as many as may be, and not one more.
    """
    rules = "".join(MINIMAL.replace("*", f"h{i}.example") for i in range(count))
    text = (HEADER + rules).encode()
    if count == 256:
        assert count == len(Policy.parse(text).images)
    else:
        refused("bad-policy", lambda: Policy.parse(text))
