"""API keys: for an hour, for some places, and for nobody who has a part of one."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from signer.access.apikeys import ApiKey, ApiKeys, Made
from signer.access.principal import Caller
from signer.access.store import Store
from signer.access.where import Where
from signer.client import Client
from signer.errors import AccessError
from signer.v1 import access_pb2 as pb
from tests.signer.access.logging_in import ACCESS, Site, api_key, asking
from tests.signer.asking import REPOSITORY, annotations, digest, refused
from tests.signer.at_rest.attesting import encrypted
from tests.signer.running import InProcess, running
from tests.signer.world import found_in
from verifier.repository import Repository

NOW = 1_790_000_000.0
TEAM = Where("registry.example/team/**")
CERTIFICATE = "ab" * 32
THERE = Caller("10.0.0.1")


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    Store.create(tmp_path / "access.db")
    with Store(tmp_path / "access.db", clock=clock) as store:
        yield store


@pytest.fixture
def keys(store: Store, clock: Clock) -> ApiKeys:
    return ApiKeys(store, clock)


def made(keys: ApiKeys, **more: Any) -> Made:
    """Have a key made for a developer of the team."""

    def wanted(id_: str, now: int, hashed: bytes) -> ApiKey:
        key = ApiKey(id_, "nightly", "developer", (TEAM,), now, now + 3600, "x#admin", hashed)
        return key._replace(**more)

    return asyncio.run(keys.create("x#admin", wanted))


def why_not(keys: ApiKeys, secret: str, caller: Caller = THERE) -> str:
    """Return why nobody is let in by `secret`."""
    return refused("no-api-key", lambda: keys.holder(secret, caller)).message


def test_a15_holder(keys: ApiKeys) -> None:
    """
    Whoever has the whole key is its holder, with its role in its places, and is no pipeline.
    """
    one = made(keys)
    holder = keys.holder(one.secret, THERE)

    assert holder is not None
    assert f"urn:sealbook:api-key#{one.key.id}" == holder.name
    assert {"name": "nightly"} == holder.claims
    assert {"sign", "attest", "read", "fetch", "watch"} == set(holder.grants)
    assert {TEAM} == {grant.where for grants in holder.grants.values() for grant in grants}
    assert not holder.pipeline
    assert keys.holder("another kind of secret", Caller()) is None


def test_a15_parts(keys: ApiKeys) -> None:
    """
    A15: a part of a key, or one with a wrong check, is told as cut; a whole one with another
    secret as unknown.
    """
    one, other = made(keys), made(keys)
    id_, secret = one.secret.split(".")
    for cut in (
        id_,
        id_ + ".",
        one.secret[:-1],
        one.secret + "A",
        one.secret[:-1] + ("A" if one.secret[-1] != "A" else "B"),
        one.secret.replace(".", ""),
        f"{id_[:4]}{id_[4:].upper()}.{secret}",
        f"{id_}.{secret[:-4]}+/+/",
        f"{other.key.id}.{secret}",  # the check is about the id, too
        one.secret + "\n",
    ):
        assert "not whole" in why_not(keys, cut), cut


def test_a15_unknown(keys: ApiKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A15: an unknown id and a known one with another secret are compared and told alike.
    """
    known, gone = made(keys), made(keys)
    keys._keys[known.key.id] = known.key._replace(hash=gone.key.hash)
    del keys._keys[gone.key.id]
    compared: list[tuple[int, int]] = []

    def compare(a: Any, b: Any) -> bool:
        compared.append((len(a), len(b)))
        return right(a, b)

    right = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)
    told = [why_not(keys, known.secret)]
    first = compared[:]
    compared.clear()
    told.append(why_not(keys, gone.secret))

    assert 1 == len(set(told))
    assert first == compared == [(4, 4), (32, 32)]


def test_a15_expired(keys: ApiKeys, clock: Clock) -> None:
    """
    A15: a key counts until it ends, to the second.
    """
    one = made(keys)
    clock.now = NOW + 3599.9
    assert keys.holder(one.secret, THERE)
    clock.now = NOW + 3600
    assert "ended" in why_not(keys, one.secret)


