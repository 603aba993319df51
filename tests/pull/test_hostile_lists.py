"""O1, O5, O6: lists that do not end, lead elsewhere, or bury the one good signature."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pytest

from tests.pull.hostile import IMAGE, INDEX, JSON, Asked, HostileRegistry, answer, bounded, told
from verifier import limits
from verifier.digest import Digest
from verifier.errors import LimitError, VerificationError
from verifier.pull.errors import (
    NoImageError,
    RegistryAnswerError,
    RegistryTimeoutError,
    TooManySignaturesError,
)
from verifier.pull.forms import find_forms
from verifier.pull.registry.catalog import catalog
from verifier.pull.registry.client import Registry
from verifier.pull.registry.settings import Registries
from verifier.repository import Repository

ALONE = Registries((), docker=False)
SUBJECT = Digest.of(b"the image")
REFERRERS = f"/v2/app/referrers/{SUBJECT}"
TAGS = "/v2/app/tags/list"


def referrer(number: int) -> dict[str, object]:
    return {"mediaType": IMAGE, "digest": Digest.of(b"%d" % number), "size": 300}


def index(listed: list[dict[str, object]]) -> dict[str, object]:
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}


@pytest.fixture
def app(hostile: HostileRegistry) -> Iterator[Registry]:
    with Registry(Repository(f"{hostile.address}/app"), ALONE, deadline_s=5) as app:
        yield app


def refused(error: type[VerificationError], code: str, act: object) -> VerificationError:
    with pytest.raises(error) as caught:
        act()  # type: ignore[operator]
    assert code == caught.value.code
    return caught.value


def test_o1_ten_thousand_referrers(hostile: HostileRegistry, app: Registry) -> None:
    """
    O1: 10,000 referrers are too many to read, and are never taken for none.
    """
    page = told(index([referrer(n) for n in range(10_000)]), media_type=INDEX)
    hostile.sends[REFERRERS] = lambda _: page

    with bounded(seconds=1, mebibytes=4):
        refused(TooManySignaturesError, "too-many-signatures", lambda: app.referrers(SUBJECT))


def test_o1_endless_pages_of_referrers(hostile: HostileRegistry, app: Registry) -> None:
    """
    O1: pages of referrers that always have a next one end at the limit.
    """
    numbers = itertools.count()

    def send(asked: Asked) -> list[bytes]:
        number = next(numbers)
        link = {"Link": f'<{REFERRERS}?last={number}>; rel="next"'}
        return told(index([referrer(number * 10 + n) for n in range(10)]), link, INDEX)

    hostile.sends[REFERRERS] = send

    with bounded(seconds=1, mebibytes=2):
        refused(TooManySignaturesError, "too-many-signatures", lambda: app.referrers(SUBJECT))


def test_o1_endless_empty_pages(hostile: HostileRegistry) -> None:
    """
    O1: pages with nothing on them end too, by their number or by the time of all together.
    """
    numbers = itertools.count()

    def send(asked: Asked) -> list[bytes]:
        return told({"name": "app", "tags": []}, {"Link": f"<{TAGS}?p={next(numbers)}>; rel=next"})

    hostile.sends[TAGS] = send

    with (
        Registry(Repository(f"{hostile.address}/app"), ALONE, deadline_s=1) as app,
        bounded(seconds=1, mebibytes=2),
        pytest.raises((LimitError, RegistryTimeoutError)),
    ):
        list(app.tags())


def test_o1_slow_pages(hostile: HostileRegistry) -> None:
    """
    O1: each page is there in time, and all of them together are not: the deadline is of all.
    """
    numbers = itertools.count()

    def send(asked: Asked) -> Iterator[bytes]:
        link = {"Link": f"<{TAGS}?p={next(numbers)}>; rel=next"}
        return hostile.slowly([b"", *told({"name": "app", "tags": ["a"]}, link)], 0.1)

    hostile.sends[TAGS] = send

    with (
        Registry(Repository(f"{hostile.address}/app"), ALONE, deadline_s=1) as app,
        bounded(seconds=1, mebibytes=2),
    ):
        refused(RegistryTimeoutError, "registry-timeout", lambda: list(app.tags()))


@pytest.mark.parametrize("link", [TAGS, f"{TAGS}?n=1000"])
def test_o1_pages_in_a_circle(hostile: HostileRegistry, app: Registry, link: str) -> None:
    """
    O1: a page that leads back to one that was read is refused.
    """
    hostile.sends[TAGS] = lambda _: told({"tags": ["a"]}, {"Link": f'<{link}>; rel="next"'})

    with bounded(seconds=1, mebibytes=1):
        refused(RegistryAnswerError, "bad-registry-answer", lambda: list(app.tags()))


def test_o1_next_page_among_other_links(hostile: HostileRegistry, app: Registry) -> None:
    """
    O1: the next page is found in whichever header it is, among links to whatever else.
    """
    links = (
        f'Link: <{TAGS}?p=2>; title="a, b"; rel="next"\r\n'
        'Link: </style.css>; rel=preload, </x>; rel="next-archive"\r\n'
    )
    first = b'{"tags": ["a"]}'
    head = f"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: {len(first)}\r\n"
    pages = [[f"{head}{links}\r\n".encode() + first], told({"tags": ["b"]})]
    hostile.sends[TAGS] = lambda _: pages.pop(0)

    assert ["a", "b"] == list(app.tags())


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:1/v2/app/tags/list?p=2",
        "//elsewhere.example/v2/app/tags/list",
        "https://169.254.169.254/latest",
        "file:///etc/passwd",
        "http://user:pass@127.0.0.1/",
    ],
)
def test_o1_next_page_at_another_host(hostile: HostileRegistry, app: Registry, link: str) -> None:
    """
    O1: the next page is at this registry, or nowhere.
    """
    hostile.sends[TAGS] = lambda _: told({"tags": ["a"]}, {"Link": f'<{link}>; rel="next"'})

    refused(RegistryAnswerError, "bad-registry-answer", lambda: list(app.tags()))


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"tags": {"a": 1}}',
        b'{"tags": [1]}',
        b'{"tags": ["../x"]}',
        b'{"tags": ["a\\n"]}',
        b'{"tags": ["a"], "tags": ["b"]}',
        b'{"tags": ' + b"[" * 100_000,
        b"\xff\xfe",
        b"<html>",
    ],
)
def test_o1_list_that_is_none(hostile: HostileRegistry, app: Registry, body: bytes) -> None:
    """
    O1: a list of tags has its one form, and a tag cannot be a path.
    """
    hostile.sends[TAGS] = lambda _: answer(200, body, JSON)

    with bounded(seconds=1, mebibytes=2), pytest.raises((RegistryAnswerError, LimitError)):
        list(app.tags())


def test_o1_list_of_another_media_type(hostile: HostileRegistry, app: Registry) -> None:
    """
    O1: a page for people is no list of referrers, not even an empty one.
    """
    hostile.sends[REFERRERS] = lambda _: answer(
        200, json.dumps(index([])).encode(), {"Content-Type": "text/html"}
    )

    refused(RegistryAnswerError, "bad-registry-answer", lambda: app.referrers(SUBJECT))


def test_o1_page_too_large(hostile: HostileRegistry, app: Registry) -> None:
    """
    O1: a page of a gigabyte, announced or not, is not read to its end.
    """

    def send(asked: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\n\r\n"
        yield from itertools.repeat(b" " * 65_536, 16_384)

    hostile.sends[TAGS] = send

    with bounded(seconds=2, mebibytes=8):
        refused(LimitError, "over-limit", lambda: list(app.tags()))


def test_o1_too_many_tags(
    hostile: HostileRegistry, app: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    O1: tags end at their limit.
    """
    monkeypatch.setattr(limits, "TAGS", 20_000)
    page = [f"t{n}" for n in range(5_000)]
    numbers = itertools.count()
    hostile.sends[TAGS] = lambda _: told(
        {"tags": page}, {"Link": f"<{TAGS}?p={next(numbers)}>; rel=next"}
    )

    with bounded(seconds=3, mebibytes=4):
        refused(LimitError, "over-limit", lambda: list(app.tags()))


