"""The lookaside: signatures for Podman, CRI-O and skopeo, with nothing in the registry."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ledger import labels
from signer.client import Signed
from signer.http.lookaside import MOST, Asked
from signer.keys.memory import MemoryKey
from tests.signer.access.known import headers, known
from tests.signer.asking import OTHER_REPOSITORY, REPOSITORY, digest, item
from tests.signer.revoking import Image, Key, revoke
from tests.signer.running import InProcess, running
from tests.signer.world import World, found_in
from verifier.simplesigning import MEDIA_TYPE, SimpleSigning

HEADER = b"\x00sigstore-json\n"
PORT = "registry.example:5000/team/app"
BOTH = ["bundle", "simplesigning"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A running service that also knows callers by a role's name."""
    with running(found_in(tmp_path_factory.mktemp("lookaside") / "service"), known) as service:
        yield service


@pytest.fixture
def http(service: InProcess) -> Iterator[httpx.Client]:
    """Somebody whom nobody knows, as Podman is."""
    with asking(service) as client:
        yield client


def asking(service: InProcess) -> httpx.Client:
    return httpx.Client(base_url=f"http://{service.addresses.http}")


def sign(service: InProcess, n: int, repository: str = REPOSITORY, **more: Any) -> Signed:
    """Have image `n` approved in the two forms."""
    return service.asking(lambda client: client.sign(digest(n), repository, forms=BOTH, **more))


def path(n: int, number: object = 1, repository: str = REPOSITORY) -> str:
    return f"/lookaside/{repository}@{digest(n).replace(':', '=')}/signature-{number}"


def read(http: httpx.Client, n: int, repository: str = REPOSITORY, **more: Any) -> list[bytes]:
    """Read signatures as containers/image does: 1, 2, 3… until there is none."""
    found: list[bytes] = []
    while True:
        answer = http.get(path(n, len(found) + 1, repository), **more)
        if answer.status_code == 404:
            return found
        assert 200 == answer.status_code, answer.text
        found.append(answer.content)


def indices(files: list[bytes]) -> list[int]:
    """Return where the signatures are in the log, by what they say themselves."""
    found = []
    for file in files:
        value = json.loads(file.removeprefix(HEADER))
        bundle = json.loads(value["annotations"]["dev.sigstore.cosign/bundle"])
        found.append(bundle["Payload"]["logIndex"])
    return found


def test_as_containers_image_keeps_it(service: InProcess, http: httpx.Client) -> None:
    """
    The file is the line that names the format, and the signature with Rekor's promise as JSON; it
    is the very signature that Sign answered with.
    """
    signed = sign(service, 1)
    [simple] = [one for one in signed.more if one.record.form == labels.SIMPLESIGNING]
    [file] = read(http, 1)
    value = json.loads(file.removeprefix(HEADER))
    said = SimpleSigning.parse(base64.b64decode(value["payload"]))

    assert file == HEADER + simple.bundle()
    assert MEDIA_TYPE == value["mimeType"]
    assert (REPOSITORY, digest(1)) == (said.repository, said.digest)


def test_nothing_there(service: InProcess, http: httpx.Client) -> None:
    """
    An image that nobody signed, one signed in other forms alone, or for another repository or
    port, has no signature: 404, which no cache keeps.
    """
    service.asking(lambda client: client.sign(digest(2), REPOSITORY))
    sign(service, 3, OTHER_REPOSITORY)
    sign(service, 3, PORT)
    answer = http.get(path(2))

    assert (404, "not-found") == (answer.status_code, answer.json()["code"])
    assert "no-store" == answer.headers["cache-control"]
    assert [] == read(http, 3) == read(http, 3, f"{REPOSITORY}/more") == read(http, 99)
    assert [1, 1] == [len(read(http, 3, name)) for name in (OTHER_REPOSITORY, PORT)]


def test_newest_first(service: InProcess, http: httpx.Client) -> None:
    """
    Signatures are numbered without holes, the newest first.
    """
    items = [item(4, annotations={"n": str(n)}) for n in range(5)]
    signed = service.asking(lambda c: c.sign_batch(REPOSITORY, items, forms=BOTH))
    service.asking(lambda c: c.sign_batch(OTHER_REPOSITORY, items, forms=BOTH))
    made = [one.more[0].record.index for one in signed if isinstance(one, Signed)]

    assert made[::-1] == indices(read(http, 4))


