"""What was signed is attached by the service: asked for, unasked, again, and never elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from signer.client.publishing import Publication
from signer.publish.rows import State
from signer.v1 import operator_pb2
from tests.registries.fake_harbor import FakeHarborRules
from tests.registries.fake_referrers import FakeReferrersRegistry
from tests.signer.access.known import bearer
from tests.signer.asking import digest, eventually, refused
from tests.signer.commands import lines, one
from tests.signer.config.changing import not_reloaded, reload
from tests.signer.publish.publishing import Pushed, configure, publish, publishing, push, sign
from tests.signer.revoking import revoke
from tests.signer.running import InProcess
from tests.signer.second import beside
from tests.signer.trails import told
from tests.signer.world import World, found_in
from verifier.pull.images import fallback_tag
from verifier.repository import Repository

FORMS = ("bundle", "simplesigning", "certificate", "notation")
PUBLISH = "/sealbook.v1.Signer/Publish"
CHANGE = "/sealbook.v1.Operator/ChangePublications"


class Registry(FakeReferrersRegistry):
    """Without the referrers API, as most are; it may be out of order."""

    def __init__(self) -> None:
        super().__init__(referrers_api=False)
        self.broken = ""  # what is refused, by the beginning of its path

    def refuses(self, asked: Any) -> Any:
        from tests.registries.fake_referrers import Refusal

        if self.broken and asked.name.startswith(self.broken):
            return Refusal(503, "UNAVAILABLE", "\x1b[2Jcome again")
        return None


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Registry() as registry:
        yield registry


@pytest.fixture(scope="module")
def service(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service that publishes below /team when asked, and to /auto whatever is signed."""
    world = found_in(tmp_path_factory.mktemp("publish") / "service", FORMS)
    configure(world, f"{registry.address}/team")
    configure(world, f"{registry.address}/auto", 'attach = "all"')
    with world.config.open("a") as file:
        file.write(f'\n[[registries]]\nprefix = "{registry.address}/read"\n')
    beside(world)
    with publishing(world) as service:
        yield service


def image(registry: FakeReferrersRegistry, n: int, path: str = "team/app") -> Pushed:
    return push(registry.address, path, n)


def listed(service: InProcess, of: Pushed | None = None, **more: Any) -> list[Publication]:
    return service.asking(lambda client: client.publications(of.repository if of else "", **more))


def test_every_form_once(service: InProcess, registry: Registry) -> None:
    """
    Each form of an approval is attached, once, however often it is asked for; what a second key
    signs also stays out.
    """
    wanted = image(registry, 1)
    signed = sign(service, wanted)
    first = publish(service, wanted, wait_s=30)
    again = publish(service, wanted, wait_s=30)

    assert ("attached", 1) == (first.state, first.attempts), first
    assert len(FORMS) + 1 == len(signed)
    assert list(first.entries) == signed[: len(FORMS)] == wanted.attached
    assert ("attached", first.entries) == (again.state, again.entries)


def test_what_is_signed_later_too(service: InProcess, registry: Registry) -> None:
    """
    What is signed after it was published is attached by publishing again, beside the rest.
    """
    wanted = image(registry, 2)
    before = sign(service, wanted, forms=["bundle"])
    publish(service, wanted, wait_s=30)
    after = sign(service, wanted, forms=["simplesigning"])
    publish(service, wanted, wait_s=30)

    assert [before[0], *after] == wanted.attached


@pytest.mark.parametrize(
    ("path", "n", "code"),
    [
        ("team/other", 1, "nothing-signed"),
        ("team/app", 99, "nothing-signed"),
        ("read/app", 1, "not-published-here"),
        ("teams/app", 1, "not-published-here"),
    ],
)
def test_not_here(service: InProcess, registry: Registry, path: str, n: int, code: str) -> None:
    """
    Nothing is published that was not signed in that repository, nor to one that is not configured;
    nothing is asked of the registry then.
    """
    wanted = image(registry, n, path)
    sign(service, image(registry, 1))
    asked = len(registry.requests)

    refused(code, lambda: publish(service, wanted))
    refused("not-published-here", lambda: publish(service, wanted._replace(repository=ELSEWHERE)))
    assert [] == listed(service, wanted) or path == "team/app"
    assert asked == len(registry.requests)


