"""An outside timestamp authority: a real one, and what it may not do."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rfc3161_client import TimeStampResponse, decode_timestamp_response

from signer.authority.der import SHA256, integer, octets, oid, sequence
from signer.authority.outside import OutsideAuthority
from signer.transport import HttpTransport
from tests.signer.asking import REPOSITORY, digest, refused
from tests.signer.authorities import Below
from tests.signer.commands import free_address
from tests.signer.openssl_authority import OpensslAuthority, Reply
from tests.signer.running import running, start_refused
from tests.signer.world import World
from verifier.trust.listed import Authority
from verifier.trusted_root import trusted_root

SIGNATURE = b"a signature"
SHA512 = sequence(oid("2.16.840.1.101.3.4.2.3"))


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[OpensslAuthority]:
    """Somebody else's authority, listening."""
    with OpensslAuthority(tmp_path / "openssl") as authority:
        yield authority


def stamp(
    authority: OpensslAuthority,
    *,
    chain: tuple[bytes, ...] = (),
    timeout_s: float = 30,
    clock: Callable[[], float] = time.time,
) -> TimeStampResponse:
    """Ask for a timestamp, and return it once it was believed."""
    transport = HttpTransport()
    try:
        asking = OutsideAuthority(
            authority.url, chain or authority.chain, transport, timeout_s, clock
        )
        return decode_timestamp_response(asking.stamp(SIGNATURE))
    finally:
        transport.close()


def stamp_refused(authority: OpensslAuthority, **more: object) -> str:
    """Check that there is no timestamp, and return what is said."""
    return refused("timestamp-failed", lambda: stamp(authority, **more)).message  # type: ignore[arg-type]


def query(imprint: bytes, nonce: int | None, algorithm: bytes = SHA256) -> bytes:
    """Return a query as RFC 3161, 2.4.1, has it."""
    asked = b"" if nonce is None else integer(nonce)
    return sequence(integer(1), sequence(algorithm, octets(imprint)), asked)


def nonce_in(asked: bytes) -> int:
    """Return the nonce that our query ends in."""
    start = len(query(hashlib.sha256(SIGNATURE).digest(), None))
    assert 0x02 == asked[start]
    return int.from_bytes(asked[start + 2 :], "big")


def test_asked_and_answered(authority: OpensslAuthority) -> None:
    """
    An authority is asked about the signature's hash under a new nonce, and for no certificates.
    """
    first, second = stamp(authority), stamp(authority)
    nonces = [nonce_in(asked.body) for asked in authority.asked]
    imprint = hashlib.sha256(SIGNATURE).digest()

    assert imprint == first.tst_info.message_imprint.message
    assert not first.signed_data.certificates
    assert nonces == [first.tst_info.nonce, second.tst_info.nonce]
    assert 2 == len(set(nonces))
    assert [(query(imprint, nonce), "application/timestamp-query") for nonce in nonces] == (
        authority.asked
    )
    assert OutsideAuthority.waits


def test_created_is_as_good(authority: OpensslAuthority) -> None:
    """
    An authority may answer 201, as Sigstore's does.
    """
    authority.reply = lambda asked: Reply(authority.answer(asked), 201)

    assert 0 == stamp(authority).status


@pytest.mark.parametrize(
    "spoil",
    [
        lambda asked: query(hashlib.sha256(SIGNATURE).digest(), nonce_in(asked) + 1),
        lambda _: query(hashlib.sha256(SIGNATURE).digest(), None),
        lambda asked: query(hashlib.sha512(SIGNATURE).digest(), nonce_in(asked), SHA512),
    ],
    ids=["other nonce", "no nonce", "other hash function"],
)
def test_answer_to_another_question(
    authority: OpensslAuthority, spoil: Callable[[bytes], bytes]
) -> None:
    """
    A good timestamp that answers something else than was asked is refused.
    """
    authority.reply = lambda asked: Reply(authority.answer(spoil(asked)))

    assert "the timestamp answers another question" == stamp_refused(authority)


def test_of_another_signature(authority: OpensslAuthority) -> None:
    """
    A timestamp over another signature is refused.
    """
    other = hashlib.sha256(b"another signature").digest()
    authority.reply = lambda asked: Reply(authority.answer(query(other, nonce_in(asked))))

    assert "not by the configured authority, or not of this" in stamp_refused(authority)


def test_by_another_authority(authority: OpensslAuthority, tmp_path: Path) -> None:
    """
    A timestamp by an authority that is not the configured one is refused, be it under a chain of
    ours or of the same kind.
    """
    with OpensslAuthority(tmp_path / "other") as other:
        for chain in (other.chain, Below().timestamp_chain):
            assert "not by the configured authority" in stamp_refused(authority, chain=chain)


@pytest.mark.parametrize("position", range(-60, 0, 7))
def test_altered(authority: OpensslAuthority, position: int) -> None:
    """
    A timestamp whose signature was altered on its way is refused.
    """

    def altered(asked: bytes) -> Reply:
        body = bytearray(authority.answer(asked))
        body[position] ^= 1
        return Reply(bytes(body))

    authority.reply = altered

    assert stamp_refused(authority)