def test_o1_catalog(hostile: HostileRegistry) -> None:
    """
    O1: so do repositories, and names that could not be ours are passed by.
    """
    numbers = itertools.count()

    def send(asked: Asked) -> list[bytes]:
        number = next(numbers)
        link = {"Link": f"</v2/_catalog?p={number}>; rel=next"} if number < 2 else {}
        return told({"repositories": [f"team/a{number}", "UPPER", "../x", "teams/b"]}, link)

    hostile.sends["/v2/_catalog"] = send

    found = list(catalog(hostile.address, ALONE, "team"))

    assert [f"{hostile.address}/team/a{number}" for number in range(3)] == found


def test_o5_good_one_behind_a_thousand(hostile: HostileRegistry, app: Registry) -> None:
    """
    O5: a good signature behind more bad ones than are read is "too many", never "unsigned".
    """
    layers = [
        {"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "size": 2, "digest": d}
        for d in (Digest.of(b"%d" % n) for n in range(1_100))
    ]
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2}
    manifest = {
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": {**config, "digest": Digest.of(b"{}")},
        "layers": layers,
    }
    tag = f"/v2/app/manifests/{SUBJECT.replace(':', '-')}.sig"
    hostile.sends[tag] = lambda _: told(manifest, media_type=IMAGE)

    with bounded(seconds=1, mebibytes=4):
        refused(TooManySignaturesError, "too-many-signatures", lambda: find_forms(app, SUBJECT))


