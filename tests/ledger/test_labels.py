"""Labels: what an entry is found by follows from its body, and an auditor can derive it again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import labels
from tests.ledger.making import ORIGIN, REPOSITORY, SIGNER, refused, signed
from verifier import dsse
from verifier.digest import Digest
from verifier.entry import Entry
from verifier.repository import Repository
from verifier.statement import APPROVAL, STATEMENT_TYPE, Statement, approval, event

IMAGE = Digest.of(b"an image")
OTHER = Digest.of(b"another image")
ISSUER, SUBJECT = "sealbook.requester.issuer", "sealbook.requester.subject"


def of(payload: bytes) -> dict[str, list[str]]:
    """The labels of `payload`, signed by our key."""
    made = signed(payload, bytes(32))
    return labels.of(made.entry, made.body)


def statement(subjects: list[dict[str, object]], predicate_type: str = APPROVAL) -> bytes:
    """A statement as another tool might print it."""
    content = {"_type": STATEMENT_TYPE, "subject": subjects, "predicateType": predicate_type}
    return json.dumps({**content, "predicate": {}}).encode()


def subject(digest: Digest, **more: object) -> dict[str, object]:
    return {"digest": {"sha256": digest.hex}, **more}


def test_approval() -> None:
    """
    An approval is found by digest, repository, key, kind, form and requester.
    """
    who = {ISSUER: "https://ci.example", SUBJECT: "project:7"}

    expected = {
        "digest": [str(IMAGE)],
        "form": ["bundle"],
        "key": [SIGNER.public.fingerprint],
        "predicate_type": ["https://sigstore.dev/cosign/sign/v1"],
        "repository": ["registry.example/team/app"],
        "requester": ["https://ci.example#project:7"],
    }
    assert expected == of(approval(REPOSITORY, IMAGE, who))


def test_event() -> None:
    """
    An event is found as one, by its own kind, ledger and the digest of its predicate.
    """
    found = of(event("genesis", ORIGIN, {"origin": ORIGIN}))

    expected = {
        "digest": [str(Digest.of(b'{"origin":"ledger.example"}'))],
        "form": ["event"],
        "key": [SIGNER.public.fingerprint],
        "predicate_type": ["urn:sealbook:genesis"],
        "repository": ["urn:sealbook:ledger:ledger.example"],
    }
    assert expected == found


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, ""),
        ({"env": "prod"}, ""),
        ({ISSUER: "i", SUBJECT: "s"}, "i#s"),
        ({ISSUER: "i"}, "i#"),
        ({SUBJECT: "s"}, "#s"),
        ({"requester.issuer": "i", "sealbook.requester.subject.x": "s"}, ""),
    ],
)
def test_requester(annotations: dict[str, str], expected: str) -> None:
    """
    The requester is issuer and subject as the service wrote them, and nothing else.
    """
    assert expected == labels.requester(annotations)
    found = of(approval(REPOSITORY, IMAGE, annotations))
    assert ([expected] if expected else None) == found.get("requester")


def test_several_subjects() -> None:
    """
    A statement about several images is found by each of them, each label once and sorted.
    """
    found = of(
        statement(
            [
                subject(OTHER, name="b.example/x", annotations={ISSUER: "i", SUBJECT: "b"}),
                subject(IMAGE, name="a.example/x", annotations={ISSUER: "i", SUBJECT: "a"}),
                subject(IMAGE, name="a.example/x", annotations={ISSUER: "i", SUBJECT: "a"}),
            ]
        )
    )

    assert sorted([str(IMAGE), str(OTHER)]) == found["digest"]
    assert ["a.example/x", "b.example/x"] == found["repository"]
    assert ["i#a", "i#b"] == found["requester"]


def test_nothing_to_find_by() -> None:
    """
    A label without a value is left out, not empty.
    """
    found = of(statement([subject(IMAGE)], "https://slsa.dev/provenance/v1"))

    assert {"digest", "form", "key", "predicate_type"} == set(found)
    assert ["https://slsa.dev/provenance/v1"] == found["predicate_type"]


@pytest.mark.parametrize(
    "payload",
    [approval(REPOSITORY, IMAGE, {"env": "prod"}), event("frozen", ORIGIN, {"at": 7})],
    ids=["approval", "event"],
)
def test_service_and_auditor_agree(payload: bytes) -> None:
    """
    The labels of a stored record are those that the service derived from its statement.
    """
    made = signed(payload, bytes(32))

    derived = labels.of_statement(Statement.parse(payload), SIGNER.public)
    assert derived == labels.of(made.entry, made.body) == made.labels
    assert set(derived) <= set(labels.NAMES)


@pytest.mark.parametrize(
    "body", [b"hello", dsse.pae("text/plain", b"{}"), dsse.pae(dsse.IN_TOTO, b"{}")]
)
def test_body_of_no_form(body: bytes) -> None:
    """
    A body that is no statement of ours has no labels.
    """
    entry = Entry.of(body, SIGNER.sign(body), SIGNER.public).body()

    refused("malformed", lambda: labels.of(entry, body))


def test_entry_of_no_form() -> None:
    """
    An entry that cannot be read has no labels.
    """
    body = signed(approval(REPOSITORY, IMAGE, {}), bytes(32)).body

    refused("malformed", lambda: labels.of(b"{}", body))


@given(st.dictionaries(st.sampled_from(labels.NAMES), st.lists(st.text(), min_size=1)))
def test_round_trip(found: dict[str, list[str]]) -> None:
    """
    Labels are read back from a row as they were written, in one spelling.
    """
    try:
        row = labels.encode(found)
    except UnicodeEncodeError:
        return

    assert found == labels.decode(row)
    assert row == labels.encode(dict(reversed(found.items())))


@given(st.sampled_from(["a.example/x", "b.example/y/z"]), st.text("abc", max_size=4))
def test_labels_of_any_approval(repository: str, text: str) -> None:
    """
    Every label of an approval stands in its statement or follows from its key.
    """
    found = of(approval(Repository(repository), Digest.of(text.encode()), {SUBJECT: text}))

    assert [repository] == found["repository"]
    assert [str(Digest.of(text.encode()))] == found["digest"]
    assert ([f"#{text}"] if text else None) == found.get("requester")
