"""Policies that are refused: none is guessed at, and none is read as "anything goes"."""

from __future__ import annotations

import pytest

from tests.verifier.making import IMAGE, refused, rows
from verifier import limits
from verifier.policy import Policy
from verifier.statement import APPROVAL, EVENT_PREFIX

HEADER = 'type = "urn:sealbook:policy:v1"\n'
ALL = '[[images]]\nunder = "*"\n'
APPROVED = f"{ALL}[images.approval]\n"
ATTESTED = f'{APPROVED}[[images.attestation]]\ntype = "https://spdx.dev/Document"\n'
SCANNED = f'{APPROVED}[images.vulnerabilities]\nmax_severity = "low"\n'
ALLOW = '{ cve = "CVE-1", until = 2026-12-31, why = "w" }'
GLASS = f'{{ digest = "{IMAGE}", until = 2026-12-31, why = "w" }}'
LONG = f'[{{ identity = "{"a" * 1025}", issuer = "a" }}]'
REMAP = '{ signed = "a.x/a", as = "b.x/b" }'


def refuse(text: str, header: str = HEADER) -> str:
    """Check that this is no policy, and return what is said about it."""
    error = refused("bad-policy", lambda: Policy.parse((header + text).encode()))
    assert error.hint
    return error.message


def ruled(rule: str) -> str:
    """Return a policy with this rule beside the approval."""
    return f"{ALL}{rule}\n[images.approval]\n"


def test_what_is_changed_below_is_good() -> None:
    """
    The policies that are spoiled here are good as they are.
    """
    for text in (APPROVED, ATTESTED, SCANNED, f"{SCANNED}allow = [{ALLOW}]\n"):
        assert Policy.parse((HEADER + text).encode()).images
    for rule in (f"remap = [{REMAP}]", f"break_glass = [{GLASS}]"):
        assert Policy.parse((HEADER + ruled(rule)).encode()).images


@pytest.mark.parametrize(
    ("text", "told"),
    rows(
        ("no images", "", "expected a field 'images'"),
        ("empty images", "images = []", "an empty policy"),
        ("rule of nothing", ALL, "the rules for * ask for nothing"),
        ("no attestation", f"{ALL}attestation = []", "ask for nothing"),
        ("no approval", f"{ALL}approval = []", "ask for nothing"),
        ("witnesses alone", f"{ALL}witnesses = 2", "ask for nothing"),
        ("a warning alone", f'{ALL}mode = "warn"', "ask for nothing"),
        ("glass alone", f"{ALL}break_glass = [{GLASS}]", "ask for nothing"),
        ("the second of nothing", f'{APPROVED}[[images]]\nunder = "a"', "the rules for a ask"),
        ("one prefix twice", APPROVED * 2, "two rules are for the same images"),
        ("no prefix", "[[images]]\n[images.approval]", "expected a field 'under'"),
    ),
)
def test_nothing_is_asked(text: str, told: str) -> None:
    """
    A policy that asks for nothing, somewhere, or twice of the same images, is an error.
    """
    assert told in refuse(text)


@pytest.mark.parametrize(
    "text",
    rows(
        ("policy", f"critical = true\n{APPROVED}"),
        ("images", ruled("critical = true")),
        ("images, misspelt", ruled('max_checkpoint_ages = "1 day"')),
        ("approval", f"{APPROVED}critical = true"),
        ("approval with a type", f'{APPROVED}type = "x"'),
        ("second approval", f"{ALL}[[images.approval]]\n[[images.approval]]\ncritical = true"),
        ("approval of another case", f"{APPROVED}Signers = 2"),
        ("attestation", f"{ATTESTED}critical = true"),
        ("vulnerabilities", f"{SCANNED}critical = true"),
        ("vulnerabilities by signers", f"{SCANNED}signers = 2"),
        ("allow", f"{SCANNED}allow = [{ALLOW.replace(' }', ', x = 1 }')}]"),
        ("remap", ruled(f"remap = [{REMAP.replace(' }', ', x = 1 }')}]")),
        ("break glass", ruled(f"break_glass = [{GLASS.replace(' }', ', x = 1 }')}]")),
        ("identity",
         f'{APPROVED}identities = [{{ identity = "a", issuer = "b", subject = "c" }}]'),
    ),
)  # fmt: skip
def test_unknown_fields(text: str) -> None:
    """
    A field that nobody knows is refused wherever it stands.
    """
    assert "unknown field" in refuse(text)