def test_a15_revoked_at_once(keys: ApiKeys, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A15: from the moment that a key is being revoked no call is let in by it, also when that
    cannot be written; and it stays revoked.
    """
    one = made(keys)
    put = store.put_api_key
    seen = []

    async def watched(id_: str, expires_at: int, record: bytes) -> None:
        seen.append(why_not(keys, one.secret))
        await put(id_, expires_at, record)

    monkeypatch.setattr(store, "put_api_key", watched)
    asyncio.run(keys.revoke(one.key.id))

    assert ["the API key was revoked"] == seen
    assert "revoked" in why_not(ApiKeys(store), one.secret)


def test_a15_revoked_for_now(keys: ApiKeys, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A15: a key whose end cannot be written has ended all the same, and the next try writes it.
    """
    one = made(keys)

    async def full(*_: object) -> NoReturn:
        raise AccessError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(store, "put_api_key", full)
        refused("access-store", lambda: asyncio.run(keys.revoke(one.key.id)))
    assert "revoked" in why_not(keys, one.secret)
    assert ApiKeys(store, keys._clock).holder(one.secret, THERE) is not None
    asyncio.run(keys.revoke(one.key.id))
    assert "revoked" in why_not(ApiKeys(store), one.secret)


def test_a15_bound(keys: ApiKeys) -> None:
    """
    A15: a key that is bound to a client certificate, or to networks, counts over no other.
    """
    certified = made(keys, certificate=CERTIFICATE)
    there = made(keys, networks=("10.0.0.0/8", "2001:db8::/32"))

    assert keys.holder(certified.secret, Caller("10.0.0.1", CERTIFICATE))
    assert "certificate" in why_not(keys, certified.secret)
    assert "certificate" in why_not(keys, certified.secret, Caller("10.0.0.1", "cd" * 32))
    assert keys.holder(there.secret, Caller("2001:db8::1"))
    assert "from there" in why_not(keys, there.secret, Caller("192.0.2.1"))
    assert "from there" in why_not(keys, there.secret, Caller(""))


def test_no_secret_stays(keys: ApiKeys, store: Store, tmp_path: Path) -> None:
    """
    The database has no key, and no object shows one.
    """
    one = made(keys)
    secret = one.secret.partition(".")[2]
    store.close()
    files = b"".join(file.read_bytes() for file in tmp_path.iterdir())

    assert one.key.id.encode() in files
    assert secret.encode() not in files
    for shown in (repr(one), repr(one.key), repr(keys._keys), why_not(keys, one.secret[:-1])):
        assert secret[:20] not in shown


def test_not_without_end(keys: ApiKeys, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Nobody makes keys without end, also not by ending them; a day after its end a key is forgotten.
    """
    monkeypatch.setattr("signer.access.apikeys._MOST_OF_ONE", 2)
    asyncio.run(keys.revoke(made(keys).key.id))
    one = made(keys)
    refused("too-many-calls", lambda: made(keys))
    clock.now = one.key.expires_at + 86_400
    made(keys)
    assert 1 == len(keys.all)


def test_secret_is_random(keys: ApiKeys) -> None:
    """
    A key is an id and 48 characters, of which each time all are others.
    """
    found = [made(keys).secret for _ in range(20)]

    assert all(re.fullmatch(r"sbk_[a-z2-7]{16}\.[A-Za-z0-9_-]{48}", one) for one in found)
    assert 20 == len({one.partition(".")[0] for one in found})
    assert 20 == len({one.partition(".")[2][:8] for one in found})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(found_in(tmp_path_factory.mktemp("apikeys") / "service"))


@pytest.fixture(scope="module")
def service(site: Site) -> Iterator[InProcess]:
    with running(site.world) as service:
        yield service


def test_a15_other_tenant(site: Site, service: InProcess) -> None:
    """
    A15: a key signs in its own places, for whom it was made, and nowhere else.
    """
    with asking(service, site.prefix_admin()) as admin:
        key = api_key(admin, "registry.example/team/**")
    with Client(service.addresses.grpc, key.secret) as client:
        said = annotations(client.sign(digest(1), REPOSITORY))
        refused(
            "permission-denied",
            lambda: client.sign(digest(1), Repository("registry.example/other/app")),
        )

    assert key.key.id == said["sealbook.requester.subject"]
    assert "nightly" == said["sealbook.requester.name"]


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("permission-denied", {"repositories": ["registry.example/other/**"]}),
        ("permission-denied", {"repositories": ["registry.example/**"]}),
        ("permission-denied", {"repositories": ["registry.example/team/app", "*"]}),
        ("permission-denied", {"role": "auditor"}),
        ("permission-denied", {"role": "prefix-admin"}),
        ("permission-denied", {"role": "admin"}),
        ("bad-request", {"role": "root"}),
        ("bad-request", {"name": "Nightly"}),
        ("bad-request", {"ttl_s": 86_401}),
        ("bad-request", {"repositories": []}),
        ("bad-place", {"repositories": ["registry.example/team/../other"]}),
        ("bad-request", {"networks": ["10.0.0.1/8"]}),
        ("bad-request", {"certificate": "AB" * 32}),
    ],
    ids=str,
)
def test_no_more_than_ones_own(
    site: Site, service: InProcess, code: str, asked: dict[str, Any]
) -> None:
    """
    A prefix admin makes keys inside its prefix, for roles that it may give; and no key makes keys.
    """
    with asking(service, site.prefix_admin()) as admin:
        refused(code, lambda: api_key(admin, "registry.example/team/**", **asked))


def test_admin_gives_any(site: Site, service: InProcess) -> None:
    """
    An admin makes keys for any role but those of persons.
    """
    with asking(service, site.admin()) as admin:
        assert api_key(admin, "*", role="auditor").secret
        refused("permission-denied", lambda: api_key(admin, "*", role="operator"))


def test_life(site: Site, service: InProcess) -> None:
    """
    A key lives an hour unless more is asked for; whoever may bind there lists and revokes it, and
    nobody else sees that it is there.
    """

    def listed(client: Client, *, also_ended: bool = False) -> list[str]:
        request = pb.ListApiKeysRequest(all=also_ended)
        answer = client.call(ACCESS + "ListApiKeys", request, pb.ListApiKeysResponse)
        return [key.id for key in answer.keys]

    def revoke(client: Client, id_: str) -> Callable[[], pb.RevokeApiKeyResponse]:
        request = pb.RevokeApiKeyRequest(id=id_)
        return lambda: client.call(ACCESS + "RevokeApiKey", request, pb.RevokeApiKeyResponse)

    with asking(service, site.prefix_admin()) as team, asking(service, site.admin()) as admin:
        mine = api_key(team, "registry.example/team/app")
        others = api_key(admin, "registry.example/other/**", ttl_s=86_400)
        assert 3600 == mine.key.expires_at - mine.key.created_at
        assert 86_400 == others.key.expires_at - others.key.created_at
        assert mine.key.id in listed(team)
        assert others.key.id not in listed(team)
        assert {mine.key.id, others.key.id} <= set(listed(admin))
        refused("not-found", revoke(team, others.key.id))
        assert not revoke(team, mine.key.id)().known
        assert revoke(team, mine.key.id)().known
        assert mine.key.id not in listed(team)
        assert mine.key.id in listed(team, also_ended=True)
    with Client(service.addresses.grpc, mine.secret) as client:
        refused("no-api-key", lambda: client.sign(digest(2), REPOSITORY))
    with Client(service.addresses.grpc, others.secret) as client:
        refused("permission-denied", lambda: api_key(client, "registry.example/other/**"))


def test_at_rest(tmp_path: Path) -> None:
    """
    With encryption at rest nobody reads in the database who has a key for what; its holders notice
    nothing, also after a restart.
    """
    site = Site(encrypted(found_in(tmp_path / "service")))
    with running(site.world) as service, asking(service, site.admin()) as admin:
        key = api_key(admin, "registry.example/canary/**", name="canary")
    files = site.world.directory.glob("access.db*")
    content = b"".join(file.read_bytes() for file in files)
    assert key.key.id.encode() in content
    assert b"canary" not in content
    with running(site.world) as service, Client(service.addresses.grpc, key.secret) as client:
        client.sign(digest(1), Repository("registry.example/canary/app"))