def test_no_more_than_they_take(service: InProcess, http: httpx.Client) -> None:
    """
    Of more signatures than those clients take, the newest are there.
    """
    items = [item(5, annotations={"n": str(n)}) for n in range(MOST + 3)]
    signed = service.asking(lambda c: c.sign_batch(REPOSITORY, items, forms=["simplesigning"]))
    made = [one.record.index for one in signed if isinstance(one, Signed)]

    assert made[: -MOST - 1 : -1] == indices(read(http, 5))
    assert 404 == http.get(path(5, MOST + 1)).status_code


@pytest.fixture
def revocable(world: World) -> World:
    world.add_key("hotfix", MemoryKey.generate("ecdsa-p256"))
    return world


def test_revoked(revocable: World) -> None:
    """
    What is revoked is handed out no more, from the moment of the answer: an entry, what a key
    signed from some position on, an image in one repository or everywhere. The others close up.
    """
    with running(revocable) as service, asking(service) as http:
        first, second = (sign(service, 1, annotations={"n": n}) for n in "12")
        third = sign(service, 1, key="hotfix")
        kept, middle, by_key = (one.more[0].record.index for one in (first, second, third))
        assert [by_key, middle, kept] == indices(read(http, 1))
        tag = http.get(path(1, 2)).headers["etag"]

        revoke(service, entry=second.record.index)
        assert [by_key, middle, kept] == indices(read(http, 1)), "the bundle alone was revoked"
        revoke(service, entry=middle)
        assert [by_key, kept] == indices(read(http, 1))
        assert 200 == http.get(path(1, 2), headers={"if-none-match": tag}).status_code
        revoke(service, key=Key(name="hotfix", valid_through_tree_size=by_key + 1))
        assert [by_key, kept] == indices(read(http, 1)), "signed before that"
        revoke(service, key=Key(name="hotfix", valid_through_tree_size=by_key))
        assert [kept] == indices(read(http, 1))

        sign(service, 1, OTHER_REPOSITORY)
        revoke(service, image=Image(digest=digest(1), repository=REPOSITORY))
        assert [] == read(http, 1)
        assert 1 == len(read(http, 1, OTHER_REPOSITORY))
        revoke(service, image=Image(digest=digest(1), repository="*"))
        assert [] == read(http, 1, OTHER_REPOSITORY)


def test_who_is_shown_it(service: InProcess) -> None:
    """
    Who may fetch about a repository gets its signatures, also by Basic's password or a token in
    the path, as there is no other way to give Podman one; for others there are none.
    """
    sign(service, 6)
    team, elsewhere = "registry.example/team/**", "registry.example/mine/**"
    secret = f"test|runtime|{team}|session|"
    basic = base64.b64encode(f"append:{secret}".encode()).decode()
    with asking(service) as http:
        by_role = {
            (role, where): len(read(http, 6, headers=headers(role, where)))
            for role in ("runtime", "developer", "operator")
            for where in (team, elsewhere)
        }
        with_basic = read(http, 6, headers={"authorization": f"Basic {basic}"})
        in_path = http.get(f"/t/{service.token}{path(6)}")
        other = http.get(path(6), headers=headers("runtime", elsewhere))
        missing = http.get(path(7), headers=headers("runtime", elsewhere))
        no_right = http.get(path(6), headers=headers("monitor"))
        unknown = http.get(path(6), headers={"authorization": "Bearer nonsense"})

    assert by_role == {key: int(key[1] == team) for key in by_role}
    assert 1 == len(with_basic)
    assert 200 == in_path.status_code
    same = [answer.json() | {"reference": "", "message": ""} for answer in (other, missing)]
    assert same[0] == same[1]
    assert (403, 401) == (no_right.status_code, unknown.status_code)


