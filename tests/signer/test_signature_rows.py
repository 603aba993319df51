"""Signatures and keys on the side that signs: rows S1 to S11 and C1 to C5 of the catalogue.

Verifiers refuse each bad input of these rows. Here the service is shown never to make one:
what leaves is well-formed, what a faulty device makes does not leave, and no key speaks
for another's purpose or in another's place.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ledger import dedup
from signer.client import Signed
from signer.client.answer import key_of
from signer.keys import CheckedKey, SigningKey, open_key
from signer.keys.memory import MemoryKey
from signer.keys.messages import Announcing, Approving, Attesting, Message, Unread
from tests.signer.asking import OTHER_REPOSITORY, REPOSITORY, digest, refused
from tests.signer.faulty import FaultyDeviceKey, Spoil
from tests.signer.revoking import Key, revoke
from tests.signer.running import InProcess, running
from tests.signer.second import SECOND, beside, made
from tests.signer.world import World, found_in
from tests.verifier import edwards
from verifier import dsse
from verifier import statement as statements
from verifier.bundle import Bundle
from verifier.entry import Entry
from verifier.errors import SealbookError
from verifier.note import ED25519, Note
from verifier.publickey import PublicKey
from verifier.rekor_v1 import LegacyEntry, Promise, promise_message
from verifier.repository import Scope
from verifier.trust.listed import keys_by_hint

ALGORITHMS = ("ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-3072", "ml-dsa-44", "ml-dsa-65")
KEYS = {name: MemoryKey.generate(name) for name in ALGORITHMS}
MESSAGE = b"message"


def check_form(key: PublicKey, signature: bytes) -> None:
    """Check that a signature has the one form that signatures by `key` have."""
    row = key.algorithm
    if row.order:
        r, s = utils.decode_dss_signature(signature)
        assert signature == utils.encode_dss_signature(r, s)  # S1: DER, and minimal
        assert 0 < r < row.order
        assert 0 < s < row.order
        assert (row.order.bit_length() + 7) // 4 != len(signature)  # S1: not r and s alone
    elif row.name == "ed25519":
        assert 64 == len(signature)
        assert int.from_bytes(signature[32:], "little") < edwards.ORDER  # S3
    else:
        assert (row.signature_size or row.size) == len(signature)


def low(key: PublicKey, signature: bytes) -> bool:
    """Whether s is the smaller one of the two that verify."""
    return 2 * utils.decode_dss_signature(signature)[1] < key.algorithm.order


def twin(key: PublicKey, signature: bytes) -> bytes:
    """Return the other signature, with n - s."""
    r, s = utils.decode_dss_signature(signature)
    return utils.encode_dss_signature(r, key.algorithm.order - s)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_form_of_what_a_key_makes(name: str) -> None:
    """
    S1, S3, S7, S8, S11: every signature of a key of ours has its one form, and its own scheme.
    """
    key = KEYS[name]
    for n in range(64):
        message = b"%d" % n
        signature = key.sign(message)
        check_form(key.public, signature)
        key.public.verify(signature, message)
        if key.public.signs_hashes:
            hashed = hashlib.new(key.public.algorithm.hash_name, message).digest()
            signature = key.sign_digest(hashed)
            check_form(key.public, signature)
            key.public.verify(signature, message)


@pytest.mark.parametrize("name", ["ecdsa-p256", "ecdsa-p384"])
def test_twins(name: str) -> None:
    """
    S2: a signature may be either of its two, both verify, and to the ledger they are one.
    """
    key = KEYS[name].public
    signatures = [KEYS[name].sign(MESSAGE) for _ in range(64)]

    assert {True, False} == {low(key, one) for one in signatures}
    for one in signatures[:4]:
        other = twin(key, one)
        key.verify(other, MESSAGE)
        assert 1 == len(
            {dedup.upload(Entry.of(MESSAGE, made, key).body()) for made in (one, other)}
        )


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """A service with a second algorithm, and a key that is for one repository."""
    world = found_in(tmp_path_factory.mktemp("rows") / "service")
    beside(world)
    world.add_key("narrow", MemoryKey.generate("ecdsa-p256"))
    narrow(world, "narrow")
    with running(world) as service:
        yield service


def narrow(world: World, name: str) -> None:
    """Let verifiers believe a key about one repository alone."""
    keys = [
        key._replace(scope=(Scope(OTHER_REPOSITORY),)) if key.name == name else key
        for key in world.trust.keys.values()
    ]
    world._trust_file.write_bytes(world.trust._replace(keys=keys_by_hint(keys)).json())


def test_form_of_what_leaves(service: InProcess) -> None:
    """
    S1, S3: in bundles, legacy signatures, promises, checkpoints and the status file.
    """
    found: list[tuple[PublicKey, bytes, bytes]] = []
    promise = next(log.promise_key for log in service.trust.logs if log.promise_key)
    for n in range(12):
        first, simple, second = made(service, n, forms=("bundle", "simplesigning"))
        for one in (first, second):
            bundle = Bundle.parse(one.bundle())
            entry = Entry.parse(bundle.entry)
            assert bundle.envelope.signature == entry.signature
            found.append((entry.key, entry.signature, bundle.envelope.message))
        legacy, word = LegacyEntry.parse(simple.record.entry), Promise.parse(simple.record.promise)
        shown = json.loads(simple.bundle())["annotations"]["dev.cosignproject.cosign/signature"]
        assert base64.b64decode(shown) == legacy.signature
        found.append((legacy.key, legacy.signature, simple.record.body))
        at = (simple.record.integrated_at, word.log_id, simple.record.index)
        found.append((promise, word.signature, promise_message(simple.record.entry, *at)))
        note = Note.parse(first.note)
        [log] = [log for log in service.trust.log_keys("ledger.example") if log.kind == ED25519]
        assert [(64, log.key_id)] == [(len(s.signature), s.key_id) for s in note.signatures]
        found.append((log.public, note.signatures[0].signature, note.text.encode()))
    status = json.loads((service.directory / "status.json").read_bytes())
    for line in status["signatures"]:
        key = service.trust.keys[line["keyid"]].public
        signed = dsse.pae(status["payloadType"], base64.b64decode(status["payload"]))
        found.append((key, base64.b64decode(line["sig"]), signed))

    for key, signature, message in found:
        check_form(key, signature)
        key.verify(signature, message)
    assert {"ecdsa-p256", "ed25519", "ml-dsa-65"} == {key.algorithm.name for key, *_ in found}


def test_hint_is_the_key(service: InProcess) -> None:
    """
    C1, C3: the hint of a bundle is that of the key in its entry, which made its signature.
    """
    for one, name in zip(made(service, 20), ("release", SECOND), strict=True):
        bundle = Bundle.parse(one.bundle())
        key = Entry.parse(bundle.entry).key

        assert key.hint == bundle.hint
        assert (name, key) == (service.trust.keys[bundle.hint].name, key_of(one.record))


def _der(r: int, s: int) -> bytes:
    return utils.encode_dss_signature(r, s)


def _of_ecdsa(change: Callable[[int, int], bytes]) -> Spoil:
    return lambda key, message: change(*utils.decode_dss_signature(key.sign(message)))


def _of_any(change: Callable[[bytes], Any]) -> Spoil:
    return lambda key, message: change(key.sign(message))


N = KEYS["ecdsa-p256"].public.algorithm.order
L = edwards.ORDER
ANOTHER = {name: MemoryKey.generate(name) for name in ALGORITHMS}
EVERY: dict[str, Spoil] = {
    "S1 nothing": lambda _key, _message: b"",
    "S1 no bytes": lambda _key, _message: None,
    "S1 a text": lambda _key, _message: "MEUCIQ",
    "S1 zeros": _of_any(lambda good: bytes(len(good))),
    "S1 a byte more": _of_any(lambda good: good + b"\0"),
    "S1 a byte less": _of_any(lambda good: good[:-1]),
    "S1 twice": _of_any(lambda good: good * 2),
    "S1 8 KiB and more": _of_any(lambda good: good + bytes(8 << 10)),
    "S1 a megabyte": lambda _key, _message: bytes(1 << 20),
    "S1 a bit": _of_any(lambda good: good[:9] + bytes([good[9] ^ 1]) + good[10:]),
    "S9 over the hash": lambda key, message: key.sign(hashlib.sha256(message).digest()),
    "S9 over its digits": lambda key, message: key.sign(
        hashlib.sha256(message).hexdigest().encode()
    ),
    "S9 over something else": lambda key, message: key.sign(message + b"!"),
    "C1 by another key": lambda key, message: ANOTHER[key.public.algorithm.name].sign(message),
}
SOME: dict[str, tuple[str, Spoil]] = {
    "S1 raw": ("ecdsa-p256", _of_ecdsa(lambda r, s: r.to_bytes(32, "big") + s.to_bytes(32, "big"))),
    "S1 long length": ("ecdsa-p256", _of_any(lambda good: b"\x30\x81" + good[1:])),
    "S1 indefinite": ("ecdsa-p256", _of_any(lambda good: b"\x30\x80" + good[2:] + b"\0\0")),
    "S1 negative r": ("ecdsa-p256", _of_ecdsa(lambda r, s: _der(r, s).replace(
        _der(r, s)[:5], _der(r, s)[:4] + bytes([0x80 | _der(r, s)[4]]), 1) if r < N >> 9 else b"")),
    "S1 r is 0": ("ecdsa-p256", _of_ecdsa(lambda _r, s: _der(0, s))),
    "S1 s is 0": ("ecdsa-p256", _of_ecdsa(lambda r, _s: _der(r, 0))),
    "S1 s and n": ("ecdsa-p256", _of_ecdsa(lambda r, s: _der(r, s + N))),
    "S1 r is n": ("ecdsa-p256", _of_ecdsa(lambda _r, s: _der(N, s))),
    "S1 swapped": ("ecdsa-p256", _of_ecdsa(lambda r, s: _der(s, r))),
    "S3 S and L": ("ed25519", _of_any(
        lambda good: good[:32] + (int.from_bytes(good[32:], "little") + L).to_bytes(32, "little"))),
    "S7 SHA-512": ("ecdsa-p256", lambda key, message: key._private.sign(
        message, ec.ECDSA(hashes.SHA512()))),
    "S8 PSS": ("rsa-3072", lambda key, message: key._private.sign(
        message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())),
    "S11 prehashed": ("ed25519", lambda key, message: edwards.sign(
        key._private.private_bytes_raw(), message, b"", hashed=True)),
    "S11 a context": ("ml-dsa-65", lambda key, message: key._private.sign(message, b"DSSEv1")),
}  # fmt: skip
FAULTS = [
    *(pytest.param(a, spoil, id=f"{a}, {name}") for a in ALGORITHMS for name, spoil in
      EVERY.items()),
    *(pytest.param(a, spoil, id=f"{a}, {name}") for name, (a, spoil) in SOME.items()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "spoil"), FAULTS)
def test_nothing_bad_leaves_a_device(name: str, spoil: Spoil) -> None:
    """
    What a faulty device gives out for a signature is not released, and it is asked no more.
    """
    device = FaultyDeviceKey(KEYS[name], spoil)
    key = SigningKey("release", CheckedKey(device))
    refused("key-failed", lambda: key.sign(Approving(MESSAGE)))
    for _ in range(3):
        refused("key-failed", lambda: key.sign(Approving(MESSAGE)))

    assert (1, False) == (device.asked, key.healthy)


@pytest.mark.parametrize("name", ["ecdsa-p256", "rsa-3072"])
def test_nothing_bad_leaves_by_hash(name: str) -> None:
    """
    Nor is what it gives out for the signature over a hash.
    """
    key = SigningKey("release", CheckedKey(FaultyDeviceKey(KEYS[name], MemoryKey.sign)))
    hashed = hashlib.sha256(MESSAGE).digest()

    refused("key-failed", lambda: key.sign_digest(Approving(hashed)))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_device_that_works(name: str) -> None:
    """
    The double alone is no fault: what is good leaves, each time.
    """
    key = SigningKey("release", CheckedKey(FaultyDeviceKey(KEYS[name], MemoryKey.sign)))
    for _ in range(3):
        key.public.verify(key.sign(Approving(MESSAGE)), MESSAGE)

    assert key.healthy


def put(service: InProcess, name: str, key: SigningKey) -> SigningKey:
    """Let another key sign under a name; return the one that did."""
    ring = service.server.keys
    old = ring.keys[name]
    ring.swap([key if one is old else one for one in ring.keys.values()])
    return old


@pytest.mark.parametrize("fault", ["S1 raw", "S1 nothing", "C1 by another key"])
@pytest.mark.parametrize("name", ["release", SECOND])
def test_nothing_bad_leaves_a_service(service: InProcess, name: str, fault: str) -> None:
    """
    With such a device behind either key nobody gets anything, and the ledger has no bad entry.
    """
    inner = KEYS["ecdsa-p256" if name == "release" else "ml-dsa-65"]
    spoil = EVERY[fault] if fault in EVERY else _of_any(lambda good: good[:64])
    faulty = SigningKey(name, CheckedKey(FaultyDeviceKey(inner, spoil)), ("bundle",),
                        also=service.server.keys.keys[name].also)  # fmt: skip
    # The device holds another key than the one that verifiers know, so its own is let in.
    trust = service.server.keys._trust
    service.server.keys._trust = None
    old = put(service, name, faulty)
    try:
        refused("key-failed", lambda: made(service, 30))
        listed = service.asking(lambda client: client.listed(digest(30)))
    finally:
        put(service, name, old)
        service.server.keys._trust = trust
    entries = [one.record.entry for one in listed]

    assert not [one for one in entries if Entry.parse(one).key == inner.public]
    for one in entries:  # what the good one of the two made has its leaf
        assert Entry.parse(one).key in service.trust.publics()


def test_twins_of_a_device(service: InProcess) -> None:
    """
    S2: a device that makes the larger s is as good, and a re-run is told by what was asked.
    """
    inner = service.server.keys.keys["release"]._key

    def larger(_key: MemoryKey, message: bytes) -> bytes:
        signature = inner.sign(message)
        return twin(inner.public, signature) if low(inner.public, signature) else signature

    device = FaultyDeviceKey(KEYS["ecdsa-p256"], larger)
    device.__class__ = type("Twin", (FaultyDeviceKey,), {"public": inner.public})
    old = put(service, "release", SigningKey("release", CheckedKey(device), ("bundle",)))
    try:
        first, again = made(service, 31), made(service, 31)
    finally:
        put(service, "release", old)
    last = made(service, 31)

    signature = Entry.parse(first[0].record.entry).signature
    assert not low(inner.public, signature)
    assert "release" == service.verify(first[0]).key
    assert first[0].record == again[0].record == last[0].record


@pytest.mark.parametrize("message", [Approving, Attesting, Unread, Announcing, bytes])
@pytest.mark.parametrize(
    ("how", "takes"),
    [
        ({"purpose": "approve"}, Approving),
        ({"purpose": "attest"}, Attesting),
        ({"raw": True}, Unread),
    ],
    ids=["approve", "attest", "raw"],
)
def test_purposes(how: dict[str, Any], takes: type[Message], message: type[bytes]) -> None:
    """
    S10: a key signs what is for it, and nothing else whatever the bytes are.
    """
    key = SigningKey("key", KEYS["ecdsa-p256"], **how)
    for sign in (key.sign, key.sign_digest):
        asked = partial(sign, message(bytes(32)))  # type: ignore[arg-type]
        if message is takes:
            assert asked()
        else:
            refused("key-purpose", asked)


def attest(service: InProcess, key: str, repository: Any = REPOSITORY) -> Any:
    """Ask for an attestation by `key`."""
    return service.asking(
        lambda client: client.attest(
            [digest(40)], repository, "https://x.example/p", b"{}", key=key
        )
    )


def sign_message(service: InProcess, key: str, name: str, kind: str = "") -> Any:
    """Ask for a signature over an approval of another tool's, or an attestation."""
    said = json.loads(statements.approval(REPOSITORY, digest(40), {}))
    said["subject"][0]["name"] = name
    said |= {"predicateType": kind, "predicate": {}} if kind else {}
    message = dsse.pae(dsse.IN_TOTO, json.dumps(said).encode())
    return service.asking(lambda client: client.sign_message(message, key=key))


