"""What must be there, and for what, before a service certifies or stamps anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from signer.authority import certificates
from signer.authority.chains import read_issuer, read_signer, read_timestamper
from signer.keys.memory import MemoryKey
from tests.signer.asking import ORIGIN, refused
from tests.signer.authorities import CODE_SIGNING, TIME_STAMPING, Below, Foreign, loaded, pem
from tests.signer.running import running, start_refused
from tests.signer.world import World
from verifier.trust import TrustRoot
from verifier.trust.listed import Authority
from verifier.trusted_root import trusted_root

Read = Callable[[Path], tuple[bytes, ...]]
GOOD: dict[Read, dict[str, Any]] = {
    read_timestamper: {"purposes": (TIME_STAMPING,), "critical": True},
    read_issuer: {"ca": True, "sign": False},
    read_signer: {},
}


def written(directory: Path, chain: list[x509.Certificate]) -> Path:
    """Write a chain to a file."""
    path = directory / "chain.pem"
    path.write_bytes(pem(chain))
    return path


@pytest.mark.parametrize("read", GOOD)
def test_good_chains(tmp_path: Path, read: Read) -> None:
    """
    A chain of somebody else's is as good as ours, and comes back as DER in its order.
    """
    below, chain = Below(), Foreign().chain(**GOOD[read])
    ours = {
        read_timestamper: below.timestamp_chain,
        read_issuer: below.issuer_chain,
        read_signer: below.release_chain,
    }[read]

    assert tuple(c.public_bytes(Encoding.DER) for c in chain) == read(written(tmp_path, chain))
    assert ours == read(written(tmp_path, list(map(loaded, ours))))


@pytest.mark.parametrize(
    ("read", "more", "said"),
    [
        (read_timestamper, {"purposes": (CODE_SIGNING,)}, "timeStamping alone"),
        (read_timestamper, {"purposes": (TIME_STAMPING, CODE_SIGNING)}, "timeStamping alone"),
        (read_timestamper, {"purposes": ()}, "timeStamping alone"),
        (read_timestamper, {"critical": False}, "critically"),
        (read_issuer, {"ca": False}, "signs certificates"),
        (read_issuer, {"purposes": (TIME_STAMPING,)}, "codeSigning"),
        (read_issuer, {"identified": False}, "subject key identifier"),
        (read_signer, {"ca": True}, "signs no certificates"),
        (read_signer, {"sign": False}, "digitalSignature"),
        (read_signer, {"purposes": (TIME_STAMPING,)}, "codeSigning"),
        (read_timestamper, {"days": -1}, "valid now, found CN=first"),
        (read_issuer, {"days": -1}, "valid now, found CN=first"),
        (read_signer, {"days": -1}, "valid now, found CN=first"),
    ],
)
def test_first_certificate_amiss(
    tmp_path: Path, read: Read, more: dict[str, Any], said: str
) -> None:
    """
    A first certificate that clients refuse is refused, and the message says what it should be.
    """
    path = written(tmp_path, Foreign().chain(**{**GOOD[read], **more}))
    message = refused("config", lambda: read(path)).message

    assert said in message
    assert str(path) in message


@pytest.mark.parametrize("read", GOOD)
def test_chain_amiss(tmp_path: Path, read: Read) -> None:
    """
    A chain that is out of order, of two families, or has no root at its end is refused.
    """
    somebody = Foreign()
    first, root = somebody.chain(**GOOD[read])
    authority = somebody.chain(ca=True)[0]  # has the root's key as issuer, and another subject
    other = Foreign().root  # has the same name

    for chain, said in (
        ([first, other], "issued by the next, found CN=first"),
        ([first, root, other], "issued by the next, found CN=somebody else"),
        ([first, authority, root], "issued by the next, found CN=first"),
        ([first], "a root at the end, found CN=first"),
    ):
        path = written(tmp_path, chain)
        assert said in refused("config", lambda p=path: read(p)).message  # type: ignore[misc]


def test_chain_through_no_authority(tmp_path: Path) -> None:
    """
    A certificate that a leaf issued is nobody's, although the signatures are right.
    """
    root_key, key = MemoryKey.generate("ecdsa-p256"), MemoryKey.generate("ecdsa-p256")
    below = Below()
    root, root_certificate = certificates.make_root(root_key, ORIGIN, below.now)
    name = certificates.name("leaf", ORIGIN)
    leaf = certificates.make_signer(root, key.public, "leaf", ORIGIN, below.now)
    posing = certificates.Authority(key, name, certificates.key_identifier(key.public))
    last = certificates.make_signer(posing, below.keys["release"].public, "x", ORIGIN, below.now)
    path = written(tmp_path, list(map(loaded, (last, leaf, root_certificate))))

    assert "nothing but authorities above" in refused("config", lambda: read_signer(path)).message


def test_timestamps_need_a_root_of_their_own(tmp_path: Path) -> None:
    """
    A timestamp authority that is its own root is refused: sigstore-python wants two certificates.
    """
    somebody = Foreign()
    alone = somebody.certified(
        somebody.root.public_key(),  # type: ignore[arg-type]
        subject=somebody.root.subject,
        **GOOD[read_timestamper],
    )
    path = written(tmp_path, [alone])

    assert "its root, found one" in refused("config", lambda: read_timestamper(path)).message


@pytest.mark.parametrize("content", [b"", b"no certificate", pem([Foreign().root])[:-40]])
def test_no_chain(tmp_path: Path, content: bytes) -> None:
    """
    A file without certificates is refused.
    """
    path = tmp_path / "chain.pem"
    path.write_bytes(content)

    assert str(path) in refused("config", lambda: read_issuer(path)).message


# The service's start.


def trust_anew(world: World, trust: TrustRoot) -> None:
    """Let verifiers pin `trust`, in both files."""
    (world.directory / "trust.json").write_bytes(trust.json())
    (world.directory / "trusted_root.json").write_bytes(trusted_root(trust))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("timestamp", "no timestamp authority"),
        ("certificate", "no certificate authority"),
        ("transparency", "no transparency authority"),
    ],
)
def test_authority_that_nobody_trusts(world: World, kind: str, said: str) -> None:
    """
    An authority of the service that the trust file does not list keeps it from starting.
    """
    trust = world.trust
    others = tuple(one for one in trust.authorities if one.kind != kind)
    trust_anew(world, trust._replace(authorities=others))

    assert said in start_refused(world, "untrusted-log")


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("timestamp", "timestampAuthorities"),
        ("certificate", "certificateAuthorities"),
        ("transparency", "ctlogs"),
    ],
)
def test_trusted_root_without_an_authority(world: World, kind: str, field: str) -> None:
    """
    Nor does it start when the trusted_root.json that it hands out lacks one of trust.json.
    """
    trust = world.trust
    others = tuple(one for one in trust.authorities if one.kind != kind)
    fewer = trust._replace(authorities=others)
    (world.directory / "trusted_root.json").write_bytes(trusted_root(fewer))

    assert field in start_refused(world, "trusted-root")


def test_trusted_root_may_have_more(world: World) -> None:
    """
    A trusted_root.json may name others besides, as clients of two services need it.
    """
    more = (*world.trust.authorities, Authority("timestamp", Below().timestamp_chain))
    (world.directory / "trusted_root.json").write_bytes(
        trusted_root(world.trust._replace(authorities=more))
    )

    with running(world) as service:
        assert 1 == service.tree_size


@pytest.mark.parametrize("name", ["timestamp", "issuer", "transparency", "promise"])
def test_key_of_another_algorithm(world: World, name: str) -> None:
    """
    Promises, timestamps and certificates are by ECDSA P-256, and by nothing else.
    """
    trust = world.trust
    key = MemoryKey.generate("ed25519")
    key.save(world.directory / "keys" / "other.pem")
    world.edit(f"file:keys/{name}.pem", "file:keys/other.pem")
    if name == "promise":
        log = trust.logs[0]._replace(promise_key=key.public)
        trust_anew(world, trust._replace(logs=(log, *trust.logs[1:])))

    assert "expected ecdsa-p256, found <PublicKey ed25519" in start_refused(
        world, "unsupported-key"
    )


@pytest.mark.parametrize("name", ["timestamp", "issuer"])
def test_chain_of_another_key(world: World, name: str) -> None:
    """
    A key that the first certificate is not of keeps the service from starting.
    """
    world.edit(f"file:keys/{name}.pem", "file:keys/root.pem")

    assert f"certificates.{name} is of another key" in start_refused(world, "config")


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("timestamp", "issuer"),
        ("timestamp", "transparency"),
        ("issuer", "promise"),
        ("transparency", "event"),
        ("timestamp", "release"),
        ("issuer", "attest"),
    ],
)
def test_key_of_two_purposes(world: World, name: str, other: str) -> None:
    """
    A key of the service does one thing: not another of its own, and not what callers ask for.
    """
    world.edit(f"file:keys/{name}.pem", f"file:keys/{other}.pem")

    start_refused(world, "key-purpose")


def test_authorities_may_be_absent(world: World) -> None:
    """
    A service without authorities of its own makes neither timestamps nor certificates.
    """
    for name in ("timestamp", "issuer", "transparency"):
        key = f'{name} = "file:keys/{name}.pem"'
        world.edit(key, f"# {key}")
    with running(world) as service:
        authorities = service.server._authorities

        assert (None, None, ()) == authorities