ELSEWHERE: Any = "127.0.0.1:1/team/app"


@pytest.mark.parametrize(
    ("digests", "more", "code"),
    [
        ([], {}, "bad-request"),
        ([digest(1), digest(1)], {}, "bad-request"),
        ([digest(n) for n in range(257)], {}, "over-limit"),
        (["sha256:0"], {}, "bad-digest"),
        ([digest(1)], {"wait_s": 61}, "over-limit"),
        ([digest(1)], {"reason": "x" * 1025}, "over-limit"),
    ],
)
def test_odd_orders(
    service: InProcess, registry: Registry, digests: list[str], more: Any, code: str
) -> None:
    """
    An order that cannot be meant is refused as a whole.
    """
    refused(
        code,
        lambda: service.asking(
            lambda client: client.publish(f"{registry.address}/team/app", digests, **more)
        ),
    )


def test_all_or_nothing(service: InProcess, registry: Registry) -> None:
    """
    One digest about which nothing was signed, and none of an order is published.
    """
    wanted = image(registry, 3, "team/whole")
    sign(service, wanted)

    refused(
        "nothing-signed",
        lambda: service.asking(
            lambda client: client.publish(wanted.repository, [wanted.digest, digest(99)])
        ),
    )
    assert [] == listed(service, wanted)


def test_revoked(service: InProcess, registry: Registry) -> None:
    """
    What was revoked is attached no more, also when it waited before; of what waits nothing is
    left then, and it is refused.
    """
    wanted = image(registry, 4, "team/revoked")
    bundle, *rest = sign(service, wanted, forms=["bundle", "simplesigning"])
    revoke(service, entry=bundle)
    publish(service, wanted, wait_s=30)
    assert rest[:1] == wanted.attached

    late = image(registry, 5, "team/revoked")
    sign(service, late, forms=["simplesigning"])
    registry.broken = "team/revoked"
    try:
        assert "waiting" == publish(service, late).state
        eventually(lambda: listed(service, late)[0].attempts)
        revoke(service, image={"digest": late.digest, "repository": late.repository})
    finally:
        registry.broken = ""
    eventually(lambda: listed(service, late)[0].state == "refused")
    assert "revoked" == listed(service, late)[0].code
    assert [] == late.attached
    refused("revoked", lambda: publish(service, late))


def test_down(service: InProcess, registry: Registry) -> None:
    """
    While the registry is down it is accepted, shown with the reason, and the bundle is there for
    who asks the service; once it is up again, it is attached.
    """
    wanted = image(registry, 6, "team/down")
    signed = sign(service, wanted)
    registry.broken = "team/down"
    try:
        found = publish(service, wanted, wait_s=0.5)
        again = publish(service, wanted)
        assert ("waiting", found.id) == (found.state, again.id), "asked for twice, it waits once"
        eventually(lambda: listed(service, wanted)[0].code)
        status = service.command("status")
        shown = service.command("publish", "list", "--waiting", "--repository", wanted.repository)
        bundles = service.asking(lambda client: client.bundles(wanted.digest, wanted.repository))
    finally:
        registry.broken = ""
    service.command("publish", "retry", "--all")
    eventually(lambda: listed(service, wanted)[0].state == "attached")

    assert "1 wait for their registry" in status.stdout
    assert "registry-busy" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert len(signed) == len(bundles)
    assert 2 <= listed(service, wanted)[0].attempts
    assert signed[: len(FORMS)] == wanted.attached


def test_dropped(service: InProcess, registry: Registry) -> None:
    """
    What an operator takes out is not attached, and whoever waited for it is told so at once.
    """
    wanted = image(registry, 7, "team/dropped")
    sign(service, wanted)
    registry.broken = "team/dropped"
    try:
        found = publish(service, wanted)
        dropped = service.command("publish", "drop", found.id, "--json")
    finally:
        registry.broken = ""

    assert {"changed": 1} == one(dropped)
    assert "dropped" == listed(service, wanted)[0].state
    assert [] == wanted.attached
    decisions = [line for line in told(service.directory, "decision") if "drop" in line]
    assert [found.id] == decisions[-1]["ids"]