@pytest.mark.parametrize(
    ("apart_s", "fits"), [(-120, False), (-30, True), (30, True), (120, False)]
)
def test_of_another_time(authority: OpensslAuthority, apart_s: int, fits: bool) -> None:
    """
    A timestamp that is a minute or more from our clock is refused: leaves would not fit to it.
    """

    def clock() -> float:
        return time.time() + apart_s

    if fits:
        assert 0 == stamp(authority, clock=clock).status
    else:
        assert "expected a timestamp of now" in stamp_refused(authority, clock=clock)


def test_not_granted(authority: OpensslAuthority) -> None:
    """
    An authority that does not grant the request is told from one that does not answer.
    """
    sha1 = sequence(oid("1.3.14.3.2.26"))
    authority.reply = lambda _: Reply(authority.answer(query(bytes(20), 7, sha1)))

    assert "the authority granted no timestamp: status 2" == stamp_refused(authority)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(b"<html>It works!</html>", 200, "text/html"), "did not answer with a timestamp"),
        (Reply(b""), "did not answer with a timestamp"),
        (Reply(sequence(sequence(integer(0)))), "did not answer with a timestamp"),
        (Reply(b"busy", 503), "status 503"),
        (Reply(b"", 302), "status 302"),
        (Reply(bytes(65537)), "expected at most 65536 bytes"),
    ],
    ids=["html", "nothing", "granted without token", "503", "302", "too long"],
)
def test_no_timestamp(authority: OpensslAuthority, reply: Reply, said: str) -> None:
    """
    What is no timestamp response is refused, and no redirect is followed.
    """
    authority.reply = lambda _: reply

    assert said in stamp_refused(authority)
    assert 1 == len(authority.asked)


def test_with_more_behind_it(authority: OpensslAuthority) -> None:
    """
    A response that goes on after its end is refused.
    """
    authority.reply = lambda asked: Reply(authority.answer(asked) + b"\0")

    assert "did not answer with a timestamp" in stamp_refused(authority)


def test_no_answer(authority: OpensslAuthority) -> None:
    """
    An authority that does not answer in time, or is not there, is one without a timestamp.
    """

    def never(_: bytes) -> Reply:
        authority.gone.wait()
        return Reply(b"")

    authority.reply = never
    assert authority.url in stamp_refused(authority, timeout_s=0.2)
    authority.url = f"http://{free_address()}/tsr"
    assert authority.url in stamp_refused(authority)


def test_without_the_library(authority: OpensslAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A service that cannot check an outside authority does not ask one, and says what to install.
    """
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)

    error = refused("config", lambda: stamp(authority))

    assert "pip install 'sealbook[timestamp]'" == error.hint
    assert [] == authority.asked


def use(world: World, authority: OpensslAuthority) -> None:
    """Let a service ask an outside authority, and its verifiers know it."""
    (world.directory / "certificates" / "outside.pem").write_bytes(authority.pem)
    section = f'[timestamp]\nurl = "{authority.url}"\nchain = "certificates/outside.pem"\n'
    world.edit("# [timestamp]", f"{section}\n# [timestamp]")
    known = (*world.trust.authorities, Authority("timestamp", authority.chain))
    trust = world.trust._replace(authorities=known)
    (world.directory / "trust.json").write_bytes(trust.json())
    (world.directory / "trusted_root.json").write_bytes(trusted_root(trust))


def test_service_asks_it(world: World, authority: OpensslAuthority) -> None:
    """
    With an outside authority configured, a record has its timestamp and not ours; without its
    answer nothing is logged, and the same request succeeds when it is back.
    """
    use(world, authority)
    good, authority.reply = authority.reply, lambda _: Reply(b"busy", 503)
    with running(world) as service:
        before = service.tree_size
        refused(
            "timestamp-failed",
            lambda: service.asking(lambda client: client.sign(digest(1), REPOSITORY)),
        )
        assert before == service.tree_size
        authority.reply = good
        signed = service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        again = service.asking(lambda client: client.sign(digest(1), REPOSITORY))

        assert before == service.verify(signed).index
    made = decode_timestamp_response(signed.record.timestamp)
    nonces = [nonce_in(asked.body) for asked in authority.asked]
    assert 2 == len(nonces)
    assert nonces[1] == made.tst_info.nonce
    assert signed.record == again.record


def test_service_knows_whom_it_asks(world: World, authority: OpensslAuthority) -> None:
    """
    An outside authority that the trust file does not list keeps the service from starting.
    """
    trust = world.trust
    use(world, authority)
    (world.directory / "trust.json").write_bytes(trust.json())

    start_refused(world, "untrusted-log")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://tsa.example",
        "tsa.example/tsr",
        "https://user:secret@tsa.example/",
        "https://a b/",
        "",
    ],
)
def test_url_of_no_authority(world: World, authority: OpensslAuthority, url: str) -> None:
    """
    A URL that is none, or has a password in it, which callers would be shown, is refused.
    """
    use(world, authority)
    world.edit(authority.url, url)

    start_refused(world, "config")