@pytest.mark.parametrize(
    "text",
    [
        *(f"images = {v}" for v in ("1", '"x"', "{}", "true", "[1]", '["x"]', "[[]]")),
        *(ruled(f"{f} = {v}") for f in ("mode", "unnamed", "max_checkpoint_age")
          for v in ("1", "true", "[]", "{}", "1979-05-27", '""', '"x"', '"Warn"')),
        *(ruled(f"witnesses = {v}") for v in ('"1"', "true", "1.0", "nan", "-1", "[]", 2**63)),
        *(f"{APPROVED}signers = {v}" for v in ('"1"', "true", "1.0", "-1", "0", "[]", 2**63)),
        *(f"{APPROVED}keys = {v}" for v in ('"release"', "[]", "[1]", '[""]', '["A"]', '["a/b"]',
          '["a", "a"]', '["a", 1]', "{}", "true", [f"k{i}" for i in range(257)])),
        *(f"{APPROVED}identities = {v}" for v in ("[]", '"a"', '["a"]', "{}", "[{}]",
          '[{ identity = "a" }]', '[{ issuer = "a" }]', '[{ identity = "", issuer = "a" }]',
          '[{ identity = "a", issuer = "" }]', '[{ identity = 1, issuer = "a" }]',
          '[{ identity = "a\\u0007", issuer = "a" }]', LONG,
          '[{ identity = "a", issuer = "b" }, { identity = "a", issuer = "b" }]')),
        *(f"{APPROVED}requester = {v}" for v in ("{}", '"x"', "[]", "{ a = 1 }", "{ a = true }",
          '{ a = "" }', '{ a = "b", c = "" }', "{ a = { b = 'c' } }")),
        *(f"{APPROVED}max_age = {v}" for v in ("7", "true", '""', "[]")),
        *(f"{ALL}approval = {v}" for v in ("true", '"yes"', "[]", "[1]", "1",
          "[{}, 1]", "[[]]", '["release"]', "[{ signers = 0 }]")),
        *(f"{ALL}attestation = {v}" for v in ("true", '"x"', "{}", "[1]", "[{}]")),
        *(f"{ALL}vulnerabilities = {v}" for v in ("true", "[]", "{}", "[{}]")),
        *(f"{SCANNED}fixed_only = {v}" for v in ('"true"', "1", "0", "[]")),
        *(f"{SCANNED}allow = {v}" for v in ("{}", '"CVE-1"', '["CVE-1"]', "[{}]", "true")),
        *(f"{APPROVED}[images.vulnerabilities]\nmax_severity = {v}" for v in ('"unknown"', '""',
          '"High"', '"moderate"', "1", "true", "[]")),
        *(f"max_trust_age = {v}\n{APPROVED}" for v in ("7", '""', '"0 days"', "true")),
        *(f"[[images]]\nunder = {v}\n[images.approval]" for v in ("1", '""', '"A.example"', '"a/"',
          '"**"', '"a.example/*"', '"a.example/x:latest"', '["*"]', '"https://a.example"')),
    ],
)  # fmt: skip
def test_other_types_and_values(text: str) -> None:
    """
    A value of another type, or one that means nothing, is refused and never passed over.
    """
    refuse(text)


@pytest.mark.parametrize(
    "span",
    ["0 days", "1 days", "2 day", "01 day", "-1 days", "+2 days", "1.5 days", "7days", "7  days",
     " 7 days", "7 days ", "7 days\\n", "7 Days", "7 weeks", "7 d", "7", "days", "100000 days",
     "1 day 2 hours", "\u0667 days", "7\u00a0days", "P7D", "60 second", "never", "forever"],
)  # fmt: skip
def test_spans(span: str) -> None:
    """
    A span has one spelling, and none is endless or nothing.
    """
    assert "expected a span like" in refuse(ruled(f'max_checkpoint_age = "{span}"'))


@pytest.mark.parametrize(
    "until",
    ['"2026-12-31"', "2026-12-31T12:00:00", "2026-12-31T12:00:00+01:00",
     "2026-12-31T12:00:00-00:01", "12:00:00", "9999-12-31", "1798761600", "true", '"never"', '""',
     "[]"],
)  # fmt: skip
@pytest.mark.parametrize("where", ["glass", "allow"])
def test_until(until: str, where: str) -> None:
    """
    A time is a day or a moment in UTC; no text, no local time, no other zone.
    """
    row = (GLASS if where == "glass" else ALLOW).replace("2026-12-31", until)
    text = ruled(f"break_glass = [{row}]") if where == "glass" else f"{SCANNED}allow = [{row}]"

    assert "until: expected a day like" in refuse(text)


@pytest.mark.parametrize("field", ["until", "why"])
@pytest.mark.parametrize("where", ["glass", "allow"])
def test_an_exception_ends_and_has_a_reason(field: str, where: str) -> None:
    """
    An exception without an end, or without a reason, is refused.
    """
    row = GLASS if where == "glass" else ALLOW
    for changed in (
        row.replace(f"{field} = ", "x = "),
        row.replace('why = "w"', 'why = ""'),
        row.replace('why = "w"', 'why = "\\u001b[2J"'),
    ):
        text = f"break_glass = [{changed}]"
        refuse(ruled(text) if where == "glass" else f"{SCANNED}allow = [{changed}]")


@pytest.mark.parametrize("digest", ["", "latest", "sha256:00", "sha512:" + "0" * 128])
def test_glass_breaks_for_one_digest(digest: str) -> None:
    """
    Glass is broken for one exact image: no tag, and nothing shorter than a digest.
    """
    refuse(ruled(f"break_glass = [{GLASS.replace(IMAGE, digest)}]"))


