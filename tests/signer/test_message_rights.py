"""Who may have which message signed, and what becomes of it when they leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

from ledger.bodies import Bodies
from ledger.clock import LedgerClock
from ledger.errors import QuorumError
from ledger.ledger import Ledger
from ledger.publication import PublicationFile
from ledger.sequencer import Sequencer
from signer.access import Action, Grant, Principal, Where
from signer.approvals.control import Control
from signer.authority.certificates import make_root, make_signer
from signer.dating import Dating
from signer.forms.all import all_forms
from signer.gates import Gates
from signer.keys import SigningKey
from signer.keys.memory import MemoryKey
from signer.keys.ring import KeyRing
from signer.message import MessageOrder, Messages, SignedMessage
from signer.status.in_force import InForce
from tests.ledger.making import KEYS, MemoryAnchor, memory_store
from tests.signer.asking import ORIGIN, REPOSITORY, refused
from tests.signer.messaging import CUSTOM, notation, simple, statement
from tests.signer.spoiling import CountingKey
from tests.signer.trails import trail_over
from verifier.note import Note

NOW = 1_795_608_000.0
ELSEWHERE = "registry.example/elsewhere/app"
TEAM = {"sign": ("registry.example/team/**",)}
HERE = {"sign": ("registry.example/team/**", "docker.io/library/**")}
EVERYTHING: Mapping[Action, tuple[str, ...]] = {
    "sign": ("*",),
    "attest": ("*",),
    "sign-raw": ("*",),
}


class Desk:
    """Messages over a ledger in memory, at a time that stands still."""

    def __init__(self, directory: Path, publication: PublicationFile | None = None) -> None:
        promising = KEYS._replace(promise=MemoryKey.generate("ecdsa-p256"))
        clock = LedgerClock(lambda: NOW, lambda: NOW)
        store, anchor = memory_store(), MemoryAnchor()
        self.ledger = Ledger(
            store, anchor, promising, clock, publication, bodies=Bodies(directory / "bodies")
        )
        self.trail = trail_over(self.ledger, directory)
        made = {name: MemoryKey.generate("ecdsa-p256") for name in ("release", "attest", "blind")}
        self.counting = {name: CountingKey(key) for name, key in made.items()}
        authority, root = make_root(MemoryKey.generate("ecdsa-p256"), ORIGIN, int(NOW))
        leaf = make_signer(authority, made["release"].public, "release", ORIGIN, int(NOW))
        self.keys = {
            "release": SigningKey(
                "release", self.counting["release"], ("bundle",), chain=(leaf, root)
            ),
            "attest": SigningKey("attest", self.counting["attest"], purpose="attest"),
            "blind": SigningKey("blind", self.counting["blind"], raw=True),
        }

    def run(self, work: Callable[[Messages], Coroutine[Any, Any, Any]]) -> Any:
        """Run `work` with the messages."""

        async def do() -> Any:
            self.sequencer = Sequencer(self.ledger, print)
            try:
                return await work(self.messages(self.sequencer))
            finally:
                await asyncio.to_thread(self.sequencer.stop)

        return asyncio.run(do())

    def messages(self, sequencer: Sequencer) -> Messages:
        return Messages(
            self.ledger,
            sequencer,
            KeyRing(self.keys.values(), "release"),
            forms=all_forms(ORIGIN, None),
            dating=Dating(None),
            in_force=InForce(self.ledger),
            gates=Gates.open(),
            control=Control.off(),
            trail=self.trail,
            clock=lambda: NOW,
        )

    def sign(
        self, grants: Mapping[Any, tuple[str, ...]], *order: Any, **more: Any
    ) -> SignedMessage:
        """Have a message signed by somebody with these rights."""
        answer = self.run(
            lambda messages: messages.sign(somebody(grants), MessageOrder(*order, **more))
        )
        assert isinstance(answer, SignedMessage)
        return answer

    @property
    def signed(self) -> int:
        """How many signatures were made."""
        return sum(len(key.signed) for key in self.counting.values())


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


def somebody(grants: Mapping[Any, tuple[str, ...]]) -> Principal:
    scopes = {action: tuple(Grant(Where(one)) for one in where) for action, where in grants.items()}
    return Principal("urn:test", "somebody", scopes)


def about(*names: str, kind: str = "") -> bytes:
    """Return a statement with a subject for each of `names`."""
    one = {"digest": {"sha256": "00" * 32}}
    subjects = [{**one, "name": name} if name else one for name in names]
    more: dict[str, Any] = {"kind": kind} if kind else {}
    return statement(subject=subjects, **more)


@pytest.mark.parametrize(
    ("grants", "message", "more"),
    [
        (TEAM, about(REPOSITORY), {}),
        (TEAM, about(REPOSITORY), {"repository": REPOSITORY}),
        (TEAM, about(""), {"repository": REPOSITORY}),
        (TEAM, about(REPOSITORY, "registry.example/team/b"), {}),
        (TEAM, about(REPOSITORY, ""), {"repository": REPOSITORY}),
        (TEAM, simple(1, REPOSITORY), {}),
        (TEAM, notation(1, NOW), {"repository": REPOSITORY}),
        (HERE, simple(1, "index.docker.io/library/app"), {}),
        ({"sign": ("*",)}, about(""), {}),
        ({"sign": ("*",)}, notation(1, NOW), {}),
        ({"attest": ("*",)}, about("blob.tar", kind=CUSTOM), {"key": "attest"}),
        ({"attest": (REPOSITORY,)}, about(REPOSITORY, kind=CUSTOM), {"key": "attest"}),
        ({"sign-raw": ("*",)}, b"whatever", {"key": "blind"}),
        ({"sign-raw": (REPOSITORY,)}, b"whatever", {"key": "blind", "repository": REPOSITORY}),
    ],
)
def test_may(desk: Desk, grants: Any, message: bytes, more: dict[str, str]) -> None:
    """
    Whoever may sign in every repository that a message is about, has it signed.
    """
    assert desk.sign(grants, message, **more).signature


@pytest.mark.parametrize(
    ("grants", "message", "more"),
    [
        ({}, about(REPOSITORY), {}),
        ({"sign": ()}, about(REPOSITORY), {}),
        (TEAM, about(ELSEWHERE), {}),
        (TEAM, about("registry.example/team-evil/app"), {}),
        (TEAM, about(""), {}),
        (TEAM, about(""), {"repository": ELSEWHERE}),
        (TEAM, about(REPOSITORY, ELSEWHERE), {}),
        (TEAM, about(REPOSITORY, ""), {}),
        (TEAM, simple(1, ELSEWHERE), {}),
        (TEAM, notation(1, NOW), {}),
        (TEAM, simple(1, "index.docker.io/library/app"), {}),
        # One right is not another.
        ({"attest": (REPOSITORY,)}, about("blob.tar", kind=CUSTOM), {"key": "attest"}),
        ({"attest": (REPOSITORY,)}, about(REPOSITORY, "a", kind=CUSTOM), {"key": "attest"}),
        ({"sign": ("*",), "sign-raw": ("*",)}, about(REPOSITORY, kind=CUSTOM), {"key": "attest"}),
        ({"attest": ("*",), "sign-raw": ("*",)}, about(REPOSITORY), {}),
        ({"sign": ("*",), "attest": ("*",)}, b"whatever", {"key": "blind"}),
        ({"sign-raw": (REPOSITORY,)}, b"whatever", {"key": "blind"}),
        ({"sign-raw": (REPOSITORY,)}, b"whatever", {"key": "blind", "repository": ELSEWHERE}),
    ],
)
def test_may_not(desk: Desk, grants: Any, message: bytes, more: dict[str, str]) -> None:
    """
    Whoever may not sign in one of the repositories is refused, as is what names none.
    """
    before = desk.signed
    refused("permission-denied", lambda: desk.sign(grants, message, **more))

    assert before == desk.signed


@pytest.mark.parametrize(("away", "code"), [(300, ""), (-300, ""), (301, "signing-time")])
def test_signing_time(desk: Desk, away: int, code: str) -> None:
    """
    A notation message may say that it was signed up to 300 s before or after now.
    """
    for message in (notation(2, NOW + away), notation(2, NOW - away)):
        if code:
            refused(code, lambda m=message: desk.sign(EVERYTHING, m))
        else:
            assert desk.sign(EVERYTHING, message).signature


def test_rights_are_asked_each_time(desk: Desk) -> None:
    """
    A message that was signed for one caller is refused to another, who may not.
    """
    desk.sign(TEAM, simple(3, REPOSITORY))
    refused("permission-denied", lambda: desk.sign({"attest": ("*",)}, simple(3, REPOSITORY)))


@pytest.mark.parametrize("key", ["release", "blind"])
def test_caller_leaves(tmp_path: Path, key: str) -> None:
    """
    A call that is cancelled while it is under way still has its message logged.
    """
    desk = Desk(tmp_path)
    before = desk.ledger.head.tree_size

    async def leave(messages: Messages) -> None:
        order = MessageOrder(about(REPOSITORY), key=key)
        call = asyncio.create_task(messages.sign(somebody(EVERYTHING), order))
        while not desk.signed:  # noqa: ASYNC110  turn by turn, as the event loop goes
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await messages.drain()
        assert (1, before + 1) == (desk.signed, desk.ledger.head.tree_size)

    desk.run(leave)


def test_one_of_two_callers_leaves(tmp_path: Path) -> None:
    """
    Two callers who bring the same message share one signature, also when the first one leaves.
    """
    desk = Desk(tmp_path)

    async def share(messages: Messages) -> SignedMessage:
        order = MessageOrder(about(REPOSITORY))
        first, second = (
            asyncio.create_task(messages.sign(somebody(EVERYTHING), order)) for _ in range(2)
        )
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert desk.run(share).signature == desk.counting["release"].signed[0][1]
    assert 1 == desk.signed


@pytest.mark.parametrize("key", ["release", "blind"])
def test_not_yet_published(tmp_path: Path, key: str) -> None:
    """
    What was committed but came too late to be published is not signed again: it is waited for.
    """
    desk = Desk(tmp_path, PublicationFile(tmp_path))
    order = MessageOrder(about(REPOSITORY), key=key)

    async def commit(messages: Messages) -> asyncio.Task[SignedMessage]:
        """Ask, and return when the entry is durable and nobody may see it yet."""
        call = asyncio.create_task(messages.sign(somebody(EVERYTHING), order))
        while not desk.sequencer._parked:  # noqa: ASYNC110  the sequencer's thread says nothing
            await asyncio.sleep(0)
        return call

    async def twice(messages: Messages) -> SignedMessage:
        late = await commit(messages)
        desk.sequencer.release(hopeless=True)
        with pytest.raises(QuorumError):
            await late
        call = await commit(messages)
        desk.ledger.publish(Note.parse(desk.ledger.signed.note))
        desk.sequencer.release()
        return await call

    size = desk.ledger.head.tree_size
    answer = desk.run(twice)

    assert size == answer.logged.record.index
    assert (1, size + 1) == (desk.signed, desk.ledger.head.tree_size)
