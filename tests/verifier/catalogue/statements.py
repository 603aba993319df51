"""What was signed, and does not say what it is taken for: rows E8 to E14 and E17.

Every payload is signed by the trusted key and logged: only what it says can be at fault.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from tests.verifier.catalogue.asking import payload, world
from tests.verifier.catalogue.case import Case
from tests.verifier.making import IMAGE, ORIGIN, REPOSITORY, World, rewrite
from tests.verifier.paths import GONE, Path, get, inside, named, put
from verifier import limits
from verifier.digest import Digest
from verifier.repository import Repository
from verifier.statement import APPROVAL, STATEMENT_TYPE, Statement, approval, event

PAYLOAD = approval(REPOSITORY, IMAGE, {"env": "prod"})
SAID: dict[str, Any] = json.loads(PAYLOAD)
OTHER = Digest.of(b"another image")
ELSEWHERE = "registry.example/team/other"
SUBJECT: Path = ("subject", 0)
# What each place of a statement belongs to.
ROWS = {"_type": "E9", "subject": "E10", "predicateType": "E12", "predicate": "E13"}
VALUES = {dict: {}, list: [], str: "", int: 4, float: 0.5, bool: True}


def said(row: str, name: str, path: Path, value: object, code: str) -> Case:
    """Ask about the good statement with another value at `path`."""
    return payload(row, name, json.dumps(put(SAID, path, value)).encode(), code)


def subjects(row: str, name: str, found: Sequence[object], code: str) -> Case:
    """Ask about a statement with other subjects."""
    return said(row, name, ("subject",), found, code)


def subject(digest: str, name: str | None = REPOSITORY, **more: object) -> dict[str, object]:
    """Return a subject."""
    named_ = {} if name is None else {"name": name}
    return {"digest": {"sha256": digest.removeprefix("sha256:")}, **named_, **more}


def _repeated() -> Iterator[Case]:
    """E8: a key twice, of which one reader takes the first and another the last."""
    other = json.dumps([subject(OTHER)])
    for name, twice in (
        ("subject before", b'{"subject":' + other.encode() + b"," + PAYLOAD[1:]),
        ("subject after", PAYLOAD[:-1] + b',"subject":' + other.encode() + b"}"),
        ("subject escaped", PAYLOAD[:-1] + b',"\\u0073ubject":' + other.encode() + b"}"),
        ("subject of null", PAYLOAD[:-1] + b',"subject":null}'),
        ("digest", PAYLOAD.replace(b'"digest"', b'"digest":{"sha256":""},"digest"')),
        ("name", PAYLOAD.replace(b'"name"', b'"name":"other.example/x","name"')),
        ("annotations", PAYLOAD.replace(b'"annotations"', b'"annotations":{},"annotations"')),
        ("an annotation", PAYLOAD.replace(b'"env"', b'"env":"test","env"')),
        ("version", b'{"_type":"",' + PAYLOAD[1:]),
        ("predicate type", b'{"predicateType":"",' + PAYLOAD[1:]),
        ("predicate", b'{"predicate":{"x":1},' + PAYLOAD[1:]),
        ("within the predicate", PAYLOAD.replace(b"{}", b'{"a":[{"b":1,"b":1}]}', 1)),
        ("within the predicate, escaped", PAYLOAD.replace(b"{}", b'{"b":1,"\\u0062":1}', 1)),
    ):
        yield payload("E8", name, twice, "duplicate-key")


def _places() -> Iterator[Case]:
    """E9, E10, E12, E13: null, another type, or nothing, at every position."""
    paths = [p.values[0] for p in inside(SAID, dict, list, str, top=True)]
    fine = {("subject", 0, "annotations"), ("subject", 0, "annotations", "env")}
    for path in paths:
        if not path:
            continue
        row, name, good = ROWS[path[0]], named(path), get(SAID, path)
        yield said(row, f"{name} is null", path, None, "malformed")
        missing = "malformed"
        if path == ("subject", 0, "name"):
            missing = "unnamed-repository"
        yield said(row, f"{name} is missing", path, GONE, "yes" if path in fine else missing)
        for kind, value in VALUES.items():
            if kind is not type(good):
                yield said(row, f"{name} is a {kind.__name__}", path, value, "malformed")
    for path in ((), SUBJECT, (*SUBJECT, "digest")):
        for key in ("zzz", "", "Subject", "$schema"):
            yield said("E10", f"{key!r} in {named(path)}", (*path, key), "x", "unknown-field")
    for field in ("uri", "mediaType", "downloadLocation", "content"):
        for value in (None, 0, {}, []):
            code = "malformed"
            yield said("E10", f"{field} is {value!r}", (*SUBJECT, field), value, code)


def _versions() -> Iterator[Case]:
    """E9, E12: versions and types that are not the ones, letter by letter."""
    for version in (
        *("", " ", "https://in-toto.io/Statement/v9", "https://in-toto.io/Statement/v1.0"),
        *(f"{STATEMENT_TYPE}/", f"{STATEMENT_TYPE} ", f" {STATEMENT_TYPE}", f"{STATEMENT_TYPE}\n"),
        *(STATEMENT_TYPE.replace("https", "http"), STATEMENT_TYPE.upper(), f"{STATEMENT_TYPE}#"),
        *("https://in-toto.io/Statement", "https://in-toto.io/statement/v1", "x" * 50_000),
        *("https://in-toto.io/Link/v1", "https://in-toto.io/Provenance/v0.1", "link", "v1"),
        *("https://in-t\u043eto.io/Statement/v1", "https://in-toto.io\u2215Statement/v1"),
        # What cosign attests is of this version, and is read; an approval of it is not ours.
        "https://in-toto.io/Statement/v0.1",
    ):
        name = f"{version[:50]!a}" + (f" of {len(version)}" if len(version) > 50 else "")
        yield said("E9", name, ("_type",), version, "unsupported-version")
    attested = PAYLOAD.replace(APPROVAL.encode(), b"https://slsa.dev/provenance/v1")
    attested = attested.replace(b"Statement/v1", b"Statement/v0.1")
    yield Case("E9", "attestation of version 0.1", partial(Statement.parse, attested), "yes")
    for kind in ("revocation", "frozen:v1"):
        old = event(kind, ORIGIN, {}).replace(b"Statement/v1", b"Statement/v0.1")
        read = partial(Statement.parse, old)
        yield Case("E9", f"event {kind} of version 0.1", read, "unsupported-version")
    yield said("E12", "empty", ("predicateType",), "", "malformed")
    for kind in (
        *(f"{APPROVAL}/", f"{APPROVAL} ", f" {APPROVAL}", f"{APPROVAL}\n", APPROVAL.upper()),
        *(APPROVAL.replace("https", "http"), APPROVAL[:-1], f"{APPROVAL}1", f"{APPROVAL}#x"),
        *("cosign.sigstore.dev/attestation/v1", "https://slsa.dev/provenance/v1", "x" * 50_000),
        *("https://sigst\u043ere.dev/cosign/sign/v1", APPROVAL.replace("v1", "v\uff11"), "null"),
        *("https://sigstore.dev/cosign/sign/v\u0031\u0301", APPROVAL.replace("/", "\u2215")),
        *("https://sigstore.dev/cosign/./sign/v1", "https://sigstore.dev/cosign%2Fsign/v1", "*"),
    ):
        name = f"{kind[:60]!a}" + (f" of {len(kind)}" if len(kind) > 60 else "")
        yield said("E12", name, ("predicateType",), kind, "predicate-type")
    for kind in ("revoked:v1", "frozen:v1", "sign/v1"):
        made = World(payload=event(kind, ORIGIN, {"index": 4}), digest=Digest.of(b'{"index":4}'))
        yield world("E12", f"an event, {kind}", made, "predicate-type")


def _subjects() -> Iterator[Case]:
    """E10, E11: which of the things that a statement is about is meant."""
    yield subjects("E10", "none", [], "malformed")
    for count, code in ((1025, "over-limit"), (10_000, "over-limit")):
        yield subjects("E10", f"{count} subjects", [subject(IMAGE)] * count, code)
        yield subjects("E10", f"{count} nulls", [None] * count, code)
    yield subjects("E10", "one is null", [subject(IMAGE), None], "malformed")
    yield subjects("E10", "one is empty", [subject(IMAGE), {}], "malformed")
    yield subjects("E10", "one has no digest", [subject(IMAGE), {"name": "x"}], "malformed")
    yield subjects("E10", "one has a bad digest", [subject(IMAGE), subject("")], "bad-digest")
    yield subjects("E10", "one has more", [subject(IMAGE), subject(OTHER, zzz=1)], "unknown-field")
    yield subjects("E10", "in a list", [[subject(IMAGE)]], "malformed")
    one_name = [subject(OTHER), subject(Digest.of(b"a third"))]
    yield subjects("E10", "one name, two other digests", one_name, "digest-mismatch")
    apart = [subject(OTHER), subject(IMAGE, ELSEWHERE)]
    yield subjects("E10", "our digest of one, our name of another", apart, "repository-mismatch")
    for name in (
        *("registry.example/team/../team/app", "../team/app", "registry.example/team//app", "/"),
        *(
            "registry.example/team/./app",
            "registry.example/team/app/",
        ),
        *("/registry.example/team/app", "file:///registry.example/team/app", "..", "*", "app"),
        "registry.example/team%2fapp",
    ):
        yield subjects("E10", f"named {name}", [subject(IMAGE, name)], "repository-mismatch")
        made = World(repository=None)
        rewrite(made, ("subject",), [subject(IMAGE, name)])
        yield world("E10", f"named {name}, any repository", made, "bad-repository")
    # E14: in-toto matches purely by digest. Ours asks for the repository too, whose name has
    # one spelling, and in no other does an approval for one count for another.
    for name in (
        *(ELSEWHERE, "other.example/team/app", "registry.example:443/team/app", "team/app"),
        *(f"{REPOSITORY}x", REPOSITORY[:-1], f"{REPOSITORY}/x", f"x{REPOSITORY}", f"{REPOSITORY}/"),
        *(REPOSITORY.upper(), REPOSITORY.replace("app", "App"), f"{REPOSITORY} ", f" {REPOSITORY}"),
        *(
            f"{REPOSITORY}:1.0",
            f"{REPOSITORY}@{IMAGE}",
            f"docker://{REPOSITORY}",
            f"{REPOSITORY}\n",
        ),
        *(REPOSITORY.replace("a", "\u0430", 1), f"{REPOSITORY}\u200b", f"https://{REPOSITORY}"),
        *(REPOSITORY.replace("/", "\u2215"), REPOSITORY.replace(".", "\u3002"), "*", IMAGE),
        *("registry.example", "docker.io/library/app", "registry.example./team/app"),
    ):
        yield subjects("E14", f"{name!a}", [subject(IMAGE, name)], "repository-mismatch")
    elsewhere = World(repository=Repository(ELSEWHERE))
    yield world("E14", "asked for elsewhere", elsewhere, "repository-mismatch")
    for repository in (REPOSITORY, None):
        for name, value in (("empty", ""), ("absent", None)):
            made = World(repository=repository)
            rewrite(made, ("subject",), [subject(IMAGE, value)])
            where = "here" if repository else "anywhere"
            yield world("E14", f"name is {name}, asked for {where}", made, "unnamed-repository")
    other = [subject(IMAGE, ELSEWHERE), subject(IMAGE, None)]
    yield subjects("E14", "elsewhere, and without a name", other, "repository-mismatch")
    other = [subject(IMAGE, None, uri=REPOSITORY, downloadLocation=REPOSITORY)]
    yield subjects("E14", "our name as uri", other, "unnamed-repository")
    other = [subject(IMAGE, ELSEWHERE, annotations={"name": REPOSITORY})]
    yield subjects("E14", "our name as annotation", other, "repository-mismatch")
    # An approval is for each of its subjects, and the answer is about the one that was meant.
    for name, others in (
        ("another image before", [subject(OTHER)]),
        ("our image elsewhere before", [subject(IMAGE, ELSEWHERE)]),
        ("our image without a name before", [subject(IMAGE, None)]),
        ("one name, two digests", [subject(OTHER, REPOSITORY)]),
        ("1,023 before", [subject(OTHER)] * 1023),
    ):
        made = World()
        rewrite(made, ("subject",), [*others, subject(IMAGE, annotations={"note": "this one"})])
        ask = partial(_noted, made.verifier, made.bundle.json())
        yield Case("E11", name, ask, "yes")


def _noted(verifier: Any, data: bytes) -> None:
    """Ask about an image, and look which subject the answer is about."""
    verified = verifier.verify(data, IMAGE, REPOSITORY)
    assert {"note": "this one"} == verified.annotations
    assert REPOSITORY == verified.repository


def _predicates() -> Iterator[Case]:
    """E13: predicates that are larger or deeper than there is room for."""
    for depth in (100, 1000, 10_000):
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            deep = f'{{"a":{opening * depth}1{closing * depth}}}'.encode()
            name = f"{depth} of {opening}"
            yield payload("E13", name, PAYLOAD.replace(b"{}", deep, 1), "over-limit")
    deep = b'{"a":' + b"[" * 63 + b"]" * 63 + b"}"
    yield payload("E13", "one level too deep", PAYLOAD.replace(b"{}", deep, 1), "over-limit")
    for name, token in (
        ("NaN", b"NaN"),
        ("Infinity", b"-Infinity"),
        ("1e999", b"1e999"),
        ("-1e999", b"-1e999"),
        ("100,000 digits", b"9" * 100_000),
        ("half a pair", b'"\\ud800"'),
        ("NUL", b'"\\u0000"'),
        ("NUL in a key", b'{"\\u0000":1}'),
    ):
        said_ = PAYLOAD.replace(b"{}", b'{"a":' + token + b"}", 1)
        yield payload("E13", name, said_, "malformed")
    large = PAYLOAD.replace(b"{}", b'{"a":"%b"}' % (b"x" * (10 << 20)), 1)
    yield payload("E13", "10 MB in an approval", large, "over-limit")
    attested = PAYLOAD.replace(APPROVAL.encode(), b"https://spdx.dev/Document")
    # An attestation may be as large as an SBOM is, but of things that say something: what
    # takes three bytes to write takes sixty to keep.
    size = 4 << 20
    for name, item in (
        ("empty lists", b",[]"),
        ("empty objects", b",{}"),
        ("objects", b',{"":0}'),
        ("nested lists", b",[[[]]]"),
        ("numbers", b",0"),
        ("fractions", b",1.5"),
    ):
        many = b'{"a":[0' + item * (size // len(item)) + b"]}"
        judge = partial(Statement.parse, attested.replace(b"{}", many, 1))
        yield Case("E13", f"4 MB of {name}", judge, "over-limit")
    # What is just allowed costs the most.
    for name, item, count in (
        ("objects", b',{"":0}', limits.JSON_CONTAINERS),
        ("fractions", b",1.5", limits.JSON_VALUES),
    ):
        for more, code in ((0, "over-limit"), (-20, "yes")):
            many = b'{"a":[0' + item * (count + more) + b"]}"
            judge = partial(Statement.parse, attested.replace(b"{}", many, 1))
            yield Case("E13", f"{count}{more or ''} {name}", judge, code)
    one = partial(Statement.parse, attested.replace(b"{}", b'{"a":"%b"}' % (b"x" * size), 1))
    yield Case("E13", "4 MB of one text", one, "yes")


def _replayed() -> Iterator[Case]:
    """E17: an approval that was good once, and is shown again when its key no longer counts.

    What a policy and a status file make of old entries is in `policies`.
    """
    for name, start, through, code in (
        ("its key ended before", 0, 2, "key-window"),
        ("its key ended with it", 0, 4, "key-window"),
        ("its key ended after it", 0, 5, "yes"),
        ("its key began with it", 4, None, "yes"),
        ("its key began after it", 5, None, "key-window"),
        ("its key never counted", 4, 4, "key-window"),
    ):
        made = World(index=4)
        made.key = made.key._replace(valid_from_tree_size=start, valid_through_tree_size=through)
        yield world("E17", name, made, code)


def cases() -> Iterator[Case]:
    """Return the cases of these rows."""
    yield from _repeated()
    yield from _places()
    yield from _versions()
    yield from _subjects()
    yield from _predicates()
    yield from _replayed()