def test_caches_ask_again(service: InProcess, http: httpx.Client) -> None:
    """
    A cache may keep a signature if it asks again each time, and is told when it is the same.
    """
    sign(service, 8)
    answer, again = http.get(path(8)), http.head(path(8))
    same = http.get(path(8), headers={"if-none-match": f'"x", W/{answer.headers["etag"]}'})
    other = http.get(path(8), headers={"if-none-match": '"x"'})

    assert "no-cache" == answer.headers["cache-control"]
    assert "application/octet-stream" == answer.headers["content-type"]
    assert (200, b"", answer.headers["etag"]) == (
        again.status_code,
        again.content,
        again.headers["etag"],
    )
    assert str(len(answer.content)) == again.headers["content-length"]
    assert (304, b"", 200) == (same.status_code, same.content, other.status_code)
    assert 404 == http.head(path(99)).status_code


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("", "malformed"),
        (path(1)[11:].removesuffix("-1"), "malformed"),
        (path(1, 0)[11:], "malformed"),
        (path(1, "01")[11:], "malformed"),
        (path(1, "-1")[11:], "malformed"),
        (path(1, "1/")[11:], "malformed"),
        (path(1, "1234567")[11:], "malformed"),
        (path(1)[11:].replace("sha256=", "sha256:"), "malformed"),
        (path(1)[11:].replace("sha256=", "sha512="), "malformed"),
        (path(1)[11:].replace(digest(1).hex, digest(1).hex.upper()), "malformed"),
        (path(1)[11:].replace(digest(1).hex, digest(1).hex[1:]), "malformed"),
        (path(1)[11:].replace("@", "%40"), "malformed"),
        (path(1)[11:].replace("/", "%2F"), "malformed"),
        (path(1)[11:].replace("=", "%3D"), "malformed"),
        (path(1, 1, "registry.example/Team")[11:], "bad-repository"),
        (path(1, 1, "registry.example//team")[11:], "bad-repository"),
        (path(1, 1, "/registry.example/team")[11:], "bad-repository"),
        (path(1, 1, "registry.example:0/team")[11:], "bad-repository"),
        (path(1, 1, "registry.example:99999/team")[11:], "bad-repository"),
        (path(1, 1, "registry.example")[11:], "bad-repository"),
        (path(1, 1, "team/app")[11:], "bad-repository"),
        (path(1, 1, "index.docker.io/library/app")[11:], "bad-repository"),
        (path(1, 1, "docker.io/app")[11:], "bad-repository"),
        (path(1, 1, "registry.example/-1")[11:], "malformed"),
        (path(1, 1, "registry.example/-3/a/b")[11:], "malformed"),
        (path(1, 1, "registry.example/-0/a")[11:], "bad-repository"),
        (path(1, 1, "registry.example/-1/a")[11:], "bad-repository"),
        (path(1, 1, "registry.example/team/-1/a/-1/b")[11:], "bad-repository"),
        ("x" * 9000, "malformed"),
        ("a/" * 250 + "b@", "malformed"),
    ],
)
def test_strict(service: InProcess, http: httpx.Client, wrong: str, code: str) -> None:
    """
    A path has one spelling; any other is refused, whatever is signed.
    """
    sign(service, 1)
    answer = http.get("/lookaside/" + wrong)

    assert (400, code) == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("asked", "repository"),
    [
        ("registry.example/team/app", "registry.example/team/app"),
        ("registry.example:5000/team/app", "registry.example:5000/team/app"),
        ("docker.io/library/app", "docker.io/library/app"),
        ("localhost/app", "localhost/app"),
        ("registry.example/-1/proxy/team/app", "registry.example/team/app"),
        ("registry.example/team/-2/a/b/app", "registry.example/team/app"),
        ("registry.example/team/app/-2/a/b", "registry.example/team/app"),
        ("registry.example/team-1/app", "registry.example/team-1/app"),
    ],
)
def test_names(asked: str, repository: str) -> None:
    """
    The repository is what the path says, without the names of a mirror that are to be left out.
    """
    where = path(1, 17, asked).removeprefix("/lookaside/")

    assert (repository, digest(1), 17) == Asked.parse(where)


def test_other_verbs(http: httpx.Client) -> None:
    """
    Nothing can be put there.
    """
    answers = [http.request(verb, path(1)) for verb in ("PUT", "POST", "DELETE")]

    assert [(405, "GET")] * 3 == [(one.status_code, one.headers["allow"]) for one in answers]


def test_behind_others(service: InProcess, http: httpx.Client) -> None:
    """
    A signature is found behind hundreds of other statements about the same image; behind more
    than a thousand it is not looked for.
    """
    made = sign(service, 10).more[0].record.index

    def sign_elsewhere(numbers: range) -> None:
        for start in range(numbers.start, numbers.stop, 256):
            items = [item(10, annotations={"n": str(n)}) for n in range(start, start + 256)]
            service.asking(lambda c, i=items: c.sign_batch(OTHER_REPOSITORY, i, forms=["bundle"]))

    sign_elsewhere(range(768))
    assert [made] == indices(read(http, 10))
    sign_elsewhere(range(768, 1280))
    assert [] == read(http, 10)