@pytest.mark.parametrize(
    ("signed", "becomes"),
    [("*", "b.x/b"), ("a.x/a", "*"), ("*", "*"), ("a.x", "b.x/b"), ("a.x/a", "b.x"),
     ("", "b.x/b"), ("a.x/a/", "b.x/b"), ("A.x/a", "b.x/b"), ("a.x/../a", "b.x/b")],
)  # fmt: skip
def test_remaps(signed: str, becomes: str) -> None:
    """
    A remap has a host and a path on both sides.
    """
    refuse(ruled(f'remap = [{{ signed = "{signed}", as = "{becomes}" }}]'))


@pytest.mark.parametrize(
    ("signers", "who", "most"),
    [
        (2, 'keys = ["a"]', 1),
        (3, 'keys = ["a", "b"]', 2),
        (2, 'identities = [{ identity = "a", issuer = "b" }]', 1),
        (3, 'keys = ["a"]\nidentities = [{ identity = "a", issuer = "b" }]', 2),
    ],
)
def test_more_signers_than_may_sign(signers: int, who: str, most: int) -> None:
    """
    A threshold that nobody can reach is refused; one that everybody must reach is good.
    """
    told = refuse(f"{APPROVED}{who}\nsigners = {signers}")
    assert told == f"expected 1 to {most} signers, found {signers}"
    good = Policy.parse(f"{HEADER}{APPROVED}{who}\nsigners = {most}".encode())

    assert good.images[0].demands[0].signers == most
    assert Policy.parse(f"{HEADER}{APPROVED}signers = 9".encode()).images[0].demands[0].signers == 9


@pytest.mark.parametrize("kind", ["", APPROVAL, EVENT_PREFIX, f"{EVENT_PREFIX}revocation"])
def test_attestations_are_neither_approvals_nor_events(kind: str) -> None:
    """
    An attestation has a type, which is none of those that only an approver or the ledger has.
    """
    refuse(f'{ALL}[[images.attestation]]\ntype = "{kind}"')


@pytest.mark.parametrize(
    "header",
    ["", 'type = "urn:sealbook:policy:v2"\n', 'type = "urn:sealbook:trust:v1"\n', "type = 1\n",
     'type = ""\n', 'type = "URN:sealbook:policy:v1"\n'],
)  # fmt: skip
def test_other_files(header: str) -> None:
    """
    A file of another type is no policy.
    """
    refuse(APPROVED, header)


@pytest.mark.parametrize(
    "data",
    rows(
        ("no TOML", b"[[images"),
        ("a key twice", f"{HEADER}{HEADER}{APPROVED}".encode()),
        ("a field twice", f"{HEADER}{APPROVED}signers = 1\nsigners = 2\n".encode()),
        ("a table twice", f"{HEADER}{APPROVED}[images.approval]\n".encode()),
        ("no UTF-8", f"{HEADER}{APPROVED}# ".encode() + b"\xff"),
        ("UTF-16", f"{HEADER}{APPROVED}".encode("utf-16")),
        ("a byte order mark", f"\ufeff{HEADER}{APPROVED}".encode()),
        ("NUL", f"{HEADER}{APPROVED}\0".encode()),
        ("deep arrays", f"{HEADER}a = {'[' * 100_000}".encode()),
        ("deep tables", f"{HEADER}a = {'{a=' * 60_000}".encode()),
        ("5,000 digits", f"{HEADER}{ALL}witnesses = {'1' * 5000}".encode()),
        ("JSON", b'{"type": "urn:sealbook:policy:v1"}'),
        ("no day", f"{HEADER}{ALL}break_glass = 2026-02-30".encode()),
    ),
)
def test_what_is_no_toml(data: bytes) -> None:
    """
    What is not TOML, or too deep or too long to be read, is refused like any bad policy.
    """
    error = refused("bad-policy", lambda: Policy.parse(data))
    assert error.message.startswith("not a policy in TOML: ")


def test_too_large() -> None:
    """
    A policy of more bytes than the limit is refused before it is read.
    """
    good = (HEADER + APPROVED).encode()
    filled = good + b"#" * (limits.POLICY - len(good))

    assert Policy.parse(filled).images
    error = refused("bad-policy", lambda: Policy.parse(filled + b"#"))
    assert error.message == f"expected at most {limits.POLICY} bytes, found {limits.POLICY + 1}"


@pytest.mark.parametrize("row", ["images", "attestation", "remap", "break_glass", "allow"])
def test_lists_end(row: str) -> None:
    """
    Of whatever is listed there are at most 256.
    """
    many = {
        "images": "".join(f'[[images]]\nunder = "a{i}"\n[images.approval]\n' for i in range(257)),
        "attestation": ALL + '[[images.attestation]]\ntype = "x"\n' * 257,
        "remap": ruled(f"remap = [{', '.join([REMAP] * 257)}]"),
        "break_glass": ruled(f"break_glass = [{', '.join([GLASS] * 257)}]"),
        "allow": f"{SCANNED}allow = [{', '.join([ALLOW] * 257)}]",
    }[row]

    assert "expected at most 256, found 257" in refuse(many)