def test_o5_good_one_among_invalid_ones(hostile: HostileRegistry, app: Registry) -> None:
    """
    O5: what is listed and is not there, or is something else, hides no other.
    """
    subject = {"mediaType": IMAGE, "digest": SUBJECT, "size": 9}
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2}
    good = {
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": {**config, "digest": Digest.of(b"{}")},
        "layers": [],
        "subject": subject,
    }
    content = json.dumps(good).encode()
    listed = [referrer(n) for n in range(200)]
    listed.append({"mediaType": IMAGE, "digest": Digest.of(content), "size": len(content)})
    hostile.sends[REFERRERS] = lambda _: told(index(listed), media_type=INDEX)
    hostile.sends[f"/v2/app/manifests/{Digest.of(content)}"] = lambda _: answer(
        200, content, {"Content-Type": IMAGE}
    )

    with bounded(seconds=2, mebibytes=4):
        found = find_forms(app, SUBJECT)

    assert [Digest.of(content)] == [one.listed.digest for one in found.artifacts]
    assert 200 == len(found.odd)


@pytest.mark.parametrize("status", [400, 404, 405, 406, 501])
def test_o6_no_list_of_referrers(hostile: HostileRegistry, app: Registry, status: int) -> None:
    """
    O6: a registry without the API has no list, which is not an empty one; it is asked once.
    """
    hostile.sends[REFERRERS] = lambda _: answer(status, b"404 page not found")

    assert [None, None] == [app.referrers(SUBJECT), app.referrers(SUBJECT)]
    assert 1 == len(hostile.to(REFERRERS))


def test_o6_not_there_yet(hostile: HostileRegistry, app: Registry) -> None:
    """
    O6: a registry that has nothing under this name yet may have the API: it is asked again.
    """
    unknown = json.dumps({"errors": [{"code": "NAME_UNKNOWN"}]}).encode()
    hostile.sends[REFERRERS] = lambda _: answer(404, unknown, JSON)
    assert app.referrers(SUBJECT) is None

    hostile.sends[REFERRERS] = lambda _: told(index([]), media_type=INDEX)
    assert [] == app.referrers(SUBJECT)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_o6_no_answer_is_no_empty_list(
    hostile: HostileRegistry, app: Registry, status: int
) -> None:
    """
    O6: a registry that does not say is not one that has none.
    """
    hostile.sends[REFERRERS] = lambda _: answer(status)

    with pytest.raises(VerificationError) as caught:
        app.referrers(SUBJECT)

    assert not isinstance(caught.value, NoImageError)


def test_o6_forged_fallback_index(hostile: HostileRegistry, app: Registry) -> None:
    """
    O6: an index under the fallback tag that lists one manifest twice, and one of another image,
    gives neither twice nor at all.
    """
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2}
    contents = [
        json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": IMAGE,
                "config": {**config, "digest": Digest.of(b"{}")},
                "layers": [],
                "subject": {"mediaType": IMAGE, "digest": Digest.of(of), "size": 9},
            }
        ).encode()
        for of in (b"the image", b"another image")
    ]
    listed: list[dict[str, object]] = []
    for content in contents:
        one = {"mediaType": IMAGE, "digest": Digest.of(content), "size": len(content)}
        listed += [one, {**one, "size": 7}]
        hostile.sends[f"/v2/app/manifests/{Digest.of(content)}"] = lambda _, body=content: answer(
            200, body, {"Content-Type": IMAGE}
        )
    tag = f"/v2/app/manifests/{SUBJECT.replace(':', '-')}"
    hostile.sends[tag] = lambda _: told(index(listed), media_type=INDEX)

    found = find_forms(app, SUBJECT)

    assert [Digest.of(contents[0])] == [one.listed.digest for one in found.artifacts]
    assert [Digest.of(contents[1])] == [one.digest for one in found.odd]