def test_unasked(service: InProcess, registry: Registry) -> None:
    """
    Where the configuration says so, whatever is signed is attached without being asked for: also
    an attestation; and only there.
    """
    wanted, other = image(registry, 8, "auto/app"), image(registry, 8, "team/quiet")
    signed = sign(service, wanted)[: len(FORMS)]
    sign(service, other)
    attested = service.asking(
        lambda client: client.attest(
            [wanted.digest], wanted.repository, "https://bank.example/review/v1", b'{"ok":true}'
        )
    )
    entries = [*signed, attested.signed.record.index]

    eventually(lambda: entries == wanted.attached)
    assert [] == other.attached


def test_healed(service: InProcess, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What another client overwrote a while after the service attached it is put there again.
    """
    monkeypatch.setattr("signer.publish.working._LOOKS_MS", (200, 200))
    wanted = image(registry, 9, "auto/healed")
    signed = sign(service, wanted)[: len(FORMS)]
    kept = registry.kept("auto/healed")
    for looks in (1, 0):
        eventually(partial(done, service, wanted, looks))
        taken = [tag for tag in kept.tags if tag.startswith(fallback_tag(wanted.digest))]
        for tag in taken:  # as who read it before we wrote
            del kept.tags[tag]
        assert (2, []) == (len(taken), wanted.attached)

    eventually(lambda: signed == wanted.attached)
    eventually(lambda: 0 == listed(service, wanted)[0].next_at)
    assert 3 == listed(service, wanted)[0].attempts


def done(service: InProcess, wanted: Pushed, looks: int) -> bool:
    """Whether it is attached, and looked at so many times more."""
    store = service.server._publications.store
    found = store.listed(waiting=False, repository=wanted.repository, before=1 << 62, limit=1)
    return [(State.ATTACHED, looks)] == [(one.state, one.looks) for one in found]


def test_nothing_forever(service: InProcess, registry: Registry) -> None:
    """
    An image that is not in the registry yet is waited for.
    """
    there = image(registry, 10, "team/late")
    kept = registry.kept("team/late")
    media_type, content = kept.manifests.pop(there.digest)
    sign(service, there)
    publish(service, there)
    eventually(lambda: "no-image" == listed(service, there)[0].code)
    kept.manifests[there.digest] = (media_type, content)
    service.command("publish", "retry", "--all")

    eventually(lambda: "attached" == listed(service, there)[0].state)


def test_command(service: InProcess, registry: Registry) -> None:
    """
    `sealbook publish` says what became of each image, and by its exit code whether one was refused.
    """
    first, second = image(registry, 11, "team/cli"), image(registry, 12, "team/cli")
    for wanted in (first, second):
        sign(service, wanted)
    names = [f"{wanted.repository}@{wanted.digest}" for wanted in (first, second)]
    there = ("--service", service.addresses.grpc)
    done = service.command("publish", *names, "--json", *there)
    found = service.command("publish", "list", "--repository", first.repository)

    assert 0 == done.returncode, done.stderr
    assert ["attached"] * 2 == [line["state"] for line in lines(done)]
    assert 2 == found.stdout.count(" attached ")
    assert "bad-request" in service.command("publish", f"{first.repository}:1.0").stderr
    nothing = service.command("publish", f"{first.repository}@{digest(98)}", *there)
    assert "(nothing-signed)" in nothing.stderr


def test_immutable(tmp_path_factory: pytest.TempPathFactory) -> None:
    """
    Where a tag may not be written again the rest is attached, and trying again is left to people.
    """
    with FakeHarborRules(immutable=["**"]) as harbor:
        world = found_in(tmp_path_factory.mktemp("harbor") / "service", ("bundle", "simplesigning"))
        configure(world, harbor.address)
        with publishing(world) as service:
            wanted = image(harbor, 1)
            sign(service, wanted)
            assert "attached" == publish(service, wanted, wait_s=30).state
            bundle, _ = sign(service, wanted, renew=True)
            found = publish(service, wanted, wait_s=30)

            assert ("refused", "immutable-tag") == (found.state, found.code)
            assert bundle in found.entries
            assert bundle in wanted.attached
            assert (
                1 == service.command("publish", f"{wanted.repository}@{wanted.digest}").returncode
            )


def test_configuration(world: World) -> None:
    """
    Where the service publishes may change while it runs; what cannot be used changes nothing.
    """
    with Registry() as registry, publishing(world) as service:
        wanted = image(registry, 1)
        sign(service, wanted)
        refused("not-published-here", lambda: publish(service, wanted))
        configure(world, registry.address, 'credential = "robot"')
        assert "robot" in not_reloaded(world, "key-file")
        (world.directory / "robot").write_text("robot:secret")
        (world.directory / "robot").chmod(0o600)
        checked = world.command("config", "check")
        reloaded = reload(world)
        found = publish(service, wanted, wait_s=30)

    assert 0 == checked.returncode, checked.stderr
    assert ["registries"] == reloaded.sections
    assert "attached" == found.state


def test_late(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """
    The log says once when something waits longer than it should, and once when that is over.
    """
    monkeypatch.setattr("signer.publish.publications._LOOK_S", 0.05)
    said = ""

    def says(text: str) -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return text in said

    with Registry() as registry:
        configure(world, registry.address)
        with world.config.open("a") as file:
            file.write("\n[publish]\nlate_s = 1\n")
        registry.broken = "team"
        with publishing(world) as service:
            wanted = image(registry, 1, "other/app")._replace(
                repository=Repository(f"{registry.address}/team/app")
            )
            sign(service, wanted)
            publish(service, wanted)
            eventually(lambda: says("images wait to have their signatures attached"))
            time.sleep(0.5)  # it looks ten times meanwhile, and says nothing
            service.command("publish", "drop", "--all")
            eventually(lambda: says("images no longer wait"))

    assert 1 == said.count("images wait to have")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('prefix = "*"\npublish = true', "expected a host"),
        ('prefix = "a.example"\nattach = "all"', "publish = true"),
        ('prefix = "a.example"\nclient_key = "key"', "go together"),
        ('prefix = "a.example"\n[[registries]]\nprefix = "a.example"', "twice"),
    ],
)
def test_what_cannot_be_meant(world: World, line: str, said: str) -> None:
    """
    A prefix that is everywhere would send the credential to any host: it is refused, and so is
    what contradicts itself.
    """
    with world.config.open("a") as file:
        file.write(f"\n[[registries]]\n{line}\n")
    done = world.command("config", "check")

    assert 1 == done.returncode
    assert said in done.stderr


def test_who_may(service: InProcess, registry: Registry) -> None:
    """
    Who may publish there publishes, and nobody else: not who signs, nor who runs the service.
    """
    from signer.v1 import signer_pb2

    wanted = image(registry, 13, "team/roles")
    sign(service, wanted)
    request = signer_pb2.PublishRequest(
        repository=wanted.repository, digests=[wanted.digest]
    ).SerializeToString()
    here, below = wanted.repository, f"{registry.address}/team/**"

    def code(role: str, where: str, proof: str = "session") -> str:
        return service.raw(request, PUBLISH, bearer(role, where, proof)).code

    assert "" == code("publisher", here) == code("publisher", below) == code("publisher", "*")
    assert "permission-denied" == code("publisher", f"{registry.address}/other/**")
    for role in ("developer", "operator", "admin", "auditor", "runtime", "prefix-admin"):
        assert "permission-denied" == code(role, "*"), role

    change = operator_pb2.ChangePublicationsRequest().SerializeToString()
    assert "" == service.raw(change, CHANGE, bearer("operator", "*", "certificate")).code
    for role in ("publisher", "developer", "auditor"):
        answer = service.raw(change, CHANGE, bearer(role, "*", "certificate"))
        assert "permission-denied" == answer.code, role


def test_metrics(service: InProcess) -> None:
    """
    What waits, for how long, and what came of tries can be scraped.
    """
    import httpx

    url = f"http://{service.addresses.http}/metrics"
    text = httpx.get(url, headers={"authorization": f"Bearer {service.token}"}).text

    for name in ("waiting", "oldest_seconds", 'tries_total{result="attached"}'):
        assert f"\nsealbook_publish_{name} " in text, name
