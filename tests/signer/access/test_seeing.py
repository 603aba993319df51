"""R3: nobody is shown what is not theirs to see, nor learns that it is there, nor how much."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger import labels
from signer.v1 import ledger_pb2, signer_pb2
from tests.signer.access.known import bearer, headers, known
from tests.signer.asking import digest, item
from tests.signer.messaging import CUSTOM, prepared
from tests.signer.running import Answer, InProcess, running
from tests.signer.world import found_in
from verifier import dsse
from verifier._strict import canonical_json
from verifier.repository import Repository

MINE = Repository("registry.example/mine/app")
THEIRS = Repository("registry.example/theirs/app")
LEDGER = "/sealbook.v1.Ledger/"
SHARED = 7  # an image that is in both
EACH, MANY = 5, 90
ME = bearer("developer", "registry.example/mine/**")
EVERYBODY = bearer("auditor")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service with approvals of ours and of theirs, of theirs far more."""
    with running(found_in(tmp_path_factory.mktemp("seeing") / "service"), known) as one:
        for repository, numbers in (
            (THEIRS, range(100, 100 + MANY)),
            (MINE, (SHARED, *range(EACH - 1))),
            (THEIRS, (SHARED, *range(200, 200 + MANY))),
            (MINE, (50,)),
        ):
            items = [item(n) for n in numbers]
            one.asking(lambda client, r=repository, i=items: client.sign_batch(r, i))
        for n in range(70):  # the shared image, signed by them again and again
            renewed = [item(SHARED, renew=True, annotations={"n": str(n)})]
            one.asking(lambda client, i=renewed: client.sign_batch(THEIRS, i))
        yield one


def ask(service: InProcess, method: str, request: Any, who: Any = ME) -> Answer:
    return service.raw(request.SerializeToString(), method, who)


def repositories(service: InProcess, indices: list[int]) -> set[str]:
    """Return the repositories of these entries; no name for those of none."""
    rows = [labels.decode(service.ledger.row(index).labels) for index in indices]
    return {name for row in rows for name in row.get("repository", [""])}


def searched(service: InProcess, who: Any, **wanted: Any) -> tuple[list[int], list[int]]:
    """Return what is found on all pages, and where pages start."""
    found, starts, start = [], [], 0
    while True:
        request = ledger_pb2.SearchRequest(start=start, **wanted)
        answer = ask(service, LEDGER + "Search", request, who).message(ledger_pb2.SearchResponse)
        found += [record.index for record in answer.records]
        if not answer.next:
            return found, starts
        assert answer.next > start
        start = answer.next
        starts.append(start)


def mine(service: InProcess) -> list[int]:
    """Return where all of ours is."""
    everything = range(service.ledger.published.checkpoint.tree_size)
    return [index for index in everything if {MINE} == repositories(service, [index])]


def test_list(service: InProcess) -> None:
    """
    A list has the entries of one's own repositories, and an auditor's has all of them.
    """

    def listed(who: Any) -> list[int]:
        answer = ask(service, LEDGER + "ListEntries", ledger_pb2.ListEntriesRequest(), who)
        assert "OK" == answer.status
        messages = [ledger_pb2.ListEntriesResponse.FromString(raw) for raw in answer.messages]
        return [record.index for message in messages for record in message.records]

    assert mine(service) == listed(ME)
    assert EACH + 1 == len(mine(service))
    assert [*range(service.ledger.published.checkpoint.tree_size)] == listed(EVERYBODY)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("digest", digest(SHARED)),
        ("form", "bundle"),
        ("requester", "urn:sealbook:token#loopback"),
        ("predicate_type", "https://sealbook.dev/approval/v1"),
        ("repository", MINE),
    ],
)
@pytest.mark.parametrize("page_size", [1, 2, 64])
def test_search(service: InProcess, name: str, value: str, page_size: int) -> None:
    """
    A search finds what is one's own, and no page tells where anything else is.
    """
    if name == "predicate_type":
        [value] = labels.decode(service.ledger.row(mine(service)[0]).labels)["predicate_type"]
    found, starts = searched(service, ME, name=name, value=value, page_size=page_size)
    own = mine(service)
    shared = [
        i
        for i in own
        if str(digest(SHARED)) in labels.decode(service.ledger.row(i).labels)["digest"]
    ]

    assert (shared if name == "digest" else own) == found
    assert {*starts} <= {*own}


