"""Statements: what we write, what we read, and what a requester may add."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.verifier.making import IMAGE, REPOSITORY, refused, rows
from verifier import limits
from verifier.digest import Digest
from verifier.statement import (
    APPROVAL,
    STATEMENT_TYPE,
    Statement,
    Subject,
    approval,
    around,
    check_annotations,
    event,
)

HEX = IMAGE.hex


def good() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(approval(REPOSITORY, IMAGE, {"env": "prod"}))
    return document


def parsed(document: object) -> Statement:
    return Statement.parse(json.dumps(document).encode())


def test_approval_bytes() -> None:
    """
    An approval is these bytes, for ever: they are what was signed.
    """
    expected = (
        '{"_type":"https://in-toto.io/Statement/v1","predicate":{},'
        '"predicateType":"https://sigstore.dev/cosign/sign/v1","subject":[{"annotations":'
        f'{{"a":"\u00e9","b":"1"}},"digest":{{"sha256":"{HEX}"}},"name":"{REPOSITORY}"}}]}}'
    )

    assert expected.encode() == approval(REPOSITORY, IMAGE, {"b": "1", "a": "\u00e9"})


def test_approval_without_annotations() -> None:
    """
    No annotations are written as no field, not as an empty one.
    """
    expected = [{"digest": {"sha256": HEX}, "name": REPOSITORY}]

    assert expected == json.loads(approval(REPOSITORY, IMAGE, {}))["subject"]


def test_approval_is_read_back() -> None:
    """
    What we write says what was asked for.
    """
    statement = Statement.parse(approval(REPOSITORY, IMAGE, {"env": "prod"}))

    assert Statement((Subject(IMAGE, REPOSITORY, {"env": "prod"}),), APPROVAL, {}) == statement


def test_event_is_about_its_own_predicate() -> None:
    """
    An event's subject is the digest of its canonical predicate, in the ledger's name.
    """
    predicate = {"index": 7, "a": "b"}
    subject = Subject(Digest.of(b'{"a":"b","index":7}'), "urn:sealbook:ledger:ledger.example", {})
    expected = Statement((subject,), "urn:sealbook:revoked:v1", predicate)

    assert expected == Statement.parse(event("revoked:v1", "ledger.example", predicate))


def test_older_version() -> None:
    """
    What cosign attests is of in-toto 0.1, and is read; an approval or event of 0.1 is not.
    """
    old = {"_type": "https://in-toto.io/Statement/v0.1"}
    kind = "https://cosign.sigstore.dev/attestation/v1"

    assert kind == parsed({**good(), **old, "predicateType": kind}).predicate_type
    for ours in (APPROVAL, "urn:sealbook:frozen:v1"):
        refused("unsupported-version", lambda t=ours: parsed({**good(), **old, "predicateType": t}))


@pytest.mark.parametrize(
    ("change", "code"),
    rows(
        # E9: the version.
        ("in-toto 0.1", {"_type": "https://in-toto.io/Statement/v0.1"}, "unsupported-version"),
        ("in-toto 9", {"_type": "https://in-toto.io/Statement/v9"}, "unsupported-version"),
        ("trailing slash", {"_type": f"{STATEMENT_TYPE}/"}, "unsupported-version"),
        ("no version", {"_type": None}, "malformed"),
        # E10: the subjects.
        ("no subject", {"subject": []}, "malformed"),
        ("subject null", {"subject": None}, "malformed"),
        ("subject object", {"subject": {}}, "malformed"),
        ("null among subjects", {"subject": [None]}, "malformed"),
        ("empty subject", {"subject": [{}]}, "malformed"),
        ("1,025 junk subjects", {"subject": [None] * 1025}, "over-limit"),
        ("digest null", {"subject": [{"digest": None}]}, "malformed"),
        ("digest text", {"subject": [{"digest": HEX}]}, "malformed"),
        ("no digest", {"subject": [{"digest": {}}]}, "malformed"),
        ("sha512 only", {"subject": [{"digest": {"sha512": HEX}}]}, "malformed"),
        ("upper case", {"subject": [{"digest": {"sha256": HEX.upper()}}]}, "bad-digest"),
        ("prefixed", {"subject": [{"digest": {"sha256": f"sha256:{HEX}"}}]}, "bad-digest"),
        ("empty digest", {"subject": [{"digest": {"sha256": ""}}]}, "bad-digest"),
        # D12: a second digest could be of other bytes.
        ("two digests", {"subject": [{"digest": {"sha256": HEX, "sha1": "00"}}]}, "unknown-field"),
        ("name null", {"subject": [{"digest": {"sha256": HEX}, "name": None}]}, "malformed"),
        ("uri null", {"subject": [{"digest": {"sha256": HEX}, "uri": None}]}, "malformed"),
        ("unknown field", {"subject": [{"digest": {"sha256": HEX}, "x": ""}]}, "unknown-field"),
        (
            "annotations that are no text",
            {"subject": [{"digest": {"sha256": HEX}, "annotations": {"a": 1}}]},
            "malformed",
        ),
        (
            "annotations null",
            {"subject": [{"digest": {"sha256": HEX}, "annotations": None}]},
            "malformed",
        ),
        # E12: the predicate.
        ("no predicate type", {"predicateType": ""}, "malformed"),
        ("predicate type null", {"predicateType": None}, "malformed"),
        ("predicate null", {"predicate": None}, "malformed"),
        ("predicate list", {"predicate": []}, "malformed"),
        ("predicate too deep", {"predicate": {"a": json.loads("[" * 63 + "]" * 63)}}, "over-limit"),
        ("unknown field at the top", {"more": 1}, "unknown-field"),
    ),
)
def test_bad_statements(change: dict[str, object], code: str) -> None:
    """
    A statement of any other shape says nothing.
    """
    refused(code, lambda: parsed(good() | change))


@pytest.mark.parametrize("field", ["_type", "subject", "predicate", "predicateType"])
def test_missing_fields(field: str) -> None:
    """
    Every field of a statement is needed.
    """
    document = good()
    del document[field]

    refused("malformed", lambda: parsed(document))


@pytest.mark.parametrize(
    "payload",
    [b'{"_type":"a",', b'{"subject":[],', b'{"predicate":{"a":1,"a":2},', b'{"predicateType":"",'],
)
def test_repeated_keys(payload: bytes) -> None:
    """
    A key that occurs twice, at any depth, is refused and never chosen from (E8).
    """
    twice = payload + approval(REPOSITORY, IMAGE, {})[1:]

    refused("duplicate-key", lambda: Statement.parse(twice))


def test_foreign_statement() -> None:
    """
    An attestation by another tool is read: descriptors, fractions, several subjects.
    """
    other = Digest.of(b"other")
    document = good() | {
        "subject": [
            {
                "digest": {"sha256": HEX},
                "uri": "https://registry.example",
                "mediaType": "application/json",
                "downloadLocation": "",
                "content": "e30=",
            },
            {"digest": {"sha256": other.hex}, "name": "b"},
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"score": 9.5, "deep": json.loads("[" * 62 + "]" * 62)},
    }
    statement = parsed(document)

    assert (Subject(IMAGE, "", {}), Subject(other, "b", {})) == statement.subjects
    assert document["predicate"] == statement.predicate


def test_size_limit() -> None:
    """
    A statement over the limit is not even parsed.
    """
    refused("over-limit", lambda: Statement.parse(b"{" * (limits.STATEMENT + 1)))


@pytest.mark.parametrize(
    "annotations",
    rows(
        ("none", {}),
        ("usual", {"env": "prod", "org.example/build_id.v2": "1"}),
        ("unicode", {"note": "\u00e9\u4e2d\U0001f600"}),
        ("longest", {"k" * limits.ANNOTATION_KEY: "v" * limits.ANNOTATION_VALUE}),
        ("largest together", {f"k{i:02}": "v" * 1021 for i in range(16)}),
        ("most", {f"k{i}": "" for i in range(limits.ANNOTATIONS)}),
        ("nearly reserved", {"sealbookx": "1"}),
    ),
)
def test_annotations(annotations: dict[str, str]) -> None:
    """
    A requester may add short, printable annotations under keys of their own.
    """
    check_annotations(annotations)

    expected = annotations
    assert expected == parsed(json.loads(approval(REPOSITORY, IMAGE, annotations))).subjects[0][2]


@pytest.mark.parametrize(
    ("annotations", "code"),
    rows(
        ("too many", {f"k{i}": "" for i in range(limits.ANNOTATIONS + 1)}, "over-limit"),
        ("long value", {"k": "v" * (limits.ANNOTATION_VALUE + 1)}, "over-limit"),
        ("long value in bytes", {"k": "\u00e9" * 513}, "over-limit"),
        ("long key", {"k" * (limits.ANNOTATION_KEY + 1): ""}, "malformed"),
        *(
            (f"key {key!r}", {key: ""}, "malformed")
            for key in (
                "",
                " ",
                "a b",
                "a\n",
                ".a",
                "a.",
                "-a",
                "/a",
                "\u00e9",
                "\u017f",
                "a\0b",
                "a:b",
            )
        ),
        *(
            (f"value {value!r}", {"k": value}, "malformed")
            for value in (
                *("a\nb", "\0", "\x1b[2K", "\x7f", "\t", "\ud800"),
                # A terminal obeys these, too, or shows the rest in another order.
                *("\x85", "\x9b2K", "\u2028", "\u2029", "\u202e", "\u2066"),
            )
        ),
        ("large together", {f"k{i:02}": "v" * 1000 for i in range(17)}, "over-limit"),
        ("reserved", {"sealbook.supersedes": "1"}, "malformed"),
        ("reserved for requesters", {"sealbook.requester.id": "1"}, "malformed"),
        ("reserved and nothing more", {"sealbook.": "1"}, "malformed"),
    ),
)
def test_bad_annotations(annotations: dict[str, str], code: str) -> None:
    """
    Nobody can set what is ours, smuggle control characters, or store a novel.
    """
    refused(code, lambda: check_annotations(annotations))


def test_functions_of_the_request() -> None:
    """
    The same request gives the same bytes, in whatever order its annotations come.
    """
    one, two = {"a": "1", "b": "2"}, {"b": "2", "a": "1"}

    assert approval(REPOSITORY, IMAGE, one) == approval(REPOSITORY, IMAGE, two)


@pytest.mark.parametrize("predicate", [b"{}", b'{"at":1.50}', b'{"a":[1e3,{"b":null}]}'])
def test_around_a_predicate(predicate: bytes) -> None:
    """
    What stands before and after a predicate makes a statement of it, and keeps its bytes.
    """
    other = Digest.of(b"another image")
    before, after = around("https://slsa.dev/provenance/v1", [IMAGE, other], REPOSITORY, {"a": "b"})
    statement = Statement.parse(before + predicate + after)

    assert json.loads(predicate) == statement.predicate
    assert "https://slsa.dev/provenance/v1" == statement.predicate_type
    assert tuple(Subject(digest, REPOSITORY, {"a": "b"}) for digest in (IMAGE, other)) == (
        statement.subjects
    )
