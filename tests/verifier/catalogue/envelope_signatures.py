"""How many signatures there are, and in whose name: rows E5 and E6."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from tests.verifier.catalogue.asking import DOCUMENT, ENVELOPE, GOOD, MESSAGE, field, text
from tests.verifier.catalogue.case import Case
from tests.verifier.making import EXPIRES, Signer, World
from tests.verifier.paths import Path, get, put
from verifier._strict import b64encode
from verifier.bundle import Bundle
from verifier.trust.signed import SignedFile

SIGNATURES: Path = (*ENVELOPE, "signatures")
HINT: Path = ("verificationMaterial", "publicKey", "hint")
LINE = get(DOCUMENT, (*SIGNATURES, 0))
KEYID = GOOD.signer.public.hint
STRANGER = Signer()
FORGED = {"sig": b64encode(STRANGER.sign(MESSAGE))}


def _counts() -> Iterator[Case]:
    """E5: of an approval there is one signature. Several approvals are several bundles."""
    for name, lines, code in (
        ("none", [], "malformed"),
        ("the same twice", [LINE] * 2, "over-limit"),
        ("the good one first", [LINE, FORGED], "over-limit"),
        ("the good one last", [FORGED, LINE], "over-limit"),
        ("the same under two keyids", [{**LINE, "keyid": k} for k in "ab"], "over-limit"),
        ("1,000 of the same", [LINE] * 1000, "over-limit"),
        ("100,000 nulls", [None] * 100_000, "over-limit"),
        ("null", [None], "malformed"),
        ("text", [LINE["sig"]], "malformed"),
        ("list", [[LINE]], "malformed"),
        ("with a certificate", [{**LINE, "cert": ""}], "unknown-field"),
        ("with a public key", [{**LINE, "publicKey": ""}], "unknown-field"),
    ):
        yield field("E5", name, SIGNATURES, lines, code)


def _files() -> Iterator[Case]:
    """E5: a threshold of two counts keys, so that one key cannot be two."""
    kind = "application/vnd.example+json"
    line = {"keyid": KEYID, "sig": LINE["sig"]}
    for name, lines, code in (
        ("one key twice", [line, line], "malformed"),
        ("one key twice, other bytes", [line, {**line, "sig": "AAAA"}], "malformed"),
        ("without a keyid", [{"sig": "AAAA"}], "malformed"),
        ("of no bytes", [{**line, "sig": ""}], "malformed"),
        ("33 signatures", [{**line, "keyid": str(n)} for n in range(33)], "over-limit"),
        ("1,000 nulls", [None] * 1000, "over-limit"),
        ("with more", [{**line, "zzz": ""}], "unknown-field"),
        ("null", [None], "malformed"),
        ("long", [{**line, "sig": "AAAA" * 2731}], "over-limit"),
        ("keyid of 129 letters", [{**line, "keyid": "x" * 129}], "over-limit"),
    ):
        file = json.dumps({"payload": "", "payloadType": kind, "signatures": lines}).encode()
        judge = partial(SignedFile.parse, file, kind, 1 << 20)
        yield Case("E5", f"in a signed file, {name}", judge, code)


def _names() -> Iterator[Case]:
    """E6: a keyid says where to look, and proves nothing, neither for the forged nor the good."""
    yield field(
        "E6",
        "trusted keyid, attacker's signature",
        SIGNATURES,
        [{**FORGED, "keyid": KEYID}],
        "bad-signature",
    )
    yield field("E6", "no keyid, attacker's signature", SIGNATURES, [FORGED], "bad-signature")
    for name, keyid in (
        ("attacker's keyid", STRANGER.public.hint),
        ("own keyid", KEYID),
        ("empty keyid", ""),
        ("keyid of a path", "../../etc/passwd"),
    ):
        lines = [{**LINE, "keyid": keyid}]
        yield field("E6", f"{name}, good signature", SIGNATURES, lines, "yes")
    yield field("E6", "keyid of 128 letters", SIGNATURES, [{**LINE, "keyid": "x" * 128}], "yes")
    for size, code in ((129, "over-limit"), (10_000, "over-limit"), (2**20, "over-limit")):
        lines = [{**LINE, "keyid": "x" * size}]
        yield field("E6", f"keyid of {size} letters", SIGNATURES, lines, code)
    values: tuple[object, ...] = (None, 0, [], {}, [KEYID])
    for value in values:
        yield field("E6", f"keyid {value!r}", (*SIGNATURES, 0, "keyid"), value, "malformed")
    hint = (HINT, STRANGER.public.hint)
    yield field("E6", "attacker's hint, good signature", *hint, "unknown-key")
    bundle = put(put(DOCUMENT, *hint), SIGNATURES, [FORGED])
    yield text("E6", "attacker's hint and signature", json.dumps(bundle), "unknown-key")


def _logged() -> Iterator[Case]:
    """E6: who asks only whether an entry is logged is told as strictly by whom it was signed."""
    for name, bundle, code in (
        ("good", DOCUMENT, "yes"),
        ("attacker's signature", put(DOCUMENT, SIGNATURES, [FORGED]), "bad-signature"),
        ("attacker's hint", put(DOCUMENT, HINT, STRANGER.public.hint), "unknown-key"),
        ("other payload", put(DOCUMENT, (*ENVELOPE, "payload"), "e30="), "bad-signature"),
    ):
        read = Bundle.parse(json.dumps(bundle).encode())
        yield Case("E6", f"logged, {name}", partial(GOOD.verifier.logged, read), code)
    late = World(now=EXPIRES)
    ask = partial(late.verifier.logged, late.bundle)
    yield Case("E6", "logged, trust is over", ask, "trust-expired")


def cases() -> Iterator[Case]:
    """Return the cases of these rows."""
    yield from _counts()
    yield from _files()
    yield from _names()
    yield from _logged()