@pytest.mark.parametrize("also", [False, True])
def test_search_for_theirs(service: InProcess, monkeypatch: pytest.MonkeyPatch, also: bool) -> None:
    """
    Whoever asks for what is theirs gets what they get who ask for what is nowhere, also where
    there is more of it than is looked at in one call.
    """
    monkeypatch.setattr("signer.service.search._LOOKED_AT", 8)
    pairs = [("repository", THEIRS), ("repository", "registry.example/nowhere/app")]
    answers = []
    for name, value in pairs:
        label = ledger_pb2.SearchRequest.Label(name=name, value=value)
        request = (
            ledger_pb2.SearchRequest(name="form", value="bundle", also=[label])
            if also
            else ledger_pb2.SearchRequest(name=name, value=value)
        )
        answers.append(ask(service, LEDGER + "Search", request).messages)

    assert answers[0] == answers[1]
    assert not ledger_pb2.SearchResponse.FromString(answers[0][0]).records


def test_windows(service: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where a search could take long, its pages end at positions that tell nothing: the same ones,
    whatever lies there; and all that is one's own is on them.
    """
    monkeypatch.setattr("signer.service.search._WINDOW", 16)
    found, starts = searched(service, ME, name="form", value="bundle")
    none, empty = searched(service, ME, name="form", value="opaque")

    assert mine(service) == found
    assert not none
    assert starts == empty == [*range(16, service.ledger.published.checkpoint.tree_size, 16)]


def test_entry(service: InProcess) -> None:
    """
    An entry of theirs is as one that is not there: the same code, the same words.
    """
    theirs = mine(service)[0] - 1
    size = service.ledger.published.checkpoint.tree_size

    def told(index: int, who: Any = ME) -> str:
        answer = ask(service, LEDGER + "GetEntry", ledger_pb2.GetEntryRequest(index=index), who)
        return f"{answer.status} {answer.code} {answer.details}".replace(str(index), "N")

    assert "NOT_FOUND unknown-entry" in told(theirs)
    assert told(theirs).replace(str(size), "S") == told(size + 5).replace(str(size), "S")
    assert told(0) == told(theirs)  # an event is for whoever reads everywhere
    assert told(mine(service)[0]).startswith("OK")
    assert told(theirs, EVERYBODY).startswith("OK")


def test_body(service: InProcess) -> None:
    """
    A body of theirs is as one that is not there, over both protocols.
    """
    url = f"http://{service.addresses.http}"

    def told(data: bytes) -> tuple[str, str]:
        hexed = hashlib.sha256(data).hexdigest()
        request = ledger_pb2.GetBodyRequest(name=f"sha256:{hexed}")
        answer = ask(service, LEDGER + "GetBody", request)
        path = f"/bodies/sha256/{hexed}"
        over_http = httpx.get(url + path, headers=headers("developer", "registry.example/mine/**"))
        said = over_http.json() if over_http.status_code != 200 else {}
        said.pop("reference", None)
        return tuple(  # type: ignore[return-value]
            text.replace(hexed, "X").replace(path[:80], "P")
            for text in (
                f"{answer.status} {answer.code} {answer.details}",
                f"{over_http.status_code} {said}",
            )
        )

    def body(index: int) -> bytes:
        found = service.ledger.row(index).body
        assert found
        return found

    assert told(b"nothing") == told(body(mine(service)[0] - 1)) == told(body(0))
    assert ("OK", "200") == tuple(text.split()[0] for text in told(body(mine(service)[0])))


def test_bundles(service: InProcess) -> None:
    """
    Of an image that both have, one gets the bundles of one's own, by the runtime's role too, on
    the first page and without a next one.
    """
    url = f"http://{service.addresses.http}"

    def got(who: str, n: int, **more: Any) -> list[str]:
        request = signer_pb2.GetBundlesRequest(digest=digest(n), **more)
        mine_only = bearer(who, "registry.example/mine/**")
        answer = ask(service, "/sealbook.v1.Signer/GetBundles", request, mine_only)
        messages = [signer_pb2.GetBundlesResponse.FromString(raw) for raw in answer.messages]
        found = [str(m.signature.record.index) for m in messages]
        http = httpx.get(
            f"{url}/v1/bundles/{digest(n)}",
            params=more,
            headers=headers(who, "registry.example/mine/**"),
        )
        if not found:
            assert (404, "not-found") == (http.status_code, http.json()["code"])
            return []
        assert 0 == http.json()["next"]
        entries = [one["verificationMaterial"]["tlogEntries"][0] for one in http.json()["bundles"]]
        assert found == [entry["logIndex"] for entry in entries]
        return found

    own = {str(index) for index in mine(service)}
    for who in ("developer", "runtime"):
        shared = got(who, SHARED)
        assert 1 == len(shared)
        assert {*shared} <= own
        assert shared == got(who, SHARED, repository=MINE)
        assert [] == got(who, SHARED, repository=THEIRS) == got(who, 100) == got(who, 9999)


def test_json_twin(service: InProcess) -> None:
    """
    The twin of a call shows no more than the call.
    """
    answer = httpx.post(
        f"http://{service.addresses.http}/v1/get-bundles",
        json={"digest": digest(SHARED)},
        headers=headers("runtime", "registry.example/mine/**"),
    )
    [line] = answer.text.splitlines()

    assert int(json.loads(line)["signature"]["record"]["index"]) in mine(service)


def test_runtime_lists_nothing(service: InProcess) -> None:
    """
    What fetches by digest is shown no list.
    """
    for method in ("Search", "ListEntries", "GetEntry", "GetBody"):
        answer = service.raw(b"", LEDGER + method, bearer("runtime"))
        assert "permission-denied" == answer.code


def test_mirror_of_a_part(service: InProcess) -> None:
    """
    A mirror takes everything, so it is for whoever may mirror everywhere.
    """
    asked = ledger_pb2.PullRequest(tree_size=service.tree_size).SerializeToString()

    assert "OK" == service.raw(asked, LEDGER + "Pull", bearer("auditor")).status
    part = bearer("auditor", "registry.example/mine/**")
    assert "permission-denied" == service.raw(asked, LEDGER + "Pull", part).code


def test_of_none(tmp_path: Path) -> None:
    """
    What names no repository, as what nobody read, is for whoever may read everywhere.
    """
    with running(prepared(tmp_path / "service"), known) as service:
        request = signer_pb2.SignMessageRequest(digest=b"x" * 32, key="blind")
        signed = ask(service, "/sealbook.v1.Signer/SignMessage", request, service.metadata)
        index = signed.message(signer_pb2.SignMessageResponse).logged.record.index
        get = ledger_pb2.GetEntryRequest(index=index)
        for who, status in ((ME, "NOT_FOUND"), (EVERYBODY, "OK")):
            assert status == ask(service, LEDGER + "GetEntry", get, who).status
            found, _ = searched(service, who, name="form", value="opaque")
            assert ([index] if status == "OK" else []) == found


def test_of_both(tmp_path: Path) -> None:
    """
    What is about a repository of one's own and another is shown to whoever may see both.
    """
    subjects = [{"name": name, "digest": {"sha256": digest(1).hex}} for name in (MINE, THEIRS)]
    message = dsse.pae(
        dsse.IN_TOTO,
        canonical_json(
            {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": subjects,
                "predicateType": CUSTOM,
                "predicate": {},
            }
        ),
    )
    both = "registry.example/**"
    with running(found_in(tmp_path / "service"), known) as service:
        request = signer_pb2.SignMessageRequest(message=message, key="attest")
        signed = ask(service, "/sealbook.v1.Signer/SignMessage", request, bearer("developer", both))
        index = signed.message(signer_pb2.SignMessageResponse).logged.record.index
        get = ledger_pb2.GetEntryRequest(index=index)
        seen = {
            where: ask(service, LEDGER + "GetEntry", get, bearer("developer", where)).status
            for where in (both, MINE, THEIRS, "registry.example/mine/**", "*")
        }
        none, _ = searched(service, bearer("developer", MINE), name="repository", value=MINE)
        found, _ = searched(service, bearer("developer", both), name="repository", value=MINE)

    hidden = dict.fromkeys((MINE, THEIRS, "registry.example/mine/**"), "NOT_FOUND")
    assert {both: "OK", **hidden, "*": "OK"} == seen
    assert ([], [index]) == (none, found)