def test_purposes_of_a_service(service: InProcess) -> None:
    """
    S10: no call makes a key approve that attests, or attest that approves.
    """
    before = service.tree_size
    refused("key-purpose", lambda: made(service, 40, key="attest"))
    refused("key-purpose", lambda: attest(service, "release"))
    refused("key-purpose", lambda: sign_message(service, "attest", REPOSITORY))
    refused("key-purpose", lambda: sign_message(service, "release", REPOSITORY, "https://a/b"))
    for own in ("event", "status", "log", "promise", "timestamp"):
        refused("unknown-key", lambda name=own: made(service, 40, key=name))

    assert before == service.tree_size


def test_scopes(service: InProcess) -> None:
    """
    C5: a key signs where verifiers believe it, and nowhere else, by whatever call.
    """
    before = service.tree_size
    refused("key-scope", lambda: made(service, 41, key="narrow"))
    refused("key-scope", lambda: sign_message(service, "narrow", REPOSITORY))
    assert before == service.tree_size

    signed = service.asking(lambda client: client.sign(digest(41), OTHER_REPOSITORY, key="narrow"))
    assert isinstance(signed, Signed)
    assert "narrow" == service.verify(signed, OTHER_REPOSITORY).key
    assert sign_message(service, "narrow", OTHER_REPOSITORY).signature


