"""What ends is told in time: in metrics, in the log, and to whoever asks for the status."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from cryptography import x509

from signer import expiry
from signer.cli.operator import day_time
from signer.config import Config
from signer.keys.memory import MemoryKey
from signer.server import Server
from tests.signer.asking import REPOSITORY, digest, eventually
from tests.signer.authorities import Foreign, pem
from tests.signer.commands import one
from tests.signer.running import running, start_refused
from tests.signer.test_tls import use_tls
from tests.signer.world import World
from verifier.trust.listed import keys_by_hint

DAY_S = 86_400


class Opened:
    """A service that does not serve, and the warnings that it logs at times of our own."""

    def __init__(self, world: World) -> None:
        self.server = Server(Config.load(world.config))
        self.expiry = self.server._expiry
        self.clock = self.server._opened.ledger.clock
        self.start = self.clock.now()

    def warned(self, days: float = 0) -> list[dict[str, Any]]:
        """Return what is logged when so many days have passed."""
        self.clock._wall = lambda: self.start + days * DAY_S
        with structlog.testing.capture_logs() as logged:
            self.expiry.warn()
        return [dict(line) for line in logged]


@pytest.fixture
def opened(world: World) -> Iterator[Opened]:
    """A service whose trust file ends in 40 days, to the second."""
    yield from opening(world, trust_days=40)


def opening(world: World, trust_days: float) -> Iterator[Opened]:
    opened = Opened(world)
    expires = int(opened.start + trust_days * DAY_S)
    opened.server._live.follow(opened.server._trust._replace(expires=expires), 0)
    try:
        yield opened
    finally:
        opened.server.close()


def rotating(world: World, days: int, first: int = 0) -> None:
    """Let the release key be rotated every so many days, and count from a position."""
    world.edit('certificate = "certificates/release.pem"\n', f"rotate_every_days = {days}\n")
    trust = world.trust
    keys = [
        key._replace(valid_from_tree_size=first) if key.name == "release" else key
        for key in trust.keys.values()
    ]
    path = world.directory / "trust.json"
    path.write_bytes(trust._replace(keys=keys_by_hint(keys)).json())


def test_metrics(world: World) -> None:
    """
    Everything that ends is a series with the second in which it does.
    """
    use_tls(world)
    world.edit("[signing.keys.release]\n", "[signing.keys.release]\nrotate_every_days = 90\n")
    with running(world) as service:
        url = f"https://{service.addresses.http}/metrics"
        lines = httpx.get(url, verify=False).text.splitlines()
        born = service.ledger.row(0).time

    name = "sealbook_expires_timestamp_seconds"
    found = {
        what.removeprefix(f'{name}{{what="').removesuffix('"}'): int(float(at))
        for what, at in (line.split(" ") for line in lines if line.startswith(name))
    }
    assert {
        "trust": world.trust.expires,
        "tls": ends(world.directory / "tls.pem"),
        "timestamp": ends(world.directory / "certificates" / "timestamp.pem"),
        "issuer": ends(world.directory / "certificates" / "issuer.pem"),
        "certificate:release": ends(world.directory / "certificates" / "release.pem"),
        "rotation:release": born + 90 * DAY_S,
    } == found


def ends(path: Path) -> int:
    """Return when the first certificate of a chain ends that does."""
    chain = x509.load_pem_x509_certificates(path.read_bytes())
    return min(int(one.not_valid_after_utc.timestamp()) for one in chain)


def test_the_first_of_a_chain(world: World) -> None:
    """
    A chain ends with the first of its certificates that does, whichever place it has.
    """
    chain = Foreign().chain(days=300)  # their root is good for a day
    (world.directory / "chain.pem").write_bytes(pem(chain))
    world.edit('timestamp = "file:keys/timestamp.pem"\n', "")
    world.edit('"certificates/timestamp.pem"', '"chain.pem"')
    for opened in opening(world, trust_days=400):
        [first, *_] = opened.expiry.endings()

        assert ("timestamp", int(chain[1].not_valid_after_utc.timestamp())) == first
        assert 0 < first.at - opened.start < 2 * DAY_S


def test_outside_authority(world: World) -> None:
    """
    Where an outside authority says when, it is its chain that ends, not that of ours.
    """
    with world.config.open("a") as file:
        file.write('[timestamp]\nurl = "https://tsa.example"\nchain = "outside.pem"\n')

    assert Path("outside.pem") == expiry._files(Config.load(world.config))["timestamp"]


def test_no_certificates(world: World) -> None:
    """
    A file without certificates in the place of a chain is refused at start.
    """
    (world.directory / "chain.pem").write_text("no")
    world.edit('timestamp = "file:keys/timestamp.pem"\n', "")
    world.edit('"certificates/timestamp.pem"', '"chain.pem"')

    assert "chain.pem" in start_refused(world, "config")


LEVELS = [
    (9.9, None, None),
    (10.1, "warning", "it ends soon"),
    (32.9, "warning", "it ends soon"),
    (33.1, "error", "it ends soon"),
    (38.9, "error", "it ends soon"),
    (39.1, "critical", "it ends soon"),
    (40.1, "critical", "it has ended"),
    (400.0, "critical", "it has ended"),
]


def test_levels(opened: Opened) -> None:
    """
    A log line tells what ends from thirty days on, louder within a week, and within a day.
    """
    opened.start -= opened.start % DAY_S
    expires = int(opened.start + 40 * DAY_S)
    opened.server._live.follow(opened.server._trust._replace(expires=expires), 0)
    for days, level, event in LEVELS:
        lines = [line for line in opened.warned(days) if line["what"] == "trust"]

        told = [(line["log_level"], line["event"], line["days"]) for line in lines]
        assert ([(level, event, round(40 - days, 1))] if level else []) == told
        assert all("sealbook trust create" in line["to_do"] for line in lines)


def test_once_a_day(opened: Opened) -> None:
    """
    What ends is told once a day, and again when it gets urgent.
    """
    opened.start -= opened.start % DAY_S  # midnight
    at = [*(20 + hour / 24 for hour in range(24)), 21, 21.5]
    told = [day for day in at if opened.warned(day)]
    assert [20, 21] == told

    trust = opened.server._trust
    opened.server._live.follow(trust._replace(expires=int(opened.start + 32.5 * DAY_S)), 0)
    assert ["warning"] == [line["log_level"] for line in opened.warned(25.4)]
    assert ["error"] == [line["log_level"] for line in opened.warned(25.6)]
    assert [] == opened.warned(25.7)


def test_another_trust_file(opened: Opened) -> None:
    """
    The file that is in force is what is looked at: a newer one ends the warning.
    """
    assert ["trust"] == [ending.what for ending in soon(opened, 20)]

    trust = opened.server._trust
    opened.server._live.follow(trust._replace(expires=trust.expires + 365 * DAY_S), 0)

    assert [] == soon(opened, 20)


def soon(opened: Opened, days: float) -> list[Any]:
    opened.clock._wall = lambda: opened.start + days * DAY_S
    return opened.expiry.soon()


def test_days_of_the_configuration(world: World) -> None:
    """
    How long before the end it is told, the configuration may say.
    """
    world.edit("[trust]\n", "[warn]\ndays = 10\n\n[trust]\n")
    for opened in opening(world, trust_days=40):
        assert [] == opened.warned(29.9)
        assert ["trust"] == [line["what"] for line in opened.warned(30.1)]


def test_rotation(world: World) -> None:
    """
    A key whose rotation is due is warned of and no more: it stops nothing.
    """
    rotating(world, days=35)
    for opened in opening(world, trust_days=400):
        assert [] == opened.warned(4.9)
        [line] = opened.warned(36)
        assert ("rotation:release", "warning") == (line["what"], line["log_level"])
        assert "sealbook key rotate" in line["to_do"]


def test_rotation_counts_from_a_position(world: World) -> None:
    """
    A key is as old as the entry from which the trust file takes it.
    """
    with running(world) as service:
        for image in (1, 2, 3):
            service.asking(lambda client, n=image: client.sign(digest(n), REPOSITORY))
    rotating(world, days=30, first=3)
    for opened in opening(world, trust_days=400):
        ledger = opened.server._opened.ledger
        row = ledger.row(3)._replace(time=ledger.row(0).time + 1000)
        ledger.row = {3: row}.__getitem__  # type: ignore[method-assign]

        [ending] = [one for one in opened.expiry.endings() if one.what == "rotation:release"]
        assert row.time + 30 * DAY_S == ending.at


def test_rotation_of_a_key_of_the_future(world: World) -> None:
    """
    A key that the trust file takes from a later position on does not age yet.
    """
    rotating(world, days=30, first=1000)
    for opened in opening(world, trust_days=400):
        assert "rotation:release" not in [one.what for one in opened.expiry.endings()]


def test_rotation_of_a_raw_key(world: World) -> None:
    """
    A raw key has no age that anybody could know: no trust file lists it.
    """
    world.add_key("raw", MemoryKey.generate("ecdsa-p256"))
    world.edit("[signing.keys.raw]\n", "[signing.keys.raw]\nraw = true\nrotate_every_days = 3\n")

    assert "since when" in start_refused(world, "config")


def test_at_start(world: World) -> None:
    """
    A service that starts says at once what ends soon, and does so by itself.
    """
    use_tls(world)  # for a day
    with structlog.testing.capture_logs() as logged, running(world):
        eventually(lambda: any(line.get("what") == "tls" for line in logged))

    [line] = [line for line in logged if line.get("what") == "tls"]
    assert "critical" == line["log_level"]


def test_status(world: World) -> None:
    """
    `sealbook status` shows what ends soon, and nothing else of what ends.
    """
    use_tls(world)
    with running(world):
        told = world.command("status")
        asked = one(world.command("status", "--json"))
    at = ends(world.directory / "tls.pem")

    assert [{"what": "tls", "at": str(at)}] == asked["endings"]
    assert [f"  ends        tls, {day_time(at)}"] == [
        line for line in told.stdout.splitlines() if "ends" in line
    ]