def test_scopes_of_the_second_key(tmp_path: Any) -> None:
    """
    C5: where the second key is not believed, the first signs nothing either.
    """
    world = found_in(tmp_path / "service")
    beside(world)
    beside(world, name="attest-pq", first="attest", purpose="attest")
    narrow(world, SECOND)
    narrow(world, "attest-pq")
    with running(world) as service:
        before = service.tree_size
        refused("key-scope", lambda: made(service, 1))
        refused("key-scope", lambda: attest(service, ""))
        assert before == service.tree_size

        assert 2 == 1 + len(
            service.asking(lambda client: client.sign(digest(1), OTHER_REPOSITORY)).more
        )
        assert attest(service, "", OTHER_REPOSITORY).also


def test_revoked(tmp_path: Any) -> None:
    """
    C4: a revoked key signs nothing more, by whatever call.
    """
    world = found_in(tmp_path / "service")
    with running(world) as service:
        for name in ("release", "attest"):
            revoke(service, key=Key(name=name))
        before = service.tree_size
        refused("revoked", lambda: made(service, 1))
        refused("revoked", lambda: attest(service, ""))
        refused("revoked", lambda: sign_message(service, "release", REPOSITORY))

        assert before == service.tree_size


@pytest.mark.parametrize(
    "private",
    [
        ec.generate_private_key(ec.SECP224R1()),
        ec.generate_private_key(ec.SECP256K1()),
        ec.generate_private_key(ec.SECP521R1()),
        rsa.generate_private_key(65537, 1024),
        rsa.generate_private_key(3, 3072),
    ],
    ids=["P-224", "secp256k1", "P-521", "RSA 1024", "exponent 3"],
)
def test_keys_that_no_reader_takes(world: World, private: Any) -> None:
    """
    S6: a key that verifiers refuse is not opened.
    """
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = world.directory / "keys" / "odd.pem"
    path.touch(0o600)
    path.write_bytes(pem)

    with pytest.raises(SealbookError) as caught:
        open_key("file:keys/odd.pem", world.directory)
    assert caught.value.code in ("unsupported-key", "key-file")
